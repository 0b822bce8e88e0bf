package cli

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"bosgc/gc"
	"bosgc/internal/explain"
	"bosgc/internal/inventory"
	"bosgc/internal/lab"
	"bosgc/internal/report"
	"bosgc/policy"
)

func (s *system) explained(object string, extra ...string) (e explain.Explanation, code int) {
	s.t.Helper()
	code, stdout, stderr := s.run([]string{"explain", object, "-o", "json"}, extra...)
	if err := json.Unmarshal([]byte(stdout), &e); err != nil || e.Kind != "Explanation" {
		s.t.Fatalf("%s: exit code %d, %v\n%s\n%s", object, code, err, stdout, stderr)
	}
	return e, code
}

// oneOfEach returns the first object of every kind, verdict and reason.
func oneOfEach(d gc.Document) (all []gc.Object) {
	seen := map[[2]string]bool{}
	for _, o := range d.Objects {
		if key := [2]string{string(o.Kind), string(o.Reason)}; !seen[key] {
			seen[key] = true
			all = append(all, o)
		}
	}
	return all
}

var command = regexp.MustCompile(`^    (kubectl|bosgc|cray) `)

// A session with an ID of another form stays for ever; its explanation gives the command by which a person removes it.
func TestASessionWithAnOldIDIsRemovedByHand(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.2", Sessions: 1, Only: []string{"id-legacy"}}, lab.ServerOptions{})
	id := s.BOS.IDs()[0]
	// The exit code is 6: one session without any trace in Kubernetes may be of another system.
	code, stdout, stderr := s.run([]string{"explain", "session/" + id})
	if !strings.Contains(stdout, "\n    cray bos v1 session delete "+id+"\n") {
		t.Errorf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
}

// An explanation agrees with the plan, names the rule that decides, and changes nothing.
func TestAnExplanationAgreesWithThePlan(t *testing.T) {
	t.Parallel()
	for _, csm := range []string{"1.2", "1.4", "1.6"} {
		t.Run(csm, func(t *testing.T) {
			t.Parallel()
			s := start(t, lab.Options{CSM: csm, Sessions: 60}, lab.ServerOptions{})
			d, _ := s.document([]string{"plan"})
			before := s.exist()
			for _, o := range oneOfEach(d) {
				e, code := s.explained(string(o.Kind) + "/" + o.Name)
				if code != gc.ExitDone || e.Object.Verdict != o.Verdict || e.Object.Reason != o.Reason || e.Object.Detail != o.Detail {
					t.Errorf("%s %s: exit code %d, %s %s (%s), planned %s %s (%s)", o.Kind, o.Name, code, e.Object.Verdict, e.Object.Reason, e.Object.Detail, o.Verdict, o.Reason, o.Detail)
				}
				decides := slices.IndexFunc(e.Rules, func(r explain.Rule) bool { return r.Decides })
				if decides < 0 || e.Rules[decides].Reason != o.Reason || e.Eligible == "" || len(e.Facts) == 0 || len(e.Changes) == 0 {
					t.Errorf("%s %s (%s): rules %+v, eligible %q, %d facts, changes %v", o.Kind, o.Name, o.Reason, e.Rules, e.Eligible, len(e.Facts), e.Changes)
				}
				stdout := report.Explanation(&e)
				for line := range strings.Lines(stdout) {
					if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 90 && !command.MatchString(line) {
						t.Errorf("%d wide: %s", n, line)
					}
				}
				if !strings.Contains(stdout, o.Name) || !strings.Contains(stdout, string(o.Reason)) {
					t.Errorf("name or reason is missing:\n%s", stdout)
				}
			}
			s.untouched(before)
			if n := s.leaseRequests(); n > 0 {
				t.Errorf("%d requests for the lock", n)
			}
			for _, r := range s.Requests() {
				if r.System != "token" && r.Method != http.MethodGet && !strings.HasSuffix(r.Path, "/selfsubjectaccessreviews") {
					t.Errorf("%s %s was sent", r.Method, r.Path)
				}
			}
			s.noDanger()
		})
	}
}

// Everything that belongs to a session is found from each of its parts.
func TestAllThatIsLinkedIsNamedWithItsEvidence(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.2", Sessions: 8, Only: []string{"running-with-cfs"}}, lab.ServerOptions{})
	d, _ := s.document([]string{"plan"})
	i := slices.IndexFunc(d.Objects, func(o gc.Object) bool { return o.Kind == policy.CFSSession && o.Session != "" })
	id := d.Objects[i].Session
	var parts []string
	for _, o := range d.Objects {
		if o.Session == id {
			parts = append(parts, name(string(o.Kind), o.Name))
		}
	}
	if len(parts) < 4 {
		t.Fatalf("the session has only %v", parts)
	}
	// A sweep needs no record of what runs; a person wants to know.
	if e, _ := s.explained(id); !slices.ContainsFunc(e.Facts, func(f explain.Fact) bool { return f.Name == "operation" && f.Value != "" }) {
		t.Errorf("what BOS knows of it is missing: %v", e.Facts)
	}
	for _, part := range parts {
		e, _ := s.explained(strings.Replace(part, " ", "/", 1))
		pods := 0
		linked := []string{part}
		for _, l := range e.Linked {
			if l.Evidence == "" {
				t.Errorf("%s: no evidence for the link to %s %s", part, l.Kind, l.Name)
			}
			if l.Kind == "Pod" {
				pods++
				continue
			}
			linked = append(linked, name(l.Kind, l.Name))
		}
		slices.Sort(linked)
		if want := slices.Sorted(slices.Values(parts)); !slices.Equal(linked, want) || pods == 0 {
			t.Errorf("%s is linked to %v and %d Pods, want %v", part, linked, pods, want)
		}
	}
}

// The owner of a CFS session without a tag is explained whether bosgc acts on it or not, and BOS's list is requested
// once.
func TestLinksOfCFSSessionsWithoutATagAreExplained(t *testing.T) {
	t.Parallel()
	world, err := lab.NewHistory(lab.HistoryOptions{CSM: "1.4", Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	s := startWorld(t, world, lab.ServerOptions{})
	d, _ := s.document([]string{"plan"})
	linked, both := 0, 0
	for _, o := range d.Objects {
		if o.Kind != policy.CFSSession || o.Session != "" || o.Reason == policy.Foreign {
			continue
		}
		e, code := s.explained("cfs/" + o.Name)
		if code != gc.ExitDone || len(e.Links) != 1 || e.Links[0].CFS != o.Name || e.Links[0].Exact {
			t.Fatalf("%s: exit code %d, links %+v, %s", o.Name, code, e.Links, e.LinksError)
		}
		if linked++; linked > 12 {
			break
		}
		if !e.Links[0].Strong() {
			if e.Links[0].Veto == "" && len(e.Links[0].Sessions) > 0 && e.Links[0].Score == 0 {
				t.Errorf("%s: neither a score nor a veto: %+v", o.Name, e.Links[0])
			}
			continue
		}
		other, _ := s.explained(e.Links[0].Sessions[0])
		if !slices.ContainsFunc(other.Links, func(l inventory.Link) bool { return l.CFS == o.Name && l.Strong() }) {
			t.Errorf("%s belongs to session %s, but the session does not link to it: %+v", o.Name, other.Object.Name, other.Links)
		}
		both++
	}
	if linked == 0 || both == 0 {
		t.Errorf("%d without a tag, %d strong links: this test proves nothing", linked, both)
	}
	s.noDanger()
}

// The command that an explanation offers really changes the verdict.
func TestTheCommandThatAnExplanationGivesHelps(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 4, Only: []string{"keep-on-configmap", "finished-expired", "keep-on-job"}}, lab.ServerOptions{})
	annotate := regexp.MustCompile(`^kubectl -n services annotate (configmap|job) (\S+) (\S+?)(=true|-)$`)
	kind := map[string]string{"configmap": lab.KindConfigMap, "job": lab.KindJob}
	follow := func(e explain.Explanation) {
		t.Helper()
		for _, c := range e.Changes {
			if m := annotate.FindStringSubmatch(c.Command); m != nil {
				value := map[string]string{"=true": "true"}[m[4]]
				if !s.Annotate(kind[m[1]], m[2], m[3], value) {
					t.Errorf("%s %s is not there", m[1], m[2])
				}
				return
			}
		}
		t.Fatalf("%s %s (%s): no command: %v", e.Object.Kind, e.Object.Name, e.Object.Reason, e.Changes)
	}
	d, _ := s.document([]string{"plan"}, "BOSGC_KEEP_LAST=0")
	there, back := 0, 0
	for _, o := range d.Objects {
		if o.Kind != policy.Session {
			continue
		}
		e, _ := s.explained(o.Name, "BOSGC_KEEP_LAST=0")
		switch follow(e); o.Reason {
		case policy.KeptByRule:
			if e, _ := s.explained(o.Name, "BOSGC_KEEP_LAST=0"); e.Object.Reason == policy.KeptByRule {
				t.Errorf("%s is still kept by a rule", o.Name)
			}
			there++
		default:
			if e, _ := s.explained(o.Name, "BOSGC_KEEP_LAST=0"); e.Object.Reason != policy.KeptByRule {
				t.Errorf("%s is not kept", o.Name)
			}
			back++
		}
	}
	if there == 0 || back == 0 {
		t.Errorf("%d protections taken away, %d given", there, back)
	}
}

func TestAnExplanationSaysWhenAndNamesSettings(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 4, Only: []string{"finished-recently"}}, lab.ServerOptions{})
	d, _ := s.document([]string{"plan"}, "BOSGC_KEEP_LAST=0")
	o := d.Objects[slices.IndexFunc(d.Objects, func(o gc.Object) bool {
		return o.Kind == policy.Session && s.World.Facts()[name(string(o.Kind), o.Name)].Boots
	})]
	e, _ := s.explained(o.Name, "BOSGC_KEEP_LAST=0", "BOSGC_SESSION_TTL=30d")
	if !strings.HasPrefix(e.Eligible, "from 20") || !slices.ContainsFunc(e.Changes, func(c explain.Change) bool { return strings.Contains(c.Text, `BOSGC_SESSION_TTL (now "30d")`) }) {
		t.Errorf("eligible %q, changes %v", e.Eligible, e.Changes)
	}
	e, _ = s.explained("configmap/"+o.Name, "BOSGC_KEEP_LAST=99", "BOSGC_KEEP_LAST_FOR=0s", "BOSGC_KEEP_TEMPLATES=*")
	if e.Owner == nil || e.Owner.Name != o.Name || len(e.Owner.Rules) != 3 {
		t.Fatalf("owner %+v", e.Owner)
	}
	if !strings.HasPrefix(e.Eligible, "not before 20") || !strings.Contains(e.Eligible, "kept-by-rule") || !strings.Contains(e.Eligible, "kept-last") {
		t.Errorf("eligible %q", e.Eligible)
	}
	for _, want := range []string{"BOSGC_KEEP_LAST", "BOSGC_KEEP_TEMPLATES", "BOSGC_SESSION_TTL"} {
		if !slices.ContainsFunc(e.Changes, func(c explain.Change) bool { return strings.Contains(c.Text, want) }) {
			t.Errorf("%s is not in %v", want, e.Changes)
		}
	}
}

func TestAnUnknownNameGetsTheNearestOnes(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.2", Sessions: 20}, lab.ServerOptions{})
	d, _ := s.document([]string{"plan"})
	job := d.Objects[slices.IndexFunc(d.Objects, func(o gc.Object) bool {
		return o.Kind == policy.Job && o.Reason == policy.OwnerCollected && o.Name == "boa-"+o.Session
	})]
	id := job.Session
	slip := "f"
	if strings.HasSuffix(id, slip) {
		slip = "e"
	}
	for object, want := range map[string]string{
		"session/" + id[:8]:              "did you mean one of these?\n  session/" + id,
		id[:len(id)-1] + slip:            "session/" + id,
		job.Name:                         "did you mean one of these?\n  job/" + job.Name,
		"configmap/" + job.Name:          "did you mean one of these?\n  job/" + job.Name,
		"job/cray-dns-unbound-manager-1": "bosgc plan",
	} {
		code, stdout, stderr := s.run([]string{"explain", object})
		if code != gc.ExitFailed || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q; want %q", object, code, stdout, stderr, want)
		}
	}
	code, stdout, _ := s.run([]string{"explain", "zzz", "-o", "json"})
	var f failure
	if err := json.Unmarshal([]byte(stdout), &f); err != nil || code != gc.ExitFailed || f.ExitCode != code {
		t.Errorf("exit code %d, %v, %s", code, err, stdout)
	}
}

func TestAMalformedObjectIsAMistakeOfUsage(t *testing.T) {
	s := start(t, lab.Options{CSM: "1.4", Sessions: 5}, lab.ServerOptions{})
	for _, args := range [][]string{
		{}, {"a", "b"}, {""}, {"session/"}, {"/x"}, {"pod/x"}, {"job/a/b"}, {"job/a b"}, {"cfs/\x1b[31m"}, {"job/" + strings.Repeat("a", 254)}, {"secret/bosgc"},
	} {
		code, stdout, stderr := s.run(append([]string{"explain"}, args...))
		if code != gc.ExitUsage || stdout != "" || strings.Contains(stderr, "\x1b") {
			t.Errorf("%q: exit code %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
	if n := len(s.Requests()); n > 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestKindsInAnySpelling(t *testing.T) {
	for text, want := range map[string]policy.Kind{
		"x": policy.Session, "SESSION/x": policy.Session, "Job/x": policy.Job, "ConfigMap/x": policy.ConfigMap, "configmap/x": policy.ConfigMap,
		"cfs/x": policy.CFSSession, "CFSSession/x": policy.CFSSession, "cfssession/x": policy.CFSSession,
	} {
		if kind, name, err := parseObject(text); err != nil || kind != want || name != "x" {
			t.Errorf("%s: %s %s, %v", text, kind, name, err)
		}
	}
}

// A session that BOS does not list any more still leads a person to what is left of it.
func TestWhatIsLeftOfASessionThatIsGoneIsExplained(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 4, Only: []string{"orphan-configmap"}}, lab.ServerOptions{})
	d, _ := s.document([]string{"plan"})
	orphan := d.Objects[0]
	e, code := s.explained(orphan.Session)
	if code != gc.ExitDone || e.Object.Verdict != "" || len(e.Linked) == 0 || e.Linked[0].Name != orphan.Name {
		t.Errorf("exit code %d, %+v, linked %+v", code, e.Object, e.Linked)
	}
}

func TestAnExplanationWithASourceAwaySaysSo(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 10}, lab.ServerOptions{})
	d, _ := s.document([]string{"plan"})
	if err := s.AddFault(lab.Fault{
		Kind: lab.FaultStatus, Status: http.StatusForbidden, System: "kube", Method: http.MethodGet, Path: `/namespaces/services/pods(\?|$)`,
		Header: map[string]string{"Content-Type": "application/json"},
		Body:   `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"forbidden"}`,
	}); err != nil {
		t.Fatal(err)
	}
	o := d.Objects[slices.IndexFunc(d.Objects, func(o gc.Object) bool { return o.Kind == policy.Session && o.Reason == policy.CompletedExpired })]
	e, code := s.explained(o.Name)
	if code != gc.ExitIncomplete || e.Object.Reason != policy.EvidenceIncomplete {
		t.Errorf("exit code %d, %s", code, e.Object.Reason)
	}
	if code, stdout, _ := s.run([]string{"explain", o.Name}); code != gc.ExitIncomplete || !strings.Contains(stdout, "Not read completely: kube-pods") {
		t.Errorf("exit code %d:\n%s", code, stdout)
	}
	if code, _, stderr := s.run([]string{"explain", "zzz"}); code != gc.ExitFailed || !strings.Contains(stderr, "kube-pods") {
		t.Errorf("an unknown name: exit code %d, %s", code, stderr)
	}
}

// Who looks for an object that is gone learns which run deleted it, when, why, and what can be put back.
func TestADeletedObjectIsExplainedFromTheJournal(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 30}, lab.ServerOptions{})
	swept, _ := s.document([]string{"sweep"})
	for _, kind := range []policy.Kind{policy.Session, policy.Job, policy.CFSSession, policy.ConfigMap} {
		i := slices.IndexFunc(swept.Objects, func(o gc.Object) bool { return o.Kind == kind && o.Outcome == gc.Deleted && o.Session != "" })
		if i < 0 {
			t.Fatalf("no %s was deleted", kind)
		}
		o := swept.Objects[i]
		e, code := s.explained(string(o.Kind) + "/" + o.Name)
		d := e.Deletion
		if code != gc.ExitDone || d == nil || d.Run != swept.Run || d.Reason != string(o.Reason) || d.At.Before(swept.CreatedAt) || d.Detail == "" {
			t.Fatalf("%s %s: exit code %d, %+v, want what run %s deleted as %s", o.Kind, o.Name, code, d, swept.Run, o.Reason)
		}
		if restorable := d.Restore == "yes"; restorable != (o.Kind == policy.ConfigMap) || restorable && d.Command == "" {
			t.Errorf("%s %s: %q, %q", o.Kind, o.Name, d.Restore, d.Command)
		}
		of := count(swept, func(other gc.Object) bool { return other.Session == o.Session && other.Outcome == gc.Deleted })
		if len(d.With) != of-1 {
			t.Errorf("%s %s: deleted with it %+v, want %d", o.Kind, o.Name, d.With, of-1)
		}
		text := report.Explanation(&e)
		for _, want := range []string{"it is gone", "by run " + swept.Run, string(o.Reason) + ": ", "restorable", "bosgc journal " + swept.Run} {
			if !strings.Contains(text, want) {
				t.Errorf("%q is missing:\n%s", want, text)
			}
		}
		if o.Kind != policy.ConfigMap {
			continue
		}
		// The command that is offered works, and then the object is there again.
		args := strings.Fields(d.Command)[1:]
		if code, stdout, stderr := s.run(args[:len(args)-1]); code != gc.ExitDone || !s.exist()[name(string(o.Kind), o.Name)] {
			t.Errorf("%s: exit code %d\n%s%s", d.Command, code, stdout, stderr)
		}
		if e, _ := s.explained("configmap/" + o.Name); e.Deletion != nil || e.Object.Verdict == "" {
			t.Errorf("what was put back is explained as gone: %+v", e.Object)
		}
	}
	s.noDanger()
}

// Where a source is away, the journal does not show that an object is gone.
func TestAnObjectThatMayStillExistIsNotCalledGone(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 10}, lab.ServerOptions{})
	swept, _ := s.document([]string{"sweep"})
	o := swept.Objects[slices.IndexFunc(swept.Objects, func(o gc.Object) bool { return o.Kind == policy.Session && o.Outcome == gc.Deleted })]
	if err := s.AddFault(lab.Fault{Name: "bos-down"}); err != nil {
		t.Fatal(err)
	}
	e, code := s.explained(o.Name, "BOSGC_REQUEST_TIMEOUT=1s")
	if code != gc.ExitIncomplete || e.Deletion == nil || !strings.Contains(e.Object.Detail, "bos-sessions") {
		t.Errorf("exit code %d, %+v, %+v", code, e.Object, e.Deletion)
	}
	s.ClearFaults()
	if err := s.AddFault(lab.Fault{Kind: lab.FaultStatus, Status: 403, System: "kube", Method: http.MethodGet, Path: "bosgc-journal"}); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := s.run([]string{"explain", o.Name}); code != gc.ExitFailed || !strings.Contains(stderr, "Whether a run has deleted it is not known") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
