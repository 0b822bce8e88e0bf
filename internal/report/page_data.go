package report

import (
	"time"

	"bosgc/gc"
	"bosgc/internal/inventory"
	"bosgc/policy"
)

// objectsData is every object as the page's script gets it. Texts are given once, and by their place: most of them
// are there several times. Times are in seconds since 1970, 0 if unknown.
type objectsData struct {
	Now     int64    `json:"now"`
	Texts   []string `json:"texts"`
	Kinds   []string `json:"kinds"`
	Fates   []string `json:"fates"`
	Objects [][]any  `json:"objects"`

	places map[string]int
}

func pageData(d gc.Document) *objectsData {
	data := &objectsData{Now: d.CreatedAt.Unix(), Kinds: words(policy.Kinds()), Texts: []string{""}, Objects: [][]any{}, places: map[string]int{"": 0}}
	data.Fates = fates()
	for _, o := range d.Objects {
		row := []any{
			o.Kind.String(), data.text(o.Name), data.text(o.Session), data.text(o.Template), fateOf(o), data.text(o.Reason.String()),
			unix(o.StartedAt), unix(o.EndedAt), unix(o.EligibleAt), data.text(describe(o, d.CreatedAt)), data.text(detail(o)),
		}
		if o.Link != nil {
			row = append(row, data.link(o.Link))
		}
		data.Objects = append(data.Objects, row)
	}
	return data
}

// link is the sessions of a CFS session without a tag, after how that is known; none if a veto stands against it.
func (data *objectsData) link(l *inventory.Link) []int {
	if !l.Strong() {
		return []int{}
	}
	var all []int
	for _, id := range l.Sessions {
		all = append(all, data.text(id))
	}
	return all
}

func (data *objectsData) text(s string) int {
	s = Clean(s)
	at, known := data.places[s]
	if !known {
		at = len(data.Texts)
		data.places[s] = at
		data.Texts = append(data.Texts, s)
	}
	return at
}

func detail(o gc.Object) string {
	text := o.Detail
	if o.Error != "" {
		text = o.Error
	}
	switch {
	case followsSession(o): // which one it is, its line says
		return ""
	case o.Link != nil && o.Link.Veto != "":
		return text + "; not linked to a session: " + o.Link.Veto
	}
	return text
}

// unix returns a time in seconds since 1970; 0 if it is not known.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// fates are what can become of an object, in the order of sections.
func fates() []string {
	return []string{"goes", string(gc.Deleted), string(gc.Gone), string(gc.Waiting), string(gc.Failed), string(gc.Skipped), "unknown", "stays"}
}

func fateOf(o gc.Object) string {
	switch {
	case o.Outcome != "":
		return string(o.Outcome)
	case o.Verdict == policy.Delete:
		return "goes"
	case o.Verdict == policy.Keep:
		return "stays"
	}
	return "unknown"
}
