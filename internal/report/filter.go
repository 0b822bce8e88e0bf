package report

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"bosgc/gc"
	"bosgc/internal/config"
	"bosgc/policy"
)

// Filter says which objects a table shows. It has no part in what is done.
type Filter struct {
	text  []string
	is    map[string][]string // by key, the values of which one must match
	older []time.Duration     // all of them
	young []time.Duration
}

// ByTemplate says whether the template of an object decides.
func (f Filter) ByTemplate() bool { return len(f.is["template"]) > 0 }

const filterExpected = "expected kind=, verdict=, reason=, template= (a glob), age> or age<, such as kind=Job or age>14d"

// ParseFilter reads conditions, of which all must hold; of several for the same key one must.
func ParseFilter(conditions []string) (Filter, error) {
	f := Filter{text: conditions, is: map[string][]string{}}
	var all []error
	for _, text := range conditions {
		if err := f.add(text); err != nil {
			all = append(all, fmt.Errorf("--filter %q: %w", text, err))
		}
	}
	return f, errors.Join(all...)
}

func (f *Filter) add(text string) error {
	i := strings.IndexAny(text, "=<>")
	if i < 0 {
		return fmt.Errorf("has no comparison; %s", filterExpected)
	}
	key, sign, value := strings.ToLower(strings.TrimSpace(text[:i])), text[i], strings.TrimSpace(text[i+1:])
	known := map[string][]string{"kind": names(policy.Kinds()), "verdict": names(policy.Verdicts()), "reason": nil, "template": nil, "age": nil}
	for _, v := range policy.Verdicts() {
		known["reason"] = append(known["reason"], names(policy.Reasons(v))...)
	}
	values, ok := known[key]
	switch {
	case !ok:
		return fmt.Errorf("there is no key %q; %s", key, filterExpected)
	case key == "age":
		return f.addAge(sign, value)
	case sign != '=':
		return fmt.Errorf("%s is compared by %q; expected =", key, string(sign))
	case key == "template":
		if _, err := path.Match(value, ""); err != nil || value == "" {
			return fmt.Errorf("%q is no glob; expected one like golden-*", value)
		}
		f.is[key] = append(f.is[key], value)
		return nil
	}
	at := slices.IndexFunc(values, func(v string) bool { return strings.EqualFold(v, value) })
	if at < 0 {
		return fmt.Errorf("there is no %s %q; expected one of %s", key, value, strings.Join(values, ", "))
	}
	f.is[key] = append(f.is[key], values[at])
	return nil
}

func (f *Filter) addAge(sign byte, value string) error {
	age, err := config.ParseAge(value)
	switch {
	case sign == '=':
		return errors.New("no age is exact; expected age> or age<")
	case err != nil:
		return fmt.Errorf("the age %w", err)
	case sign == '>':
		f.older = append(f.older, age.D())
	default:
		f.young = append(f.young, age.D())
	}
	return nil
}

func names[T fmt.Stringer](values []T) []string {
	all := make([]string, 0, len(values))
	for _, v := range values {
		all = append(all, v.String())
	}
	return all
}

// Shows says whether an object is shown. What has no age is neither older nor younger than any.
func (f Filter) Shows(o gc.Object, now time.Time) bool {
	for key, value := range map[string]string{"kind": o.Kind.String(), "verdict": o.Verdict.String(), "reason": o.Reason.String(), "template": o.Template} {
		wanted := f.is[key]
		if len(wanted) > 0 && !slices.ContainsFunc(wanted, func(w string) bool {
			matches, _ := path.Match(w, value) // kinds, verdicts and reasons have nothing that is special in a glob
			return matches
		}) {
			return false
		}
	}
	old, known := age(o, now)
	for _, than := range f.older {
		if !known || old <= than {
			return false
		}
	}
	for _, than := range f.young {
		if !known || old >= than {
			return false
		}
	}
	return true
}

func (f Filter) String() string { return strings.Join(f.text, ", ") }
