package config

import "strings"

// List is a list of texts, separated by commas. White space around them does not count, or everything after the first
// comma of "a, b" would silently mean nothing.
type List []string

// Decode reads a list for envconfig.
func (l *List) Decode(text string) error {
	*l = nil
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			*l = append(*l, part)
		}
	}
	return nil
}

// Secret is a text that is never shown.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "(hidden)"
}
