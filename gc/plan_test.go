package gc

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"bosgc/internal/collect"
	"bosgc/internal/inventory"
	"bosgc/policy"
)

func TestExitCode(t *testing.T) {
	whole := []inventory.Source{{Name: "a", Complete: true}}
	part := []inventory.Source{{Name: "a", Complete: true}, {Name: "b"}}
	for name, tt := range map[string]struct {
		d    Document
		want int
	}{
		"done":                               {Document{Sources: whole}, 0},
		"work left is done too":              {Document{Sources: whole, Outcomes: map[Outcome]int{Waiting: 7}}, 0},
		"skipped is done too":                {Document{Sources: whole, Outcomes: map[Outcome]int{Skipped: 7, Gone: 1}}, 0},
		"some failed":                        {Document{Sources: whole, Outcomes: map[Outcome]int{Failed: 1}}, 3},
		"a source incomplete":                {Document{Sources: part}, 6},
		"incomplete wins over failed":        {Document{Sources: part, Outcomes: map[Outcome]int{Failed: 1}}, 6},
		"stopped wins over both":             {Document{Sources: part, Outcomes: map[Outcome]int{Failed: 1}, Stopped: "x"}, 1},
		"stopped, and nothing else is wrong": {Document{Sources: whole, Stopped: "x"}, 1},
	} {
		if got := tt.d.ComputeExitCode(); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}

func TestMaxDeletesIsCountedAlongThePlan(t *testing.T) {
	objects := []Object{
		{Kind: policy.ConfigMap, Name: "1", Session: "a", Verdict: policy.Delete},
		{Kind: policy.Session, Name: "a", Session: "a", Verdict: policy.Keep},
		{Kind: policy.Job, Name: "2", Session: "a", Verdict: policy.Delete},
		{Kind: policy.CFSSession, Name: "3", Verdict: policy.Delete},
		{Kind: policy.CFSSession, Name: "4", Verdict: policy.Delete},
		{Kind: policy.Session, Name: "5", Session: "b", Verdict: policy.Delete},
		{Kind: policy.ConfigMap, Name: "6", Session: "b", Verdict: policy.Delete},
	}
	show := func(batches []batch) (text []string) {
		for _, b := range batches {
			line := b.id + ":"
			for _, o := range b.objects {
				line += o.Name
			}
			text = append(text, line)
		}
		return text
	}
	for _, tt := range []struct {
		from, budget, limit int
		want                string
		rest                int
	}{
		{0, 4, 4, "[a:12 :3 :4]", 5},
		{0, 1, 1, "[a:1]", 2},
		{0, 1, 5, "[a:1]", 2},
		{3, 2, 2, "[:3 :4]", 5},
		{4, 2, 2, "[:4]", 5}, // b and its ConfigMap go together, next time
		{4, 3, 3, "[:4 b:56]", 7},
		{5, 1, 1, "[b:5]", 6}, // they would never fit in
		{0, 100, 100, "[a:12 :3 :4 b:56]", 7},
		{7, 5, 5, "[]", 7},
	} {
		nothing := &collect.World{Judge: policy.NewJudge(&inventory.Snapshot{}, policy.Settings{}, time.Now(), policy.Memory{})}
		var queue []*Object
		for i := range objects[tt.from:] {
			queue = append(queue, &objects[tt.from+i])
		}
		batches, left := (&executor{world: nothing, limits: Limits{MaxDeletes: tt.limit}}).cutBatches(queue, tt.budget)
		rest := len(objects) - len(left)
		if got := fmt.Sprint(show(batches)); got != tt.want || rest != tt.rest {
			t.Errorf("from %d, budget %d: %s, rest %d; want %s, %d", tt.from, tt.budget, got, rest, tt.want, tt.rest)
		}
	}
}

func TestAPlanIsCarriedOutOnce(t *testing.T) {
	p := &Plan{clients: collect.Clients{KubeConcurrency: 1}, world: &collect.World{Snapshot: &inventory.Snapshot{}}}
	if err := p.Execute(context.Background(), Limits{MaxDeletes: 1}, NewReport(p.Document)); err != nil {
		t.Fatal(err)
	}
	if err := p.Execute(context.Background(), Limits{MaxDeletes: 1}, NewReport(p.Document)); err == nil {
		t.Error("the second time it was carried out too")
	}
}

// What is under way when a run is told to stop gets the grace, and not a moment longer.
func TestWithGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(context.Background())
		longer, cancel := WithGrace(ctx, 10*time.Second)
		defer cancel()
		stop()
		time.Sleep(9 * time.Second)
		if longer.Err() != nil {
			t.Error("torn off too early")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !errors.Is(longer.Err(), context.Canceled) {
			t.Error("goes on for ever")
		}
	})
}
