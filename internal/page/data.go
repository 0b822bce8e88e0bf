package page

import (
	"fmt"
	"time"

	"bosgc/gc"
	"bosgc/internal/inventory"
	"bosgc/internal/report"
	"bosgc/policy"
)

// pageData is every object as the page's script reads it. Each text stands in it once and is named by its index: most
// texts occur several times. Times are in seconds since 1970, 0 if unknown.
type pageData struct {
	Now     int64    `json:"now"`
	Texts   []string `json:"texts"`
	Kinds   []string `json:"kinds"`
	Fates   []string `json:"fates"`
	Objects [][]any  `json:"objects"`

	indexes map[string]int // of Texts
}

func newPageData(d gc.Document) *pageData {
	data := &pageData{
		Now: d.CreatedAt.Unix(), Texts: []string{""}, Kinds: report.Words(policy.Kinds()), Fates: fates(), Objects: [][]any{},
		indexes: map[string]int{"": 0},
	}
	for _, o := range d.Objects {
		data.Objects = append(data.Objects, data.row(o, d.CreatedAt))
	}
	return data
}

// row has the order of fields that page.js reads.
func (data *pageData) row(o gc.Object, now time.Time) []any {
	row := []any{
		fmt.Sprint(o.Kind), data.index(o.Name), data.index(o.Session), data.index(o.Template),
		fateOf(o), data.index(fmt.Sprint(o.Reason)),
		unixSeconds(o.StartedAt), unixSeconds(o.EndedAt), unixSeconds(o.EligibleAt),
		data.index(report.Describe(o, now)), data.index(pageDetail(o)),
	}
	if o.Link != nil {
		row = append(row, data.linkedSessions(o.Link))
	}
	return row
}

// linkedSessions returns the sessions of a CFS session without a tag; none if a veto forbids to act on the link.
func (data *pageData) linkedSessions(l *inventory.Link) []int {
	sessions := []int{}
	if l.Strong() {
		for _, id := range l.Sessions {
			sessions = append(sessions, data.index(id))
		}
	}
	return sessions
}

func (data *pageData) index(text string) int {
	text = report.Clean(text)
	i, known := data.indexes[text]
	if !known {
		i = len(data.Texts)
		data.indexes[text] = i
		data.Texts = append(data.Texts, text)
	}
	return i
}

func pageDetail(o gc.Object) string {
	detail := o.Detail
	if o.Error != "" {
		detail = o.Error
	}
	switch {
	case report.FollowsSession(o): // its row names the session
		return ""
	case o.Link != nil && o.Link.Veto != "":
		return detail + "; not linked to a session: " + o.Link.Veto
	}
	return detail
}

func unixSeconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// fates returns what fateOf can return, in the order in which the page sorts by it.
func fates() []string {
	outcomes := report.Words([]gc.Outcome{gc.Deleted, gc.Gone, gc.Terminating, gc.Waiting, gc.Failed, gc.Skipped})
	return append(append([]string{string(policy.Delete)}, outcomes...), string(policy.Unknown), string(policy.Keep))
}

func fateOf(o gc.Object) string {
	if o.Outcome != "" {
		return string(o.Outcome)
	}
	return string(styleOf(o.Verdict).verdict)
}
