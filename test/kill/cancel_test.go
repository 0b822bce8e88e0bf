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
	"bosgc/lab"
)

const (
	// worlds is how many live at a time: each is busy waiting most of the time.
	worlds = 20
	// everyRead is which of the requests that change nothing a kill is played at.
	everyRead = 7
)

// kill is where a process is killed.
type kill struct {
	write bool // the n-th request of those that change something, or of those that do not
	at    int  // 0 is never
	after bool // once it was carried out, and not before
}

func (k kill) String() string {
	return fmt.Sprintf("%s %s %d", map[bool]string{false: "before", true: "after"}[k.after], map[bool]string{false: "read", true: "write"}[k.write], k.at)
}

// writes says whether a request changes something. A question for permission is a POST, too.
func writes(what string) bool {
	method := strings.Fields(what)[1]
	return method != "GET" && !strings.Contains(what, "selfsubjectaccessreviews")
}

// A cancel has phases, some of which leave things in a state that must not stay: a batcher that is down, a session
// without its record. Whatever kills it, and wherever: the next run finishes it.
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
	t.Logf("%d requests, %d kills to be played", len(log), len(kills))

	var all sync.WaitGroup
	var mu sync.Mutex
	played, begun := map[string]int{}, time.Now()
	for i, k := range kills {
		// Each of clean and sweep comes after a kill before some requests, and after others.
		command := []string{"clean", "sweep"}[(i+i/2)%2]
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			t.Run(k.String()+" then "+command, func(t *testing.T) {
				how := interrupted(inhabit(t, shipped, operation), k, command)
				mu.Lock()
				defer mu.Unlock()
				played[how]++
			})
		})
	}
	all.Wait()
	t.Logf("%v in %s", played, time.Since(begun).Round(time.Second))
	if played[unreached] > len(kills)/10 { // not every run has quite as many
		t.Errorf("%d of %d kills did not come to pass", played[unreached], len(kills))
	}
	fmt.Fprintf(t.Output(), "%s: killed %d times\n", operation, len(kills)-played[unreached])
}

// where lists the kills for what an undisturbed run asks.
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

// What a kill can leave.
const (
	unreached = "not reached"
	untouched = "before anything was noted"
	halfway   = "halfway"
	finished  = "after its Job had gone"
)

// interrupted kills a cancel, and looks what the next command makes of it.
func interrupted(l *living, k kill, command string) (how string) {
	t := l.t
	first := l.run(k, "clean", "--cancel", l.session, "--yes")
	struck := l.struck
	defer func() {
		if t.Failed() {
			t.Logf("killed %s, %s (%s)\nthe first run: %s\nonce more: go test -run '^%s$' .", k, struck, how, first.stderr, strings.ReplaceAll(t.Name(), "/", "$/^"))
		}
	}()
	if !first.killed {
		if first.code != gc.ExitDone {
			t.Errorf("not killed, and exit code %d", first.code)
		}
		return unreached
	}
	l.comesUp()
	noted, job := l.noted()
	switch {
	case noted:
		how = halfway
	case job:
		how = untouched
	default:
		how = finished
	}
	l.unlock()
	if how == untouched {
		l.refuses(command)
		command = "cancel"
	}
	args := map[string][]string{
		"clean": {"clean", l.session, "--yes"}, "cancel": {"clean", l.session, "--cancel", "--yes"}, "sweep": {"sweep"},
	}
	if second := l.run(kill{}, args[command]...); second.code != gc.ExitDone {
		t.Errorf("%s: exit code %d, stopped: %q, outcomes %v\n%s", command, second.code, second.document.Stopped, second.document.Outcomes, second.stderr)
	}
	l.over()
	return how
}

// refuses fails if a command touches the session, which still runs, and of which nobody knows any more that it was to
// be cancelled.
func (l *living) refuses(command string) {
	l.t.Helper()
	left, desired := l.present(), l.desired()
	switch command {
	case "clean":
		if r := l.run(kill{}, "clean", l.session, "--yes"); r.code != gc.ExitFailed || !strings.Contains(r.stderr, "bosgc clean --cancel "+l.session) {
			l.t.Errorf("clean: exit code %d\n%s", r.code, r.stderr)
		}
	default:
		if r := l.run(kill{}, "sweep"); r.code != gc.ExitDone {
			l.t.Errorf("sweep: exit code %d\n%s", r.code, r.stderr)
		}
	}
	if !l.life.Runs(l.session) {
		l.t.Errorf("after %s, the session does not run any more", command)
	}
	if now := l.present(); !maps.Equal(now, left) {
		l.t.Errorf("after %s, there are of the session %v, and were %v", command, now, left)
	}
	if now := l.desired(); !maps.Equal(now, desired) {
		l.t.Errorf("after %s, the desired configurations are %v, and were %v", command, now, desired)
	}
}

// present is what there is of the session, but for what it makes as it goes on.
func (l *living) present() map[string]bool {
	there := map[string]bool{}
	for _, trace := range slices.DeleteFunc(l.traces(), func(trace string) bool { return strings.HasPrefix(trace, lab.KindCFSSession) }) {
		there[trace] = true
	}
	return there
}
