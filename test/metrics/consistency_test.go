package metrics

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// catalogue is what the program shows: for each metric, its labels with their values.
type catalogue map[string]map[string]map[string]bool

func known(t testing.TB) catalogue {
	t.Helper()
	values, types := fresh(t)
	c := catalogue{}
	for name := range types {
		c[name] = map[string]map[string]bool{}
	}
	for text := range values {
		series, err := parseLabelled(text)
		if err != nil {
			t.Fatal(err)
		}
		family, ok := c.family(series.name)
		if !ok {
			t.Fatalf("%s is of no metric", text)
		}
		for label, value := range series.labels {
			if c[family][label] == nil {
				c[family][label] = map[string]bool{}
			}
			c[family][label][value] = true
		}
	}
	return c
}

// family returns the metric that a name belongs to: a histogram has three names.
func (c catalogue) family(name string) (string, bool) {
	for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
		family := strings.TrimSuffix(name, suffix)
		if _, ok := c[family]; ok && family+suffix == name {
			return family, true
		}
	}
	return "", false
}

// fromOutside are labels that a series gets on its way.
var fromOutside = []string{"cluster", "namespace", "job", "instance", "app_kubernetes_io_instance", "installation"}

// open are labels whose values nobody can know beforehand.
var open = []string{"code", "le"}

var (
	selectorWithLabels = regexp.MustCompile(`\b(bosgc_[a-z_]+)(?:\{([^}]*)\})?`)
	matcherForm        = regexp.MustCompile(`(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"`)
	listForm           = regexp.MustCompile(`\b(?:by|on|ignoring|without)\s*\(([^)]*)\)`)
	recordForm         = regexp.MustCompile(`(?:^|[^\w:])(bosgc:[a-z_]+)(?:\{([^}]*)\})?`)
)

// check compares an expression with what the program shows, and returns the metrics that it uses.
func (c catalogue) check(t *testing.T, where, expr string) []string {
	t.Helper()
	var used []string
	labels := map[string]bool{}
	for _, m := range selectorWithLabels.FindAllStringSubmatch(expr, -1) {
		family, ok := c.family(m[1])
		if !ok {
			t.Errorf("%s: the program has no metric %s", where, m[1])
			continue
		}
		used = append(used, family)
		for label := range c[family] {
			labels[label] = true
		}
		for _, matcher := range matcherForm.FindAllStringSubmatch(m[2], -1) {
			c.checkMatcher(t, where, family, matcher[1], matcher[3])
		}
	}
	for _, m := range listForm.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(m[1], ",") {
			label = strings.TrimSpace(label)
			if label != "" && !labels[label] && label != "le" && !slices.Contains(fromOutside, label) && !strings.Contains(expr, "bosgc:") && !strings.Contains(expr, "ALERTS{") {
				t.Errorf("%s: none of its metrics has a label %s: %s", where, label, expr)
			}
		}
	}
	return used
}

func (c catalogue) checkMatcher(t *testing.T, where, family, label, value string) {
	t.Helper()
	if slices.Contains(fromOutside, label) || slices.Contains(open, label) {
		return
	}
	if c[family][label] == nil {
		t.Errorf("%s: %s has no label %s", where, family, label)
		return
	}
	for one := range strings.SplitSeq(value, "|") {
		if !c[family][label][one] && !strings.HasPrefix(one, "$") {
			t.Errorf("%s: %s never has %s=%q", where, family, label, one)
		}
	}
}

func TestNamesAgree(t *testing.T) {
	c := known(t)
	shown := map[string]bool{}
	rules := prometheusRule(t).all()
	// The labels of recorded series, and the metrics that they come from.
	records, origins := map[string]map[string]bool{}, map[string]string{}
	for _, r := range rules {
		if r.Record == "" {
			continue
		}
		metric := selectorWithLabels.FindStringSubmatch(r.Expr)
		if metric == nil { // it is made of a series that was recorded before, and has its labels
			before := recordForm.FindStringSubmatch(r.Expr)[1]
			origins[r.Record], records[r.Record] = origins[before], records[before]
			continue
		}
		origins[r.Record] = metric[1]
		records[r.Record] = map[string]bool{}
		for _, label := range strings.Split(listForm.FindStringSubmatch(r.Expr)[1], ",") {
			records[r.Record][strings.TrimSpace(label)] = true
		}
	}
	recordsUsed := map[string]bool{}
	for _, r := range rules {
		for _, name := range c.check(t, r.Alert+r.Record, r.Expr) {
			shown[name] = true
		}
		for _, m := range recordForm.FindAllStringSubmatch(r.Expr+r.Annotations["description"], -1) {
			recordsUsed[m[1]] = true
			if records[m[1]] == nil {
				t.Errorf("%s: nothing records %s", r.Alert, m[1])
				continue
			}
			for _, matcher := range matcherForm.FindAllStringSubmatch(m[2], -1) {
				c.checkMatcher(t, r.Alert, origins[m[1]], matcher[1], matcher[3])
			}
		}
		checkTemplates(t, r, records)
	}
	for record := range records {
		if !recordsUsed[record] {
			t.Errorf("no alert needs %s", record)
		}
	}
	for _, p := range loadDashboard(t).shown() {
		for _, q := range p.Targets {
			for _, name := range c.check(t, p.Title, q.Expr) {
				shown[name] = true
			}
		}
	}
	for _, v := range loadDashboard(t).Templating.List {
		c.check(t, "variable "+v.Name, v.Query)
	}
	for _, name := range slices.Sorted(maps.Keys(c)) {
		if !shown[name] {
			t.Errorf("%s is in no alert and no panel", name)
		}
	}
}

// checkTemplates checks that the labels which a text names can exist.
func checkTemplates(t *testing.T, r rule, records map[string]map[string]bool) {
	t.Helper()
	labels := map[string]bool{}
	for _, m := range recordForm.FindAllStringSubmatch(r.Expr, -1) {
		maps.Copy(labels, records[m[1]])
	}
	for where, text := range r.Annotations {
		for _, m := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(text, -1) {
			if !labels[m[1]] {
				t.Errorf("%s: the %s names the label %s, which the alert has not", r.Alert, where, m[1])
			}
		}
	}
}

// TestDocumentsAgree compares docs/metrics.md and docs/runbook.md with the program.
func TestDocumentsAgree(t *testing.T) {
	c := known(t)
	_, types := fresh(t)
	rules := prometheusRule(t).all()
	text := file(t, "docs", "metrics.md")
	rows := map[string][]string{}
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) > 4 && strings.HasPrefix(cells[1], " `bosgc_") {
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			rows[strings.Trim(cells[1], "`")] = cells
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c)) {
		cells := rows[name]
		if cells == nil {
			t.Errorf("docs/metrics.md has no row for %s", name)
			continue
		}
		if cells[2] != types[name] {
			t.Errorf("docs/metrics.md says that %s is a %s; it is a %s", name, cells[2], types[name])
		}
		labels := slices.Sorted(maps.Keys(c[name]))
		labels = slices.DeleteFunc(labels, func(l string) bool { return l == "le" })
		documented := regexp.MustCompile(`\w+`).FindAllString(cells[3], -1)
		slices.Sort(documented)
		if !slices.Equal(labels, documented) {
			t.Errorf("docs/metrics.md gives %s the labels %v; it has %v", name, documented, labels)
		}
	}
	for path, text := range map[string]string{"docs/metrics.md": text, "docs/runbook.md": file(t, "docs", "runbook.md")} {
		for _, expr := range selectorWithLabels.FindAllString(text, -1) {
			c.check(t, path, expr)
		}
		for _, m := range recordForm.FindAllStringSubmatch(text, -1) {
			if !slices.ContainsFunc(rules, func(r rule) bool { return r.Record == m[1] }) {
				t.Errorf("%s: nothing records %s", path, m[1])
			}
		}
		for _, alert := range regexp.MustCompile(`\bBosgc\w+`).FindAllString(text, -1) {
			if !slices.Contains(alertNames(rules), alert) {
				t.Errorf("%s: there is no alert %s", path, alert)
			}
		}
	}
	for _, alert := range alertNames(rules) {
		if !strings.Contains(text, alert) {
			t.Errorf("docs/metrics.md does not mention %s", alert)
		}
	}
}
