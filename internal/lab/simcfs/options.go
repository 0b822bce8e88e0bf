package simcfs

import (
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

func (o BatcherOptions) withDefaults() BatcherOptions {
	for _, option := range []struct {
		value    *int
		standard int
	}{{&o.BatchSize, 25}, {&o.BatchWindow, 60}, {&o.CheckInterval, 10}, {&o.RetryPolicy, 3}, {&o.MaxBackoff, 3600}} {
		if *option.value <= 0 {
			*option.value = option.standard
		}
	}
	return o
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// SetBatcher sets the options that the batcher obeys, as a person does through the API.
func (s *Server) SetBatcher(o BatcherOptions) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.options.Batcher = o.withDefaults()
}

// Batcher returns the options that the batcher obeys.
func (s *Server) Batcher() BatcherOptions {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.options.Batcher
}

func (s *Server) serveOptions(w http.ResponseWriter, r *http.Request, v3 bool) {
	if r.Method != http.MethodGet {
		writeNotAllowed(w)
		return
	}
	b := s.Batcher()
	if v3 {
		writeJSON(w, http.StatusOK, map[string]any{
			"session_ttl": "7d", "batch_size": b.BatchSize, "batch_window": b.BatchWindow,
			"batcher_check_interval": b.CheckInterval, "default_batcher_retry_policy": b.RetryPolicy,
			"batcher_max_backoff": b.MaxBackoff, "batcher_disable": b.Disable, "batcher_pending_timeout": 300,
			"default_page_size": s.options.PageSize, "default_ansible_config": "cfs-default-ansible-cfg",
			"hardware_sync_interval": 10, "include_ara_links": true, "debug_wait_time": 3600,
		})
		return
	}
	body := map[string]any{
		"sessionTTL": "7d", "batchSize": b.BatchSize, "batchWindow": b.BatchWindow,
		"batcherCheckInterval": b.CheckInterval, "defaultBatcherRetryPolicy": b.RetryPolicy,
		"batcherMaxBackoff": b.MaxBackoff, "defaultPlaybook": "site.yml",
		"hardwareSyncInterval": 10, "defaultAnsibleConfig": "cfs-default-ansible-cfg",
	}
	if s.options.FilterPatch { // both came with CSM 1.4
		body["batcherDisable"], body["batcherPendingTimeout"] = b.Disable, 300
	}
	writeJSON(w, http.StatusOK, body)
}
