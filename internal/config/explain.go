package config

import (
	"cmp"
	"errors"
	"reflect"
	"strings"
)

// Explanation is everything about one setting that a person may want to know.
type Explanation struct {
	Setting

	Problem string `json:"problem,omitempty"` // why its value cannot be used
	Meaning string `json:"meaning"`
	Accepts string `json:"accepts"` // which values, with their unit
	Example string `json:"example"` // of a value; empty for a secret
	Where   string `json:"where"`   // the commands it matters to, and the page that says more
}

// Explain explains one setting, whose prefix BOSGC_ and case do not matter, with its value in an environment. That need
// not be a valid one: bad settings are what people ask about. It returns false for an unknown setting.
func Explain(name string, environ []string) (Explanation, bool) {
	for _, g := range meanings {
		for _, m := range g.settings {
			if m.name == fullName(name) {
				return m.explain(environ), true
			}
		}
	}
	return Explanation{}, false
}

func (m meaning) explain(environ []string) Explanation {
	e := Explanation{Meaning: m.text, Where: m.where}
	c, err := Load(environ)
	for _, f := range c.fields() {
		if f.name == m.name {
			e.Setting, e.Accepts = f.setting(parseEnviron(environ)), m.accepts(f)
		}
	}
	problems, _ := errors.AsType[Problems](err)
	for _, p := range problems {
		if p.Name == m.name {
			e.Value, e.Problem = p.Value, p.Why
		}
	}
	e.Example = cmp.Or(m.example, e.Default)
	return e
}

// accepts returns which values a setting takes. It has to say the same as check demands.
func (m meaning) accepts(f field) string {
	if words := f.tag.Get("oneof"); words != "" {
		return "one of " + strings.Join(strings.Fields(words), ", ")
	}
	check := f.tag.Get("check")
	switch f.value.Type() {
	case reflect.TypeFor[Age]():
		text := "an age: numbers with units s m h d w, and sums of them, such as 36h or 7d12h"
		if check == "positive" {
			text += "; longer than 0s"
		}
		return text
	case reflect.TypeFor[bool]():
		return "true or false"
	case reflect.TypeFor[int]():
		text := "a whole number of " + m.counts + ", at least " + f.tag.Get("min")
		if high := f.tag.Get("max"); high != "" {
			text += " and at most " + high
		}
		return text
	case reflect.TypeFor[Secret]():
		return "a text, which is never shown"
	}
	switch check {
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
