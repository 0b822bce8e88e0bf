package cli

import (
	"net/http"
	"strings"
	"testing"

	"bosgc/gc"
	"bosgc/internal/lab"
)

// askedForList counts the requests for BOS's list.
func (s *system) askedForList() (n int) {
	for _, r := range s.Requests() {
		if r.System == "bos" && r.Method == http.MethodGet && strings.HasSuffix(r.Path, "/v1/session") {
			n++
		}
	}
	return n
}

// Each request for a list that hangs costs a BOS without a time limit one worker until it is restarted.
func TestWhoOnlyLooksRemembersThatTheListHangs(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.2", Sessions: 40}, lab.ServerOptions{})
	if err := s.AddFault(lab.Fault{Name: "list-hangs"}); err != nil {
		t.Fatal(err)
	}
	quick := []string{"BOSGC_REQUEST_TIMEOUT=1s", "BOSGC_LIST_TIMEOUT=1s"}
	for _, command := range []string{"plan", "plan", "sweep", "plan"} {
		if code, _, stderr := s.run([]string{command}, quick...); code != gc.ExitIncomplete {
			t.Errorf("%s: exit code %d, %s", command, code, stderr)
		}
	}
	if n := s.askedForList(); n != 1 {
		t.Errorf("BOS was asked for its list %d times", n)
	}
}

func TestOfWhichNothingIsKnownNothingIsAsked(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.0", Sessions: 40}, lab.ServerOptions{})
	if err := s.AddFault(lab.Fault{Kind: "status", Status: http.StatusForbidden, System: "kube", Method: http.MethodGet, Path: `/namespaces/services/configmaps\?`}); err != nil {
		t.Fatal(err)
	}
	if _, code := s.document([]string{"plan"}); code != gc.ExitIncomplete {
		t.Errorf("ConfigMaps may not be read: exit code %d", code)
	}
	if code, _, _ := s.run([]string{"plan"}, "BOSGC_NAMESPACE=default"); code != gc.ExitIncomplete {
		t.Errorf("another namespace: exit code %d", code)
	}
	if n := s.askedForList(); n != 0 {
		t.Errorf("the list was requested %d times, although its size is unknown", n)
	}
}
