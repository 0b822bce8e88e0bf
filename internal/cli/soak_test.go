package cli

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	soakUsual = 25 // cases of an ordinary test run
	// Most of a case is waiting: for a silent server, or between retries.
	soakParallel = 12
	soakPatience = 5 * time.Minute // for one case
)

// TestSoak plays random worlds with random settings and random accidents, and checks what must hold whatever happens:
//
//   - nothing is deleted that is in use, running, protected, foreign, too young or not known well enough;
//   - no run deletes more than its limit, nor more orphans than the guard allows;
//   - nothing is deleted without an entry in the journal that has it unchanged;
//   - nothing is changed but bosgc's own objects, and a plan changes nothing at all;
//   - undisturbed sweeps then reach the expected end, and one more does nothing.
//
// A case is drawn from one number, its seed. Two things are not: the order in which requests of different goroutines
// arrive, and how fast they are served. BOSGC_SOAK_TIMES repeats a case that depends on them.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT RUN: -short leaves out the soak; make test runs it")
	}
	t.Parallel()
	s := soak{t: t, from: 1, n: number(t, "BOSGC_SOAK_N", soakUsual), times: 1, counts: newSoakCounts()}
	s.from = uint64(number(t, "BOSGC_SOAK_FROM", 1))
	if os.Getenv("BOSGC_SOAK_SEED") != "" {
		s.from, s.n, s.times = uint64(number(t, "BOSGC_SOAK_SEED", 0)), 1, number(t, "BOSGC_SOAK_TIMES", 1)
	}
	s.run()
	t.Logf("seeds %d to %d in %s: %s", s.from, s.from+uint64(s.n)-1, time.Since(s.begun).Round(time.Second), s.counts)
}

func number(t *testing.T, variable string, otherwise int) int {
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s=%q is not a number", variable, text)
	}
	return n
}

// soak plays many cases. The first violation ends it.
type soak struct {
	t      *testing.T
	from   uint64
	n      int
	times  int
	begun  time.Time
	counts *soakCounts

	mu     sync.Mutex // guards the fields below
	next   int
	failed bool
}

func (s *soak) run() {
	s.begun = time.Now()
	var all sync.WaitGroup
	for range soakParallel {
		all.Go(func() {
			for {
				seed, ok := s.take()
				if !ok {
					return
				}
				watch := time.AfterFunc(soakPatience, func() { hangs(seed) })
				violations, told := playCase(seed, s.counts, s.ended)
				watch.Stop()
				if len(violations) > 0 {
					s.report(seed, violations, told)
				}
			}
		})
	}
	all.Wait()
}

func (s *soak) take() (seed uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed || s.next == s.n*s.times {
		return 0, false
	}
	seed = s.from + uint64(s.next/s.times)
	s.next++
	if s.next%100 == 0 && s.n > soakUsual {
		fmt.Fprintf(os.Stderr, "soak: %d of %d cases begun, %s\n", s.next, s.n*s.times, time.Since(s.begun).Round(time.Second))
	}
	return seed, true
}

// hangs ends the process: nothing else can end a case that hangs.
func hangs(seed uint64) {
	stacks := make([]byte, 1<<20)
	fmt.Fprintf(os.Stderr, "VIOLATION with seed %d: it has not come to an end within %s\n\n%s\n", seed, soakPatience, stacks[:runtime.Stack(stacks, true)])
	os.Exit(1)
}

// ended reports whether a violation has been found, so that no other case matters any more.
func (s *soak) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

func (s *soak) report(seed uint64, violations []string, told string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed {
		return
	}
	s.failed = true
	s.t.Errorf("VIOLATION with seed %d, after %d cases\n%s\n\n%s\n\nThe same again: make soak SEED=%d\n",
		seed, s.counts.get("cases"), strings.Join(violations, "\n"), told, seed)
}

// playCase plays one case to its end, or to its first violation.
func playCase(seed uint64, counts *soakCounts, over func() bool) (violations []string, told string) {
	defer func() {
		if cause := recover(); cause != nil {
			violations = append(violations, fmt.Sprintf("panic: %v\n%s", cause, debug.Stack()))
		}
	}()
	c, err := drawCase(seed)
	if err != nil {
		return []string{err.Error()}, ""
	}
	told = c.String()
	s, err := startSoak(c, counts)
	if err != nil {
		return []string{err.Error()}, told
	}
	defer s.close()
	for i, step := range c.steps {
		if err = s.take(step); err != nil || len(s.violations) > 0 {
			return s.ended(err, fmt.Sprintf("after run %d", i+1)), told
		}
		if over() {
			return nil, told
		}
	}
	if c.wrong != nil {
		counts.add("cases", 1)
		return nil, told
	}
	converge := s.converge
	switch {
	case c.accident != nil:
		converge = s.convergeAfterAccident
	case c.days:
		converge = s.convergeAfterDays
	}
	if err = s.calm(); err == nil {
		err = converge()
	}
	if err != nil || len(s.violations) > 0 {
		return s.ended(err, "when it should converge"), told
	}
	counts.add("cases", 1)
	counts.add("converged", 1)
	for kind, n := range s.server.FaultCounts() {
		counts.add("fault "+kind, n)
	}
	return nil, told
}

func (s *soakWorld) ended(err error, when string) []string {
	violations := []string{when + ":"}
	violations = append(violations, s.violations...)
	if err != nil {
		violations = append(violations, err.Error())
	}
	return violations
}

// soakCounts counts what a soak has done.
type soakCounts struct {
	mu     sync.Mutex
	counts map[string]int
}

func newSoakCounts() *soakCounts { return &soakCounts{counts: map[string]int{}} }

func (c *soakCounts) add(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[what] += n
}

func (c *soakCounts) get(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[what]
}

func (c *soakCounts) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(c.counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", what, c.counts[what]))
	}
	return strings.Join(parts, ", ")
}
