package house

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// avoided are words that documents do not use, each with what to write instead.
var avoided = []struct{ word, instead string }{
	{`nobody|anybody|everybody|somebody`, `name who it is, or use the passive: "has no owner", "was deleted by hand"`},
	{`whoever`, `name who it is: "an account that may", "the person on call"`},
	{`anew`, `"again", "starts from zero", "re-created"`},
	{`besides`, `"also", "in addition"`},
	{`for ever`, `"forever", "always"`},
	{`gives`, `"returns", "provides", "prints", "assigns"`},
	{`hangs? (on|together)`, `"depends on", "is connected by"`},
	{`belongs? to (no one|none)`, `"has no owner"`},
	{`is there since`, `"created ... ago"`},
	{`mends?|mended`, `"repair", "correct"`},
	{`at work`, `"active", "running"`},
	{`comes? back|begins? at zero`, `"is restored", "starts from zero"`},
	{`put back|puts back|puts it back`, `"restore"`},
	{`goes on|go on|gone on`, `"continues"`},
	{`goes all the same|goes by|goes with|go as|goes as`, `"is deleted"`},
	{`of which not one|takes? apart|taken apart`, `"none of which", "removes"`},
	{`leaves? out|left out|looks? into`, `"omits", "reads", "inspects"`},
	{`whatever happens`, `"always"`},
	{`waited for and ended|takes? notice`, `say what happens`},
	{`without further ado`, `nothing`},
	{`too young to go|might have gone|had gone|has gone`, `"is deleted"; "could have been deleted"`},
}

// read are the documents that the list is for.
var read = []string{
	"README.md", "CONTRIBUTING.md", "docs/clean.md", "docs/csm.md", "docs/install.md", "docs/leftovers.md",
	"docs/metrics.md", "docs/policy.md", "docs/rescue.md", "docs/runbook.md", "docs/safety.md",
}

// TestDocumentsUsePlainWords fails for a word of the list in the text of a document. Headings are addresses, and code
// is what programs say.
func TestDocumentsUsePlainWords(t *testing.T) {
	for _, name := range read {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range findAvoided(string(text)) {
			t.Errorf("%s: %s", name, problem)
		}
	}
}

// findAvoided returns the avoided words of a document, by line. A phrase that a line break splits is found in the
// first line of its paragraph.
func findAvoided(document string) []string {
	var problems []string
	for line, paragraph := range paragraphs(document) {
		for _, a := range avoided {
			pattern := regexp.MustCompile(`(?i)\b(` + strings.ReplaceAll(a.word, " ", `\s+`) + `)\b`)
			for _, found := range pattern.FindAllString(paragraph, -1) {
				problems = append(problems, fmt.Sprintf("line %d: %q: write %s", line, found, a.instead))
			}
		}
	}
	slices.Sort(problems)
	return problems
}

var (
	code = regexp.MustCompile("`[^`]*`")
	link = regexp.MustCompile(`\]\([^)]*\)`)
)

// paragraphs returns the text of a document without headings, code and targets of links, by the number of its first
// line.
func paragraphs(document string) map[int]string {
	all, first, fenced := map[int]string{}, 0, false
	for i, line := range strings.Split(document, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced, first = !fenced, 0
			continue
		}
		if fenced || strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			first = 0
			continue
		}
		if first == 0 || strings.HasPrefix(line, "|") {
			first = i + 1
		}
		all[first] += line + "\n"
	}
	for line, text := range all {
		all[line] = link.ReplaceAllString(code.ReplaceAllString(text, "CODE"), "]")
	}
	return all
}

func TestAvoidedWordsAreFound(t *testing.T) {
	document := "# Nobody\n\nIt lasts for\never, `nobody` and [this](nobody.md).\n\n```sh\nnobody\n```\n\n| nobody | knows |\n"
	got := findAvoided(document)
	if len(got) != 2 || !strings.HasPrefix(got[0], "line 10: \"nobody\"") || !strings.HasPrefix(got[1], "line 3: \"for\\never\"") {
		t.Errorf("found %q", got)
	}
}
