package bench

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bosgc/internal/lab"
)

// Cost is what it took to collect.
type Cost struct {
	Wall, CPU time.Duration
	MaxRSS    int64 // bytes
	ExitCode  int
	Begun     time.Time

	Requests map[string]int // by what was asked for, see kindOf
	Received int64          // bytes
	First    time.Duration  // time from the start of the process to its first request
	Sample   int            // number of sessions that were really collected, if the rest is extrapolated; 0 if all were

	mark *mark // nil unless the contender sets one
}

// mark is what a contender had used at a point after which each family costs the same.
type mark struct {
	Families  int // number collected by then
	Wall, CPU time.Duration
}

// measure makes a contender collect a world. A sweep that deletes nothing is short, so it runs three
// times and the median counts.
func (c Contender) measure(t testing.TB, h host, w *World, x tools) Cost {
	t.Helper()
	if len(w.Answer) == 0 {
		var costs []Cost
		for range 3 {
			costs = append(costs, c.collect(t, h, w, x, nil))
		}
		slices.SortFunc(costs, func(a, b Cost) int { return cmp.Compare(a.Wall, b.Wall) })
		return costs[1]
	}
	if c.sample == 0 || c.sample >= len(w.Answer) {
		return c.collect(t, h, w, x, w.Answer)
	}
	// The cost that does not depend on the number of deletes is measured by itself. The rest is taken to
	// be proportional.
	base := c.collect(t, h, w, x, nil)
	some := c.collect(t, h, w, x, spread(w.Answer, c.sample))
	return some.extrapolated(base, c.sample, len(w.Answer))
}

// spread picks n families, evenly spread.
func spread(all []Family, n int) []Family {
	some := make([]Family, 0, n)
	for i := range n {
		some = append(some, all[i*len(all)/n])
	}
	return some
}

// extrapolated returns what all families would have cost, where base is the cost of none and c that of
// a sample. Time is counted from the mark, if there is one.
func (c Cost) extrapolated(base Cost, sample, all int) Cost {
	from := mark{0, base.Wall, base.CPU}
	if c.mark != nil {
		from = *c.mark
	}
	whole := c
	whole.Sample = sample
	whole.Wall = from.Wall + time.Duration(grown(int64(c.Wall-from.Wall), sample-from.Families, all-from.Families))
	whole.CPU = from.CPU + time.Duration(grown(int64(c.CPU-from.CPU), sample-from.Families, all-from.Families))
	whole.Received = base.Received + grown(c.Received-base.Received, sample, all)
	whole.Requests = map[string]int{}
	for kind, n := range c.Requests {
		whole.Requests[kind] = base.Requests[kind] + int(grown(int64(n-base.Requests[kind]), sample, all))
	}
	return whole
}

// grown extrapolates n from some to all.
func grown(n int64, some, all int) int64 { return int64(float64(n) * float64(all) / float64(some)) }

// collect runs a contender on a fresh copy of the world, where these families are to be deleted.
func (c Contender) collect(t testing.TB, h host, w *World, x tools, some []Family) (cost Cost) {
	t.Helper()
	// As a test of its own: what one contender has started and written is gone before the next one begins.
	run := func(t testing.TB) {
		s := h.fresh(t)
		result, log := filepath.Join(t.TempDir(), "result.json"), filepath.Join(t.TempDir(), "log")
		out, err := os.Create(log)
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		cmd := exec.CommandContext(t.Context(), x.rival, append([]string{"measure", result}, c.command(x, w, some)...)...)
		marked := filepath.Join(t.TempDir(), "mark.json")
		cmd.Env = append(append(x.environ(t, some), s.environ()...), "RIVAL_MARK="+marked)
		cmd.Stdout, cmd.Stderr = out, out
		if c.stdin {
			cmd.Stdin = strings.NewReader(sessionsOf(some))
		}
		err = cmd.Run()
		text, errRead := os.ReadFile(result)
		if errRead == nil {
			errRead = json.Unmarshal(text, &cost)
		}
		if err != nil || errRead != nil || cost.ExitCode != 0 {
			t.Fatalf("%s: exit code %d, %v, %v\n%s", c.Name, cost.ExitCode, err, errRead, tail(log))
		}
		if text, err := os.ReadFile(marked); err == nil {
			if err := json.Unmarshal(text, &cost.mark); err != nil {
				t.Fatal(err)
			}
		}
		cost.Received = s.received()
		cost.Requests = map[string]int{}
		for i, r := range s.requests() {
			if after := r.Time.Sub(cost.Begun); i == 0 || after < cost.First {
				cost.First = after
			}
			cost.Requests[kindOf(r)]++
		}
		w.check(t, s.left(), some)
	}
	isolated(t, c.Name, run)
	return cost
}

// kindOf returns what a request asks for: the system, and what it does there.
func kindOf(r lab.Request) string {
	parts := strings.Split(strings.Trim(r.Path, "/"), "/")
	last := parts[len(parts)-1]
	what := "other"
	switch r.System {
	case "bos", "cfs":
		switch { // /v1/session/ID, /v2/sessions/NAME
		case len(parts) < 2 || parts[1] != "session" && parts[1] != "sessions":
		case len(parts) == 2 && r.Method == "GET":
			what = "list"
		case len(parts) == 3:
			what = r.Method
		}
	case "kube":
		what = kubeKind(r, parts, last)
	}
	return r.System + " " + what
}

// kubeKind separates what a sweep writes for itself: its lock, its state, its journal.
func kubeKind(r lab.Request, parts []string, last string) string {
	i := 0
	for i < len(parts) && parts[i] != "namespaces" {
		i++
	}
	switch {
	case len(parts) < i+3:
		return "other"
	case strings.HasPrefix(last, "bosgc") || strings.Contains(r.Query, "bosgc") || parts[i+2] == "leases" || r.Method == "POST" || r.Method == "PUT":
		return "own"
	case len(parts) == i+3 && r.Method == "GET" && strings.Contains(r.Query, "watch=true"):
		return "watch"
	case len(parts) == i+3 && r.Method == "GET" && !strings.Contains(r.Query, "continue="):
		return "list"
	case len(parts) == i+3 && r.Method == "GET":
		return "page" // but the first
	case len(parts) == i+4:
		return r.Method + " " + parts[i+2]
	}
	return "other"
}

// total returns the number of requests to one system.
func (c Cost) total(system string) (n int) {
	for kind, count := range c.Requests {
		if strings.HasPrefix(kind, system+" ") {
			n += count
		}
	}
	return n
}

func (c Cost) String() string {
	return fmt.Sprintf("%v wall, %v CPU, %s, first request after %v, %v", c.Wall.Round(time.Millisecond), c.CPU.Round(time.Millisecond),
		mebibytes(c.MaxRSS), c.First.Round(time.Millisecond), c.Requests)
}

func tail(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-3000):])
}

// isolated runs something as a test of its own, so that what it has started is stopped directly
// afterwards.
func isolated(t testing.TB, name string, run func(testing.TB)) {
	t.Helper()
	whole, ok := t.(*testing.T)
	if !ok {
		t.Fatal("this is a benchmark by tests")
	}
	if !whole.Run(name, func(t *testing.T) { run(t) }) {
		t.FailNow()
	}
}
