package simcfs

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// componentPatch is a patch of one component, as it came.
type componentPatch struct {
	id     string
	fields map[string]any
}

func (s *Server) patchComponent(w http.ResponseWriter, r request) {
	fields, bad := decodeBody[map[string]any](r.Request)
	if bad == nil {
		bad = checkFields(fields, r.v3)
	}
	if bad != nil {
		bad.write(w)
		return
	}
	if _, ok := s.readComponent(w, r); !ok {
		return
	}
	if bad := s.apply([]componentPatch{{r.name, fields}}, r.v3); bad != nil {
		bad.write(w)
		return
	}
	writeJSON(w, http.StatusOK, s.components[r.name].record(r.v3))
}

// putComponent makes a component, or makes it anew, as cfs-hwsync does.
func (s *Server) putComponent(w http.ResponseWriter, r request) {
	fields, bad := decodeBody[map[string]any](r.Request)
	if bad == nil {
		bad = checkFields(fields, r.v3)
	}
	if bad != nil {
		bad.write(w)
		return
	}
	s.components[r.name] = s.patched(Component{ID: r.name}, fields, r.v3)
	writeJSON(w, http.StatusOK, s.components[r.name].record(r.v3))
}

// checkFields returns a problem if a patch has a key that is unknown, such as one of the other version of the API, or a
// value of another type.
func checkFields(fields map[string]any, v3 bool) *problem {
	text, number, flag, object, list := "", 0.0, false, map[string]any{}, []any{}
	types := map[string]any{
		"id": text, "enabled": flag, "tags": object, "state": list, "desiredConfig": text, "errorCount": number,
		"retryPolicy": number, "stateAppend": object,
	}
	if v3 {
		types = map[string]any{
			"id": text, "enabled": flag, "tags": object, "state": list, "desired_config": text, "error_count": number,
			"retry_policy": number, "state_append": object,
		}
	}
	for name, value := range fields {
		want, ok := types[name]
		if !ok {
			return badRequest(fmt.Sprintf("Additional properties are not allowed ('%s' was unexpected)", name))
		}
		if fmt.Sprintf("%T", value) != fmt.Sprintf("%T", want) {
			return badRequest(fmt.Sprintf("%v is of the wrong type - '%s'", value, name))
		}
	}
	return nil
}

// apply applies all patches or none: where tags stick, a patch that removes one fails all that came with it.
func (s *Server) apply(patches []componentPatch, v3 bool) *problem {
	for _, patch := range patches {
		for name := range patch.fields {
			// A client that only sets configurations must not enable or disable a node, or change its tags, in passing.
			if name == "enabled" || name == "tags" {
				s.danger = append(s.danger, "PATCH of "+name+" of component "+patch.id)
			}
		}
		tags, _ := patch.fields["tags"].(map[string]any)
		for _, value := range tags {
			if value == "" && s.release.tagsStick {
				return internalError
			}
		}
	}
	for _, patch := range patches {
		s.components[patch.id] = s.patched(s.components[patch.id], patch.fields, v3)
	}
	return nil
}

// patched returns the component after a patch. A desired configuration resets the error count, unless the patch sets
// it, too. Tags and enabled stay as they are unless the patch names them.
func (s *Server) patched(c Component, fields map[string]any, v3 bool) Component {
	config, errors, retry, appended := "desiredConfig", "errorCount", "retryPolicy", "stateAppend"
	if v3 {
		config, errors, retry, appended = "desired_config", "error_count", "retry_policy", "state_append"
	}
	if desired, ok := fields[config].(string); ok {
		c.DesiredConfig, c.ErrorCount = desired, 0
		if desired != "" {
			c.setBy = ""
		}
	}
	if enabled, ok := fields["enabled"].(bool); ok {
		c.Enabled = enabled
	}
	if n, ok := fields[errors].(float64); ok {
		c.ErrorCount = int(n)
	}
	if n, ok := fields[retry].(float64); ok {
		c.RetryPolicy = int(n)
	}
	if tags, ok := fields["tags"].(map[string]any); ok {
		c.Tags = maps.Clone(orEmpty(c.Tags))
		for key, text := range tags {
			c.Tags[key] = fmt.Sprint(text)
		}
		maps.DeleteFunc(c.Tags, func(_, value string) bool { return value == "" })
	}
	if state, ok := fields["state"].([]any); ok {
		c.Layers = nil
		for _, layer := range state {
			c.Layers = append(c.Layers, s.layerFrom(layer))
		}
	}
	if layer, ok := fields[appended].(map[string]any); ok {
		added := s.layerFrom(layer)
		c.Layers = slices.DeleteFunc(slices.Clone(c.Layers), func(l Layer) bool {
			return l.CloneURL == added.CloneURL && l.Playbook == added.Playbook
		})
		c.Layers = append(c.Layers, added)
	}
	c.Status = s.statusOf(c)
	return c
}

// layerFrom returns a layer of a component's state from a body, which has the names of one of the versions of the API.
func (s *Server) layerFrom(body any) Layer {
	fields, _ := body.(map[string]any)
	text := func(names ...string) string {
		for _, name := range names {
			if value, ok := fields[name].(string); ok {
				return value
			}
		}
		return ""
	}
	commit, failed := strings.CutSuffix(text("commit"), "_failed")
	updated := text("lastUpdated", "last_updated")
	if updated == "" {
		updated = s.now().UTC().Format(timeForm) + "Z"
	}
	return Layer{
		CloneURL: text("cloneUrl", "clone_url"), Playbook: text("playbook"), Commit: commit, LastUpdated: updated,
		SessionName: text("sessionName", "session_name"), Failed: failed || text("status") == "failed",
	}
}

// patchComponents accepts a list of patches; if one has an unknown ID none is applied. From CSM 1.4 it also accepts one
// patch with filters, and empty filters match every component of the machine.
func (s *Server) patchComponents(w http.ResponseWriter, r request) {
	body, _ := decodeBody[any](r.Request) // nil if it is no JSON
	var patches []componentPatch
	var bad *problem
	switch body := body.(type) {
	case []any:
		patches, bad = s.patchesOf(body, r.v3)
	case map[string]any:
		if !s.release.filterPatch {
			bad = badRequest("the body is not of type 'array'")
			break
		}
		patches, bad = s.patchesByFilter(body, r.v3)
	default:
		bad = badRequest("the body is not valid under any of the given schemas")
	}
	if bad == nil {
		bad = s.apply(patches, r.v3)
	}
	if bad != nil {
		bad.write(w)
		return
	}
	ids, changed := []string{}, []any{}
	for _, patch := range patches {
		ids, changed = append(ids, patch.id), append(changed, s.components[patch.id].record(r.v3))
	}
	if r.v3 {
		writeJSON(w, http.StatusOK, map[string]any{"component_ids": ids})
		return
	}
	writeJSON(w, http.StatusOK, changed)
}

func (s *Server) patchesOf(list []any, v3 bool) (patches []componentPatch, bad *problem) {
	for _, item := range list {
		fields, ok := item.(map[string]any)
		if !ok {
			return nil, badRequest("an item is not of type 'object'")
		}
		if bad := checkFields(fields, v3); bad != nil {
			return nil, bad
		}
	}
	for _, item := range list {
		fields, _ := item.(map[string]any)
		id, ok := fields["id"].(string)
		if !ok {
			return nil, withoutID
		}
		s.recordsRead++
		if _, ok := s.components[id]; !ok {
			return nil, s.componentMissing(id)
		}
		patches = append(patches, componentPatch{id, fields})
	}
	return patches, nil
}

// patchesByFilter returns a patch with filters as one patch for each component that matches. Empty and unknown filters
// are ignored, as CFS does.
func (s *Server) patchesByFilter(body map[string]any, v3 bool) (patches []componentPatch, bad *problem) {
	fields, isPatch := body["patch"].(map[string]any)
	filters, isFilter := body["filters"].(map[string]any)
	if !isPatch || !isFilter || len(body) > 2 {
		return nil, badRequest("the body is not valid under any of the given schemas")
	}
	if bad := checkFields(fields, v3); bad != nil {
		return nil, bad
	}
	config := s.release.filterConfig
	if v3 {
		config = "config_name"
	}
	query := url.Values{}
	for name, value := range filters {
		query.Set(name, fmt.Sprint(value))
	}
	filter, bad := componentFilterOf(query, config)
	if bad != nil {
		return nil, bad
	}
	if filter.isEmpty() {
		s.danger = append(s.danger, "PATCH of every CFS component")
	}
	found, _, bad := collect(s, s.components, page{}, func(c Component) (bool, *problem) { return filter.matches(c), nil })
	for _, component := range found {
		patches = append(patches, componentPatch{component.ID, fields})
	}
	return patches, bad
}
