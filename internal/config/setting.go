package config

import (
	"cmp"
	"fmt"
	"net/url"
	"os"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Setting is one setting as a person sees it.
type Setting struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	Origin  string `json:"origin"` // "environment" or "default"; with --namespace also "flag"
	Default string `json:"default"`

	field  reflect.StructField
	raw    any
	hidden bool // the value held a user or password, which nobody is shown
}

// Settings lists all settings with their values and where those came from.
func (c Config) Settings(environ []string) []Setting {
	return c.settings(parseEnviron(environ))
}

func (c Config) settings(values map[string]string) []Setting {
	v := reflect.ValueOf(c)
	all := make([]Setting, 0, v.NumField())
	for i := range v.NumField() {
		field := v.Type().Field(i)
		s := Setting{
			Name:    field.Tag.Get("envconfig"),
			Origin:  "default",
			Default: field.Tag.Get("default"),
			field:   field,
			raw:     v.Field(i).Interface(),
		}
		if values[s.Name] != "" {
			s.Origin = "environment"
		}
		switch value := s.raw.(type) {
		case List:
			s.Value = strings.Join(value, ",")
		case Age:
			s.Value = cmp.Or(values[s.Name], s.Default) // as it was written
		default:
			s.Value = fmt.Sprint(value)
		}
		if strings.HasPrefix(field.Tag.Get("check"), "url") {
			s.hide()
		}
		all = append(all, s)
	}
	return all
}

var dnsLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// check says what is wrong with a value that could be read; empty if nothing is.
func (s Setting) check() string {
	if n, ok := s.raw.(int); ok {
		return s.checkRange(n)
	}
	if words := s.field.Tag.Get("oneof"); words != "" && s.Value != "" {
		if choices := strings.Fields(words); !slices.Contains(choices, s.Value) {
			return "is not known; expected one of " + strings.Join(choices, ", ")
		}
	}
	if s.Value == "" {
		return ""
	}
	switch s.field.Tag.Get("check") {
	case "url":
		if s.hidden {
			return "holds a user or password; expected none: use BOSGC_CLIENT_ID and BOSGC_CLIENT_SECRET_FILE"
		}
		return checkURL(s.raw.(string))
	case "label":
		if !dnsLabel.MatchString(s.Value) {
			return "is no name of Kubernetes; expected lower-case letters, digits and dashes"
		}
	case "file":
		f, err := os.Open(s.Value)
		if err != nil {
			return "cannot be read: " + err.Error()
		}
		_ = f.Close()
	case "positive":
		if s.raw.(Age) <= 0 {
			return "is zero; expected longer than that"
		}
	case "urls":
		return s.checkURLs()
	case "globs":
		return checkGlobs(s.raw.(List))
	}
	return ""
}

func checkGlobs(globs []string) string {
	for _, glob := range globs {
		if _, err := path.Match(glob, ""); err != nil || strings.ContainsAny(glob, " \t\n") {
			return fmt.Sprintf("has the pattern %q, which is malformed; expected patterns such as golden-* with * ? and [...]", glob)
		}
	}
	return ""
}

func (s Setting) checkURLs() string {
	if s.hidden {
		return "holds a user or password; expected none: use BOSGC_BOS_ETCD_USER and BOSGC_BOS_ETCD_PASSWORD_FILE"
	}
	for _, one := range s.raw.(List) {
		if why := checkURL(one); why != "" {
			return fmt.Sprintf("has the endpoint %q, which %s", one, why)
		}
	}
	return ""
}

// hide takes out of a URL what may be secret, in the places where people put it.
func (s *Setting) hide() {
	if at := strings.LastIndexByte(s.Value, '@'); at >= 0 {
		s.Value, s.hidden = "(hidden)"+s.Value[at:], true
	}
	if query := strings.IndexAny(s.Value, "?#"); query >= 0 {
		s.Value = s.Value[:query] + "?(hidden)"
	}
}

func (s Setting) checkRange(n int) string {
	if low, err := strconv.Atoi(s.field.Tag.Get("min")); err == nil && n < low {
		return fmt.Sprintf("is too small; expected at least %d", low)
	}
	if high, err := strconv.Atoi(s.field.Tag.Get("max")); err == nil && n > high {
		return fmt.Sprintf("is too large; expected at most %d", high)
	}
	return ""
}

func checkURL(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "is no URL; expected one such as http://cray-bos"
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return "is not complete; expected http:// or https:// and a host, such as http://cray-bos"
	case u.RawQuery != "" || u.Fragment != "":
		return "has a query or fragment; expected none"
	}
	return ""
}
