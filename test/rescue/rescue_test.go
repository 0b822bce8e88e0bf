// Package rescue lets bosgc rescue a BOS whose list of sessions hangs: with a real etcd and real keys,
// whose list is larger than one gRPC message.
package rescue

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/cli"
	"bosgc/internal/collect"
	"bosgc/internal/lab"
	"bosgc/policy"
	"bosgc/test/plane"
)

// site is a simulated CSM whose BOS keeps its sessions in a real etcd.
type site struct {
	*lab.Server
	etcd *plane.Etcd
}

// sessions returns the number of sessions: BOSGC_RESCUE_SESSIONS, or just enough to make the list
// hang.
func sessions(t *testing.T) int {
	t.Helper()
	text := os.Getenv("BOSGC_RESCUE_SESSIONS")
	if text == "" {
		return 600
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// mostlyFinished are the stories of a machine where nobody has cleaned up for long. Of all stories,
// almost half have a session that stays, and thousands that stay are too many for the list whatever is
// deleted.
var mostlyFinished = []string{
	"finished-expired", "finished-job-deleted-by-hand", "failed-20-days-ago", "complete-without-stop-old", "zombie-old", "abandoned",
	"finished-before-upgrade", "failed-before-upgrade", "finished-without-start", "metadata-empty", "running", "running-with-cfs",
	"orphan-configmap", "orphan-job-10-days", "cfs-untagged-old", "cfs-of-gone-session",
}

func start(t *testing.T, csm string, n int) *site {
	t.Helper()
	etcd := plane.StartEtcd(t, nil)
	options := lab.Options{CSM: csm, Seed: 7, Sessions: n, Nodes: 2000, Now: time.Now(), ListBytes: -1}
	if n < 2000 {
		options.SessionNodes = 400 // so that these few are too many for the list
	} else {
		options.SessionNodes, options.Only = 4, mostlyFinished
	}
	world, err := lab.NewWorld(options)
	if err != nil {
		t.Fatal(err)
	}
	server, err := lab.Start(world, lab.ServerOptions{BOSEtcd: etcd.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return &site{server, etcd}
}

func (s *site) run(t *testing.T, environ []string, args ...string) (gc.Document, int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args = append(args, "-o", "json", "--kubeconfig", s.Kubeconfig())
	environ = append(append([]string{"BOSGC_LOG_LEVEL=error", "BOSGC_ORPHAN_SIGHTINGS=99"}, environ...), s.Env()...)
	code := cli.Run(t.Context(), args, environ, &stdout, &stderr)
	var d gc.Document
	if err := json.Unmarshal(stdout.Bytes(), &d); err != nil {
		t.Fatalf("exit code %d, no document: %v\n%s", code, err, stderr.String())
	}
	return d, code
}

func (s *site) exist() map[string]bool {
	set := map[string]bool{}
	for _, o := range s.Objects() {
		set[o.Kind+" "+o.Name] = true
	}
	return set
}

// stays returns what must exist in the end.
func (s *site) stays() map[string]bool {
	set := s.exist()
	for _, o := range s.World.Truth() {
		if o.Goes() {
			delete(set, o.Kind+" "+o.Name)
		}
	}
	return set
}

// keptAsLast returns what stays only because its session is among the last of its template. No session is kept as the
// last while the list is too large to be asked for.
func (s *site) keptAsLast() map[string]bool {
	stories := map[string]bool{}
	for _, o := range s.World.Truth() {
		if o.Reason == string(policy.KeptLast) {
			stories[o.Story] = true
		}
	}
	set := map[string]bool{}
	for _, o := range s.World.Truth() {
		if stories[o.Story] && (o.Reason == string(policy.KeptLast) || o.Reason == string(policy.OwnerKept)) {
			set[o.Kind+" "+o.Name] = true
		}
	}
	return set
}

// same fails unless what exists is want, of which what is in either may have gone.
func (s *site) same(t *testing.T, want, either map[string]bool) {
	t.Helper()
	got := s.exist()
	var missing, left []string
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if !got[key] && !either[key] {
			missing = append(missing, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if !want[key] && !either[key] {
			left = append(left, key)
		}
	}
	if len(missing)+len(left) > 0 {
		t.Errorf("%d are missing, such as %q; %d are left, such as %q", len(missing), missing[:min(3, len(missing))], len(left), left[:min(3, len(left))])
	}
}

// lists counts the requests for BOS's list.
func (s *site) lists() (n int) {
	for _, r := range s.Requests() {
		if r.System == "bos" && r.Path == "/v1/session" && r.Method == http.MethodGet {
			n++
		}
	}
	return n
}

const all = "--max-deletes=1000000"

// staying counts the sessions that must exist in the end.
func staying(set map[string]bool) (n int) {
	for key := range set {
		if len(key) > len(lab.KindSession) && key[:len(lab.KindSession)+1] == lab.KindSession+" " {
			n++
		}
	}
	return n
}

func TestRescue(t *testing.T) {
	for _, csm := range []string{"1.0", "1.4"} {
		t.Run("CSM "+csm+", without etcd", func(t *testing.T) {
			s := start(t, csm, sessions(t))
			stays, last, before, bytes := s.stays(), s.keptAsLast(), len(s.BOS.IDs()), s.BOS.ListBytes()
			begun := time.Now()
			d, code := s.run(t, nil, "sweep", all)
			guess := d.List.Bytes
			first := before - len(s.BOS.IDs())
			if code != gc.ExitIncomplete || d.List.From != collect.FromKubernetes || first == 0 {
				t.Fatalf("exit code %d, %d sessions went, %+v", code, first, d.List)
			}
			n := 1
			for ; code != gc.ExitDone && n < 6; n++ {
				d, code = s.run(t, nil, "sweep", all)
			}
			if code != gc.ExitDone || d.List.From != collect.FromBOS {
				t.Errorf("exit code %d, %+v", code, d.List)
			}
			for _, o := range d.Objects { // once the list is asked for again, an older session may be the last
				if o.Reason == policy.KeptLast || o.Reason == policy.OwnerKept {
					last[string(o.Kind)+" "+o.Name] = true
				}
			}
			s.same(t, stays, last)
			if s.BOS.MaxHung() != 0 {
				t.Errorf("%d workers of BOS hung", s.BOS.MaxHung())
			}
			t.Logf("%d sessions, a list of %.1f MB taken for %.1f MB: %d went in the first sweep, all that were to go after %d, in %s",
				before, float64(bytes)/1e6, float64(guess)/1e6, first, n, time.Since(begun).Round(time.Second))
			t.Logf("sessions that should stay and are lost: %d of %d by the documented wipe, %d by bosgc, all of them the last of a template",
				staying(stays), staying(stays), staying(stays)-len(s.BOS.IDs()))
		})
		t.Run("CSM "+csm+", with etcd", func(t *testing.T) {
			s := start(t, csm, sessions(t))
			stays, before := s.stays(), len(s.BOS.IDs())
			d, code := s.run(t, []string{"BOSGC_BOS_ETCD_ENDPOINTS=" + s.etcd.URL}, "sweep", all)
			if code != gc.ExitDone || d.List.From != collect.FromEtcd || d.List.Sessions != before {
				t.Errorf("exit code %d, %+v", code, d.List)
			}
			s.same(t, stays, nil)
			d, code = s.run(t, []string{"BOSGC_BOS_ETCD_ENDPOINTS=" + s.etcd.URL}, "sweep", all)
			if code != gc.ExitDone || d.List.From != collect.FromBOS || s.lists() != 1 || s.BOS.MaxHung() != 0 {
				t.Errorf("exit code %d, %+v; the list was asked for %d times, %d workers hung", code, d.List, s.lists(), s.BOS.MaxHung())
			}
			s.same(t, stays, nil)
		})
	}
}

// The list of a BOS with a real etcd really hangs, goes on hanging, and comes back.
func TestTheListHangs(t *testing.T) {
	s := start(t, "1.4", 600)
	client := http.Client{Timeout: time.Second}
	if response, err := client.Get(s.URL("bos") + "/v1/session"); err == nil {
		response.Body.Close()
		t.Fatalf("the list of %d bytes was answered: %s", s.BOS.ListBytes(), response.Status)
	}
	retries := s.BOS.ListRetries()
	plane.Eventually(t, 10*time.Second, func() error {
		if s.BOS.ListRetries() < retries+3 || s.BOS.Hung() != 1 {
			return os.ErrDeadlineExceeded
		}
		return nil
	})
	for _, id := range s.BOS.IDs()[:500] {
		s.BOS.Remove(id)
	}
	plane.Eventually(t, 20*time.Second, func() error { // now it is small enough
		if s.BOS.Hung() != 0 {
			return os.ErrDeadlineExceeded
		}
		return nil
	})
}
