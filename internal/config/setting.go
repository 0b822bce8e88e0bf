package config

import "cmp"

// Setting is one setting as a person sees it.
type Setting struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	Origin  string `json:"origin"` // "environment" or "default"; also "flag" and "scheduled sweep"
	Default string `json:"default"`
}

// Settings lists all settings with their values and where those came from.
func (c Config) Settings(environ []string) []Setting {
	values := parseEnviron(environ)
	var all []Setting
	for _, f := range c.fields() {
		all = append(all, f.setting(values))
	}
	return all
}

func (f field) setting(values map[string]string) Setting {
	origin := "default"
	if values[f.name] != "" {
		origin = "environment"
	}
	return Setting{f.name, f.shownValue(cmp.Or(values[f.name], f.defaultText)), origin, f.defaultText}
}
