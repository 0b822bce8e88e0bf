package inventory

import (
	"fmt"
	"slices"
	"strings"
)

// Words are the texts of values that are kept as small numbers. The first one is that of the zero value,
// which is none.
type Words []string

// Parse returns the value of a text. An unknown one is an error that names the others: it would otherwise be
// read as something that it does not say.
func (w Words) Parse(what string, text []byte) (int8, error) {
	n := slices.Index(w, string(text))
	if n < 0 {
		return 0, fmt.Errorf("%.40q is no %s; expected one of %s", text, what, strings.Join(w[1:], ", "))
	}
	return int8(n), nil // there are some dozens
}
