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

// Filter selects which objects a table shows. It has no influence on what is done.
type Filter struct {
	conditions []string
	patterns   map[string][]string // by field; an object must match one of each field
	older      []time.Duration     // an object must be older than all of them
	younger    []time.Duration
}

// filterField is what a condition compares by "=".
type filterField struct {
	value  func(gc.Object) string
	values []string // all that there are; nil: the condition is a glob
}

var filterFields = map[string]filterField{
	"kind":     {func(o gc.Object) string { return fmt.Sprint(o.Kind) }, Words(policy.Kinds())},
	"verdict":  {func(o gc.Object) string { return fmt.Sprint(o.Verdict) }, Words(policy.Verdicts())},
	"reason":   {func(o gc.Object) string { return fmt.Sprint(o.Reason) }, Words(allReasons())},
	"template": {func(o gc.Object) string { return o.Template }, nil},
}

func allReasons() (all []policy.Reason) {
	for _, v := range policy.Verdicts() {
		all = append(all, policy.Reasons(v)...)
	}
	return all
}

// ByTemplate reports whether the filter depends on the template of an object.
func (f Filter) ByTemplate() bool { return len(f.patterns["template"]) > 0 }

const filterExpected = "expected kind=, verdict=, reason=, template= (a glob), age> or age<, " +
	"such as kind=Job or age>14d"

// ParseFilter parses conditions, of which all must hold; of several for the same field one must.
func ParseFilter(conditions []string) (Filter, error) {
	f := Filter{conditions: conditions, patterns: map[string][]string{}}
	var all []error
	for _, condition := range conditions {
		if err := f.add(condition); err != nil {
			all = append(all, fmt.Errorf("--filter %q: %w", condition, err))
		}
	}
	return f, errors.Join(all...)
}

func (f *Filter) add(condition string) error {
	i := strings.IndexAny(condition, "=<>")
	if i < 0 {
		return fmt.Errorf("has no comparison; %s", filterExpected)
	}
	key, sign := strings.ToLower(strings.TrimSpace(condition[:i])), condition[i]
	value := strings.TrimSpace(condition[i+1:])
	if key == "age" {
		return f.addAge(sign, value)
	}
	field, known := filterFields[key]
	switch {
	case !known:
		return fmt.Errorf("there is no key %q; %s", key, filterExpected)
	case sign != '=':
		return fmt.Errorf("%s is compared by %q; expected =", key, string(sign))
	case field.values == nil:
		if _, err := path.Match(value, ""); err != nil || value == "" {
			return fmt.Errorf("%q is no glob; expected one like golden-*", value)
		}
	default:
		i := slices.IndexFunc(field.values, func(v string) bool { return strings.EqualFold(v, value) })
		if i < 0 {
			return fmt.Errorf("there is no %s %q; expected one of %s", key, value, strings.Join(field.values, ", "))
		}
		value = field.values[i]
	}
	f.patterns[key] = append(f.patterns[key], value)
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
		f.younger = append(f.younger, age.D())
	}
	return nil
}

// matches reports whether an object is shown. What has no age is neither older nor younger than any.
func (f Filter) matches(o gc.Object, now time.Time) bool {
	for key, patterns := range f.patterns {
		value := filterFields[key].value(o)
		if !slices.ContainsFunc(patterns, func(pattern string) bool {
			matched, _ := path.Match(pattern, value) // the words of the other fields have nothing special in a glob
			return matched
		}) {
			return false
		}
	}
	age, known := ObjectAge(o, now)
	if !known {
		return len(f.older)+len(f.younger) == 0
	}
	tooYoung := func(limit time.Duration) bool { return age <= limit }
	tooOld := func(limit time.Duration) bool { return age >= limit }
	return !slices.ContainsFunc(f.older, tooYoung) && !slices.ContainsFunc(f.younger, tooOld)
}

// given reports whether there is a condition.
func (f Filter) given() bool { return len(f.conditions) > 0 }

// Select returns the objects that match.
func (f Filter) Select(objects []gc.Object, now time.Time) []gc.Object {
	if !f.given() {
		return objects
	}
	return slices.DeleteFunc(slices.Clone(objects), func(o gc.Object) bool { return !f.matches(o, now) })
}

func (f Filter) String() string { return strings.Join(f.conditions, ", ") }
