package simcfs

import (
	"maps"
	"math"
	"net/http"
	"time"
)

// BatcherOptions are the options of CFS that its batcher obeys (docs/csm.md, "CFS options"). Zero values get the
// defaults. Times are in seconds, as in CFS.
type BatcherOptions struct {
	BatchSize     int  // batchSize: most components in one CFS session; default 25
	BatchWindow   int  // batchWindow: how long a batch that is not full waits; default 60
	CheckInterval int  // batcherCheckInterval; default 10
	RetryPolicy   int  // defaultBatcherRetryPolicy: errors after which a component is left alone; default 3
	MaxBackoff    int  // batcherMaxBackoff: longest rest after failures; default 3600
	Disable       bool // batcherDisable: create no sessions
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// SetBatcher sets the options that the batcher obeys, as a person does through the API.
func (s *Server) SetBatcher(o BatcherOptions) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range []string{
		"batch_size", "batch_window", "batcher_check_interval", "default_batcher_retry_policy", "batcher_max_backoff",
		"batcher_disable",
	} {
		delete(s.settings, name)
	}
	s.set(o)
}

func (s *Server) set(o BatcherOptions) {
	for name, value := range map[string]int{
		"batch_size": o.BatchSize, "batch_window": o.BatchWindow, "batcher_check_interval": o.CheckInterval,
		"default_batcher_retry_policy": o.RetryPolicy, "batcher_max_backoff": o.MaxBackoff,
	} {
		if value > 0 {
			s.settings[name] = value
		}
	}
	if o.Disable {
		s.settings["batcher_disable"] = true
	}
}

// Batcher returns the options that the batcher obeys.
func (s *Server) Batcher() BatcherOptions {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.batcher()
}

func (s *Server) batcher() BatcherOptions {
	disable, _ := s.settings["batcher_disable"].(bool)
	return BatcherOptions{
		BatchSize: s.number("batch_size", 25), BatchWindow: s.number("batch_window", 60),
		CheckInterval: s.number("batcher_check_interval", 10), RetryPolicy: s.retryPolicy(),
		MaxBackoff: s.number("batcher_max_backoff", 3600), Disable: disable,
	}
}

func (s *Server) retryPolicy() int { return s.number("default_batcher_retry_policy", 3) }

func (s *Server) pageSize() int { return s.number("default_page_size", 1000) }

// number returns an option, or what CFS and its batcher take if it was never set.
func (s *Server) number(name string, standard int) int {
	if n, ok := s.settings[name].(int); ok && n > 0 {
		return n
	}
	return standard
}

// optionNames holds the names of the options in v3 and v2. v2 does not show those without a name.
var optionNames = map[string]string{
	"session_ttl": "sessionTTL", "batch_size": "batchSize", "batch_window": "batchWindow",
	"batcher_check_interval": "batcherCheckInterval", "default_batcher_retry_policy": "defaultBatcherRetryPolicy",
	"batcher_max_backoff": "batcherMaxBackoff", "batcher_disable": "batcherDisable",
	"batcher_pending_timeout": "batcherPendingTimeout", "hardware_sync_interval": "hardwareSyncInterval",
	"default_ansible_config": "defaultAnsibleConfig", "default_playbook": "defaultPlaybook",
	"additional_inventory_url": "additionalInventoryUrl", "logging_level": "loggingLevel",
	"default_page_size": "", "include_ara_links": "", "debug_wait_time": "",
}

// nameOfOption returns the name of an option in a version of the API; empty if there is none.
func (s *Server) nameOfOption(name string, v3 bool) string {
	switch name {
	case "logging_level", "batcher_disable", "batcher_pending_timeout":
		if !s.release.loggingLevel {
			return ""
		}
	}
	if v3 {
		return name
	}
	return optionNames[name]
}

// optionsBody returns the options that were set or that CFS has a default for. The batcher knows the defaults of its
// own options; CFS does not.
func (s *Server) optionsBody(v3 bool) map[string]any {
	values := map[string]any{
		"default_ansible_config": "cfs-default-ansible-cfg", "default_playbook": "site.yml", "logging_level": "INFO",
		"default_page_size": 1000, "include_ara_links": true,
	}
	maps.Copy(values, s.settings)
	body := map[string]any{}
	for name, value := range values {
		if shown := s.nameOfOption(name, v3); shown != "" {
			body[shown] = value
		}
	}
	return body
}

func (s *Server) getOptions(w http.ResponseWriter, r request) {
	writeJSON(w, http.StatusOK, s.optionsBody(r.v3))
}

func (s *Server) patchOptions(w http.ResponseWriter, r request) {
	patch, bad := decodeBody[map[string]any](r.Request)
	changed := map[string]any{}
	for name := range optionNames {
		shown := s.nameOfOption(name, r.v3)
		value, ok := patch[shown]
		if !ok || shown == "" {
			continue
		}
		if n, ok := value.(float64); ok && n == math.Trunc(n) {
			value = int(n)
		}
		changed[name] = value
		delete(patch, shown)
	}
	for name := range patch {
		bad = badRequest("Additional properties are not allowed ('" + name + "' was unexpected)")
	}
	if bad != nil {
		bad.write(w)
		return
	}
	maps.Copy(s.settings, changed)
	body := s.optionsBody(r.v3)
	if s.release.v1 {
		body["defaultCloneUrl"] = cloneURLV1 // a GET does not show it
	}
	writeJSON(w, http.StatusOK, body)
}
