package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"bosgc/gc"
	"bosgc/internal/config"
	"bosgc/internal/lab"
	"bosgc/internal/planfile"
	"bosgc/policy"
)

// saved saves a plan and returns the file and the plan.
func (s *system) saved(extra ...string) (file string, d gc.Document) {
	s.t.Helper()
	file = filepath.Join(s.t.TempDir(), "plan.json")
	d, code := s.document([]string{"plan", "--save", file}, extra...)
	if code != gc.ExitDone {
		s.t.Fatalf("exit code %d", code)
	}
	return file, d
}

// gone returns what is in before and not in after.
func gone(before, after map[string]bool) map[string]bool {
	left := map[string]bool{}
	for o := range before {
		if !after[o] {
			left[o] = true
		}
	}
	return left
}

func TestASavedPlanIsCarriedOutExactly(t *testing.T) {
	t.Parallel()
	for _, csm := range lab.Profiles() {
		t.Run(csm, func(t *testing.T) {
			t.Parallel()
			s := start(t, lab.Options{CSM: csm, Sessions: 60}, lab.ServerOptions{})
			want := s.stays()
			file, plan := s.saved()
			d, code := s.document([]string{"apply", file})
			if code != gc.ExitDone || d.Kind != "Report" || d.Outcomes[gc.Deleted] != plan.Summary.Delete || d.Summary != plan.Summary {
				t.Errorf("exit code %d, %s, %+v, %v; planned %+v", code, d.Kind, d.Summary, d.Outcomes, plan.Summary)
			}
			if len(d.Objects) != len(plan.Objects) {
				t.Errorf("%d objects, planned %d", len(d.Objects), len(plan.Objects))
			}
			s.same("afterwards", s.exist(), want)
			again, code := s.document([]string{"apply", file})
			if code != gc.ExitDone || again.Outcomes[gc.Gone] != plan.Summary.Delete {
				t.Errorf("the second time: exit code %d, %v", code, again.Outcomes)
			}
			s.same("after the second time", s.exist(), want)
			s.noDanger()
		})
	}
}

// worked returns the sessions of a plan that are deleted together with a ConfigMap and a Job.
func worked(d gc.Document) (ids []string) {
	kinds := map[string]int{}
	for _, o := range d.Objects {
		if o.Verdict == policy.Delete && o.Kind != policy.CFSSession {
			kinds[o.Session]++
		}
	}
	for _, o := range d.Objects {
		if o.Kind == policy.Session && kinds[o.Name] == 3 {
			ids = append(ids, o.Name)
		}
	}
	return ids
}

// The system changes between a plan and its apply. What has changed is kept, what leads to it is kept with it, and
// everything else is deleted as planned.
func TestWhatHasChangedSinceItWasSavedStays(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.2", Sessions: 14, Only: []string{"finished-expired", "finished-recently"}}, lab.ServerOptions{})
	file, plan := s.saved("BOSGC_KEEP_LAST=0")
	ids := worked(plan)
	if len(ids) < 7 {
		t.Fatalf("only %d sessions with a ConfigMap and a Job", len(ids))
	}
	annotated, renewed, started, removed, marked, taken := ids[0], ids[1], ids[2], ids[3], ids[4], ids[5]
	s.annotate(annotated)
	s.Recreate(renewed)
	s.StartPod("by-hand", started)
	s.Kube.Remove("configmaps", lab.Namespace, removed)
	s.Annotate(lab.KindJob, "boa-"+marked, "site/touched", "yes")
	s.Annotate(lab.KindJob, "boa-"+taken, "bosgc/clean", fmt.Sprintf(`{"phase":"delete","run":"r","at":"2026-01-01T00:00:00Z","job":%q}`, find(t, plan, policy.Job, "boa-"+taken).UID))
	before := s.exist()

	// With these settings a sweep would delete more than was planned.
	d, code := s.document([]string{"apply", file}, "BOSGC_KEEP_LAST=0", "BOSGC_SESSION_TTL=1s")
	if code != gc.ExitDone {
		t.Errorf("exit code %d", code)
	}
	kinds := func(id string) string {
		var all []string
		for _, o := range d.Objects {
			if o.Session == id {
				all = append(all, fmt.Sprintf("%s %s", o.Kind, o.Outcome))
			}
		}
		slices.Sort(all)
		return strings.Join(slices.DeleteFunc(all, func(o string) bool { return strings.HasPrefix(o, "CFS") }), ", ")
	}
	for _, tt := range []struct{ what, id, want, why string }{
		{"somebody protects it", annotated, "ConfigMap skipped, Job skipped, Session skipped", "kept-by-rule"},
		{"another object in its place", renewed, "ConfigMap skipped, Job waiting, Session waiting", "another object of the same name"},
		{"it runs again", started, "ConfigMap skipped, Job skipped, Session skipped", "running"},
		{"gone by hand", removed, "ConfigMap gone, Job deleted, Session deleted", ""},
		{"its Job was changed", marked, "ConfigMap deleted, Job skipped, Session deleted", "it was changed since"},
		{"somebody takes it apart", taken, "ConfigMap skipped, Job skipped, Session skipped", "bosgc clean"},
		{"the rest", ids[6], "ConfigMap deleted, Job deleted, Session deleted", ""},
	} {
		if got := kinds(tt.id); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.what, got, tt.want)
		}
		why := slices.ContainsFunc(d.Objects, func(o gc.Object) bool {
			return o.Session == tt.id && o.Outcome == gc.Skipped && strings.Contains(o.Detail, tt.why)
		})
		if tt.why != "" && !why {
			t.Errorf("%s: nothing says %q", tt.what, tt.why)
		}
	}
	planned := map[string]bool{}
	for _, o := range plan.Objects {
		if o.Verdict == policy.Delete {
			planned[name(string(o.Kind), o.Name)] = true
		}
	}
	for o := range gone(before, s.exist()) {
		if !planned[o] {
			t.Errorf("%s was deleted, and is not in the plan", o)
		}
	}
	s.noDanger()
}

// A ConfigMap that is not in the plan, because it was created again afterwards, must not become an orphan through the
// plan either.
func TestAnObjectThatThePlanDoesNotKnowHoldsBackWhatLeadsToIt(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.2", Sessions: 6, Only: []string{"finished-expired"}}, lab.ServerOptions{})
	_, first := s.saved("BOSGC_KEEP_LAST=0")
	id := worked(first)[0]
	configMaps := s.core().ConfigMaps(lab.Namespace)
	cm, err := configMaps.Get(context.Background(), id, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.Kube.Remove("configmaps", lab.Namespace, id)
	file, _ := s.saved("BOSGC_KEEP_LAST=0")
	cm.UID, cm.ResourceVersion = "", ""
	if _, err := configMaps.Create(context.Background(), cm, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	d, _ := s.document([]string{"apply", file}, "BOSGC_KEEP_LAST=0")
	for kind, object := range map[policy.Kind]string{policy.Session: id, policy.Job: "boa-" + id} {
		if o := find(t, d, kind, object); o.Outcome != gc.Waiting || !strings.Contains(o.Detail, "ConfigMap "+id) {
			t.Errorf("%s is %s (%s), and its ConfigMap is there", kind, o.Outcome, o.Detail)
		}
	}
	if !s.exist()["ConfigMap "+id] {
		t.Error("the ConfigMap, which is not in the plan, was deleted")
	}
}

// edit changes a saved plan the way a person with an editor does.
func edit(t *testing.T, file string, change func(text string) string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := change(string(text))
	if changed == string(text) {
		t.Fatal("the edit changed nothing")
	}
	other := filepath.Join(t.TempDir(), "edited.json")
	if err := os.WriteFile(other, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return other
}

// objects changes only the list of objects in a plan.
func objects(change func(all []map[string]any) []map[string]any) func(string) string {
	return func(text string) string {
		var d map[string]any
		var o struct{ Objects []map[string]any }
		if json.Unmarshal([]byte(text), &d) != nil || json.Unmarshal([]byte(text), &o) != nil {
			return text
		}
		d["objects"] = change(o.Objects)
		changed, _ := json.Marshal(d)
		return string(changed)
	}
}

// toDelete returns an object of a plan that is to be deleted.
func toDelete(all []map[string]any) map[string]any {
	return all[slices.IndexFunc(all, func(o map[string]any) bool { return o["verdict"] == "delete" })]
}

func TestAPlanThatIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 20}, lab.ServerOptions{})
	other := start(t, lab.Options{CSM: "1.4", Sessions: 5}, lab.ServerOptions{})
	file, plan := s.saved()
	elsewhere, _ := other.saved()
	replace := func(old, new string) func(string) string {
		return func(text string) string { return strings.Replace(text, old, new, 1) }
	}
	set := func(field, value string) func(string) string {
		return objects(func(all []map[string]any) []map[string]any { toDelete(all)[field] = value; return all })
	}
	var victim string
	for _, o := range plan.Objects {
		if o.Verdict == policy.Delete {
			victim = name(string(o.Kind), `"`+o.Name+`"`)
			break
		}
	}
	empty := filepath.Join(t.TempDir(), "empty")
	huge := filepath.Join(t.TempDir(), "huge")
	for _, f := range []string{empty, huge} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(huge, planfile.MaxSize+1); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, file string
		extra      string
		after      time.Duration
		want       string
	}{
		{"expired", file, "", 25 * time.Hour, "expired"},
		{"from the future", file, "", -time.Hour, "clocks"},
		{"of another cluster", elsewhere, "", 0, "cluster"},
		{"of another namespace", file, "BOSGC_NAMESPACE=other", 0, `BOSGC_NAMESPACE is "other"`},
		{"no file", filepath.Join(t.TempDir(), "none"), "", 0, "no such file or directory; expected a plan, as made with: bosgc plan --save FILE"},
		{"a folder", t.TempDir(), "", 0, "is a directory; expected a plan"},
		{"empty", empty, "", 0, "no plan"},
		{"too large", huge, "", 0, "longer than 64 MiB"},
		{"no JSON", edit(t, file, func(string) string { return "kind: Plan" }), "", 0, "no plan"},
		{"something else", edit(t, file, func(string) string { return `["Plan"]` }), "", 0, "no plan"},
		{"half of it", edit(t, file, func(text string) string { return text[:len(text)/2] }), "", 0, "no plan"},
		{"of another version", edit(t, file, replace(`"bosgc/v1"`, `"bosgc/v2"`)), "", 0, `apiVersion is "bosgc/v2"`},
		{"a report", edit(t, file, replace(`"Plan"`, `"Report"`)), "", 0, `kind is "Report"`},
		{"not saved, but shown", edit(t, file, func(text string) string { text, _, _ = strings.Cut(text, `,`+"\n"+`  "checksum"`); return text + "}" }), "", 0, "no checksum"},
		{"an unknown field", edit(t, file, replace(`"run"`, `"force": true, "run"`)), "", 0, `unknown field "force"`},
		{"something after it", edit(t, file, func(text string) string { return text + "{}" }), "", 0, "no plan"},
		{"a later end", edit(t, file, replace(`"expiresAt": "20`, `"expiresAt": "21`)), "", 0, `changed by hand: "expiresAt"`},
		{"no end", edit(t, file, replace(`"expiresAt"`, `"finishedAt"`)), "", 0, "when it expires"},
		{"another cluster written into it", edit(t, elsewhere, replace(other.URL("kube"), s.URL("kube"))), "", 0, `changed by hand: "cluster"`},
		{"another verdict", edit(t, file, replace(`"verdict": "keep"`, `"verdict": "delete"`)), "", 0, "which no rule gives"},
		{"an unknown verdict", edit(t, file, set("verdict", "purge")), "", 0, `"purge" is no verdict`},
		{"an unknown reason", edit(t, file, set("reason", "because")), "", 0, `"because" is no reason`},
		{"an unknown kind", edit(t, file, set("kind", "Secret")), "", 0, `"Secret" is no kind`},
		{"an outcome", edit(t, file, set("outcome", "deleted")), "", 0, "what became of one"},
		{"another name", edit(t, file, set("name", "boa-x")), "", 0, `"boa-x"`},
		{"another UID", edit(t, file, set("uid", "0")), "", 0, victim},
		{"another text", edit(t, file, set("detail", "trust me")), "", 0, victim},
		{"an object twice", edit(t, file, objects(func(all []map[string]any) []map[string]any { return append(all, all[0]) })), "", 0, "twice"},
		{"an object taken out", edit(t, file, objects(func(all []map[string]any) []map[string]any { return all[1:] })), "", 0, "added, taken away or moved"},
		{"objects in another order", edit(t, file, objects(func(all []map[string]any) []map[string]any { slices.Reverse(all); return all })), "", 0, "added, taken away or moved"},
		{"a field twice", edit(t, file, replace(`"name": "`, `"name": "another", "name": "`)), "", 0, "a field stands in it twice"},
		{"a field in another spelling", edit(t, file, replace(`"verdict"`, `"Verdict"`)), "", 0, "another spelling"},
		{"a setting", edit(t, file, replace(`"BOSGC_CFS": "old"`, `"BOSGC_CFS": "off"`)), "", 0, `changed by hand: "settings"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, requests := s.exist(), len(s.Requests())
			var out, complaints bytes.Buffer
			now := func() time.Time { return time.Now().Add(tt.after) }
			code := runAt(context.Background(), now, []string{"apply", tt.file, "-o", "json", "--kubeconfig", s.Kubeconfig()}, append(slices.Clone(s.environ), tt.extra), &out, &complaints)
			var f failure
			if err := json.Unmarshal(out.Bytes(), &f); err != nil || code != gc.ExitUsage || f.ExitCode != code || !strings.Contains(f.Error, tt.want) {
				t.Errorf("exit code %d, error %v, %s; want %q", code, err, out.String(), tt.want)
			}
			if n := len(s.Requests()) - requests; n != 0 {
				t.Errorf("%d requests were sent", n)
			}
			s.same("afterwards", s.exist(), before)
		})
	}
	// Another layout of the same JSON is not a change.
	spaced := edit(t, file, func(text string) string {
		var b bytes.Buffer
		_ = json.Indent(&b, []byte(text), "\t", "\t")
		return b.String()
	})
	if code, _, stderr := s.run([]string{"apply", spaced}); code != gc.ExitDone {
		t.Errorf("laid out in another way: exit code %d, %s", code, stderr)
	}
}

func TestSettingsThatDifferAreNamedAndThoseOfNowDecide(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 30}, lab.ServerOptions{})
	file, plan := s.saved("BOSGC_SESSION_TTL=168h") // the default
	code, _, stderr := s.run([]string{"apply", file}, "BOSGC_DRY_RUN=true", "BOSGC_LOG_LEVEL=warn")
	if code != gc.ExitDone || strings.Contains(stderr, "differs") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	before := s.exist()
	code, stdout, stderr := s.run([]string{"apply", file, "-o", "json"}, "BOSGC_SESSION_TTL=999w", "BOSGC_FAILED_TTL=999w", "BOSGC_ABANDONED_TTL=999w", "BOSGC_CFS=off", "BOSGC_ORPHAN_GRACE=999w", "BOSGC_LOG_LEVEL=warn")
	d := s.decode(stdout, stderr)
	for _, want := range []string{"BOSGC_SESSION_TTL", `"then":"7d","now":"6993d"`, "BOSGC_CFS", `"then":"old","now":"off"`} {
		if !strings.Contains(stderr, want) {
			t.Errorf("stderr does not have %s:\n%s", want, stderr)
		}
	}
	if strings.Contains(stderr, "BOSGC_CFS_TTL") {
		t.Errorf("a setting is named that does not differ:\n%s", stderr)
	}
	ghosts := count(plan, func(o gc.Object) bool { return o.Reason == policy.Ghost })
	if code != gc.ExitDone || d.Outcomes[gc.Skipped]+ghosts < plan.Summary.Delete || d.Outcomes[gc.Deleted] > ghosts {
		t.Errorf("exit code %d, %v of %d, of which %d ghosts", code, d.Outcomes, plan.Summary.Delete, ghosts)
	}
	if n := len(gone(before, s.exist())); n > ghosts {
		t.Errorf("%d objects were deleted", n)
	}
}

// All settings of the policy are saved with a plan.
func TestAllSettingsOfTheRulesAreSaved(t *testing.T) {
	settings, err := config.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	saved := settings.PolicyByName()
	if n := reflect.TypeFor[policy.Settings]().NumField(); len(saved) != n {
		t.Errorf("%d settings are saved, the policy has %d", len(saved), n)
	}
	for _, s := range settings.Settings(nil) {
		if value, is := saved[s.Name]; is && value == "" && s.Default != "" {
			t.Errorf("%s is saved empty", s.Name)
		}
		delete(saved, s.Name)
	}
	if len(saved) > 0 {
		t.Errorf("unknown settings are saved: %v", saved)
	}
}

func TestApplyInADryRunChangesNothing(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.2", Sessions: 10, Only: []string{"finished-expired"}}, lab.ServerOptions{})
	file, plan := s.saved("BOSGC_KEEP_LAST=0")
	s.annotate(worked(plan)[0])
	before := s.exist()
	d, code := s.document([]string{"apply", file}, "BOSGC_DRY_RUN=true", "BOSGC_KEEP_LAST=0")
	if code != gc.ExitDone || d.Kind != "Plan" || count(d, outcome(gc.Skipped)) == 0 || d.Summary.Delete != plan.Summary.Delete {
		t.Errorf("exit code %d, %s, %+v", code, d.Kind, d.Summary)
	}
	s.untouched(before)
	if holder, n := s.holder(), s.leaseRequests(); holder != "" || n > 1 {
		t.Errorf("the lock: holder %q, %d requests", holder, n)
	}
}

func TestApplyTakesTheLockAndKeepsToTheLimit(t *testing.T) {
	t.Parallel()
	var s *system
	ended := make(chan struct{})
	var all sync.WaitGroup
	s = start(t, lab.Options{CSM: "1.2", Sessions: 20}, lab.ServerOptions{OnRequest: func(_ int, r *http.Request) {
		if takesAway(r.Method, r.URL.Path) {
			<-ended
		}
	}})
	file, plan := s.saved()
	all.Go(func() { s.document([]string{"sweep", "--max-deletes", "1"}) })
	eventually(t, func() error {
		if len(s.takenAway()) == 0 {
			return errors.New("nothing is being deleted yet")
		}
		return nil
	})
	if code, _, stderr := s.run([]string{"apply", file}); code != gc.ExitLocked {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if n := len(s.takenAway()); n != 1 {
		t.Errorf("%d deletes were sent", n)
	}
	close(ended)
	all.Wait()
	d, code := s.document([]string{"apply", file, "--max-deletes", "3"})
	if code != gc.ExitDone || d.Outcomes[gc.Deleted] != 3 || d.Outcomes[gc.Gone] != 1 || d.Outcomes[gc.Waiting] != plan.Summary.Delete-4 {
		t.Errorf("exit code %d, %v of %d", code, d.Outcomes, plan.Summary.Delete)
	}
	if holder := s.holder(); holder != "" {
		t.Errorf("%q still holds the lock", holder)
	}
	if code, _, _ := s.run([]string{"apply", file, "--max-deletes", "0"}); code != gc.ExitUsage {
		t.Errorf("--max-deletes 0: exit code %d", code)
	}
}

// An object whose source cannot be read is neither reported as gone nor deleted.
func TestApplyWithASourceAway(t *testing.T) {
	t.Parallel()
	for system, kind := range map[string]policy.Kind{"cfs": policy.CFSSession, "bos": policy.Session} {
		t.Run(system, func(t *testing.T) {
			t.Parallel()
			s := start(t, lab.Options{CSM: "1.4", Sessions: 40}, lab.ServerOptions{})
			file, plan := s.saved()
			if err := s.AddFault(lab.Fault{Kind: lab.FaultStatus, Status: http.StatusInternalServerError, System: system, Method: http.MethodGet, Path: "/v[12]/session"}); err != nil {
				t.Fatal(err)
			}
			before := s.exist()
			d, code := s.document([]string{"apply", file}, "BOSGC_DEADLINE=10s")
			if code != gc.ExitIncomplete {
				t.Errorf("exit code %d", code)
			}
			for _, o := range d.Objects {
				if o.Kind == kind && (o.Outcome == gc.Gone || o.Outcome == gc.Deleted) {
					t.Errorf("%s %s is %s, although its source could not be read", o.Kind, o.Name, o.Outcome)
				}
			}
			if count(plan, func(o gc.Object) bool { return o.Kind == kind && o.Verdict == policy.Delete }) == 0 {
				t.Error("the plan has nothing that depends on it: this test proves nothing")
			}
			for o := range gone(before, s.exist()) {
				if strings.HasPrefix(o, string(kind)+" ") {
					t.Errorf("%s was deleted", o)
				}
			}
		})
	}
}

// An orphan is deleted only after sweeps have confirmed it, and applying a plan is not a sweep.
func TestAnOrphanInASavedPlanHasToBeConfirmedAllTheSame(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 6, Only: []string{"orphan-configmap", "running"}}, lab.ServerOptions{})
	file, plan := s.saved("BOSGC_ORPHAN_SIGHTINGS=1")
	n := count(plan, func(o gc.Object) bool { return o.Reason == policy.Orphaned })
	if n == 0 {
		t.Fatal("there is no orphan")
	}
	before := s.exist()
	for range 3 {
		d, code := s.document([]string{"apply", file}, "BOSGC_ORPHAN_SIGHTINGS=2")
		if code != gc.ExitDone || d.Outcomes[gc.Skipped] != n {
			t.Errorf("exit code %d, %v of %d", code, d.Outcomes, n)
		}
	}
	s.same("after it was applied three times", s.exist(), before)
	if d, _ := s.document([]string{"sweep"}, "BOSGC_ORPHAN_SIGHTINGS=2"); d.Outcomes[gc.Deleted] != 0 {
		t.Errorf("the first sweep: %v", d.Outcomes)
	}
	if d, _ := s.document([]string{"apply", file}, "BOSGC_ORPHAN_SIGHTINGS=2"); d.Outcomes[gc.Deleted] != n {
		t.Errorf("after a sweep: %v of %d", d.Outcomes, n)
	}
}

// An apply counts its deletes. It does not become the last sweep.
func TestApplyCountsWhatItDeletesAndIsNoSweep(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.2", Sessions: 20}, lab.ServerOptions{})
	sweep, _ := s.document([]string{"sweep", "--max-deletes", "1"})
	before := s.exported()
	file, plan := s.saved()
	s.run([]string{"apply", file})
	after := s.exported()
	total := func(name string, in map[string]*dto.MetricFamily) (sum float64) {
		for _, m := range in[name].GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
		return sum
	}
	if n := total("bosgc_deleted_total", after) - total("bosgc_deleted_total", before); n != float64(plan.Summary.Delete) {
		t.Errorf("%v deletes were counted, and there were %d", n, plan.Summary.Delete)
	}
	for _, name := range []string{"bosgc_last_sweep_timestamp_seconds", "bosgc_backlog", "bosgc_objects"} {
		if total(name, after) != total(name, before) {
			t.Errorf("%s went from %v to %v", name, total(name, before), total(name, after))
		}
	}
	if sweep.Outcomes[gc.Deleted] != 1 {
		t.Errorf("the sweep: %v", sweep.Outcomes)
	}
}

func TestTwoPlansOfOneWorldReadTheSame(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 40}, lab.ServerOptions{})
	body := func() string {
		file, _ := s.saved()
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		from, to := bytes.Index(text, []byte(`"objects": [`)), bytes.Index(text, []byte(`"checksum"`))
		return string(text[from:to])
	}
	first := body()
	if first != body() || strings.Count(first, "\n    {\n") < 100 {
		t.Error("they differ, or an object is not a block of its own")
	}
}

func TestAPlanThatCannotBeSaved(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 5}, lab.ServerOptions{})
	dir := t.TempDir()
	pipe := filepath.Join(t.TempDir(), "pipe") // stands for a device, which must not be replaced by a rename
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	nowhere := filepath.Join(dir, "none", "plan.json")
	for file, want := range map[string]int{dir: gc.ExitUsage, nowhere: gc.ExitFailed, pipe: gc.ExitUsage} {
		code, stdout, stderr := s.run([]string{"plan", "--save", file})
		if code != want || stdout != "" || !strings.Contains(stderr, file) {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", file, code, stdout, stderr)
		}
	}
	if info, err := os.Lstat(pipe); err != nil || info.Mode().Type() != os.ModeNamedPipe {
		t.Errorf("the pipe is now %v, %v", info, err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// The orphan guard decides when the plan is applied, not when it was saved.
func TestTheOrphanGuardHoldsForASavedPlan(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 40, Only: []string{"orphan-configmap", "running"}}, lab.ServerOptions{})
	const loose, strict = "BOSGC_MAX_ORPHAN_PERCENT=100", "BOSGC_MAX_ORPHAN_PERCENT=1"
	sighted := "BOSGC_ORPHAN_SIGHTINGS=1"
	file, plan := s.saved(loose, sighted)
	guarded := filepath.Join(t.TempDir(), "guarded.json")
	if d, code := s.document([]string{"plan", "--save", guarded}, strict, sighted); code != gc.ExitRefused || plan.Summary.Delete == 0 || d.Summary.Delete != 0 {
		t.Fatalf("exit code %d; %d of %d to delete: this test proves nothing", code, d.Summary.Delete, plan.Summary.Delete)
	}
	before := s.exist()
	d, code := s.document([]string{"apply", file}, strict, sighted)
	if code != gc.ExitRefused || d.Outcomes[gc.Skipped] != plan.Summary.Delete {
		t.Errorf("exit code %d, %v", code, d.Outcomes)
	}
	if d, code := s.document([]string{"apply", guarded}, loose, sighted); code != gc.ExitDone || d.Outcomes[gc.Deleted] != 0 {
		t.Errorf("a plan in which the guard kept objects: exit code %d, %v", code, d.Outcomes)
	}
	s.untouched(before)
}
