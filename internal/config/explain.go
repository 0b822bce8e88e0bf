package config

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

// Explanation is all about one setting that a person may want to know.
type Explanation struct {
	Setting

	Problem string `json:"problem,omitempty"` // why its value cannot be used
	Meaning string `json:"meaning"`
	Accepts string `json:"accepts"` // which values, with their unit
	Example string `json:"example"` // of a value; empty for a secret
	Where   string `json:"where"`   // the commands it matters to, and the page that says more
}

// Explain explains one setting, and says what its value is in an environment, which need not be a good one: that
// is when people ask. BOSGC_ and the case of letters do not matter. It is false if there is no such setting.
func Explain(name string, environ []string) (Explanation, bool) {
	for _, g := range meanings {
		for _, m := range g.settings {
			if m.name == canonical(name) {
				return m.explain(environ), true
			}
		}
	}
	return Explanation{}, false
}

func (m meaning) explain(environ []string) Explanation {
	var e Explanation
	values := parseEnviron(environ)
	c, err := Load(environ)
	for _, s := range c.settings(values) {
		if s.Name == m.name {
			e.Setting = s
		}
	}
	problems, _ := err.(Problems) //nolint:errorlint // Load gives nothing else
	for _, p := range problems {
		if p.Name == m.name {
			e.Value, e.Problem = p.Value, p.Why
		}
	}
	e.Meaning, e.Where, e.Accepts = m.text, m.where, m.accepts(e.field)
	e.Example = cmp.Or(m.example, e.Default)
	return e
}

// accepts says which values a setting takes. It stands on what check demands.
func (m meaning) accepts(field reflect.StructField) string {
	tag := field.Tag
	if words := tag.Get("oneof"); words != "" {
		return "one of " + strings.Join(strings.Fields(words), ", ")
	}
	switch field.Type {
	case reflect.TypeFor[Age]():
		text := "an age: numbers with units s m h d w, and sums of them, such as 36h or 7d12h"
		if tag.Get("check") == "positive" {
			text += "; longer than 0s"
		}
		return text
	case reflect.TypeFor[bool]():
		return "true or false"
	case reflect.TypeFor[int]():
		text := "a whole number of " + m.of + ", at least " + tag.Get("min")
		if tag.Get("max") != "" {
			text += " and at most " + tag.Get("max")
		}
		return text
	case reflect.TypeFor[Secret]():
		return "a text, which is never shown"
	}
	switch tag.Get("check") {
	case "url":
		return "a URL with http:// or https://, without user, password and query"
	case "urls":
		return "a list of URLs, separated by commas; all with https:// or all with http://"
	case "globs":
		return "a list of patterns with * ? and [...], separated by commas"
	case "file":
		return "the path of a file that can be read"
	case "label":
		return "a name of Kubernetes: lower-case letters, digits and dashes"
	}
	return "a text"
}

var pageName = regexp.MustCompile(`docs/([a-z]+\.md)`)

// Page is docs/settings.md.
func Page() string {
	var b strings.Builder
	b.WriteString(`# Settings

<!-- This page is made from config/meaning.go by "make docs-settings". -->

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
