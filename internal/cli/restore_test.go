package cli

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"bosgc/gc"
	"bosgc/internal/journal"
	"bosgc/internal/kube"
	"bosgc/internal/kubeconfig"
	"bosgc/internal/lab"
	"bosgc/internal/lab/simcfs"
	"bosgc/internal/restore"
	"bosgc/internal/sweep"
	"bosgc/policy"
)

const sessionID = "5a0df9d1-2c3b-4f5e-8a9b-0123456789ab"

// ownStore returns the store of bosgc's own objects.
func (s *system) ownStore() *kube.Store {
	s.t.Helper()
	config, err := kubeconfig.Load(s.Kubeconfig(), "")
	if err != nil {
		s.t.Fatal(err)
	}
	client, err := kube.New(config, kube.Options{Namespace: lab.Namespace, Concurrency: 4, RequestTimeout: 10 * time.Second, ListTimeout: 10 * time.Second})
	if err != nil {
		s.t.Fatal(err)
	}
	return client.Store(lab.Namespace)
}

// journalled writes a run's journal.
func (s *system) journalled(run string, entries ...journal.Entry) {
	s.t.Helper()
	j, err := journal.Open(s.t.Context(), journal.Options{Store: s.ownStore(), Name: "bosgc", Run: run, Runs: 20})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := j.Write(s.t.Context(), entries); err != nil {
		s.t.Fatal(err)
	}
}

func configMapEntry(name string) journal.Entry {
	return journal.Entry{Kind: "ConfigMap", Name: name, Session: name, Object: []byte(
		`{"kind":"ConfigMap","metadata":{"name":"` + name + `","namespace":"services","uid":"u","resourceVersion":"1"},"data":{"data.json":"{\"boot_sets\": {\"a\": \"<&>\"}}\n"}}`)}
}

func (s *system) restored(args []string, extra ...string) (restore.Document, int) {
	s.t.Helper()
	code, stdout, stderr := s.run(append([]string{"restore", "-o", "json"}, args...), extra...)
	var d restore.Document
	decoder := json.NewDecoder(strings.NewReader(stdout))
	if err := decoder.Decode(&d); err != nil || decoder.More() || d.Kind != "Restore" || d.ExitCode != code {
		s.t.Fatalf("%v, exit code %d: %s\n%s", err, code, stdout, stderr)
	}
	return d, code
}

func (s *system) content() map[string]corev1.ConfigMap {
	s.t.Helper()
	list, err := s.core().ConfigMaps(lab.Namespace).List(s.t.Context(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	all := map[string]corev1.ConfigMap{}
	for _, cm := range list.Items {
		all[cm.Name] = cm
	}
	return all
}

// A restore puts back every ConfigMap that a sweep has deleted, unchanged, and nothing else.
func TestRestoreOfASweep(t *testing.T) {
	s := start(t, lab.Options{CSM: "1.4", Seed: 4, Sessions: 40}, lab.ServerOptions{})
	before := s.content()
	dir := t.TempDir()
	swept, code := s.document([]string{"sweep"}, "BOSGC_JOURNAL_DIR="+dir)
	if code != gc.ExitDone {
		t.Fatalf("exit code %d", code)
	}
	after := s.exist()
	restored, code := s.restored([]string{swept.Run})
	if code != gc.ExitDone {
		t.Fatalf("exit code %d, %+v", code, restored.Outcomes)
	}
	back := s.content()
	gone := map[string]int{}
	for _, o := range swept.Objects {
		if o.Outcome != gc.Deleted {
			continue
		}
		gone[string(o.Kind)]++
		was, is := before[o.Name], back[o.Name]
		if o.Kind == policy.ConfigMap && (is.Name == "" || !maps.Equal(was.Data, is.Data) || !maps.EqualFunc(was.BinaryData, is.BinaryData, bytes.Equal) || !maps.Equal(was.Annotations, is.Annotations)) {
			t.Errorf("%s is %+v and was %+v", o.Name, is, was)
		}
	}
	if gone["ConfigMap"] == 0 || gone["Job"] == 0 || gone["Session"] == 0 || gone["CFSSession"] == 0 {
		t.Fatalf("deleted were %v", gone)
	}
	for o := range s.exist() {
		if !after[o] && !strings.HasPrefix(o, "ConfigMap ") {
			t.Errorf("%s was created", o)
		}
	}
	if n := restored.Outcomes[gc.Restored]; n != gone["ConfigMap"] {
		t.Errorf("%d restored of %d", n, gone["ConfigMap"])
	}
	if n := restored.Summary[restore.Impossible]; n < gone["Job"]+gone["Session"]+gone["CFSSession"] {
		t.Errorf("%d are said to be impossible, of %v", n, gone)
	}
	text, err := os.ReadFile(filepath.Join(dir, "bosgc-journal-"+swept.Run+".jsonl"))
	if n := bytes.Count(text, []byte("\n")); err != nil || n != len(restored.Steps) {
		t.Errorf("%v, %d lines for %d objects", err, n, len(restored.Steps))
	}
	s.noDanger()
}

// No sweep deletes the journal, however old it is.
func TestRestoreFindsWhatSweepsLeave(t *testing.T) {
	s := start(t, lab.Options{CSM: "1.4", Seed: 4, Sessions: 20}, lab.ServerOptions{})
	s.journalled("run-1", configMapEntry(sessionID))
	old := "bosgc-journal-run-2-0000"
	cm := s.content()["bosgc-journal-run-1-0000-00"]
	cm.Name, cm.UID, cm.ResourceVersion, cm.CreationTimestamp = old, "", "", metav1.NewTime(time.Now().Add(-400*24*time.Hour))
	cm.Labels["bosgc/run"] = "run-2"
	s.Kube.Add("configmaps", &cm)
	eager := []string{"BOSGC_ORPHAN_GRACE=0s", "BOSGC_ORPHAN_SIGHTINGS=1", "BOSGC_MAX_ORPHAN_PERCENT=100"}
	for range 3 {
		if _, code := s.document([]string{"sweep"}, eager...); code != gc.ExitDone {
			t.Errorf("exit code %d", code)
		}
	}
	d, _ := s.document([]string{"plan"}, eager...)
	for _, o := range d.Objects {
		if strings.Contains(o.Name, "journal") {
			t.Errorf("%s is judged: %s", o.Name, o.Verdict)
		}
	}
	for _, name := range []string{"bosgc-journal-run-1-0000-00", old} {
		if !s.Kube.Has("configmaps", lab.Namespace, name) {
			t.Errorf("%s is gone", name)
		}
	}
}

func TestRestoreWithoutARunListsThem(t *testing.T) {
	s := start(t, lab.Options{CSM: "1.4", Sessions: 3}, lab.ServerOptions{})
	code, stdout, stderr := s.run([]string{"restore"})
	if code != gc.ExitDone || stdout != "" || !strings.Contains(stderr, "no journal") {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
	if _, stdout, _ := s.run([]string{"restore", "-o", "json"}); !strings.Contains(stdout, `"runs": []`) {
		t.Errorf("%s", stdout)
	}
	s.journalled("20260102t150405z-1a2b3c4d", configMapEntry(sessionID), configMapEntry(strings.Replace(sessionID, "5a", "6a", 1)))
	s.journalled("20260103t150405z-1a2b3c4d", configMapEntry(sessionID))
	code, stdout, _ = s.run([]string{"restore"})
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if code != gc.ExitDone || len(lines) != 3 || !strings.Contains(lines[1], "20260103t") || !strings.Contains(lines[2], " 2 ") || len(lines[2]) > 80 {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
	code, stdout, _ = s.run([]string{"restore", "-o", "json"})
	var d runs
	if err := json.Unmarshal([]byte(stdout), &d); err != nil || code != gc.ExitDone || d.Kind != "Runs" || len(d.Runs) != 2 || d.Runs[0].Run != "20260103t150405z-1a2b3c4d" || d.Runs[1].Entries != 2 || d.Runs[1].Created.IsZero() {
		t.Errorf("%v, exit code %d, %s", err, code, stdout)
	}
}

func TestRestoreOnlyShows(t *testing.T) {
	s := start(t, lab.Options{CSM: "1.4", Sessions: 3}, lab.ServerOptions{})
	s.journalled("run-1", configMapEntry(sessionID))
	before := s.exist()
	for _, tt := range []struct{ args, environ []string }{{[]string{"run-1", "--dry-run"}, nil}, {[]string{"run-1", "--yes"}, []string{"BOSGC_DRY_RUN=true"}}} {
		d, code := s.restored(tt.args, tt.environ...)
		if code != gc.ExitDone || !d.DryRun || len(d.Steps) != 1 || d.Steps[0].Action != restore.Create || d.Steps[0].Outcome != "" {
			t.Errorf("exit code %d, %+v", code, d)
		}
		s.same("after a preview", s.exist(), before)
	}
	code, stdout, _ := s.run([]string{"restore", "run-1", "--dry-run"})
	if code != gc.ExitDone || !strings.Contains(stdout, "Nothing has been done") || !strings.Contains(stdout, "To put back (1)\nConfigMap   "+sessionID+"\n    created with data.json of ") || !strings.Contains(stdout, "bosgc/keep=true") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
	code, stdout, _ = s.run([]string{"restore", "run-1"})
	if code != gc.ExitDone || !strings.Contains(stdout, "Put back (1)\nConfigMap   "+sessionID) || !s.exist()["ConfigMap "+sessionID] {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
}

func TestRestoreOfEverythingAtOnce(t *testing.T) {
	s := start(t, lab.Options{CSM: "1.5", Sessions: 3}, lab.ServerOptions{Gateway: true})
	s.CFS.AddComponent(simcfs.Component{ID: "x1"})
	s.CFS.AddComponent(simcfs.Component{ID: "x2", DesiredConfig: "theirs"})
	node := func(id string) journal.Entry {
		return journal.Entry{Kind: journal.Component, Name: id, Session: sessionID, Object: []byte(`{"desiredConfig":"compute"}`)}
	}
	s.journalled("run-1", configMapEntry(sessionID), node("x1"), node("x2"),
		journal.Entry{Kind: "Job", Name: "boa-1"}, journal.Entry{Kind: "Job", Name: "boa-2"}, journal.Entry{Kind: "Session", Name: "\x1b[31ms\u202e1\x07"})
	code, stdout, stderr := s.run([]string{"restore", "run-1"})
	if code != gc.ExitDone {
		t.Fatalf("exit code %d, %s\n%s", code, stdout, stderr)
	}
	if now, _ := s.CFS.Component("x1"); now.DesiredConfig != "compute" {
		t.Errorf("%+v", now)
	}
	for _, want := range []string{
		"Put back (2)\nConfigMap   " + sessionID + "\nComponent   x1\n",
		"Left alone (1)\nComponent   x2\n    it was left alone: its desired configuration is \"theirs\" now\n",
		"Not put back (2): a Job is never made again: it would boot nodes\nJob         boa-1\nJob         boa-2\n",
		"Not put back (1): BOS takes no session back",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is not in\n%s", want, stdout)
		}
	}
	for _, r := range stdout + stderr {
		if r < ' ' && r != '\n' || r == 0x7f || r == '\u202e' {
			t.Errorf("%q reaches the terminal", r)
		}
	}
	s.noDanger()
}

func TestRestoreOfAnUnknownRun(t *testing.T) {
	s := start(t, lab.Options{CSM: "1.4", Sessions: 3}, lab.ServerOptions{})
	code, _, stderr := s.run([]string{"restore", "run-1"})
	if code != gc.ExitFailed || !strings.Contains(stderr, "no journal at all") || !strings.Contains(stderr, "run-1") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	for _, run := range []string{"a-1", "run-1", "run-27"} {
		s.journalled(run, configMapEntry(sessionID))
	}
	for _, name := range []string{"run-28", "run-2\x1b[2J7", "../run-1", "run-1,bosgc/run=run-27"} {
		code, stdout, stderr := s.run([]string{"restore", name, "-o", "json"})
		var f failure
		if err := json.Unmarshal([]byte(stdout), &f); err != nil || code != gc.ExitFailed || f.Kind != "Error" || !strings.Contains(f.Error, "run-27") || strings.Contains(stderr, "\x1b") {
			t.Errorf("%v, exit code %d, %s, %q", err, code, stdout, stderr)
		}
	}
	if _, _, stderr := s.run([]string{"restore", "run-28"}); !strings.Contains(stderr, "known are run-27, run-1, a-1") {
		t.Errorf("%q", stderr)
	}
}

func TestRestoreUsage(t *testing.T) {
	for _, args := range [][]string{{"restore", "a", "b"}, {"restore", "--dry-run"}, {"restore", "--yes"}, {"restore", "--damaged"}, {"restore", "--nope", "a"}} {
		if code, stdout, stderr := run(nil, args...); code != gc.ExitUsage || stdout != "" || !strings.Contains(stderr, "--help") {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
	if code, _, stderr := run([]string{"BOSGC_CFS_URL=nowhere"}, "restore", "a"); code != gc.ExitUsage || !strings.Contains(stderr, "BOSGC_CFS_URL") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
}

func TestRestoreOfADamagedJournal(t *testing.T) {
	s := start(t, lab.Options{CSM: "1.4", Sessions: 3}, lab.ServerOptions{})
	big := configMapEntry("big")
	noise := make([]byte, 400<<10) // does not compress, so that it takes a second chunk
	_, _ = rand.NewChaCha8([32]byte{7}).Read(noise)
	big.Object = fmt.Appendf(nil, `{"metadata":{"name":"big"},"data":{"x":%q}}`, base64.StdEncoding.EncodeToString(noise))
	s.journalled("run-1", configMapEntry(sessionID), big, configMapEntry(strings.Replace(sessionID, "5a", "6a", 1)))
	s.Kube.Remove("configmaps", lab.Namespace, "bosgc-journal-run-1-0001-00")
	before := s.exist()
	code, _, stderr := s.run([]string{"restore", "run-1", "--dry-run"})
	if code != gc.ExitFailed || !strings.Contains(stderr, "bosgc-journal-run-1-0001 is missing") || !strings.Contains(stderr, "--damaged") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	s.same("after a refusal", s.exist(), before)
	d, code := s.restored([]string{"run-1", "--damaged"})
	if code != gc.ExitDone || !strings.Contains(d.Damage, "is missing") || d.Outcomes[gc.Restored] != 2 {
		t.Errorf("exit code %d, %+v", code, d)
	}
	if _, stdout, _ := s.run([]string{"restore", "run-1", "--damaged"}); !strings.Contains(stdout, "is missing") || !strings.Contains(stdout, "There already (2)") {
		t.Errorf("%s", stdout)
	}
}

func TestRestoreThatFailsInPart(t *testing.T) {
	s := start(t, lab.Options{CSM: "1.4", Sessions: 3}, lab.ServerOptions{})
	s.journalled("run-1", configMapEntry(sessionID), configMapEntry(strings.Replace(sessionID, "5a", "6a", 1)))
	fault, _ := lab.ParseFault("status=403,system=kube,method=POST,count=1,path=configmaps")
	if err := s.AddFault(fault); err != nil {
		t.Fatal(err)
	}
	code, stdout, _ := s.run([]string{"restore", "run-1"})
	if code != gc.ExitPartial || !strings.Contains(stdout, "Failed (1)") || !strings.Contains(stdout, "Put back (1)") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
	fault, _ = lab.ParseFault("status=500,system=kube,method=GET,path=configmaps")
	if err := s.AddFault(fault); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"restore"}, {"restore", "run-1"}} {
		if code, _, stderr := s.run(args); code != gc.ExitFailed || stderr == "" {
			t.Errorf("%v: exit code %d, %q", args, code, stderr)
		}
	}
}

// "bosgc journal" shows what a run has deleted and why, the whole of it in JSON, and the runs if none is named. Of a damaged
// journal it shows what can be read, and names what is missing.
func TestJournalShowsWhatARunDeleted(t *testing.T) {
	s := start(t, lab.Options{CSM: "1.4", Sessions: 20, Seed: 7}, lab.ServerOptions{})
	swept, code := s.document([]string{"sweep"})
	if code != gc.ExitDone || swept.Outcomes[gc.Deleted] == 0 {
		t.Fatalf("exit code %d, %v", code, swept.Outcomes)
	}
	deleted := map[string]gc.Object{}
	for _, o := range swept.Objects {
		if o.Outcome == gc.Deleted {
			deleted[string(o.Kind)+" "+o.Name] = o
		}
	}
	read := func(want int) (d journal.Document) {
		t.Helper()
		code, stdout, stderr := s.run([]string{"journal", swept.Run, "-o", "json"})
		if err := json.Unmarshal([]byte(stdout), &d); err != nil || code != want || d.Kind != "Journal" || d.Run != swept.Run {
			t.Fatalf("exit code %d, %v\n%s", code, err, stderr)
		}
		return d
	}
	d := read(gc.ExitDone)
	for _, e := range d.Entries {
		o, found := deleted[e.Kind+" "+e.Name]
		if !found || e.Reason != string(o.Reason) || e.Detail != o.Detail || e.Session != o.Session || e.At.IsZero() || len(e.Object) == 0 && o.Reason != policy.Ghost {
			t.Errorf("%+v, want %+v", e, o)
		}
	}
	if len(d.Entries) != len(deleted) {
		t.Errorf("%d entries for %d deleted objects", len(d.Entries), len(deleted))
	}
	for _, args := range [][]string{{"journal", swept.Run}, {"journal", swept.Run, "-o", "wide"}} {
		code, stdout, _ := s.run(args)
		for name, o := range deleted {
			kind, name, _ := strings.Cut(name, " ")
			if code != gc.ExitDone || !strings.Contains(stdout, kind) || !strings.Contains(stdout, name) || len(args) > 2 && !strings.Contains(stdout, o.Detail) {
				t.Fatalf("%v: exit code %d, without %s %s\n%s", args, code, kind, name, stdout)
			}
		}
	}
	if code, stdout, _ := s.run([]string{"journal"}); code != gc.ExitDone || !strings.Contains(stdout, swept.Run) {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
	if code, _, stderr := s.run([]string{"journal", swept.Run + "x"}); code != gc.ExitFailed || !strings.Contains(stderr, swept.Run) {
		t.Errorf("an unknown run: exit code %d, %s", code, stderr)
	}
	s.Kube.Add("configmaps", &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Name: "bosgc-journal-" + swept.Run + "-0007", Namespace: lab.Namespace,
			Labels: map[string]string{"app.kubernetes.io/managed-by": "bosgc", "bosgc/journal": "bosgc", "bosgc/run": swept.Run},
		},
	})
	if d := read(gc.ExitIncomplete); len(d.Entries) != len(deleted) || !strings.Contains(d.Damage, "missing") {
		t.Errorf("%d entries, damage %q", len(d.Entries), d.Damage)
	}
}

// A journal that cannot be read, or would fill the memory, is refused.
func TestRestoreOfAHostileJournal(t *testing.T) {
	s := start(t, lab.Options{CSM: "1.4", Sessions: 3}, lab.ServerOptions{})
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	for range 64 {
		_, _ = w.Write(bytes.Repeat([]byte("\n"), 1<<20))
	}
	_ = w.Close()
	s.Kube.Add("configmaps", &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Name: "bosgc-journal-run-1-0000-00", Namespace: lab.Namespace,
			Labels: map[string]string{"app.kubernetes.io/managed-by": "bosgc", "bosgc/journal": "bosgc", "bosgc/run": "run-1"},
		},
		BinaryData: map[string][]byte{"entries.jsonl.gz": bomb.Bytes()},
	})
	code, _, stderr := s.run([]string{"restore", "run-1"})
	if code != gc.ExitFailed || !strings.Contains(stderr, "more than 1048576 bytes") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}

func TestRestoreAsksOnlyAPerson(t *testing.T) {
	var stderr bytes.Buffer
	a := &app{stderr: &stderr}
	for answer, want := range map[string]bool{"y\n": true, "Yes\n": true, "n\n": false, "\n": false, "": false, "yellow\n": false, "y": true} {
		if got := a.confirmed(t.Context(), strings.NewReader(answer), "Put back 3 of them?"); got != want {
			t.Errorf("%q: %v", answer, got)
		}
	}
	if !strings.Contains(stderr.String(), "Put back 3 of them? [y/N]") {
		t.Errorf("%q", stderr.String())
	}
	silent, _ := io.Pipe()
	ended, end := context.WithCancel(t.Context())
	end()
	if a.confirmed(ended, silent, "Put back 3 of them?") {
		t.Error("no answer was taken for a yes")
	}
	if a.asks(strings.NewReader("y\n")) {
		t.Error("a program was asked")
	}
	if null, err := os.Open(os.DevNull); err != nil || a.asks(null) {
		t.Errorf("%v, nobody is asked", err)
	}
}

// full is a disk without free space.
func TestRestoreThatCannotBeShown(t *testing.T) {
	a := &app{stdout: full{}, output: "table"}
	var exit *sweep.Error
	if err := a.showRestore(restore.Document{}); !errors.As(err, &exit) || exit.Code != gc.ExitFailed {
		t.Error(err)
	}
}
