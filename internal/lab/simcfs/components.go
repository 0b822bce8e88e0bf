package simcfs

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

func (c Component) body(v3, details bool) map[string]any {
	state := []any{}
	for _, layer := range c.Layers {
		state = append(state, layer.body(v3))
	}
	if !v3 {
		return map[string]any{
			"id": c.ID, "state": state, "desiredConfig": c.DesiredConfig, "configurationStatus": c.Status,
			"errorCount": c.ErrorCount, "retryPolicy": 3, "enabled": c.Enabled, "tags": orEmpty(c.Tags),
		}
	}
	body := map[string]any{
		"id": c.ID, "desired_config": c.DesiredConfig, "configuration_status": c.Status,
		"error_count": c.ErrorCount, "retry_policy": 3, "enabled": c.Enabled, "tags": orEmpty(c.Tags),
		"logs": "https://ara.cmn.example.com/hosts?name=" + c.ID,
	}
	if details {
		body["state"] = state
	}
	return body
}

func (l Layer) body(v3 bool) map[string]any {
	commit, status := l.Commit, "applied"
	if l.Failed {
		commit, status = l.Commit+"_failed", "failed"
	}
	if v3 {
		return map[string]any{
			"clone_url": l.CloneURL, "playbook": l.Playbook, "commit": l.Commit, "status": status,
			"last_updated": l.LastUpdated, "session_name": l.SessionName,
		}
	}
	return map[string]any{
		"cloneUrl": l.CloneURL, "playbook": l.Playbook, "commit": commit,
		"lastUpdated": l.LastUpdated, "sessionName": l.SessionName,
	}
}

func componentFilter(query url.Values, v3 bool) func(Component) bool {
	ids := strings.Split(query.Get("ids"), ",")
	config := query.Get("configName")
	if v3 || config == "" {
		config = query.Get("config_name")
	}
	return func(c Component) bool {
		if query.Get("ids") != "" && !slices.Contains(ids, c.ID) {
			return false
		}
		if v := query.Get("status"); v != "" && c.Status != v {
			return false
		}
		if v := query.Get("enabled"); v != "" && fmt.Sprint(c.Enabled) != strings.ToLower(v) {
			return false
		}
		if config != "" && c.DesiredConfig != config {
			return false
		}
		if v := query.Get("tags"); v != "" {
			for tag := range strings.SplitSeq(v, ",") {
				key, value, _ := strings.Cut(tag, "=")
				if c.Tags[key] != value {
					return false
				}
			}
		}
		return true
	}
}

func (s *Server) serveComponents(w http.ResponseWriter, r *http.Request, v3 bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.Method {
	case http.MethodGet:
		s.listComponents(w, r.URL.Query(), v3)
	case http.MethodPatch:
		s.patchComponents(w, r, v3)
	default:
		writeNotAllowed(w)
	}
}

func (s *Server) listComponents(w http.ResponseWriter, query url.Values, v3 bool) {
	matches := componentFilter(query, v3)
	var found []Component
	for _, id := range slices.Sorted(maps.Keys(s.components)) {
		if matches(s.components[id]) {
			found = append(found, s.components[id])
		}
	}
	if v3 {
		details := query.Get("state_details") == "true"
		page, next := pageOf(found, query, s.options.PageSize, func(c Component) string { return c.ID })
		list := bodies(page, func(c Component) any { return c.body(true, details) })
		writeJSON(w, http.StatusOK, map[string]any{"components": list, "next": next})
		return
	}
	if s.options.V2PageLimit && len(found) > s.options.PageSize {
		s.writeTooLarge(w)
		return
	}
	writeJSON(w, http.StatusOK, bodies(found, func(c Component) any { return c.body(false, true) }))
}
