package page

import (
	"fmt"
	"math"
	"slices"
	"time"

	"bosgc/gc"
	"bosgc/internal/report"
	"bosgc/policy"
)

// verdictStyle is how the page shows a verdict.
type verdictStyle struct {
	verdict     policy.Verdict
	class       string // in CSS, and to the script
	word        string
	head, title string // of its column; the title explains a head that is no word
}

// verdictStyles are in the order of the parts of a bar.
var verdictStyles = []verdictStyle{
	{policy.Delete, "goes", "delete", "Delete", ""},
	{policy.Unknown, "unknown", "unknown", "?", "unknown"},
	{policy.Keep, "stays", "keep", "Keep", ""},
}

// styleOf shows what has no verdict like what could not be judged.
func styleOf(v policy.Verdict) verdictStyle {
	i := slices.IndexFunc(verdictStyles, func(s verdictStyle) bool { return s.verdict == v })
	if i < 0 {
		return styleOf(policy.Unknown)
	}
	return verdictStyles[i]
}

// chartRow counts the objects in one row of a chart.
type chartRow struct {
	name   string
	reason string // as --filter takes it; empty in charts that are not about reasons
	counts map[policy.Verdict]int
}

func newRow(name string) *chartRow { return &chartRow{name: name, counts: map[policy.Verdict]int{}} }

func (r *chartRow) total() int {
	total := 0
	for _, n := range r.counts {
		total += n
	}
	return total
}

// bucket is a part of a scale of time. It ends at a duration, and begins where the one before it ends.
type bucket struct {
	name string
	end  time.Duration
}

const (
	day     = 24 * time.Hour
	forever = math.MaxInt64
)

// ageBuckets hold ages below their ends.
var ageBuckets = []bucket{
	{"less than a day", day},
	{"1 to 7 days", 7 * day},
	{"1 to 2 weeks", 14 * day},
	{"2 to 4 weeks", 28 * day},
	{"4 to 12 weeks", 84 * day},
	{"12 to 26 weeks", 182 * day},
	{"half a year and more", forever},
}

// dueBuckets hold durations up to and including their ends.
var dueBuckets = []bucket{
	{"within a day", day},
	{"within 7 days", 7 * day},
	{"within 4 weeks", 28 * day},
	{"later", forever},
}

// bucketRows returns a row for each bucket, and a last one for what is in none.
func bucketRows(buckets []bucket, other string) []*chartRow {
	var rows []*chartRow
	for _, bucket := range buckets {
		rows = append(rows, newRow(bucket.name))
	}
	return append(rows, newRow(other))
}

// ageIndex returns the row of an age. What has no age, or comes from a clock in the future, is in the last row.
func ageIndex(age time.Duration, known bool) int {
	for i, bucket := range ageBuckets {
		if known && age >= 0 && age < bucket.end {
			return i
		}
	}
	return len(ageBuckets)
}

// dueIndex returns the row of what may go at a time. What has no such time, or is kept past it, is in the last row.
func dueIndex(due, now time.Time) int {
	for i, bucket := range dueBuckets {
		if due.After(now) && due.Sub(now) <= bucket.end {
			return i
		}
	}
	return len(dueBuckets)
}

// objectCounts are all objects, counted in each way that the page shows.
type objectCounts struct {
	all              *chartRow
	sessionsToDelete map[string]bool // those of which something goes
	oldestToDelete   time.Duration   // its age
	kinds, ages      []*chartRow
	due              []*chartRow // when what is kept may go
	reasons          map[policy.Reason]*chartRow
}

func countObjects(d gc.Document) *objectCounts {
	c := &objectCounts{
		all:              newRow(""),
		sessionsToDelete: map[string]bool{},
		ages:             bucketRows(ageBuckets, "not known"),
		due:              bucketRows(dueBuckets, "when its reason ends"),
		reasons:          map[policy.Reason]*chartRow{},
	}
	for _, kind := range policy.Kinds() {
		c.kinds = append(c.kinds, newRow(fmt.Sprint(kind)))
	}
	for _, o := range d.Objects {
		c.add(o, d.CreatedAt)
	}
	return c
}

func (c *objectCounts) add(o gc.Object, now time.Time) {
	age, known := report.ObjectAge(o, now)
	if c.reasons[o.Reason] == nil {
		c.reasons[o.Reason] = newRow(o.Reason.PageWord())
		c.reasons[o.Reason].reason = fmt.Sprint(o.Reason)
	}
	rows := []*chartRow{c.all, c.ages[ageIndex(age, known)], c.reasons[o.Reason]}
	if i := slices.Index(policy.Kinds(), o.Kind); i >= 0 {
		rows = append(rows, c.kinds[i])
	}
	switch o.Verdict {
	case policy.Delete:
		if o.Session != "" {
			c.sessionsToDelete[o.Session] = true
		}
		c.oldestToDelete = max(c.oldestToDelete, age)
	case policy.Keep:
		rows = append(rows, c.due[dueIndex(o.EligibleAt, now)])
	default:
	}
	for _, row := range rows {
		row.counts[styleOf(o.Verdict).verdict]++
	}
}
