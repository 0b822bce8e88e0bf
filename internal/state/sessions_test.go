package state

import (
	"fmt"
	"testing"
	"time"

	"bosgc/internal/memory"
)

func TestSessionsAreBoundedAndCompressed(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := State{Totals: Totals{}, Memory: memory.Memory{Sessions: map[string]memory.Session{}}}
	id := func(n int) string { return fmt.Sprintf("%08x-2c3b-4f5e-8a9b-%012x", n*2654435761%(1<<32), n*40503) }
	for n := range maxSessions {
		s.Sessions[id(n)] = memory.Session{Failed: begin.Add(time.Duration(n) * time.Minute)}
	}
	const protected = 100
	for n := range protected {
		s.Sessions[id(maxSessions+n)] = memory.Session{Keep: memory.Protection{
			Kind: "Job", Name: "boa-" + id(maxSessions+n), Says: "bosgc/keep", Seen: begin,
		}}
	}
	data, err := s.encode()
	if err != nil {
		t.Fatal(err)
	}
	if size := len(data[keySessions]); size > 300<<10 {
		t.Errorf("%d bytes", size)
	}
	read, err := decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if len(read.Sessions) != maxSessions {
		t.Errorf("%d sessions", len(read.Sessions))
	}
	for n := range maxSessions + protected {
		// The failures that are forgotten are the oldest.
		if got, want := read.Sessions[id(n)], n >= protected; got.Shows() != want || want && got != s.Sessions[id(n)] {
			t.Fatalf("session %d: %+v, want it to be remembered: %v", n, got, want)
		}
	}
}

func TestSessionsThatCannotBeReadMakeTheStateUnreadable(t *testing.T) {
	s := State{Totals: Totals{}, Memory: memory.Memory{Sessions: map[string]memory.Session{"id": {Failed: time.Unix(1, 0)}}}}
	data, err := s.encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"x", data[keySessions][:20], "H4sIAAAAAAAA/w=="} {
		data[keySessions] = text
		if _, err := decode(data); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}
