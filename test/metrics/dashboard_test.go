package metrics

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bosgc/test/plane"
)

type dashboard struct {
	UID, Title    string
	SchemaVersion int
	Templating    struct{ List []variable }
	Panels        []panel
}

type variable struct {
	Name, Type, Query, AllValue string
	Datasource                  datasource
}

type datasource struct{ Type, UID string }

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               datasource
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []query
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Panels                   []panel
}

type query struct {
	RefID        string
	Datasource   datasource
	Expr         string
	LegendFormat string
	Instant      bool
}

func loadDashboard(t testing.TB) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(file(t, "deploy", "helm", "bosgc", "files", "dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// shown returns the panels that show something: rows are only headings.
func (d dashboard) shown() []panel {
	var all []panel
	for _, p := range d.Panels {
		for _, one := range append([]panel{p}, p.Panels...) {
			if one.Type != "row" {
				all = append(all, one)
			}
		}
	}
	return all
}

func TestDashboardIsWhole(t *testing.T) {
	d := loadDashboard(t)
	// Before version 33 a data source is a name, not an object.
	if d.UID == "" || d.Title == "" || d.SchemaVersion < 33 {
		t.Errorf("uid %q, title %q, schemaVersion %d", d.UID, d.Title, d.SchemaVersion)
	}
	ids, titles, taken := map[int]bool{}, map[string]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] || titles[p.Title] || p.Title == "" {
			t.Errorf("panel %d, %q: its number or title is there twice, or missing", p.ID, p.Title)
		}
		ids[p.ID], titles[p.Title] = true, true
		if g := p.GridPos; g.X < 0 || g.W < 1 || g.H < 1 || g.X+g.W > 24 {
			t.Errorf("%s: it lies outside: %+v", p.Title, g)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("%s lies over %s", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
	for _, p := range d.shown() {
		if p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
			t.Errorf("%s: it lacks a description, a unit or a query", p.Title)
		}
		refs := map[string]bool{}
		for _, q := range p.Targets {
			if refs[q.RefID] || q.RefID == "" {
				t.Errorf("%s: refId %q", p.Title, q.RefID)
			}
			refs[q.RefID] = true
			for _, source := range []datasource{p.Datasource, q.Datasource} {
				if source != (datasource{"prometheus", "${datasource}"}) {
					t.Errorf("%s: its data source is %v, which is not chosen by the reader", p.Title, source)
				}
			}
			if q.Instant && strings.Contains(q.Expr, "$__rate_interval") || !q.Instant && strings.Contains(q.Expr, "$__range") {
				t.Errorf("%s: the length of the query does not go with what it shows: %s", p.Title, q.Expr)
			}
		}
	}
	for _, v := range d.Templating.List {
		// Metrics that come some ways have no namespace: the choice of all must let a missing label pass.
		if v.Type == "query" && v.AllValue != ".*" {
			t.Errorf("variable %s: all is %q", v.Name, v.AllValue)
		}
	}
}

var variableForm = regexp.MustCompile(`\$(\w+|\{\w+\})`)

// expand replaces variables with values. Minutes in real life are seconds in a test.
func (d dashboard) expand(t testing.TB, expr string) string {
	t.Helper()
	expr = strings.NewReplacer("$__rate_interval", "60s", "$__range", "60s", ":1m]", ":1s]").Replace(expr)
	for _, v := range d.Templating.List {
		expr = regexp.MustCompile(`\$`+v.Name+`\b`).ReplaceAllLiteralString(expr, v.AllValue)
	}
	if left := variableForm.FindString(expr); left != "" {
		t.Fatalf("nothing is known to put in the place of %s in %s", left, expr)
	}
	return expr
}

// checkDashboard runs every query of the dashboard. Each must have a result within half a minute,
// except those of the named panels, which may be empty.
func checkDashboard(t testing.TB, p prometheus, mayBeEmpty ...string) {
	t.Helper()
	d := loadDashboard(t)
	for _, name := range mayBeEmpty {
		if !slices.ContainsFunc(d.shown(), func(p panel) bool { return p.Title == name }) {
			t.Errorf("there is no panel %q", name)
		}
	}
	plane.Eventually(t, 30*time.Second, func() error {
		var empty []string
		for _, one := range d.shown() {
			for _, q := range one.Targets {
				expr := d.expand(t, q.Expr)
				var result []series
				var err error
				if q.Instant {
					result, err = p.query(t, expr)
				} else {
					result, err = p.queryRange(t, expr, 10*time.Second, time.Second)
				}
				if err != nil {
					t.Fatalf("%s: %v", one.Title, err)
				}
				if !slices.ContainsFunc(result, series.hasValue) && !slices.Contains(mayBeEmpty, one.Title) {
					empty = append(empty, one.Title+": "+expr)
				}
				for _, r := range result {
					checkLegend(t, one, q, r)
				}
			}
		}
		if len(empty) > 0 {
			return fmt.Errorf("no result:\n%s", strings.Join(empty, "\n"))
		}
		return nil
	})
	for _, v := range d.Templating.List {
		if m := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`).FindStringSubmatch(v.Query); v.Type == "query" {
			if m == nil {
				t.Fatalf("variable %s: %s", v.Name, v.Query)
			}
			if result, err := p.query(t, d.expand(t, m[1])); err != nil || len(result) == 0 {
				t.Errorf("variable %s: %d results, error %v", v.Name, len(result), err)
			}
		}
	}
}

// TestFiringAlertsOnTheDashboard: of two installations and what each Prometheus says of them, one is shown.
func TestFiringAlertsOnTheDashboard(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, installation := range []string{"services.bosgc", "services.trial"} {
			fmt.Fprintf(w, "bosgc_state_set_aside_timestamp_seconds{installation=%q} %d\n", installation, time.Now().Unix())
		}
	}))
	t.Cleanup(page.Close)
	p := startPrometheus(t, target{job: "bosgc", address: strings.TrimPrefix(page.URL, "http://")})
	d := loadDashboard(t)
	for _, one := range d.shown() {
		if one.Title != "Alerts" && one.Title != "Firing alerts" {
			continue
		}
		plane.Eventually(t, 15*time.Second, func() error {
			result, err := p.query(t, d.expand(t, one.Targets[0].Expr))
			switch {
			case err != nil:
				return err
			case len(result) != 1 || result[0].values[0] != 1:
				return fmt.Errorf("%s: %v", one.Title, result)
			case one.Title == "Firing alerts" && (result[0].Metric["alertname"] != "BosgcStateSetAside" || result[0].Metric["installation"] != "services.bosgc"):
				return fmt.Errorf("%s: %v", one.Title, result[0].Metric)
			}
			return nil
		})
	}
}

func (s series) hasValue() bool {
	return slices.ContainsFunc(s.values, func(v float64) bool { return !math.IsNaN(v) })
}

// checkLegend checks that the labels which the legend names are in the result: Grafana would show
// nothing there.
func checkLegend(t testing.TB, p panel, q query, r series) {
	t.Helper()
	for _, m := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(q.LegendFormat, -1) {
		if r.Metric[m[1]] == "" {
			t.Fatalf("%s: its legend has %s, its result %v", p.Title, m[1], r.Metric)
		}
	}
}
