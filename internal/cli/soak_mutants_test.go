package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A mutant breaks one rule of docs/safety.md, without a switch in the product: "go test -overlay" compiles the file
// with the new text in place of the old one.
type mutant struct {
	rule     string
	file     string // relative to the module's root
	old, new string
}

var mutants = []mutant{
	{
		"grace", "policy/session.go",
		"if eligible := since.Add(ttl); j.now.Before(eligible) {", "if eligible := since.Add(ttl); j.now.Before(eligible) && false {",
	},
	{"clock", "policy/session.go", `j.memory.ClockDoubt != ""`, `j.memory.ClockDoubt == "never"`},
	{"sightings", "policy/orphan.go", "if times < j.settings.OrphanSightings {", "if times < 0 {"},
	{"guard", "policy/orphan.go", `because != "" {`, `because == "never" {`},
	{"one-system", "policy/tie.go", "if !t.tie.Shown {", "if false {"},
	{
		"v1-at-work", "internal/inventory/ties.go", `	case v.removed && v.alive != "":`,
		"\tcase v.removed:\n\t\treturn Tie{Shown: true}\n\tcase v.alive != \"\":",
	},
	{"removed-elsewhere", "internal/inventory/ties.go", "case v.removed && e.SameCluster,", "case v.removed,"},
	{
		"cfs-orphan", "policy/cfs.go", "\treturn j.orphaned(\n\t\tCFSSession,",
		"\tif f != nil {\n\t\treturn remove(OwnerCollected, since, \"its session is gone\")\n\t}\n\treturn j.orphaned(\n\t\tCFSSession,",
	},
	{"guard-memory", "policy/orphan.go", "g = j.guard(g, orphans", "g = j.guard(memory.Guard{}, orphans"},
	{"doubt-release", "policy/tie.go", "case doubted > 0 && doubted == g.Trusted:", "case doubted > 999:"},
	{"doubt-later", "policy/tie.go", "case doubted > 0 && doubted == g.Trusted:", "case g.Trusted > 0:"},
	{"body-read", "policy/configmap.go", "if j.ownerListed(f) || j.assumeContent {", "if j.ownerListed(f) {"},
	{"guard-shape", "policy/orphan.go", "if d.Reason == NotOurs || d.Reason == Foreign {", "if false {"},
	{"interval", "internal/memory/memory.go", "case now.Sub(s.Last) >= interval:", "default:"},
	{"orphan-template", "policy/configmap.go", "func (j *Judge) templateNamed(f *facts) *ruling {\n", "func (j *Judge) templateNamed(f *facts) *ruling {\n\tif f != nil {\n\t\treturn nil\n\t}\n"},
	{
		"running", "internal/inventory/activity.go",
		"\treturn a\n}\n\nfunc podsOf", "\ta.Running = \"\"\n\treturn a\n}\n\nfunc podsOf",
	},
	{"users", "policy/configmap.go", `if f.configMap.User == "" {`, "if true {"},
	{"keep", "policy/keep.go", "if k.Keep != nil {", "if k.Keep != nil && false {"},
	{"misspelled", "policy/keep.go", `if k.Odd == "" {`, "if true {"},
	{"remembered-keep", "policy/remember.go", `if p.Name == "" ||`, "if true ||"},
	{"remembered-failure", "policy/remember.go", "if m.Failed.IsZero() ||", "if true ||"},
	{
		"templates", "policy/keep.go",
		"keptTemplate(f *facts) *ruling {\n", "keptTemplate(f *facts) *ruling {\n\tif f != nil {\n\t\treturn nil\n\t}\n",
	},
	{"keep-last", "policy/keeplast.go", "if !j.keptLast[f.group.ID] {", "if true {"},
	{"last-boot", "internal/inventory/template.go", "switch operation {", `switch "boot" {`},
	{"templates-read", "internal/inventory/template.go", `t.names == nil || name == "":`, `name == "":`},
	{"body", "policy/configmap.go", "switch f.configMap.Body {", "switch inventory.BodyExact {"},
	{"evidence", "policy/session.go", "len(missing) > 0 {", "len(missing) > 99 {"},
	{"owner", "policy/job.go", "case f.group.Listed == inventory.Unknown:\n", "case true:\n\tcase f.group.Listed == inventory.Unknown:\n"},
	{"times", "policy/session.go", "case t.stamp.Bad():\n", "case t.stamp.Bad() && false:\n"},
	{"hold-back", "policy/policy.go", "case cm.Verdict == Unknown:", "case cm.Verdict == Unknown && false:"},
	{"foreign", "policy/cfs.go", `why != "" {`, `why == "never" {`},
	{"status", "policy/cfs.go", "switch c.Status {", `switch "complete" {`},
	{"v2", "policy/cfs.go", "switch f.group.V2 {", "switch inventory.Absent {"},
	{
		"look", "gc/delete.go", "\tif x.shared(o) {\n",
		"\tif o != nil {\n\t\tx.deleteIfStillDue(ctx, s, o, policy.Decision{Verdict: policy.Delete}, s.evidence[o].content)\n" +
			"\t\treturn\n\t}\n\tif x.shared(o) {\n",
	},
	{"terminating", "policy/configmap.go", "if !d.Since.Known() {", "if true {"},
	{"watch", "internal/live/live.go", "v.view.apply(w.kind, c)", "_ = c"},
	{
		"order", "gc/execute.go", "\tfor i, o := range s.objects {\n",
		"\tfor i := range s.objects {\n\t\to := s.objects[len(s.objects)-1-i]\n",
	},
	{"cap", "gc/batch.go", "if budget == 0 || together", "if budget == 0 && false || false && together"},
	{"errors", "gc/delete.go", "case err != nil && x.goneAfterError(ctx, s, o):", "case err != nil:"},
	{"refusals", "internal/refusals/refusals.go", "return s.full() && (", "return s.full() && false && ("},
	{"journal", "gc/evidence.go", "return x.limits.Journal.Write(ctx, entries)", "return nil"},
	{
		"unread", "gc/delete.go",
		"if e := s.evidence[o]; e != nil && e.err != nil {\n\t\tx.postponeUnchecked(o, e.err)\n\t\treturn\n\t}\n" +
			"\tif why := s.unjournaled(o, now); why != \"\" {",
		"if why := s.unjournaled(o, now); why != \"\" && (s.evidence[o] == nil || s.evidence[o].err == nil) {",
	},
	{
		"precondition", "internal/kube/delete.go",
		"opts := metav1.DeleteOptions{\n\t\tPreconditions:     &metav1.Preconditions{UID: &u, ResourceVersion: &resourceVersion},\n",
		"_ = u\n\topts := metav1.DeleteOptions{\n",
	},
	{
		"404-kube", "internal/kube/delete.go",
		"apierrors.IsNotFound(err) && !apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)",
		"apierrors.IsNotFound(err)",
	},
	{"note", "internal/checkpoint/checkpoint.go", "note.Known && asked(", "note.Known || asked("},
	{"404-bos", "internal/bos/client.go", "invalid == nil && len(fields) == 0 {", "invalid == nil || len(fields) == 0 {"},
}

// mutate returns the mutant's file with the rule broken. It is an error if the old text is not in the file exactly
// once: the mutant would break another rule than it names, or none.
func (m mutant) mutate(root string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		return nil, err
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		return nil, fmt.Errorf("mutant %s: its old text is %d times in %s, want once: %q", m.rule, n, m.file, m.old)
	}
	return []byte(strings.Replace(string(text), m.old, m.new, 1)), nil
}

// TestMutantsFit checks without a build that every mutant still breaks the line that it was written for, and that
// docs/safety.md names the same rules.
func TestMutantsFit(t *testing.T) {
	var rules []string
	for _, m := range mutants {
		rules = append(rules, m.rule)
		if _, err := m.mutate(moduleRoot); err != nil {
			t.Error(err)
		}
	}
	slices.Sort(rules)
	documented, _ := documentedRules(t)
	if !slices.Equal(documented, rules) {
		t.Errorf("docs/safety.md has the rules %v, the mutants break %v", documented, rules)
	}
}
