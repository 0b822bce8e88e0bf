package simcfs

import (
	"cmp"
	"net/http"
)

// The API of before CSM 1.0, which CSM 1.0 still serves. Its sessions have a branch of a repository instead of a
// configuration. They never have a start time or tags, and v2 shows them as they are.

const cloneURLV1 = "https://api-gw-service-nmn.local/vcs/cray/config-management.git"

func (c Session) bodyV1() any {
	return map[string]any{
		"name": c.Name, "id": nil, "links": nil,
		"repo": map[string]any{"branch": c.Branch, "cloneUrl": cloneURLV1, "commit": nil},
		"ansible": map[string]any{
			"config": "cfs-default-ansible-cfg", "limit": nullable(c.Limit), "playbook": "site.yml", "verbosity": 0,
		},
		"target": map[string]any{"definition": c.Definition, "groups": []any{}},
		"status": map[string]any{"artifacts": c.artifacts(), "session": c.state(false), "targets": nil},
	}
}

func (s *Server) getOptionsV1(w http.ResponseWriter, _ request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"defaultAnsibleConfig": "cfs-default-ansible-cfg", "defaultCloneUrl": cloneURLV1, "defaultPlaybook": "site.yml",
	})
}

func (s *Server) postSessionV1(w http.ResponseWriter, r request) {
	body, bad := decodeBody[struct {
		Name, Branch, AnsibleLimit string
		Target                     struct{ Definition string }
	}](r.Request)
	if bad == nil {
		bad = s.checkNewName(body.Name)
	}
	if bad != nil {
		bad.write(w)
		return
	}
	session := Session{
		Name: body.Name, Branch: cmp.Or(body.Branch, "master"), Limit: body.AnsibleLimit,
		Definition: cmp.Or(body.Target.Definition, "dynamic"), Status: "pending", Succeeded: "none",
	}
	s.sessions[session.Name] = session
	writeJSON(w, http.StatusOK, session.bodyV1())
}
