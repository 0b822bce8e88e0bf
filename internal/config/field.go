package config

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/kelseyhightower/envconfig"
)

// field is a field of Config, which holds one setting.
type field struct {
	name        string // of the variable
	defaultText string
	tag         reflect.StructTag
	value       reflect.Value
}

func (c *Config) fields() []field {
	v := reflect.ValueOf(c).Elem()
	fields := make([]field, 0, v.NumField())
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		fields = append(fields, field{tag.Get("envconfig"), tag.Get("default"), tag, v.Field(i)})
	}
	return fields
}

// Names lists all settings, in their order.
func Names() []string {
	var names []string
	for _, f := range new(Config).fields() {
		names = append(names, f.name)
	}
	return names
}

// decode has envconfig read the setting from a text, and returns what is wrong with it, or "".
//
// On its own envconfig reads the environment of the process, and stops at the first mistake. Here an environment is a
// list, so that tests run several bosgc at once, and all mistakes are reported together. So envconfig is given a struct
// of this field alone, where the text is the default of a variable that no environment has: the name of one ends before
// its first "=".
func (f field) decode(text string) string {
	spec := reflect.New(reflect.StructOf([]reflect.StructField{{
		Name: "Value", Type: f.value.Type(), Tag: reflect.StructTag(fmt.Sprintf(`envconfig:"=" default:%q`, text)),
	}}))
	err := envconfig.Process("", spec.Interface())
	decoded := spec.Elem().Field(0)
	if f.value.Kind() == reflect.Int && err == nil {
		err = checkDecimal(decoded.Int(), text)
	}
	if err == nil {
		f.value.Set(decoded)
		return ""
	}
	switch f.value.Kind() {
	case reflect.Int:
		return "is no whole number; expected one such as " + f.defaultText
	case reflect.Bool:
		return "is neither true nor false"
	}
	if bad, ok := errors.AsType[*envconfig.ParseError](err); ok {
		return bad.Err.Error() // the rest of its text is about the struct
	}
	return err.Error()
}

// checkDecimal refuses what envconfig takes for a number and a person may not mean: to it 010 is 8.
func checkDecimal(n int64, text string) error {
	if decimal, err := strconv.ParseInt(text, 10, 32); err != nil || decimal != n {
		return strconv.ErrSyntax
	}
	return nil
}

// shownValue returns the value as people may see it. An age is shown as it is written in text, from which it was read.
func (f field) shownValue(text string) string {
	switch value := f.value.Interface().(type) {
	case Age:
		return text
	case List:
		text = strings.Join(value, ",")
	default:
		text = fmt.Sprint(value)
	}
	if check := f.tag.Get("check"); check == "url" || check == "urls" {
		return hideCredentials(text)
	}
	return text
}

// hideCredentials takes out of a URL what may be secret, in the places where people put it.
func hideCredentials(text string) string {
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		text = "(hidden)" + text[at:]
	}
	if query := strings.IndexAny(text, "?#"); query >= 0 {
		text = text[:query] + "?(hidden)"
	}
	return text
}
