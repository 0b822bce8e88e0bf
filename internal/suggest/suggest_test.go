package suggest

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	const id = "5a7c1d3e-8b2f-4e6a-9c0d-1f2e3a4b5c6d"
	tests := map[string]struct{ word, known, want string }{
		"a letter is wrong":            {"sesion_ttl", "failed_ttl session_ttl", "session_ttl"},
		"the most similar comes first": {"cfs_tll", "cfs cfs_ttx cfs_ttl batcher", "cfs_ttl cfs_ttx"},
		"ties keep their order":        {"abcx", "abcb abca", "abcb abca"},
		"a part of a name":             {"ttl", "cfs_ttl state session_ttl", "cfs_ttl session_ttl"},
		"an exact name before a part":  {"boa-1", "boa-1-extra boa-1", "boa-1 boa-1-extra"},
		"two letters are no part":      {"tt", "session_ttl", ""},
		"a third may differ":           {"abcdef", "abcdxy abcxyz", "abcdxy"},
		"a third of the shorter":       {"abcdef", "xabcydefz", ""},
		"whichever that is":            {"xabcydefz", "abcdef", ""},
		"one letter of a short name":   {"x", "y yy", "y"},
		"a session by the Job's name":  {"boa-" + id, id, id},
		"another session":              {strings.Repeat("f", 36), id, ""},
		"nothing":                      {"", "session_ttl", ""},
	}
	for name, test := range tests {
		got := Nearest(test.word, strings.Fields(test.known), func(s string) string { return s })
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: %q is near %q, want %q", name, test.word, got, test.want)
		}
	}
}
