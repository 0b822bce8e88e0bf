package docs

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what came out into the documents")

// TestDocumentsNameWhatThereIs needs nothing but Go. It checks that the commands, flags, settings,
// values, make targets and pages that documents name exist, also in what is not typed.
func TestDocumentsNameWhatThereIs(t *testing.T) {
	k := knowledge(t)
	for _, p := range pages(t) {
		k.check(p)
		checkLinks(t, p)
		for _, problem := range p.problems {
			t.Error(problem)
		}
	}
}

// TestPagesOnTheLab types every page on this machine with nothing but what "make build lab" builds, up
// to the first step that needs kubectl or helm.
func TestPagesOnTheLab(t *testing.T) {
	built(t, "bosgc", "bosgc-lab")
	for _, p := range pages(t) {
		steps := p.steps()
		if i := slices.IndexFunc(steps, step.forCluster); i >= 0 {
			note("%s:%d: from here on it takes kubectl or helm: make test-docs-cluster", p.name, steps[i].line)
			steps = steps[:i]
		}
		if !slices.ContainsFunc(steps, step.isTyped) {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.before = before[p.name]
			follow(t, d, p, steps).report(t)
		})
	}
}

// built ends a test that lacks what make builds.
func built(t *testing.T, programs ...string) {
	t.Helper()
	for _, name := range programs {
		if _, err := os.Stat(filepath.Join(root(t), "bin", name)); err != nil {
			t.Fatalf("%v; run: make test-docs", err)
		}
	}
}

// result is what came of typing a page.
type result struct {
	notRun, problems []string
	changed          []step // their shown is what came out
}

// follow types steps of a page and compares.
func follow(t testing.TB, d *desk, p *page, steps []step) result {
	t.Helper()
	var r result
	outcomes := d.typeIn(t, steps)
	for i, s := range steps {
		o, run := outcomes[i]
		switch {
		case !run:
			r.notRun = append(r.notRun, fmt.Sprintf("%s:%d: not run, it %s:\n%s", p.name, s.line, s.notRun, indent(strings.Split(s.typed, "\n"))))
		case o.failed != "":
			r.problems = append(r.problems, fmt.Sprintf("%s:%d: %s\n%s\ngave\n%s", p.name, s.line, o.failed, s.typed, indent(o.out)))
		case s.compare:
			if err := differ(s.shown, o.out); err != nil {
				r.problems = append(r.problems, fmt.Sprintf("%s:%d: %s: %v", p.name, s.line, s.typed, err))
				s.shown = renewed(s.shown, o.out)
				r.changed = append(r.changed, s)
			}
		}
	}
	if *update && len(r.changed) > 0 {
		rewrite(t, p, steps, r.changed)
	}
	return r
}

func (r result) report(t *testing.T) {
	t.Helper()
	for _, text := range r.notRun {
		note("%s", text)
	}
	for _, problem := range r.problems {
		t.Error(problem)
	}
}

// note prints what was left out, also without -v.
func note(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// rewrite puts what came out into the document.
func rewrite(t testing.TB, p *page, steps, changed []step) {
	t.Helper()
	file := filepath.Join(root(t), filepath.FromSlash(p.name))
	was := map[int]int{}
	for _, s := range steps {
		was[s.line] = len(s.shown)
	}
	lines := slices.Clone(p.lines)
	for _, s := range slices.Backward(changed) { // from the end, so that lines before keep their numbers
		var shown []string
		for _, line := range s.shown {
			shown = append(shown, strings.TrimRight(s.indent+line, " "))
		}
		lines = slices.Replace(lines, s.from, s.from+was[s.line], shown...)
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}
