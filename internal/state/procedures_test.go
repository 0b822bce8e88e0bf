package state

import (
	"fmt"
	"testing"
	"time"
)

func TestProceduresKnow(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	p := Procedures{}.Begin(now,
		Procedure{Run: "clean", At: now, Sessions: []string{"a", "b"}}, Procedure{Run: "unset", At: now, Unset: true, Sessions: []string{"a"}},
		Procedure{Run: "cancel", At: now, Cancel: true, Sessions: []string{"a"}})
	for _, tt := range []struct {
		run, session  string
		cancel, unset bool
		want          bool
	}{
		{"clean", "a", false, false, true},
		{"clean", "b", false, false, true},
		{"clean", "c", false, false, false},
		{"", "a", false, false, false},
		{"clean", "a", false, true, false},
		{"clean", "a", true, false, false},
		{"unset", "a", false, true, true},
		{"unset", "a", true, true, false},
		{"unset", "b", false, true, false},
		{"cancel", "a", true, true, true},
	} {
		if got := p.Know(tt.run, tt.session, tt.cancel, tt.unset); got != tt.want {
			t.Errorf("%+v: known: %v", tt, got)
		}
	}
}

func TestProceduresEnd(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	p := Procedures{}.Begin(now, Procedure{Run: "r", At: now, Sessions: []string{"a", "b"}}, Procedure{Run: "s", At: now, Sessions: []string{"a"}})
	p = p.End([]string{"a"})
	if len(p) != 1 || p.Know("r", "a", false, false) || !p.Know("r", "b", false, false) {
		t.Errorf("left: %+v", p)
	}
}

func TestProceduresAreBounded(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	p := Procedures{}.Begin(now, Procedure{Run: "first", At: now, Sessions: []string{"a"}})
	for n := range 3 {
		more := Procedure{Run: fmt.Sprint("run-", n), At: now}
		for i := range maxProcedureSessions / 2 {
			more.Sessions = append(more.Sessions, fmt.Sprint("session-", i))
		}
		p = p.Begin(now, more)
	}
	if len(p) != 2 || !p.Know("run-2", "session-0", false, false) || !p.Know("run-1", "session-0", false, false) {
		t.Errorf("%d procedures are left, the first of run %s", len(p), p[0].Run)
	}
	if p = p.Begin(now.Add(31*24*time.Hour), Procedure{Run: "late", At: now.Add(31 * 24 * time.Hour), Sessions: []string{"a"}}); len(p) != 1 {
		t.Errorf("after a month %d procedures are left", len(p))
	}
}
