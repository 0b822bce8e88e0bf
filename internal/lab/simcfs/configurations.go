package simcfs

import (
	"crypto/sha1"
	"fmt"
	"net/http"
)

type configuration struct {
	name, lastUpdated string
	layers            []desiredLayer
}

// desiredLayer is a layer of a configuration.
type desiredLayer struct{ name, cloneURL, commit, playbook string }

func (c configuration) body(v3 bool) any {
	layers := []any{}
	for _, l := range c.layers {
		layer := l.body(v3)
		layer["name"] = l.name
		layers = append(layers, layer)
	}
	updated := "lastUpdated"
	if v3 {
		updated = "last_updated"
	}
	return map[string]any{"name": c.name, updated: c.lastUpdated, "layers": layers}
}

func (l desiredLayer) body(v3 bool) map[string]any {
	url := "cloneUrl"
	if v3 {
		url = "clone_url"
	}
	return map[string]any{url: l.cloneURL, "commit": l.commit, "playbook": l.playbook}
}

func (s *Server) listConfigurations(w http.ResponseWriter, r request) {
	p, bad := s.pageOf(r)
	var found []configuration
	var more bool
	if bad == nil {
		found, more, bad = collect(s, s.configurations, p, func(configuration) (bool, *problem) { return true, nil })
	}
	if bad == nil && more && !r.v3 {
		bad = tooLarge
	}
	if bad != nil {
		bad.write(w)
		return
	}
	list := bodies(found, func(c configuration) any { return c.body(r.v3) })
	if !r.v3 {
		writeJSON(w, http.StatusOK, list)
		return
	}
	var last string
	if more {
		last = found[len(found)-1].name
	}
	next := nextOf(more, r.URL.Query(), p, last, map[string]any{})
	writeJSON(w, http.StatusOK, map[string]any{"configurations": list, "next": next})
}

func (s *Server) getConfiguration(w http.ResponseWriter, r request) {
	c, ok := s.configurations[r.name]
	if !ok {
		missing := problem{
			http.StatusNotFound, s.release.configMissing, "Configuration " + r.name + " could not be found",
		}
		missing.write(w)
		return
	}
	writeJSON(w, http.StatusOK, c.body(r.v3))
}

func (s *Server) putConfiguration(w http.ResponseWriter, r request) {
	body, bad := decodeBody[struct {
		Layers []struct {
			Name, Commit, Playbook string
			CloneURLV2             string `json:"cloneUrl"`
			CloneURLV3             string `json:"clone_url"`
		}
	}](r.Request)
	if bad != nil {
		bad.write(w)
		return
	}
	c := configuration{name: r.name, lastUpdated: s.now().UTC().Format(timeForm) + "Z"}
	for _, l := range body.Layers {
		c.layers = append(c.layers, desiredLayer{l.Name, l.CloneURLV2 + l.CloneURLV3, l.Commit, l.Playbook})
	}
	s.configurations[r.name] = c
	writeJSON(w, http.StatusOK, c.body(r.v3))
}

// layersOf returns the layers of a configuration. One that was never put has a single layer, which no other has.
func (s *Server) layersOf(name string) []desiredLayer {
	if c, ok := s.configurations[name]; ok {
		return c.layers
	}
	return []desiredLayer{{
		cloneURL: "https://api-gw-service-nmn.local/vcs/cray/cos-config-management.git", playbook: "site.yml",
		commit: fmt.Sprintf("%x", sha1.Sum([]byte(name))),
	}}
}
