package page

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"bosgc/gc"
	"bosgc/internal/report"
	"bosgc/internal/state"
	"bosgc/policy"
)

// Status is what an exporter shows of the last sweeps.
type Status struct {
	Installation string
	State        state.State
	Err          error // why State is not what it is now; nil if it is
	Now          time.Time
	Report       bool // the page of the last plan or report is served at /report
}

// WriteStatus writes a page about the last sweeps. Like the page of a plan it needs nothing else, and it has no script.
func WriteStatus(w io.Writer, s Status) error {
	buffered := bufio.NewWriter(w)
	if err := h.Doctype(h.HTML(h.Lang("en"), s.head(), s.body())).Render(buffered); err != nil {
		return err
	}
	return buffered.Flush()
}

func (s Status) head() g.Node {
	return h.Head(
		h.Meta(h.Charset("utf-8")),
		h.Meta(g.Attr("http-equiv", "Content-Security-Policy"), h.Content(contentPolicy(styleSheet, ""))),
		h.Meta(h.Name("viewport"), h.Content("width=device-width, initial-scale=1")),
		h.Meta(h.Name("color-scheme"), h.Content("light dark")),
		h.TitleEl(text("bosgc "+s.Installation)),
		h.StyleEl(g.Raw(styleSheet)),
	)
}

func (s Status) body() g.Node {
	return h.Body(
		h.Header(
			h.P(h.Class("brand"), text("bosgc "), h.Span(text(s.Installation))),
			h.H1(text("The last sweeps")),
			h.P(h.Class("lead"), text(s.lead()+" All times are UTC.")),
			h.Dl(h.Class("facts"), g.Map(s.facts(), fact.node)),
			s.links(),
		),
		h.Main(
			g.Map(s.warnings(), func(warning string) g.Node { return h.P(h.Class("doubt"), h.Role("note"), text(warning)) }),
			h.Ul(h.Class("tiles"), g.Map(s.tiles(), tile.node)),
			s.history(),
			s.reasons(),
		),
	)
}

// exitWords say how a sweep ended. What to do then is in docs/runbook.md.
var exitWords = map[int]string{
	gc.ExitDone:       "done",
	gc.ExitFailed:     "failed",
	gc.ExitUsage:      "a setting is wrong",
	gc.ExitPartial:    "some objects could not be deleted",
	gc.ExitRefused:    "the orphan guard held something back",
	gc.ExitLocked:     "another run held the lock",
	gc.ExitIncomplete: "something could not be read",
}

func howEnded(r state.Run) string {
	words, known := exitWords[r.ExitCode]
	if !known {
		words = "unknown"
	}
	return fmt.Sprintf("%s (exit code %d)", words, r.ExitCode)
}

func (s Status) lead() string {
	switch last := s.State.Last; {
	case last == nil:
		return "No sweep has ended yet."
	case last.DryRun:
		return "The last sweep was a dry run: it deleted nothing."
	default:
		return fmt.Sprintf("The last sweep deleted %s objects.", thousands(last.Outcomes[string(gc.Deleted)]))
	}
}

func (s Status) facts() []fact {
	last := s.State.Last
	if last == nil {
		return []fact{{"Shown at", formatMinute(s.Now)}}
	}
	return []fact{
		{"Ended at", fmt.Sprintf("%s, %s ago", formatMinute(last.FinishedAt), report.FormatDuration(s.Now.Sub(last.FinishedAt)))},
		{"How it ended", howEnded(*last)},
		{"Took", last.FinishedAt.Sub(last.StartedAt).Round(time.Second).String()},
		{"Run", last.ID},
		{"Version", last.Version},
	}
}

func (s Status) links() g.Node {
	return h.P(h.Class("note"),
		g.If(s.Report, g.Group{h.A(h.Href("report"), text("Every object of the last sweep")), text(" · ")}),
		h.A(h.Href("metrics"), text("Metrics")),
		text(" · What to do about an alert or an exit code: docs/runbook.md in the source of this version"),
	)
}

// warnings returns what a reader must know before the numbers.
func (s Status) warnings() []string {
	var all []string
	if s.Err != nil {
		all = append(all, "The state cannot be read now, so that this page may be old: "+s.Err.Error())
	}
	last := s.State.Last
	if last == nil {
		return all
	}
	if last.Error != "" {
		all = append(all, "The last sweep ended early: "+last.Error)
	}
	if len(last.Incomplete) > 0 {
		all = append(all, "Not read completely, so that what depends on it was left alone: "+strings.Join(last.Incomplete, ", "))
	}
	for _, kind := range policy.Kinds() {
		if guard := s.State.Guards[string(kind)]; guard.Closed() {
			all = append(all, fmt.Sprintf("The orphan guard holds back every orphaned %s since %s: %s. If all is right: "+
				"bosgc guard release %s", kind, formatMinute(guard.Since), guard.Why, kind))
		}
	}
	if !s.State.SetAside.IsZero() {
		all = append(all, "The state could not be understood and was set aside at "+formatMinute(s.State.SetAside))
	}
	return all
}

func (s Status) tiles() []tile {
	if s.State.Last == nil {
		return nil
	}
	counts := map[policy.Verdict]int{}
	for _, c := range s.counts() {
		counts[c.verdict] += c.count
	}
	tiles := []tile{
		{s.State.Last.Outcomes[string(gc.Deleted)], "deleted", "by the last sweep", "goes"},
		{int(s.sum("bosgc_backlog")), "to be deleted", "left for the next sweep", "unknown"},
		{counts[policy.Keep], "kept", "each for a reason", "stays"},
		{counts[policy.Unknown], "unknown", "left alone", "unknown"},
	}
	if limit := s.sum("bosgc_bos_list_limit_bytes"); limit > 0 {
		share := int(100 * s.sum("bosgc_bos_list_bytes") / limit)
		note := fmt.Sprintf("%s sessions; above 100 %% BOS cannot list them", thousands(int(s.sum("bosgc_bos_sessions"))))
		tiles = append(tiles, tile{share, "% of BOS's list", note, ""})
	}
	return tiles
}

func (s Status) history() g.Node {
	runs := slices.Clone(s.State.History)
	slices.Reverse(runs)
	if len(runs) == 0 {
		return nil
	}
	return h.Section(h.Class("card"),
		h.H2(text("What they did")),
		h.Div(h.Class("scroll"), h.Table(h.Class("plain"),
			h.THead(h.Tr(
				columnHead("Ended at"), columnHead("Run"), columnHead("How it ended"), numberHead(text("Deleted")), numberHead(text("Failed")),
				numberHead(text("Left")),
			)),
			h.TBody(g.Map(runs, historyRow)),
		)),
		h.P(h.Class("note"), text("What a run deleted, and why: bosgc journal RUN")),
	)
}

func historyRow(r state.Run) g.Node {
	ended := howEnded(r)
	if r.DryRun {
		ended += ", dry run"
	}
	count := func(outcome gc.Outcome) g.Node { return numberCell(r.Outcomes[string(outcome)]) }
	return h.Tr(
		h.Th(h.Scope("row"), h.Class("when"), text(formatMinute(r.FinishedAt))), h.Td(h.Code(text(r.ID))),
		h.Td(g.If(r.ExitCode != gc.ExitDone, h.Class("bad")), text(ended)),
		count(gc.Deleted), count(gc.Failed), count(gc.Waiting),
	)
}

// count is how many objects of a kind have a reason.
type count struct {
	kind    policy.Kind
	verdict policy.Verdict
	reason  policy.Reason
	count   int
}

// counts returns what the last sweep saw, in the order of the kinds and reasons; nothing of which there is none.
func (s Status) counts() []count {
	var all []count
	for _, m := range s.State.Totals["bosgc_objects"].GetMetric() {
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		n := int(m.GetGauge().GetValue())
		if n > 0 {
			all = append(all, count{policy.Kind(labels["kind"]), policy.Verdict(labels["verdict"]), policy.Reason(labels["reason"]), n})
		}
	}
	return all
}

// sum adds up all series of a gauge.
func (s Status) sum(name string) (sum float64) {
	for _, m := range s.State.Totals[name].GetMetric() {
		sum += gaugeOf(m)
	}
	return sum
}

func gaugeOf(m *dto.Metric) float64 { return m.GetGauge().GetValue() }

func (s Status) reasons() g.Node {
	byReason := map[policy.Reason]map[policy.Kind]int{}
	for _, c := range s.counts() {
		if byReason[c.reason] == nil {
			byReason[c.reason] = map[policy.Kind]int{}
		}
		byReason[c.reason][c.kind] += c.count
	}
	var rows g.Group
	for _, verdict := range policy.Verdicts() {
		for _, reason := range policy.Reasons(verdict) {
			if of := byReason[reason]; len(of) > 0 {
				rows = append(rows, reasonRow(verdict, reason, of))
			}
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return h.Section(h.Class("card"),
		h.H2(text("What the last sweep saw")),
		h.Div(h.Class("scroll"), h.Table(h.Class("plain"),
			h.THead(h.Tr(columnHead("Verdict"), columnHead("Reason"),
				g.Map(policy.Kinds(), func(k policy.Kind) g.Node { return numberHead(text(string(k))) }), numberHead(text("All")))),
			h.TBody(rows),
		)),
	)
}

func reasonRow(verdict policy.Verdict, reason policy.Reason, of map[policy.Kind]int) g.Node {
	all := 0
	for n := range maps.Values(of) {
		all += n
	}
	return h.Tr(
		h.Td(h.Span(h.Class("chip "+styleOf(verdict).class), text(string(verdict)))),
		h.Th(h.Scope("row"), text(reason.PageWord()), h.Code(text(string(reason)))),
		g.Map(policy.Kinds(), func(k policy.Kind) g.Node { return numberCell(of[k]) }), numberCell(all),
	)
}
