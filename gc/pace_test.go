package gc

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestWhoWatchesIsToldOfEachStepAndOfTheEnd(t *testing.T) {
	var told []Progress
	p := Systems{Watch: func(far Progress) { told = append(told, far) }}.pace("asking", 3)
	p.begun = p.begun.Add(-10 * time.Second)
	p.step()
	p.step()
	p.end() // one was not done
	want := []Progress{{What: "asking", Of: 3}, {What: "asking", Done: 1, Of: 3, Left: 20 * time.Second}, {What: "asking", Done: 2, Of: 3, Left: 5 * time.Second}, {}}
	if !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}

func TestTheLogGetsALineNowAndThenIfNobodyWatches(t *testing.T) {
	var text bytes.Buffer
	p := Systems{Log: slog.New(slog.NewTextHandler(&text, nil))}.pace("asking", 100)
	p.step()
	if text.Len() > 0 {
		t.Errorf("at once: %s", &text)
	}
	p.said = p.said.Add(-sayEvery)
	for range 50 {
		p.step()
	}
	p.end()
	if strings.Count(text.String(), "\n") != 1 || !strings.Contains(text.String(), "msg=asking done=2 of=100") {
		t.Errorf("the log has: %s", &text)
	}
}

func TestStepsAreCountedFromAllSides(t *testing.T) {
	last := Progress{}
	p := Systems{Watch: func(far Progress) { last = far }}.pace("asking", 400)
	var all sync.WaitGroup
	for range 400 {
		all.Go(p.step)
	}
	all.Wait()
	if last.Done != 400 {
		t.Errorf("the last to be told was %v", last)
	}
	var nobody *pace
	nobody.step()
}
