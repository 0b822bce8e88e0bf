package report

import (
	"strings"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/explain"
	"bosgc/internal/inventory"
	"bosgc/policy"
)

func explanation(text string) *explain.Explanation {
	rules := []explain.Rule{{
		Name: "age", Verdict: policy.Keep, Reason: policy.TooYoung, Detail: text, Decides: true,
		EligibleAt: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
	}}
	return &explain.Explanation{
		Object: gc.Object{
			Kind: policy.ConfigMap, Name: text, Session: text,
			Verdict: policy.Keep, Reason: policy.OwnerKept, Detail: text,
		},
		Facts:    []explain.Fact{{Name: "created", Value: text}, {Name: "used by", Value: ""}},
		Linked:   []explain.Tied{{Kind: "Job", Name: text, Evidence: text, Verdict: policy.Keep, Reason: policy.Running}},
		Links:    []inventory.Link{{CFS: text, Sessions: []string{text}, Score: 90, Evidence: []string{text}, Veto: text}},
		Rules:    rules,
		Owner:    &explain.Owner{Kind: policy.Session, Name: text, Rules: rules},
		Eligible: text, LinksError: text,
		Changes: []explain.Change{{Text: text, Command: text}},
		Sources: []inventory.Source{{Name: "kube-pods", Error: text}},
	}
}

func TestNothingInAnExplanationReachesTheTerminalRaw(t *testing.T) {
	text := Explanation(explanation("a\x1b[31m\r\nb\u202e"))
	if strings.ContainsAny(text, "\x1b\r\u202e") || strings.Count(text, "?[31m") < 14 {
		t.Errorf("%q", text)
	}
}

func TestAnExplanationIsLaidOutForPeople(t *testing.T) {
	e := explanation("word")
	e.Object.Detail = strings.Repeat("word ", 30)
	text := Explanation(e)
	for _, want := range []string{
		"ConfigMap word\n  created       word\n\n  verdict       keep (owner-kept): word",
		"\n                word word",
		"\nWhy it is kept\n* age: keep, too-young (until 2026-03-01T12:00:00Z)\n    word\n",
		"It is deleted or kept with Session word", "What would change that\n  word\n    word\n",
		"  Job        word  keep (running)\n",
		"inferred, 90 of 100: sessions word", "not acted on: word", "Not read completely: kube-pods",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
	e.Object.Verdict, e.Object.Reason = policy.Delete, policy.OwnerCollected
	if text := Explanation(e); !strings.Contains(text, "Why it will be deleted") {
		t.Errorf("an object that goes:\n%s", text)
	}
}
