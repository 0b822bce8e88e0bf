package policy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bosgc/internal/inventory"
)

var inferred = with(defaults, func(s *Settings) { s.CFSLink = LinkInferred })

// shared adds a CFS session without a tag, a day old, and returns its link to two sessions.
func shared(w *world, change func(*inventory.CFSSession)) (*world, inventory.Link) {
	w.cfs("", day, change)
	return w, inventory.Link{
		CFS: w.CFS[len(w.CFS)-1].Name, Sessions: []string{s1, s2}, Score: 100,
		Evidence: []string{"both set its components"},
	}
}

func judgeLinked(w *world, settings Settings, links ...inventory.Link) []Decision {
	s := w.snapshot()
	j := NewJudge(s, settings, now, w.memory)
	j.Link(s, links)
	j.Guard(s)
	return slices.Collect(j.All(s))
}

func TestASharedCFSSessionGoesOnlyWithAllItsSessions(t *testing.T) {
	collected := func(id string) string { return session(id, "delete completed-expired") }
	both := func() *world {
		return newWorld(s1, s2).record(s1, "compute", 9*day, 8*day).record(s2, "compute", 9*day, 8*day)
	}
	one := func() *world {
		return newWorld(s1, s2).record(s1, "compute", 9*day, 8*day).record(s2, "compute", 2*day, day)
	}
	unread := func() *world {
		w := both()
		w.records[s2] = inventory.Record{Err: "no answer"}
		return w
	}
	protected := both().configMap(s2, 9*day, func(c *inventory.ConfigMap) { c.Keep.Keep = new("true") })
	heldBack := both().configMap(s2, 9*day, func(c *inventory.ConfigMap) { c.Body = inventory.BodyFailed })
	tests := []struct {
		name     string
		world    *world
		settings Settings
		change   func(*inventory.CFSSession)
		link     func(*inventory.Link)
		want     []string
	}{
		{
			"both go", both(), inferred, nil, nil,
			[]string{collected(s1), collected(s2), cfs(0, "delete owner-collected")},
		},
		{
			"both go, and untagged ones are else kept",
			both(), with(inferred, func(s *Settings) { s.CFS = CFSLinked }), nil, nil,
			[]string{collected(s1), collected(s2), cfs(0, "delete owner-collected")},
		},
		{
			"one stays", one(), inferred, nil, nil,
			[]string{collected(s1), session(s2, "keep too-young"), cfs(0, "keep owner-kept")},
		},
		{
			"one stays, and the CFS session is old", one(), inferred,
			func(c *inventory.CFSSession) { c.Completion = ago(80 * day) }, nil,
			[]string{collected(s1), session(s2, "keep too-young"), cfs(0, "keep owner-kept")},
		},
		{
			"one could not be asked for", unread(), inferred, nil, nil,
			[]string{collected(s1), session(s2, "unknown evidence-incomplete"), cfs(0, "keep owner-kept")},
		},
		{
			"one is protected", protected, inferred, nil, nil,
			[]string{
				collected(s1), session(s2, "keep kept-by-rule"), cm(s2, "keep kept-by-rule"), cfs(0, "keep owner-kept"),
			},
		},
		{
			"one is held back", heldBack, inferred, nil, nil,
			[]string{
				collected(s1), session(s2, "unknown evidence-incomplete"), cm(s2, "unknown evidence-incomplete"),
				cfs(0, "keep owner-kept"),
			},
		},
		{
			"it runs", both(), inferred, func(c *inventory.CFSSession) { c.Status = "running" }, nil,
			[]string{collected(s1), collected(s2), cfs(0, "keep running")},
		},
		{
			"only the tag counts", both(), with(inferred, func(s *Settings) { s.CFSLink = LinkExact }), nil, nil,
			[]string{collected(s1), collected(s2), cfs(0, "keep too-young")},
		},
		{
			"CFS sessions are left alone", both(), with(inferred, func(s *Settings) { s.CFS = CFSOff }), nil, nil,
			[]string{collected(s1), collected(s2), cfs(0, "keep policy-off")},
		},
		{
			"the link has a veto", both(), inferred, nil, func(l *inventory.Link) { l.Veto = "in doubt" },
			[]string{collected(s1), collected(s2), cfs(0, "keep too-young")},
		},
		{
			"the link is weak", both(), inferred, nil, func(l *inventory.Link) { l.Score = 89 },
			[]string{collected(s1), collected(s2), cfs(0, "keep too-young")},
		},
		{
			"one of them is nowhere", both(), inferred, nil, func(l *inventory.Link) { l.Sessions = []string{s1, s3} },
			[]string{collected(s1), collected(s2), cfs(0, "unknown evidence-incomplete")},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, link := shared(tt.world, tt.change)
			if tt.link != nil {
				tt.link(&link)
			}
			check(t, judgeLinked(w, tt.settings, link), tt.want...)
		})
	}
}

func TestASharedCFSSessionGoesBeforeItsSessionsAndSaysWhy(t *testing.T) {
	w, link := shared(newWorld(s1, s2).record(s1, "compute", 90*day, 80*day).record(s2, "compute", 9*day, 8*day), nil)
	d := judgeLinked(w, inferred, link)[0]
	if d.Kind != CFSSession || d.Verdict != Delete {
		t.Fatalf("first goes %+v", d)
	}
	for _, word := range []string{s1, s2, "inference", "100", "both set its components"} {
		if !strings.Contains(d.Detail, word) {
			t.Errorf("%q does not say %q", d.Detail, word)
		}
	}
}

func TestASharedCFSSessionThatHasChangedStays(t *testing.T) {
	w, link := shared(newWorld(s1, s2).record(s1, "compute", 9*day, 8*day).record(s2, "compute", 9*day, 8*day), nil)
	s := w.snapshot()
	j := NewJudge(s, inferred, now, w.memory)
	j.Link(s, []inventory.Link{link})
	groups := j.linkedGroups(s)
	if d := j.SharedCFS(groups, w.CFS[0]); d.Verdict != Delete {
		t.Fatalf("as it was: %+v", d)
	}
	for what, change := range map[string]func(*inventory.CFSSession){
		"tag":           func(c *inventory.CFSSession) { c.Tag = s3 },
		"limit":         func(c *inventory.CFSSession) { c.Limit += ",x1" },
		"configuration": func(c *inventory.CFSSession) { c.Configuration = "other" },
		"start":         func(c *inventory.CFSSession) { c.Start = ago(time.Hour) },
		"status":        func(c *inventory.CFSSession) { c.Status = "pending" },
		"name":          func(c *inventory.CFSSession) { c.Name = "batcher-" + id(1) },
	} {
		c := w.CFS[0]
		change(&c)
		if d := j.SharedCFS(groups, c); d.Verdict == Delete {
			t.Errorf("it goes although its %s is another now: %+v", what, d)
		}
	}
	groups[s2] = nil
	if d := j.SharedCFS(groups, w.CFS[0]); d.Verdict == Delete {
		t.Errorf("it goes although one of its sessions is not there: %+v", d)
	}
}

func TestNothingIsAskedForLinksUnlessTheyAreActedOn(t *testing.T) {
	w := newWorld(s1).cfs("", day, nil).cfs(s1, day, nil).cfs(
		"", day, func(c *inventory.CFSSession) { c.Name = "by-hand" },
	).
		cfs("", day, func(c *inventory.CFSSession) { c.Status = "running" }).cfs(
		"", day, func(c *inventory.CFSSession) { c.Start = inventory.Stamp{} },
	)
	s := w.snapshot()
	linkable := func(settings Settings) int { return len(NewJudge(s, settings, now, w.memory).Linkable(s)) }
	if n := linkable(defaults); n != 0 {
		t.Errorf("%d CFS sessions would be looked into although only tags count", n)
	}
	if n := linkable(inferred); n != 1 {
		t.Errorf("%d CFS sessions would be looked into, expected the complete one of the batcher's without a tag", n)
	}
}
