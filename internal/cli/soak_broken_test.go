package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	moduleRoot = "../.."
	// soakEnough is the number of cases within which a broken rule must be noticed.
	soakEnough = 400
	// brokenAtOnce is the number of mutants that are built and soaked at the same time.
	brokenAtOnce = 2
)

// TestEveryBrokenRuleIsNoticed builds each mutant and requires that the soak ends with a violation. If it does not, the
// cases of the soak are too harmless.
func TestEveryBrokenRuleIsNoticed(t *testing.T) {
	if os.Getenv("BOSGC_SOAK_BROKEN") == "" {
		t.Skipf("NOT RUN: %d builds take minutes; make soak-broken runs them", len(mutants))
	}
	_, seeds := documentedRules(t)
	root, err := filepath.Abs(moduleRoot)
	if err != nil {
		t.Fatal(err)
	}
	slots := make(chan struct{}, brokenAtOnce)
	var mu sync.Mutex
	noticed := 0
	begun := time.Now()
	for _, m := range mutants {
		t.Run(m.rule, func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			defer func() { <-slots }()
			output, err := soakMutant(t, m, root, seeds[m.rule])
			violation := regexp.MustCompile(`VIOLATION with seed (\d+), after (\d+) cases\n[^\n]*\n\s*([^\n]*)`).FindSubmatch(output)
			if err == nil || violation == nil {
				t.Errorf("no violation was found: %v\n%s", err, output[max(0, len(output)-2000):])
				return
			}
			mu.Lock()
			defer mu.Unlock()
			noticed++
			fmt.Printf("%-14s seed %s, after %s cases: %.150s\n", m.rule, violation[1], violation[2], violation[3])
		})
	}
	t.Cleanup(func() {
		fmt.Printf("%d of %d broken rules noticed, in %s\n", noticed, len(mutants), time.Since(begun).Round(time.Second))
	})
}

// soakMutant compiles this package's tests with the mutant's file in place of the real one, and runs the soak from the
// given seed.
func soakMutant(t *testing.T, m mutant, root, seed string) ([]byte, error) {
	t.Helper()
	dir := t.TempDir()
	text, err := m.mutate(root)
	if err != nil {
		t.Fatal(err)
	}
	mutated, overlay, binary := filepath.Join(dir, "mutated.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "cli.test")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, m.file): mutated}})
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string][]byte{mutated: text, overlay: replace} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if output, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay", overlay, "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("the mutant does not compile: %v\n%s", err, output)
	}
	command := exec.CommandContext(t.Context(), binary, "-test.run", "^TestSoak$", "-test.timeout", "10m")
	command.Env = append(os.Environ(), fmt.Sprint("BOSGC_SOAK_N=", soakEnough), "BOSGC_SOAK_FROM="+seed)
	return command.Output()
}

// documentedRules returns the rules in the table of docs/safety.md, sorted, and for each rule a seed that has found it
// before. The search begins there.
func documentedRules(t *testing.T) (rules []string, seeds map[string]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(moduleRoot, "docs/safety.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Broken on purpose\n")
	section, _, _ = strings.Cut(section, "\n## ")
	seeds = map[string]string{}
	for _, match := range regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\|(.*)$").FindAllStringSubmatch(section, -1) {
		rule, rest := match[1], match[2]
		rules = append(rules, rule)
		seeds[rule] = "1"
		if seed := regexp.MustCompile(`seed (\d+)`).FindStringSubmatch(rest); seed != nil {
			seeds[rule] = seed[1]
		}
	}
	slices.Sort(rules)
	return rules, seeds
}
