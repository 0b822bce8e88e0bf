// Package docs types what the documents say, and compares what comes out with what they show.
//
// The language of a block says what to do with it. "sh" are commands. "console" are commands after
// "$ " with their output, where "..." stands for lines that are left out. All blocks of a page are
// typed in order into one shell, in a copy of this tree. In any other language, a block whose first
// line has a file name after the language is that file.
//
// What cannot be typed here has a comment before it, which no reader sees: <!-- not run: REASON -->,
// with one of the reasons below. For such blocks, and for the text itself, the tests check that the
// commands, flags, settings, values of the chart and make targets exist.
package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// reasons are the reasons why a block is not typed.
var reasons = []string{
	"needs a CSM system",       // its API gateway, its registry, its etcd, cray
	"needs a container engine", // podman, docker
	"needs a registry",         // to which the reader may push
	"needs nodes",              // the control plane of the test has none, so no Pod runs
	"takes minutes",            // and has a target of its own under CI
}

// languages are those of blocks. Without a language, nobody knows what to do with a block.
var languages = []string{"sh", "console", "yaml", "json", "text", "promql", "go"}

// skipped are pages that are not typed, each with the reason.
var skipped = map[string]string{
	"docs/performance.md":        "it is written by the benchmark that it shows",
	"docs/performance-growth.md": "it is written by the benchmark that it shows",
}

// page is a document.
type page struct {
	name     string // path from the root of the project
	lines    []string
	blocks   []block
	spans    []span
	problems []string
}

// block is a fenced block.
type block struct {
	line     int // of its first fence, from 1
	language string
	file     string // the file whose text it is
	indent   string
	text     []string
	notRun   string // the reason; empty if it is typed
}

// span is code within the text.
type span struct {
	line int
	text string
}

func (p *page) complain(line int, format string, args ...any) {
	p.problems = append(p.problems, fmt.Sprintf("%s:%d: %s", p.name, line, fmt.Sprintf(format, args...)))
}

var (
	fence  = regexp.MustCompile("^( *)```+(.*)$")
	marker = regexp.MustCompile(`^\s*<!-- not run: (.*) -->$`)
	code   = regexp.MustCompile("``.+?``|`([^`]+)`")
)

func parse(name, text string) *page {
	p := &page{name: name, lines: strings.Split(text, "\n")}
	var paragraph []string
	why, whyLine := "", 0
	flush := func(line int) {
		p.addSpans(line-len(paragraph), strings.Join(paragraph, "\n"))
		paragraph = nil
	}
	for i := 0; i < len(p.lines); i++ {
		line := p.lines[i]
		if m := marker.FindStringSubmatch(line); m != nil {
			why, whyLine = m[1], i+1
			if !slices.Contains(reasons, why) {
				p.complain(i+1, "not run: %q is no reason; expected one of: %s", why, strings.Join(reasons, "; "))
			}
			continue
		}
		m := fence.FindStringSubmatch(line)
		if m == nil {
			if strings.HasPrefix(line, "    ") && i > 0 && strings.TrimSpace(p.lines[i-1]) == "" {
				p.complain(i+1, "code that is only indented says not what it is; expected a block between ```")
			}
			if strings.TrimSpace(line) == "" {
				flush(i + 1)
				continue
			}
			if why != "" {
				p.complain(whyLine, "not run: expected a block of commands right after it")
				why = ""
			}
			paragraph = append(paragraph, line)
			continue
		}
		flush(i + 1)
		i = p.addBlock(i, m, why)
		why = ""
	}
	flush(len(p.lines) + 1)
	if why != "" {
		p.complain(whyLine, "not run: expected a block of commands right after it")
	}
	return p
}

// addBlock adds the block whose fence is line i, and returns the line of the fence that ends it.
func (p *page) addBlock(i int, open []string, why string) int {
	info := strings.Fields(open[2])
	b := block{line: i + 1, indent: open[1], notRun: why}
	if len(info) > 0 {
		b.language = info[0]
	}
	if len(info) > 1 {
		b.file = info[1]
	}
	for i++; i < len(p.lines) && strings.TrimSpace(p.lines[i]) != "```"; i++ {
		b.text = append(b.text, strings.TrimPrefix(p.lines[i], b.indent))
	}
	typed := b.language == "sh" || b.language == "console"
	switch {
	case i == len(p.lines):
		p.complain(b.line, "the block has no end")
	case !slices.Contains(languages, b.language):
		p.complain(b.line, "the block is of the language %q; expected one of: %s", b.language, strings.Join(languages, ", "))
	case why != "" && !typed:
		p.complain(b.line, "not run: this is no block of commands")
	case b.file != "" && (typed || !filepath.IsLocal(b.file)):
		p.complain(b.line, "%q is no file that the block can be", b.file)
	}
	p.blocks = append(p.blocks, b)
	return i
}

func (p *page) addSpans(line int, paragraph string) {
	for _, at := range code.FindAllStringSubmatchIndex(paragraph, -1) {
		if at[2] < 0 {
			continue // code that contains a backtick
		}
		text := strings.Join(strings.Fields(paragraph[at[2]:at[3]]), " ")
		p.spans = append(p.spans, span{line + strings.Count(paragraph[:at[0]], "\n"), text})
	}
}

// step is what is typed at once.
type step struct {
	line    int
	typed   string
	notRun  string
	shown   []string // what came out, if compare is set
	compare bool
	from    int // line of the page where shown begins, from 0
	indent  string
	file    string // the file whose text it is
}

var cluster = regexp.MustCompile(`(?m)(^|[\s|;&(])(kubectl|helm) `)

// isTyped reports whether a step is typed, and forCluster whether it needs kubectl or helm.
func (s step) isTyped() bool    { return s.notRun == "" && s.file == "" }
func (s step) forCluster() bool { return s.isTyped() && cluster.MatchString(s.typed) }

// steps returns the steps of a page, in order.
func (p *page) steps() []step {
	var all []step
	for _, b := range p.blocks {
		switch {
		case b.language == "sh":
			all = append(all, step{line: b.line, typed: strings.Join(b.text, "\n"), notRun: b.notRun})
		case b.language == "console":
			all = append(all, p.dialogue(b)...)
		case b.file != "":
			all = append(all, step{line: b.line, file: b.file, typed: strings.Join(b.text, "\n") + "\n"})
		}
	}
	return all
}

// dialogue splits a block into what is typed after "$ ", with further lines after "> ", and what came
// out.
func (p *page) dialogue(b block) []step {
	var all []step
	for i, line := range b.text {
		if typed, is := strings.CutPrefix(line, "$ "); is {
			all = append(all, step{line: b.line + 1 + i, typed: typed, notRun: b.notRun, compare: true, from: b.line + 1 + i, indent: b.indent})
			continue
		}
		if len(all) == 0 {
			p.complain(b.line, "a console begins with something that nobody has typed; expected \"$ \" and a command")
			return nil
		}
		last := &all[len(all)-1]
		if more, is := strings.CutPrefix(line, "> "); is && len(last.shown) == 0 {
			last.typed += "\n" + more
			last.from++
			continue
		}
		last.shown = append(last.shown, line)
	}
	for _, s := range all {
		if len(s.shown) > 0 && !slices.ContainsFunc(s.shown, func(line string) bool { return line != leftOut }) {
			p.complain(s.line, "nothing of it is shown; expected a line of what comes out")
		}
	}
	return all
}

// root returns the folder of the project.
func root(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// pages returns all documents that users read.
func pages(t testing.TB) []*page {
	t.Helper()
	var all []*page
	for _, pattern := range []string{"README.md", "CONTRIBUTING.md", "docs/*.md", "deploy/helm/bosgc/README.md"} {
		files, err := filepath.Glob(filepath.Join(root(t), filepath.FromSlash(pattern)))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, file := range files {
			name, err := filepath.Rel(root(t), file)
			if err != nil {
				t.Fatal(err)
			}
			name = filepath.ToSlash(name)
			if skipped[name] != "" {
				t.Logf("%s: left out: %s", name, skipped[name])
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, parse(name, string(text)))
		}
	}
	return all
}
