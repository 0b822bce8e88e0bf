package inventory

import (
	"fmt"
	"slices"
	"strings"
)

// Words are the texts of a kind of value that is kept as a small number: each of tens of thousands of objects has several
// such values, and a text takes sixteen times as much, besides a pointer that the garbage collector follows each time.
// The first one is that of the zero value, which is none.
type Words []string

// Parse gives the value of a text. An unknown one is an error that names the others: it would otherwise be read as
// something that it does not say.
func (w Words) Parse(what string, text []byte) (int8, error) {
	n := slices.Index(w, string(text))
	if n < 0 {
		return 0, fmt.Errorf("%.40q is no %s; expected one of %s", text, what, strings.Join(w[1:], ", "))
	}
	return int8(n), nil // there are some dozens
}
