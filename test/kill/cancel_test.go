package kill

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/lab"
)

const (
	// worlds is the number of worlds at a time: each of them mostly waits.
	worlds = 20
	// everyRead is the distance between two requests without a change at which a process is killed.
	everyRead = 15
)

// kill says where a process is killed.
type kill struct {
	write bool // at counts the requests that change something, or else those that do not
	at    int  // 0 is never
	after bool // after the request was carried out, not before
}

func (k kill) String() string {
	return fmt.Sprintf("%s %s %d", map[bool]string{false: "before", true: "after"}[k.after], map[bool]string{false: "read", true: "write"}[k.write], k.at)
}

// index numbers the kills. It depends on nothing that differs between runs, so that one of them can be
// repeated alone.
func (k kill) index() int {
	if k.after {
		return 2*k.at + 1
	}
	return 2 * k.at
}

// writes reports whether a request changes something. A question for permissions is a POST, too.
func writes(what string) bool {
	method := strings.Fields(what)[1]
	return method != "GET" && !strings.Contains(what, "selfsubjectaccessreviews")
}

// Some phases of a cancel leave a state that must not last: a batcher that is down, a session without
// its record. Whatever kills the process, and wherever, the next run finishes the cancel.
func TestCancelKilledAtAnyRequest(t *testing.T) {
	shipped := ship(t)
	var all sync.WaitGroup
	slots := make(chan struct{}, worlds)
	for _, operation := range []string{"configure", "reboot"} {
		all.Go(func() {
			t.Run(operation, func(t *testing.T) { cancels(t, shipped, operation, slots) })
		})
	}
	all.Wait()
}

func cancels(t *testing.T, shipped, operation string, slots chan struct{}) {
	l := inhabit(t, shipped, operation)
	r := l.run(kill{}, "clean", "--cancel", l.session, "--yes")
	if r.code != gc.ExitDone {
		t.Fatalf("undisturbed: exit code %d\n%s", r.code, r.stderr)
	}
	log := l.log
	l.over()
	if t.Failed() {
		t.Fatalf("undisturbed:\n%s", r.stderr)
	}
	kills := where(log)
	var all sync.WaitGroup
	var mu sync.Mutex
	played, total, begun := map[string]int{}, 0, time.Now()
	for _, k := range kills {
		i := k.index()
		// Where clean continues one operation, the sweep continues the other.
		next := []string{"clean", "sweep"}[(i+i/2+len(operation))%2]
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			t.Run(k.String()+" then "+next, func(t *testing.T) {
				how, blows := interrupted(inhabit(t, shipped, operation), k, next, kill{write: true, at: secondBlow(i)})
				mu.Lock()
				defer mu.Unlock()
				played[how]++
				total += blows
			})
		})
	}
	all.Wait()
	t.Logf("%d kills at %d of %d requests in %s: %v", total, len(kills), len(log), time.Since(begun).Round(time.Second), played)
	if played[unreached] > len(kills)/10 { // runs differ a little in their number of requests
		t.Errorf("%d of %d kills did not come to pass", played[unreached], len(kills))
	}
}

// secondBlow returns the write at which the next run is killed as well; 0, for most, is none.
func secondBlow(i int) int {
	if i%4 != 3 {
		return 0
	}
	return 2 + i/4%12
}

// where returns the kills for the requests of an undisturbed run.
func where(log []string) []kill {
	var kills []kill
	counts := map[bool]int{}
	for _, what := range log {
		write := writes(what)
		counts[write]++
		k := kill{write: write, at: counts[write]}
		switch {
		case write:
			kills = append(kills, k, kill{write, k.at, true})
		case k.at%everyRead == 0:
			k.after = k.at/everyRead%2 == 0
			kills = append(kills, k)
		}
	}
	return kills
}

// What a kill can leave behind.
const (
	unreached = "it was not reached"
	untouched = "nothing was noted yet"
	halfway   = "it was noted how far it was"
	finished  = "its Job had gone"
)

// interrupted kills a cancel and checks what the next command makes of it, which may be killed in
// turn.
func interrupted(l *living, k kill, next string, again kill) (how string, n int) {
	t := l.t
	var blows, said []string
	defer func() {
		if t.Failed() {
			t.Logf("%s\nkilled at %s\nthe same again: go test -run '^%s$' .\n%s",
				how, strings.Join(blows, ", then at "), strings.ReplaceAll(t.Name(), "/", "$/^"), strings.Join(said, "\n"))
		}
	}()
	blow := func(k kill, args ...string) bool {
		r := l.run(k, args...)
		said = append(said, r.stderr)
		if r.killed {
			blows = append(blows, map[bool]string{true: "the end of ", false: "the start of "}[k.after]+l.struck)
		} else if r.code != gc.ExitDone {
			t.Errorf("%v: exit code %d, stopped: %q, outcomes %v", args, r.code, r.document.Stopped, r.document.Outcomes)
		}
		l.comesUp()
		return r.killed
	}
	if !blow(k, "clean", l.session, "--cancel", "--yes") {
		return unreached, 0
	}
	how = l.state()
	args := map[string][]string{"clean": {"clean", l.session, "--yes"}, "sweep": {"sweep"}}
	l.unlock()
	if how == untouched {
		l.refuses(args[next]...)
		blow(kill{}, "clean", l.session, "--cancel", "--yes")
	} else if blow(again, args[next]...) { // otherwise it has ended
		l.unlock()
		blow(kill{}, args[map[string]string{"clean": "sweep", "sweep": "clean"}[next]]...)
	}
	l.over()
	return how, len(blows)
}

// refuses fails if a command touches the session. The session still runs, and nothing says any more
// that it was to be cancelled.
func (l *living) refuses(args ...string) {
	l.t.Helper()
	there, desired := l.present(), l.desired()
	r := l.run(kill{}, args...)
	switch refused := strings.Contains(r.stderr, "bosgc clean --cancel "+l.session); {
	case args[0] == "clean" && (r.code != gc.ExitFailed || !refused), args[0] == "sweep" && r.code != gc.ExitDone:
		l.t.Errorf("%v, of a session that runs: exit code %d\n%s", args, r.code, r.stderr)
	case !l.life.Runs(l.session):
		l.t.Errorf("after %v, the session does not run any more", args)
	}
	if now := l.present(); !maps.Equal(now, there) {
		l.t.Errorf("after %v, there are of the session %v, and were %v", args, now, there)
	}
	if now := l.desired(); !maps.Equal(now, desired) {
		l.t.Errorf("after %v, the desired configurations are %v, and were %v", args, now, desired)
	}
}

// present returns what exists of the session, without what it creates as it goes on.
func (l *living) present() map[string]bool {
	there := map[string]bool{}
	for _, trace := range slices.DeleteFunc(l.traces(), func(trace string) bool { return strings.HasPrefix(trace, lab.KindCFSSession) }) {
		there[trace] = true
	}
	return there
}
