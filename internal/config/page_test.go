package config

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/settings.md")

func TestSettingsPage(t *testing.T) {
	const file = "../../docs/settings.md"
	if *update {
		if err := os.WriteFile(file, []byte(settingsPage()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != settingsPage() {
		t.Error(`docs/settings.md is not what internal/config/meaning.go says; "make docs-settings" writes it`)
	}
}

func TestWhereASettingMattersThereIsAPage(t *testing.T) {
	pages := 0
	for _, link := range regexp.MustCompile(`\]\(([a-z]+\.md)\)`).FindAllStringSubmatch(settingsPage(), -1) {
		pages++
		if _, err := os.Stat("../../docs/" + link[1]); err != nil {
			t.Error(err)
		}
	}
	if pages < 10 {
		t.Errorf("only %d pages are named", pages)
	}
}

var pageName = regexp.MustCompile(`docs/([a-z]+\.md)`)

// settingsPage returns docs/settings.md.
func settingsPage() string {
	var b strings.Builder
	b.WriteString(`# Settings

<!-- This page is made from internal/config/meaning.go by "make docs-settings". -->

Everything is tuned by environment variables, so that a CronJob and a person do it the same way. An empty variable
counts as one that is not set. A variable that begins with BOSGC_ and is none of these is refused, with the name
that is most like it: a misspelled one would silently mean the default.

` + "`bosgc config` shows all with their values and where those came from; `bosgc config --explain NAME` explains one." + `
In the chart ` + "`BOSGC_SESSION_TTL` is `config.sessionTTL`, and so on." + `
`)
	for _, g := range meanings {
		fmt.Fprintf(&b, "\n## %s\n", g.title)
		for _, m := range g.settings {
			e := m.explain(nil)
			fmt.Fprintf(&b, "\n### %s\n\n%s\n\n| | |\n|---|---|\n", e.Name, markdown(e.Meaning))
			fmt.Fprintf(&b, "| default | %s |\n| accepts | %s |\n", code(e.Default, "empty"), markdown(e.Accepts))
			if e.Example != "" {
				fmt.Fprintf(&b, "| example | %s |\n", code(e.Name+"="+e.Example, ""))
			}
			fmt.Fprintf(&b, "| matters to | %s |\n", pageName.ReplaceAllString(e.Where, "[$1]($1)"))
		}
	}
	return b.String()
}

func code(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return "`" + text + "`"
}

// markdown keeps what is meant as it is written from being taken for markup.
func markdown(text string) string {
	return strings.NewReplacer("*", `\*`, "[", `\[`, "]", `\]`, "<", `\<`).Replace(text)
}
