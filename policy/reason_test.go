package policy

import (
	"encoding"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"
)

// declaredReasons returns the words of all constants of type Reason.
func declaredReasons(t *testing.T) (words []Reason) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		name, typed := spec.Type.(*ast.Ident)
		value, literal := spec.Values[0].(*ast.BasicLit)
		if typed && literal && name.Name == "Reason" {
			word, err := strconv.Unquote(value.Value)
			if err != nil {
				t.Fatal(err)
			}
			words = append(words, Reason(word))
		}
		return true
	})
	return words
}

func TestReasonTableHasEveryReasonOnce(t *testing.T) {
	var listed []Reason
	for _, e := range reasonTable {
		listed = append(listed, e.reason)
	}
	if declared := declaredReasons(t); len(declared) < 22 || !slices.Equal(listed, declared) {
		t.Errorf("the table has %v; declared are %v", listed, declared)
	}
	sayTimes := []Reason{CompletedExpired, FailedExpired, Orphaned, CFSExpired, TooYoung}
	haveCommands := []Reason{TooYoung, KeptLast, KeptByRule, PolicyOff}
	for _, e := range reasonTable {
		if !slices.Contains(Verdicts(), e.verdict) || e.reason.Verdict() != e.verdict {
			t.Errorf("%s belongs to the verdict %q", e.reason, e.verdict)
		}
		if e.page == "" || e.reason.PageWord() != e.page {
			t.Errorf("%s: %q on the page", e.reason, e.reason.PageWord())
		}
		if without := slices.Contains(sayTimes, e.reason); (e.reason.Cause() == "") != without {
			t.Errorf("%s: cause %q", e.reason, e.reason.Cause())
		}
		without := e.verdict == Delete || slices.Contains(haveCommands, e.reason)
		if (e.reason.Remedy() == "") != without {
			t.Errorf("%s: remedy %q", e.reason, e.reason.Remedy())
		}
	}
}

func TestWordsAreParsedStrictly(t *testing.T) {
	var kind Kind
	var verdict Verdict
	var reason Reason
	for _, k := range append(Kinds(), Component) {
		if err := kind.UnmarshalText([]byte(k)); err != nil || kind != k {
			t.Errorf("kind %q reads %q, error %v", k, kind, err)
		}
	}
	for _, v := range Verdicts() {
		if err := verdict.UnmarshalText([]byte(v)); err != nil || verdict != v {
			t.Errorf("verdict %q reads %q, error %v", v, verdict, err)
		}
		for _, r := range Reasons(v) {
			if err := reason.UnmarshalText([]byte(r)); err != nil || reason != r {
				t.Errorf("reason %q reads %q, error %v", r, reason, err)
			}
		}
	}
	for _, word := range []string{"Delete", "delete ", "0", "none"} {
		parsers := map[string]encoding.TextUnmarshaler{"kind": &kind, "verdict": &verdict, "reason": &reason}
		for what, value := range parsers {
			if value.UnmarshalText([]byte(word)) == nil {
				t.Errorf("%q is taken for a %s", word, what)
			}
		}
		if kind != "" || verdict != "" || reason != "" {
			t.Errorf("%q reads %q, %q, %q", word, kind, verdict, reason)
		}
	}
	if err := reason.UnmarshalText(nil); err != nil || reason != "" {
		t.Errorf("no reason reads %q, error %v", reason, err)
	}
}
