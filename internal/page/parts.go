package page

import (
	"fmt"
	"strconv"
	"time"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"bosgc/gc"
	"bosgc/internal/collect"
	"bosgc/internal/inventory"
	"bosgc/internal/report"
)

// text returns a text node. It is the only way of data into the page apart from the script's JSON: gomponents escapes
// markup, and Clean replaces what does not print.
func text(s string) g.Node { return g.Text(report.Clean(s)) }

func numberCell(n int) g.Node { return h.Td(h.Class("n"), text(thousands(n))) }

func columnHead(title string) g.Node { return h.Th(h.Scope("col"), text(title)) }

func numberHead(title g.Node) g.Node { return h.Th(h.Scope("col"), h.Class("n"), title) }

// thousands writes a number with separators, so that its size is seen.
func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

func formatMinute(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }

// fact is one thing that is known of the run.
type fact struct{ name, value string }

func (f fact) node() g.Node { return h.Div(h.Dt(text(f.name)), h.Dd(text(f.value))) }

var listOrigins = map[string]string{
	collect.FromBOS:        "BOS's list",
	collect.FromEtcd:       "BOS's etcd",
	collect.FromKubernetes: "what names them, one by one",
}

func runFacts(d gc.Document) []fact {
	facts := []fact{{"System", d.Cluster}, {"Run", d.Run}, {"Read at", formatMinute(d.CreatedAt)}}
	if d.ExpiresAt != nil {
		facts = append(facts, fact{"Good until", formatMinute(*d.ExpiresAt)})
	}
	if d.FinishedAt != nil {
		facts = append(facts, fact{"Ended at", formatMinute(*d.FinishedAt)})
	}
	facts = append(facts, fact{"Settings", "those with the hash " + d.PolicyHash})
	if d.List != nil && d.List.From != "" {
		facts = append(facts, fact{"Sessions known from", listOrigins[d.List.From]})
	}
	return facts
}

// warnings returns what a reader must know before the numbers.
func warnings(d gc.Document) []string {
	var all []string
	if d.Stopped != "" {
		all = append(all, "Stopped before its end: "+d.Stopped)
	}
	for _, s := range d.Sources {
		if !s.Complete {
			all = append(all, "Not read completely, so that what depends on it is left alone: "+s.Name+": "+s.Error)
		}
	}
	return all
}

var sourceTitles = map[string]string{
	inventory.SourceSessions:      "sessions of BOS v1",
	inventory.SourceJobs:          "Jobs in Kubernetes",
	inventory.SourceConfigMaps:    "ConfigMaps in Kubernetes",
	inventory.SourcePods:          "Pods in Kubernetes",
	inventory.SourceCronJobs:      "CronJobs in Kubernetes",
	inventory.SourceCFSSessions:   "sessions of CFS",
	inventory.SourceCFSComponents: "components of CFS",
}

func sourcesSection(sources []inventory.Source) g.Node {
	return h.Section(h.Class("card"),
		h.H2(text("What was read")),
		h.Div(h.Class("scroll"), h.Table(h.Class("plain"),
			h.THead(h.Tr(
				columnHead("Source"), columnHead("Complete"),
				numberHead(text("Objects")), numberHead(text("Requests")), columnHead("What went wrong"),
			)),
			h.TBody(g.Map(sources, sourceRow)),
		)),
	)
}

func sourceRow(s inventory.Source) g.Node {
	complete := text("yes")
	if !s.Complete {
		complete = h.Strong(h.Class("bad"), text("no"))
	}
	return h.Tr(
		h.Th(h.Scope("row"), text(sourceTitles[s.Name]), h.Code(text(s.Name))),
		h.Td(complete), numberCell(s.Count), numberCell(s.Requests), h.Td(text(s.Error)),
	)
}
