package simcfs

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
)

func (s *Server) serveComponent(w http.ResponseWriter, r *http.Request, id string, v3 bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	component, ok := s.components[id]
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodPatch:
		writeNotAllowed(w)
		return
	case !ok:
		writeProblem(w, http.StatusNotFound, "Component not found.", "Component "+id+" could not be found")
		return
	case r.Method == http.MethodPatch:
		var patch map[string]any
		if json.NewDecoder(r.Body).Decode(&patch) != nil {
			writeProblem(w, http.StatusBadRequest, "Bad Request", "the body is no JSON object")
			return
		}
		if !s.applyPatches(w, map[string]map[string]any{id: patch}, v3) {
			return
		}
		component = s.components[id]
	}
	writeJSON(w, http.StatusOK, component.body(v3, true))
}

// applyPatches applies all patches or none: with TagsStick, a patch that removes a tag fails all that came with it.
func (s *Server) applyPatches(w http.ResponseWriter, patches map[string]map[string]any, v3 bool) bool {
	for id, patch := range patches {
		for name := range patch {
			// A client that only sets configurations must not enable or disable a node, or change its tags, in passing.
			if name == "enabled" || name == "tags" {
				s.danger = append(s.danger, "PATCH of "+name+" of component "+id)
			}
		}
		tags, _ := patch["tags"].(map[string]any)
		for _, value := range tags {
			if value == "" && s.options.TagsStick {
				writeProblem(w, http.StatusInternalServerError, "Internal Server Error",
					"dictionary changed size during iteration")
				return false
			}
		}
	}
	for id, patch := range patches {
		s.components[id] = s.components[id].patched(patch, v3, s.options.Batcher.RetryPolicy)
	}
	return true
}

// patched returns the component after a patch. Names of the other API version change nothing and are not an error. A
// desired configuration resets the error count. Tags and enabled stay as they are unless the patch names them.
func (c Component) patched(patch map[string]any, v3 bool, retryPolicy int) Component {
	config, errors := "desiredConfig", "errorCount"
	if v3 {
		config, errors = "desired_config", "error_count"
	}
	for name, value := range patch {
		switch name {
		case config:
			c.DesiredConfig, _ = value.(string)
			c.ErrorCount = 0
			c.Status = c.computeStatus(retryPolicy)
			if c.DesiredConfig != "" {
				c.setBy = ""
			}
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

// patchComponents accepts a list of patches; if one has an unknown ID none is applied. From CSM 1.4 it also accepts one
// patch with filters, and empty filters match every component of the machine.
func (s *Server) patchComponents(w http.ResponseWriter, r *http.Request, v3 bool) {
	var body any
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		writeProblem(w, http.StatusBadRequest, "Bad Request", "the body is no JSON")
		return
	}
	patches := map[string]map[string]any{}
	switch body := body.(type) {
	case []any:
		for _, item := range body {
			patch, _ := item.(map[string]any)
			id, _ := patch["id"].(string)
			if _, ok := s.components[id]; !ok {
				writeProblem(w, http.StatusNotFound, "Component not found.", "Component "+id+" could not be found")
				return
			}
			patches[id] = patch
		}
	case map[string]any:
		if !s.options.FilterPatch {
			writeProblem(w, http.StatusBadRequest, "Bad Request", "the body is not of type 'array'")
			return
		}
		patches = s.patchesByFilter(body, v3)
	default:
		writeProblem(w, http.StatusBadRequest, "Bad Request", "the body is neither a list nor an object")
		return
	}
	if !s.applyPatches(w, patches, v3) {
		return
	}
	changed, ids := []any{}, slices.Sorted(maps.Keys(patches))
	for _, id := range ids {
		changed = append(changed, s.components[id].body(v3, true))
	}
	if v3 {
		writeJSON(w, http.StatusOK, map[string]any{"component_ids": ids})
		return
	}
	writeJSON(w, http.StatusOK, changed)
}

// patchesByFilter returns a patch with filters as one patch for each component that matches. Empty and unknown filters
// are ignored, as CFS does.
func (s *Server) patchesByFilter(body map[string]any, v3 bool) map[string]map[string]any {
	patch, _ := body["patch"].(map[string]any)
	filters, _ := body["filters"].(map[string]any)
	config := "configName"
	if v3 {
		config = "config_name"
	}
	query := url.Values{}
	for _, name := range []string{"ids", "status", "enabled", "tags", config} {
		switch value := filters[name].(type) {
		case string:
			if value != "" {
				query.Set(name, value)
			}
		case bool:
			query.Set(name, fmt.Sprint(value))
		}
	}
	if len(query) == 0 {
		s.danger = append(s.danger, "PATCH of every CFS component")
	}
	matches := componentFilter(query, v3)
	patches := map[string]map[string]any{}
	for id, component := range s.components {
		if matches(component) {
			patches[id] = patch
		}
	}
	return patches
}
