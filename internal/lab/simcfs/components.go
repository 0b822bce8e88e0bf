package simcfs

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// record returns a component as the database has it.
func (c Component) record(v3 bool) map[string]any {
	state := []any{}
	for _, layer := range c.Layers {
		state = append(state, layer.body(v3))
	}
	desired, errors, retry := "desiredConfig", "errorCount", "retryPolicy"
	if v3 {
		desired, errors, retry = "desired_config", "error_count", "retry_policy"
	}
	body := map[string]any{
		"id": c.ID, "state": state, desired: c.DesiredConfig, errors: c.ErrorCount, "enabled": c.Enabled,
		"tags": orEmpty(c.Tags),
	}
	if c.RetryPolicy > 0 {
		body[retry] = c.RetryPolicy
	}
	return body
}

// componentBody returns a component as a GET shows it: the record with its status, in v3 without its state unless that
// is asked for.
func (s *Server) componentBody(c Component, r request) map[string]any {
	body, query := c.record(r.v3), r.URL.Query()
	status, details, desired := "configurationStatus", "configDetails", "desiredState"
	if r.v3 {
		status, details, desired = "configuration_status", "config_details", "desired_state"
		body["logs"] = "ara.cmn.system.example/hosts?name=" + c.ID
		if !strings.EqualFold(query.Get("state_details"), "true") {
			delete(body, "state")
		}
	}
	body[status] = c.Status
	if strings.EqualFold(query.Get(details), "true") {
		layers := []any{}
		for _, wanted := range s.layersOf(c.DesiredConfig) {
			layer := wanted.body(r.v3)
			if r.v3 || s.release.layerStatus {
				layer["name"], layer["status"] = wanted.name, c.Status
			}
			layers = append(layers, layer)
		}
		body[desired] = layers
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

// componentFilter is what a list or a patch with filters asks for. Empty values match every component.
type componentFilter struct {
	ids, statuses []string
	enabled       string
	config        string
	tags          map[string]string
}

// componentFilterOf returns the filter in a query, or in the filters of a patch, which have another name for the
// configuration in some versions. Unknown names are ignored.
func componentFilterOf(query url.Values, config string) (f componentFilter, bad *problem) {
	if ids := query.Get("ids"); ids != "" {
		f.ids = strings.Split(ids, ",")
	}
	if statuses := query.Get("status"); statuses != "" {
		f.statuses = strings.Split(statuses, ",")
	}
	f.enabled = strings.ToLower(query.Get("enabled"))
	if f.enabled != "" && f.enabled != "true" && f.enabled != "false" {
		return f, badRequest("Wrong type, expected 'boolean' for query parameter 'enabled'")
	}
	f.config = query.Get(config)
	f.tags, bad = parseTags(query.Get("tags"))
	return f, bad
}

func (f componentFilter) matches(c Component) bool {
	return (f.ids == nil || slices.Contains(f.ids, c.ID)) && (f.statuses == nil || slices.Contains(f.statuses, c.Status)) &&
		(f.enabled == "" || f.enabled == fmt.Sprint(c.Enabled)) && (f.config == "" || f.config == c.DesiredConfig) &&
		hasTags(c.Tags, f.tags)
}

func (f componentFilter) isEmpty() bool {
	return f.ids == nil && f.statuses == nil && f.enabled == "" && f.config == "" && len(f.tags) == 0
}

// nextComponent holds the parameters of a list of components in next.
var nextComponent = map[string]any{
	"ids": "", "status": "", "enabled": nil, "config_name": "", "tags": "", "config_details": false, "state_details": false,
}

func (s *Server) listComponents(w http.ResponseWriter, r request) {
	query := r.URL.Query()
	p, bad := s.pageOf(r)
	if bad == nil && s.release.checksStatus {
		bad = checkEnum(r, "status", "unconfigured", "failed", "pending", "configured")
	}
	var filter componentFilter
	if bad == nil {
		config := "configName"
		if r.v3 {
			config = "config_name"
		}
		filter, bad = componentFilterOf(query, config)
	}
	var found []Component
	var more bool
	if bad == nil {
		found, more, bad = collect(s, s.components, p, func(c Component) (bool, *problem) { return filter.matches(c), nil })
	}
	if bad == nil && more && !r.v3 {
		bad = tooLarge
	}
	if bad != nil {
		bad.write(w)
		return
	}
	list := bodies(found, func(c Component) any { return s.componentBody(c, r) })
	if !r.v3 {
		writeJSON(w, http.StatusOK, list)
		return
	}
	var last string
	if more {
		last = found[len(found)-1].ID
	}
	writeJSON(w, http.StatusOK, map[string]any{"components": list, "next": nextOf(more, query, p, last, nextComponent)})
}

// readComponent returns the component that a request names. If there is none, it answers, and returns false.
func (s *Server) readComponent(w http.ResponseWriter, r request) (Component, bool) {
	s.recordsRead++
	component, ok := s.components[r.name]
	if !ok {
		s.componentMissing(r.name).write(w)
	}
	return component, ok
}

func (s *Server) getComponent(w http.ResponseWriter, r request) {
	if component, ok := s.readComponent(w, r); ok {
		writeJSON(w, http.StatusOK, s.componentBody(component, r))
	}
}
