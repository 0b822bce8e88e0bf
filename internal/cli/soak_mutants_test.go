package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A mutant breaks one rule of docs/safety.md, without a switch in the product: "go test -overlay" compiles
// the file with the new text in place of the old one.
type mutant struct {
	rule     string
	file     string // from the module's root
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
	{"running", "policy/running.go", "\treturn a\n}\n\nfunc podsOf", "\ta.running = \"\"\n\treturn a\n}\n\nfunc podsOf"},
	{"users", "policy/configmap.go", `if f.configMap.User == "" {`, "if true {"},
	{"keep", "policy/keep.go", "if k.Keep != nil {", "if k.Keep != nil && false {"},
	{
		"templates", "policy/keep.go",
		"keptTemplate(f *facts) *ruling {\n", "keptTemplate(f *facts) *ruling {\n\tif f != nil {\n\t\treturn nil\n\t}\n",
	},
	{"keep-last", "policy/keeplast.go", "if !j.keptLast[f.group.ID] {", "if true {"},
	{"body", "policy/configmap.go", "switch f.configMap.Body {", "switch inventory.BodyExact {"},
	{"evidence", "policy/session.go", "len(missing) > 0 {", "len(missing) > 99 {"},
	{"owner", "policy/job.go", "case f.group.Listed == inventory.Unknown:\n", "case true:\n\tcase f.group.Listed == inventory.Unknown:\n"},
	{"times", "policy/session.go", "case t.stamp.Bad():\n", "case t.stamp.Bad() && false:\n"},
	{"hold-back", "policy/policy.go", "if cm.Verdict != Unknown {", "if true {"},
	{"foreign", "policy/cfs.go", `why != "" {`, `why == "never" {`},
	{"status", "policy/cfs.go", "switch c.Status {", `switch "complete" {`},
	{"v2", "policy/cfs.go", "switch f.group.V2 {", "switch inventory.Absent {"},
	{
		"look", "gc/execute.go", "if x.shared(o) {\n",
		"if o != nil {\n\t\tx.carryOut(ctx, u, o, policy.Decision{Verdict: policy.Delete}, u.content(o))\n\t\treturn\n\t}\n\tif x.shared(o) {\n",
	},
	{"order", "gc/execute.go", "\tfor i, o := range u.objects {\n\t\tu.finishing", "\tslices.Reverse(u.objects)\n\tfor i, o := range u.objects {\n\t\tu.finishing"},
	{"cap", "gc/unit.go", "if budget == 0 || together", "if budget == 0 && false || false && together"},
	{"errors", "gc/delete.go", "case err != nil && x.isGone(ctx, u, o):", "case err != nil:"},
	{"journal", "gc/record.go", "return x.limits.Journal.Write(ctx, entries)", "return nil"},
	{
		"unread", "gc/delete.go",
		"if r := u.readings[o]; r != nil && r.err != nil {\n\t\tx.notTried(o, r.err)\n\t\treturn\n\t}\n\tif why := u.unrecorded(o, now); why != \"\" {",
		"if why := u.unrecorded(o, now); why != \"\" && (u.readings[o] == nil || u.readings[o].err == nil) {",
	},
	{
		"precondition", "internal/kube/object.go",
		"opts := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &u, ResourceVersion: &resourceVersion}}",
		"opts := metav1.DeleteOptions{}\n\t_ = u",
	},
	{"404-kube", "internal/kube/object.go", "apierrors.IsNotFound(err) && !apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)", "apierrors.IsNotFound(err)"},
	{"404-bos", "internal/bos/client.go", "bad == nil && len(fields) == 0 {", "bad == nil || len(fields) == 0 {"},
}

// mutate returns the mutant's file with the rule broken. A mutant whose old text does not stand exactly once
// is an error: it would break another rule than the one that it names, or none.
func (m mutant) mutate(root string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		return nil, err
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		return nil, fmt.Errorf("mutant %s: its old text stands %d times in %s, not once: %q", m.rule, n, m.file, m.old)
	}
	return []byte(strings.Replace(string(text), m.old, m.new, 1)), nil
}

// TestMutantsFit checks without a build that every mutant still breaks the line that it was written for, and
// that docs/safety.md names the same rules.
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
		t.Errorf("docs/safety.md has the rules %v, and the mutants break %v", documented, rules)
	}
}
