package report

import (
	"cmp"
	"fmt"

	"bosgc/internal/config"
)

// Setting shows what a setting means, what it is set to and where it matters.
func Setting(e config.Explanation) string {
	p := &printer{}
	p.printLine("%s", e.Name)
	p.wrap(e.Meaning, "  ")
	p.out.WriteByte('\n')
	now := fmt.Sprintf("%s (%s)", cmp.Or(e.Value, `""`), e.Origin)
	if e.Problem != "" {
		now = fmt.Sprintf("%q, which cannot be used: it %s", e.Value, e.Problem)
	}
	example := ""
	if e.Example != "" {
		example = e.Name + "=" + e.Example
	}
	for _, field := range []struct{ name, value string }{
		{"now", now},
		{"default", cmp.Or(e.Default, "empty")},
		{"accepts", e.Accepts},
		{"example", example},
		{"matters to", e.Where},
	} {
		p.printFieldAt(14, field.name, field.value)
	}
	return p.out.String()
}
