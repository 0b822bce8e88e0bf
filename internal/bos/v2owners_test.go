package bos

import (
	"slices"
	"testing"
	"time"
)

func TestDecodeV2Owners(t *testing.T) {
	owners, err := decodeV2Owners([]byte(`[
		{"name": "a", "components": "x1,x2",
			"status": {"start_time": "2026-03-01T12:00:00", "end_time": "2026-03-01T13:00:00"}},
		{"name": "b", "components": "", "status": {"start_time": "2026-03-01T12:00:00", "end_time": null}},
		{"name": "c", "status": {"start_time": "soon"}}
	]`))
	if err != nil || len(owners) != 3 {
		t.Fatalf("%+v, %v", owners, err)
	}
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	a, b, c := owners[0], owners[1], owners[2]
	if a.ID != "a" || !a.V2 || !a.NodesKnown || !slices.Equal(a.Nodes, []string{"x1", "x2"}) {
		t.Errorf("%+v", a)
	}
	if !a.From.Equal(noon) || !a.Until.Equal(noon.Add(time.Hour)) {
		t.Errorf("%+v", a)
	}
	if b.NodesKnown || !b.From.Equal(noon) || !b.Until.IsZero() {
		t.Errorf("%+v", b)
	}
	if c.NodesKnown || !c.From.IsZero() || !c.Until.IsZero() {
		t.Errorf("%+v", c)
	}
	for _, o := range owners {
		if o.ConfigurationKnown {
			t.Errorf("the template may have been changed since: %+v", o)
		}
	}
	for _, bad := range []string{`null`, `{}`, `[{"name": ""}]`, `[{"name": "a", "components": ["x1"]}]`} {
		if _, err := decodeV2Owners([]byte(bad)); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}
