package lab_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bosgc/internal/lab/simcfs"
	recordings "bosgc/internal/lab/wire"
)

// IDs and names of the recordings.
const (
	recordedBOS    = "004e509f-0c3e-42d2-a71f-3fd8e8708128"
	recordedBOSv2  = "7df412a1-640a-4c31-8b66-12d36f1de5d8"
	recordedConfig = "cos-config-full-2.3"
	recordedCommit = "3d1f7a9be0b24c0e8a0d6b0f5a3e6c1d2b4f8e90"
	recordedBatch  = "batcher-37e2dbe0-47af-40bd-ad6c-2547bea0a637"
)

// cfsStage puts a simulated CFS into the states in which the exchanges were recorded.
type cfsStage struct {
	CFS *simcfs.Server

	t       *testing.T
	restore bool // whether the records are made anew before each change
}

// prepare makes the state that an exchange needs, where it is not the one that those before it have left.
func (s *cfsStage) prepare(e recordings.Exchange) {
	s.clock("2024-03-12T09:30:00")
	steps := map[string]func(){
		"v2-configuration-list":           func() { s.putConfiguration("csm-config-1.16", "csm", "csm-config-management") },
		"v2-component-get-fresh":          s.freshComponents,
		"v2-component-patch-state-append": func() { s.clock("2024-03-05T14:41:07") },
		"v2-component-list":               s.records,
		"v2-session-post": func() {
			s.dropSessions()
			s.clock("2024-03-05T14:32:10")
		},
		"v3-session-post":                     func() { s.clock("2024-03-11T10:00:00") },
		"v2-session-get-complete":             s.records,
		"v2-session-list-above-page-size":     func() { s.pageSize("3") },
		"v2-component-patch-list-one-unknown": func() { s.restore = true },
		"v2-component-get-set-again":          s.records,
		"v3-component-get-set-again":          s.records,
		"v1-session-post":                     s.records,
		"v2-session-without-start-get":        s.withoutStart,
		"v3-session-without-start-get":        s.withoutStart,
		"v2-session-list-redis-down": func() {
			s.restore = false
			s.CFS.SetRedisDown(true)
		},
		"connection-after-answer":   s.Empty,
		"v2-session-post-no-target": func() { s.putConfiguration("c", "c", "c") },
	}
	if step, ok := steps[e.Case]; ok {
		step()
	}
	if !s.restore || e.Request.Method != http.MethodPatch && e.Request.Method != http.MethodDelete {
		return
	}
	s.records()
	switch {
	case strings.HasSuffix(e.Case, "-without-start-bulk-delete"):
		s.withoutStart()
	case strings.HasSuffix(e.Case, "-above-page-size"):
		s.pageSize("2")
	case strings.HasSuffix(e.Case, "-delete"), strings.HasSuffix(e.Case, "-delete-running"),
		strings.HasSuffix(e.Case, "-delete-pending"):
		name := e.Request.Path[strings.LastIndex(e.Request.Path, "/")+1:]
		s.CFS.Add(simcfs.Session{Name: name, Status: "complete"})
	}
}

func (s *cfsStage) Empty() {
	s.CFS.SetRedisDown(false)
	s.CFS.Empty()
}

func (s *cfsStage) clock(text string) {
	at, err := time.Parse("2006-01-02T15:04:05", text)
	if err != nil {
		s.t.Fatal(err)
	}
	s.CFS.SetClock(func() time.Time { return at })
}

// send sends a request past the network.
func (s *cfsStage) send(method, path, body string) {
	recorder := httptest.NewRecorder()
	s.CFS.ServeHTTP(recorder, httptest.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body)))
	if recorder.Code != http.StatusOK {
		s.t.Fatalf("%s %s: %d %s", method, path, recorder.Code, recorder.Body)
	}
}

func (s *cfsStage) putConfiguration(name, layer, repository string) {
	s.send(http.MethodPut, "/v2/configurations/"+name, `{"layers":[{"name":"`+layer+`","playbook":"site.yml",`+
		`"cloneUrl":"https://api-gw-service-nmn.local/vcs/cray/`+repository+`.git","commit":"`+recordedCommit+`"}]}`)
}

func (s *cfsStage) pageSize(size string) {
	s.send(http.MethodPatch, "/v3/options", `{"default_page_size":`+size+`}`)
}

func (s *cfsStage) dropSessions() {
	for _, name := range s.CFS.Names() {
		s.CFS.Remove(name)
	}
}

func componentID(slot string) string { return "x1000c0s" + slot + "b0n0" }

// freshComponents makes six components as cfs-hwsync does.
func (s *cfsStage) freshComponents() {
	s.CFS.RemoveComponent(componentID("7"))
	for _, slot := range []string{"0", "1", "2", "3", "4", "5"} {
		s.CFS.AddComponent(simcfs.Component{ID: componentID(slot), Status: "unconfigured"})
	}
}

// records makes the records of most exchanges anew: two configurations, six components and seven sessions, of which all
// but one were made through v3 where that exists, and there one more.
func (s *cfsStage) records() {
	s.CFS.Empty()
	s.freshComponents()
	layer := simcfs.Layer{
		CloneURL: "https://api-gw-service-nmn.local/vcs/cray/cos-config-management.git", Playbook: "site.yml",
		Commit: recordedCommit, LastUpdated: "2024-03-05T14:41:07Z", SessionName: recordedBatch,
	}
	failed := layer
	failed.Failed = true
	ours := map[string]string{"bos_session": recordedBOS}
	for _, component := range []simcfs.Component{
		{ID: componentID("0"), Status: "configured", Layers: []simcfs.Layer{layer}},
		{ID: componentID("1"), Status: "pending", Enabled: true},
		{ID: componentID("2"), Status: "failed", Layers: []simcfs.Layer{failed}, ErrorCount: 3},
		{ID: componentID("3"), Status: "pending"},
	} {
		component.DesiredConfig, component.Tags = recordedConfig, maps.Clone(ours)
		s.CFS.AddComponent(component)
	}
	s.CFS.AddComponent(simcfs.Component{
		ID: componentID("4"), Status: "pending", Enabled: true, DesiredConfig: "csm-config-1.16",
		Tags: map[string]string{"bos_session": recordedBOSv2, "note": "kept"},
	})
	s.addSessions(ours)
	s.putConfiguration(recordedConfig, "cos-integration-2.3", "cos-config-management")
	s.putConfiguration("csm-config-1.16", "csm", "csm-config-management")
}

func (s *cfsStage) addSessions(ours map[string]string) {
	for _, session := range []simcfs.Session{
		firstBatch(),
		{
			Name: "batcher-be0b08f9-d2ab-45ac-80a3-1c5fba59f82e", Limit: componentID("2"), Status: "complete",
			Succeeded: "false", Start: "2024-03-05T14:50:00", Completion: "2024-03-05T14:55:12",
			Job: "cfs-1b2e701c-1a30-4725-b5df-6f70c2fcb533", Tags: ours,
		},
		{
			Name: "batcher-92b8154c-9572-4fe8-8097-2946dc84fd39", Limit: componentID("4"), Status: "complete",
			Succeeded: "unknown", Start: "2024-03-06T08:00:00", Job: "cfs-d2ef6586-dd98-4e3e-ac5d-c66529af7a41",
		},
		{
			Name: "batcher-6d13b80f-f22e-4b0f-b04d-5bf755b14ad9", Limit: componentID("1"), Status: "running",
			Succeeded: "none", Start: "2024-03-12T09:20:00", Job: "cfs-0d8101bd-d720-4e0d-9d0f-2f03be8132e1",
			Tags: map[string]string{"bos_session": recordedBOS, "note": "kept"},
		},
		{
			Name: "batcher-3b56b64f-cc8a-468d-a197-885695974003", Limit: componentID("3"), Status: "pending",
			Succeeded: "none", Start: "2024-03-12T09:29:30", Tags: map[string]string{"bos_session": recordedBOSv2},
		},
		{
			Name: "rebuild-image-2024", Configuration: "csm-config-1.16", Definition: "image", Groups: []string{"Compute"},
			Status: "complete", Succeeded: "true", Start: "2024-02-28T11:00:00", Completion: "2024-02-28T11:24:40",
			Job: "cfs-58e09b69-15f5-4827-a9f4-fc4ae5d13b6f",
			Artifacts: []any{map[string]string{
				"image_id": "ea9138c3-3ea7-4f3d-9137-7ba2bac1c843", "result_id": "95488f06-c96b-404b-9891-54a81e725efb",
				"type": "ims_customized_image",
			}},
		},
		{
			Name: "admin-fix", Limit: componentID("0"), Status: "complete", Succeeded: "true",
			Start: "2024-02-27T11:00:00", Completion: "2024-02-27T11:02:03", Job: "cfs-68315244-da38-41ed-b602-d8bbeccdaab3",
		},
		{
			Name: "batcher-20302a7b-74d8-4880-911f-e44f20badda7", Limit: componentID("0"), Status: "complete",
			Succeeded: "true", Start: "2024-03-11T10:00:00", Completion: "2024-03-11T10:09:00",
			Job: "cfs-68315244-da38-41ed-b602-d8bbeccdaab3", Tags: ours,
		},
	} {
		if session.Configuration == "" {
			session.Configuration, session.Definition = recordedConfig, "dynamic"
		}
		s.CFS.Add(session)
	}
	if !s.hasV3() {
		s.CFS.Remove("batcher-20302a7b-74d8-4880-911f-e44f20badda7")
	}
}

// firstBatch returns the session that was made through v2.
func firstBatch() simcfs.Session {
	limit := []string{componentID("0"), componentID("1"), componentID("2"), componentID("3")}
	return simcfs.Session{
		Name: recordedBatch, Configuration: recordedConfig, Definition: "dynamic", Limit: strings.Join(limit, ","),
		Status: "complete", Succeeded: "true", Start: "2024-03-05T14:32:10", Completion: "2024-03-05T14:41:08",
		Job: "cfs-040a7c93-531c-4c4a-b573-afbf3dedf65d", MadeByV2: true, Tags: map[string]string{"bos_session": recordedBOS},
	}
}

func (s *cfsStage) hasV3() bool {
	recorder := httptest.NewRecorder()
	s.CFS.ServeHTTP(recorder, httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, "/v3", http.NoBody))
	return recorder.Code == http.StatusOK
}

func (s *cfsStage) withoutStart() {
	s.records()
	session := firstBatch()
	session.Name, session.Start, session.NoStart = "without-start", nil, true
	s.CFS.Add(session)
}
