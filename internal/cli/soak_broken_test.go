//go:build broken

package cli

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// soakEnough is within how many cases a broken rule has to be noticed.
const soakEnough = 400

// TestEveryBrokenRuleIsNoticed breaks one rule after the other, each in a process of its own, and demands
// that the soak ends with a violation. If it does not, what the soak plays is too kind.
func TestEveryBrokenRuleIsNoticed(t *testing.T) {
	if os.Getenv("BOSGC_BREAK") != "" {
		t.Skip("this process is one of a broken rule")
	}
	rules, seeds := documentedRules(t)
	var mu sync.Mutex
	begun := time.Now()
	for _, rule := range rules {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			command := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestSoak$", "-test.timeout", "10m")
			command.Env = append(os.Environ(), "BOSGC_BREAK="+rule, fmt.Sprint("BOSGC_SOAK_N=", soakEnough), "BOSGC_SOAK_FROM="+seeds[rule])
			output, err := command.Output()
			violation := regexp.MustCompile(`VIOLATION with seed (\d+), after (\d+) cases\n[^\n]*\n\s*([^\n]*)`).FindSubmatch(output)
			mu.Lock()
			defer mu.Unlock()
			if err == nil || violation == nil {
				t.Errorf("nobody has noticed: %v\n%s", err, output[max(0, len(output)-2000):])
				return
			}
			fmt.Printf("%-14s seed %s, after %s cases: %.150s\n", rule, violation[1], violation[2], violation[3])
		})
	}
	t.Cleanup(func() { fmt.Printf("%d broken rules in %s\n", len(rules), time.Since(begun).Round(time.Second)) })
}

// documentedRules are those of the table in docs/safety.md, which must be those that can be broken; and for
// each the seed that has shown it before, where the search begins.
func documentedRules(t *testing.T) (rules []string, seeds map[string]string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/safety.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Broken on purpose\n")
	section, _, _ = strings.Cut(section, "\n## ")
	documented := names(regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\|"), section)
	var breakable []string
	for _, pkg := range []string{"../../policy", "../../gc", "../kube", "../bos"} {
		source, err := os.ReadFile(pkg + "/broken.go")
		if err != nil {
			t.Fatal(err)
		}
		breakable = append(breakable, names(regexp.MustCompile(`(?:broken\(|== )"([a-z0-9-]+)"`), string(source))...)
	}
	slices.Sort(documented)
	slices.Sort(breakable)
	if !slices.Equal(documented, breakable) || len(breakable) == 0 {
		t.Fatalf("docs/safety.md has the rules %v, and those that can be broken are %v", documented, breakable)
	}
	seeds = map[string]string{}
	for _, rule := range breakable {
		seeds[rule] = "1"
	}
	for _, match := range regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\|.*seed (\\d+)").FindAllStringSubmatch(section, -1) {
		seeds[match[1]] = match[2]
	}
	return breakable, seeds
}

func names(form *regexp.Regexp, text string) []string {
	var found []string
	for _, match := range form.FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	return found
}
