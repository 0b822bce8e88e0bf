package simcfs

import (
	"encoding/json"
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
	if v3 {
		return map[string]any{
			"clone_url": l.CloneURL, "playbook": l.Playbook, "commit": l.Commit, "status": "applied",
			"last_updated": l.LastUpdated, "session_name": l.SessionName,
		}
	}
	return map[string]any{
		"cloneUrl": l.CloneURL, "playbook": l.Playbook, "commit": l.Commit,
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
		notAllowed(w)
	}
}

func (s *Server) listComponents(w http.ResponseWriter, query url.Values, v3 bool) {
	keep := componentFilter(query, v3)
	var found []Component
	for _, id := range slices.Sorted(maps.Keys(s.components)) {
		if keep(s.components[id]) {
			found = append(found, s.components[id])
		}
	}
	if v3 {
		details := query.Get("state_details") == "true"
		page, next := pageOf(found, query, s.options.PageSize, func(c Component) string { return c.ID })
		list := bodies(page, func(c Component) any { return c.body(true, details) })
		answer(w, http.StatusOK, map[string]any{"components": list, "next": next})
		return
	}
	if s.options.V2PageLimit && len(found) > s.options.PageSize {
		s.tooLarge(w)
		return
	}
	answer(w, http.StatusOK, bodies(found, func(c Component) any { return c.body(false, true) }))
}

func (s *Server) serveComponent(w http.ResponseWriter, r *http.Request, id string, v3 bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	component, ok := s.components[id]
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodPatch:
		notAllowed(w)
		return
	case !ok:
		problem(w, http.StatusNotFound, "Component not found.", "Component "+id+" could not be found")
		return
	case r.Method == http.MethodPatch:
		var patch map[string]any
		if json.NewDecoder(r.Body).Decode(&patch) != nil {
			problem(w, http.StatusBadRequest, "Bad Request", "the body is no JSON object")
			return
		}
		for name := range patch {
			// Whoever sets a node's configuration, and no more, must not switch it on or off,
			// or change whom it belongs to, in passing.
			if name == "enabled" || name == "tags" {
				s.danger = append(s.danger, "PATCH of "+name+" of component "+id)
			}
		}
		component = component.patched(patch, v3)
		s.components[id] = component
	}
	answer(w, http.StatusOK, component.body(v3, true))
}

// patched applies a patch. Names of the other version are no error and change nothing. A new
// desired configuration resets the error count; tags and enabled stay as they are unless they
// are named.
func (c Component) patched(patch map[string]any, v3 bool) Component {
	config, errors := "desiredConfig", "errorCount"
	if v3 {
		config, errors = "desired_config", "error_count"
	}
	for name, value := range patch {
		switch name {
		case config:
			c.DesiredConfig, _ = value.(string)
			c.ErrorCount = 0
			c.Status = status(c)
		case "enabled":
			c.Enabled, _ = value.(bool)
		case errors:
			if n, ok := value.(float64); ok {
				c.ErrorCount = int(n)
			}
		case "tags":
			c.Tags = maps.Clone(orEmpty(c.Tags))
			tags, _ := value.(map[string]any)
			for key, text := range tags {
				if text == "" {
					delete(c.Tags, key)
				} else {
					c.Tags[key] = fmt.Sprint(text)
				}
			}
		}
	}
	return c
}

func status(c Component) string {
	switch {
	case c.DesiredConfig != "":
		return "pending"
	case len(c.Layers) > 0:
		return "configured"
	}
	return "unconfigured"
}

// patchComponents takes a list of patches, all or nothing: one unknown ID and none is
// applied. From CSM 1.4 it also takes one patch and filters; filters that name nothing
// match every component of the machine.
func (s *Server) patchComponents(w http.ResponseWriter, r *http.Request, v3 bool) {
	var body any
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		problem(w, http.StatusBadRequest, "Bad Request", "the body is no JSON")
		return
	}
	patches := map[string]map[string]any{}
	switch body := body.(type) {
	case []any:
		for _, item := range body {
			patch, _ := item.(map[string]any)
			id, _ := patch["id"].(string)
			if _, ok := s.components[id]; !ok {
				problem(w, http.StatusNotFound, "Component not found.", "Component "+id+" could not be found")
				return
			}
			patches[id] = patch
		}
	case map[string]any:
		if !s.options.FilterPatch {
			problem(w, http.StatusBadRequest, "Bad Request", "the body is not of type 'array'")
			return
		}
		patches = s.filtered(body)
	}
	changed, ids := []any{}, slices.Sorted(maps.Keys(patches))
	for _, id := range ids {
		component := s.components[id].patched(patches[id], v3)
		s.components[id] = component
		changed = append(changed, component.body(v3, true))
	}
	if v3 {
		answer(w, http.StatusOK, map[string]any{"component_ids": ids})
		return
	}
	answer(w, http.StatusOK, changed)
}

func (s *Server) filtered(body map[string]any) map[string]map[string]any {
	patch, _ := body["patch"].(map[string]any)
	filters, _ := body["filters"].(map[string]any)
	query := url.Values{}
	for name, value := range filters {
		if text, ok := value.(string); ok && text != "" {
			query.Set(name, text)
		}
	}
	if len(query) == 0 {
		s.danger = append(s.danger, "PATCH of every CFS component")
	}
	keep := componentFilter(query, true)
	patches := map[string]map[string]any{}
	for id, component := range s.components {
		if keep(component) {
			patches[id] = patch
		}
	}
	return patches
}
