package config

import (
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

var dnsLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// check returns what is wrong with a value that could be read, or "".
func (f field) check() string {
	switch value := f.value.Interface().(type) {
	case int:
		return f.checkRange(value)
	case Age:
		if f.tag.Get("check") == "positive" && value <= 0 {
			return "is zero; expected longer than that"
		}
	case List:
		if f.tag.Get("check") == "urls" {
			return checkEndpoints(value)
		}
		return checkGlobs(value)
	}
	if text := f.value.String(); f.value.Kind() == reflect.String && text != "" {
		return f.checkText(text)
	}
	return ""
}

func (f field) checkRange(n int) string {
	if low, err := strconv.Atoi(f.tag.Get("min")); err == nil && n < low {
		return fmt.Sprintf("is too small; expected at least %d", low)
	}
	if high, err := strconv.Atoi(f.tag.Get("max")); err == nil && n > high {
		return fmt.Sprintf("is too large; expected at most %d", high)
	}
	return ""
}

func (f field) checkText(text string) string {
	if words := strings.Fields(f.tag.Get("oneof")); len(words) > 0 && !slices.Contains(words, text) {
		return "is not known; expected one of " + strings.Join(words, ", ")
	}
	switch f.tag.Get("check") {
	case "url":
		if strings.ContainsRune(text, '@') {
			return "holds a user or password; expected none: use BOSGC_CLIENT_ID and BOSGC_CLIENT_SECRET_FILE"
		}
		return checkURL(text)
	case "label":
		if !dnsLabel.MatchString(text) {
			return "is no name of Kubernetes; expected lower-case letters, digits and dashes"
		}
	case "file":
		file, err := os.Open(text)
		if err != nil {
			return "cannot be read: " + err.Error()
		}
		_ = file.Close()
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

func checkEndpoints(endpoints []string) string {
	for _, endpoint := range endpoints {
		if strings.ContainsRune(endpoint, '@') {
			return "holds a user or password; expected none: " +
				"use BOSGC_BOS_ETCD_USER and BOSGC_BOS_ETCD_PASSWORD_FILE"
		}
	}
	for _, endpoint := range endpoints {
		if why := checkURL(endpoint); why != "" {
			return fmt.Sprintf("has the endpoint %q, which %s", hideCredentials(endpoint), why)
		}
	}
	return ""
}

func checkGlobs(globs []string) string {
	for _, glob := range globs {
		// They survive env files and --set, and no template has them in its name.
		plain := strings.ReplaceAll(glob, "[^", "[")
		if i := strings.IndexAny(plain, "\"'`;|^$"); i >= 0 {
			return fmt.Sprintf("has the pattern %q, which matches nothing: no name of a template has %q; "+
				"expected patterns such as golden-* without quotes, separated by commas", glob, plain[i:i+1])
		}
		if _, err := path.Match(glob, ""); err != nil || strings.ContainsAny(glob, " \t\n") {
			return fmt.Sprintf("has the pattern %q, which is malformed; "+
				"expected patterns such as golden-* with * ? and [...]", glob)
		}
	}
	return ""
}
