package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"bosgc/gc"
	"bosgc/policy"
)

// tile is one large number.
type tile struct {
	Count int
	Name  string
	Note  string
	Class string
}

// chart is a table with a bar in each row.
type chart struct {
	Title, Note, First string
	Rows               []*bar
	Key                bool // the bars have three parts
}

// bar is a row: a name, counts by verdict, and where their parts of the bar begin and how long they are, in thousandths.
type bar struct {
	Name, Code            string
	Goes, Unknown, Stays  int
	GoesW, UnknownW       float64
	StaysW                float64
	UnknownX, StaysX, End float64
}

// Sum is all of a row.
func (b *bar) Sum() int { return b.Goes + b.Unknown + b.Stays }

func (b *bar) add(o gc.Object) {
	switch o.Verdict {
	case policy.Delete:
		b.Goes++
	case policy.Keep:
		b.Stays++
	default:
		b.Unknown++
	}
}

// tally is all objects, counted in each way that the page shows.
type tally struct {
	all      bar
	sessions map[string]bool // of which something goes
	oldest   time.Duration   // of what goes
	kinds    []*bar
	ages     []*bar
	dues     []*bar
	reasons  map[policy.Reason]*bar
}

var ageSteps = []struct {
	name string
	less time.Duration
}{
	{"less than a day", day},
	{"1 to 7 days", 7 * day},
	{"1 to 2 weeks", 14 * day},
	{"2 to 4 weeks", 28 * day},
	{"4 to 12 weeks", 84 * day},
	{"12 to 26 weeks", 182 * day},
	{"half a year and more", 1 << 62},
}

var dueSteps = []struct {
	name string
	less time.Duration
}{{"within a day", day}, {"within 7 days", 7 * day}, {"within 4 weeks", 28 * day}, {"later", 1 << 62}}

func count(d gc.Document) *tally {
	t := &tally{sessions: map[string]bool{}, reasons: map[policy.Reason]*bar{}}
	byKind := map[policy.Kind]*bar{}
	for _, kind := range policy.Kinds() {
		byKind[kind] = &bar{Name: kind.String()}
		t.kinds = append(t.kinds, byKind[kind])
	}
	for _, step := range ageSteps {
		t.ages = append(t.ages, &bar{Name: step.name})
	}
	t.ages = append(t.ages, &bar{Name: "not known"})
	for _, step := range dueSteps {
		t.dues = append(t.dues, &bar{Name: step.name})
	}
	t.dues = append(t.dues, &bar{Name: "when its reason ends"})
	for _, o := range d.Objects {
		t.all.add(o)
		if b := byKind[o.Kind]; b != nil {
			b.add(o)
		}
		old, known := objectAge(o, d.CreatedAt)
		t.ages[ageStep(old, known)].add(o)
		if t.reasons[o.Reason] == nil {
			t.reasons[o.Reason] = &bar{Code: o.Reason.String(), Name: reasonPhrases[o.Reason].row}
		}
		t.reasons[o.Reason].add(o)
		switch o.Verdict {
		case policy.Delete:
			t.sessions[o.Session] = true
			t.oldest = max(t.oldest, old)
		case policy.Keep:
			t.dues[dueStep(o, d.CreatedAt)].add(o)
		default:
		}
	}
	delete(t.sessions, "")
	return t
}

func ageStep(old time.Duration, known bool) int {
	if !known || old < 0 {
		return len(ageSteps)
	}
	for i, step := range ageSteps {
		if old < step.less {
			return i
		}
	}
	return len(ageSteps)
}

func dueStep(o gc.Object, now time.Time) int {
	due := o.EligibleAt
	if !due.After(now) {
		return len(dueSteps)
	}
	for i, step := range dueSteps {
		if due.Sub(now) <= step.less {
			return i
		}
	}
	return len(dueSteps)
}

func (t *tally) tiles(d gc.Document) []tile {
	goes := tile{Count: t.all.Goes, Name: "to go", Note: fmt.Sprintf("of %s sessions; the oldest is %s old", thousands(len(t.sessions)), formatDuration(t.oldest)), Class: "goes"}
	if t.all.Goes == 0 {
		goes.Note = "nothing is due"
	}
	stays := tile{Count: t.all.Stays, Name: "stay", Note: "each with its reason", Class: "stays"}
	doubt := tile{Count: t.all.Unknown, Name: "not judged", Note: "nothing is done about them", Class: "unknown"}
	if d.Kind == "Plan" {
		return []tile{{t.all.Sum(), "objects found", "Jobs, ConfigMaps, sessions, CFS sessions", ""}, goes, stays, doubt}
	}
	deleted := tile{Count: d.Outcomes[gc.Deleted], Name: "deleted", Note: fmt.Sprintf("of %s that were to go; %s were gone already", thousands(t.all.Goes), thousands(d.Outcomes[gc.Gone])), Class: "goes"}
	rest := tile{Count: d.Outcomes[gc.Failed] + d.Outcomes[gc.Waiting] + d.Outcomes[gc.Skipped], Name: "left of those", Class: "unknown"}
	rest.Note = fmt.Sprintf("%d failed, %d wait, %d changed", d.Outcomes[gc.Failed], d.Outcomes[gc.Waiting], d.Outcomes[gc.Skipped])
	return []tile{deleted, rest, stays, doubt}
}

func (t *tally) charts(d gc.Document) []chart {
	var goes, stays []*bar
	for _, v := range policy.Verdicts() {
		for _, reason := range policy.Reasons(v) {
			switch b := t.reasons[reason]; {
			case b == nil:
			case v == policy.Delete:
				goes = append(goes, b)
			default:
				stays = append(stays, b)
			}
		}
	}
	most := func(a, b *bar) int { return cmp.Compare(b.Sum(), a.Sum()) }
	slices.SortStableFunc(goes, most)
	slices.SortStableFunc(stays, most)
	charts := []chart{
		{Title: "What is there", First: "Kind", Rows: t.kinds, Key: true},
		{Title: "How old it is", First: "Age", Note: "Counted from its end, or from its beginning where it has none.", Rows: t.ages, Key: true},
		{Title: "Why it goes", First: "Reason", Rows: goes},
		{Title: "Why it stays or is left alone", First: "Reason", Rows: stays},
		{Title: "When what stays may go", First: "Due", Note: "Counted from " + minute(d.CreatedAt) + ". What has no date stays until what keeps it ends: its session, a rule, its use.", Rows: t.dues},
	}
	for _, c := range charts {
		scale(c.Rows)
	}
	return slices.DeleteFunc(charts, func(c chart) bool { return len(c.Rows) == 0 })
}

// scale gives each bar its length; the longest is 1000.
func scale(rows []*bar) {
	longest := 1
	for _, b := range rows {
		longest = max(longest, b.Sum())
	}
	length := func(n int) float64 {
		if n == 0 {
			return 0
		}
		return max(3, float64(n)*1000/float64(longest)) // one object among thousands is seen all the same
	}
	for _, b := range rows {
		b.GoesW, b.UnknownW, b.StaysW = length(b.Goes), length(b.Unknown), length(b.Stays)
		b.UnknownX = b.GoesW
		b.StaysX = b.UnknownX + b.UnknownW
		b.End = b.StaysX + b.StaysW
	}
}
