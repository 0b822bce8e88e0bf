package docs

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// varying is what differs from run to run, and nothing else.
var varying = []struct {
	pattern *regexp.Regexp
	to      string
}{
	{regexp.MustCompile(`\b\d{8}t\d{6}z-[0-9a-f]{8}\b`), "RUN"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d| UTC)?`), "TIME"},
	{regexp.MustCompile(`\b\d{1,2} (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b( \d\d:\d\d| \d{4})?`), "DAY"},
	{regexp.MustCompile(`\b127\.0\.0\.1:\d+\b`), "127.0.0.1:PORT"},
	{regexp.MustCompile(`[^\s=]*/bosgc-lab-\d+\b`), "LAB"},
	{regexp.MustCompile(`\bgo1\.\d+(\.\d+)?\b`), "GO"},
	// The last columns of the table of runs: the number of chunks of a journal depends on what happened at
	// the same time.
	{regexp.MustCompile(`^(RUN .* \d+) +\d+ +\d+\.\d$`), "$1 CHUNKS KIB"},
	{regexp.MustCompile(`\s+$`), ""},
}

func normal(line string) string {
	for _, v := range varying {
		line = v.pattern.ReplaceAllString(line, v.to)
	}
	return line
}

const leftOut = "..."

// differ returns an error that says what came out but is not shown, or is shown but did not come out.
func differ(shown, out []string) error {
	want, got := make([]string, len(shown)), make([]string, len(out))
	for i := range shown {
		want[i] = normal(shown[i])
	}
	for i := range out {
		got[i] = normal(out[i])
	}
	parts := split(want)
	for i, part := range parts {
		at := 0
		switch {
		case i == len(parts)-1 && i > 0: // the part is at the end
			at = len(got) - len(part)
		case i > 0:
			for at < len(got) && !begins(got[at:], part) {
				at++
			}
		}
		if at < 0 || !begins(got[min(max(at, 0), len(got)):], part) {
			return fmt.Errorf("shown is\n%s\nand what came out is\n%s", indent(part), indent(got))
		}
		got = got[at+len(part):]
	}
	if len(got) > 0 {
		return fmt.Errorf("what came out goes on with\n%s", indent(got))
	}
	return nil
}

// split splits what is shown at the places where lines are left out.
func split(lines []string) [][]string {
	parts := [][]string{nil}
	for _, line := range lines {
		if line == leftOut {
			parts = append(parts, nil)
			continue
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], line)
	}
	return parts
}

func begins(lines, with []string) bool {
	return len(lines) >= len(with) && slices.EqualFunc(lines[:len(with)], with, func(got, want string) bool { return same(want, got) })
}

var age = regexp.MustCompile(`\b\d+ (seconds?|minutes?|hours?|days?) ago\b`)

// same accepts an age that is one more than shown: a lab's sessions grow older while it runs, and a
// slow machine reads them later.
func same(want, got string) bool {
	if want == got {
		return true
	}
	older := age.ReplaceAllStringFunc(want, func(text string) string {
		n, unit, _ := strings.Cut(text, " ")
		number, _ := strconv.Atoi(n) // the pattern has checked it
		return fmt.Sprintf("%d %s", number+1, unit)
	})
	return older == got
}

func indent(lines []string) string {
	const most = 60
	rest := ""
	if len(lines) > most {
		rest = fmt.Sprintf("\n\t... and %d more lines", len(lines)-most)
		lines = lines[:most]
	}
	return "\t" + strings.Join(lines, "\n\t") + rest
}

// renewed returns what is to be shown instead, with as many lines at the beginning and at the end as
// before. What is between two places with lines left out has to be chosen by hand.
func renewed(shown, out []string) []string {
	parts := split(shown)
	first, last := len(parts[0]), len(parts[len(parts)-1])
	if len(parts) == 1 || first+last >= len(out) {
		return out
	}
	all := slices.Concat(out[:first], []string{leftOut})
	for _, part := range parts[1 : len(parts)-1] {
		all = slices.Concat(all, part, []string{leftOut})
	}
	return slices.Concat(all, out[len(out)-last:])
}
