package bench

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// write prints the results, and writes them to the page BOSGC_BENCH_PAGE of the documentation if that
// is set.
func (r *results) write(t testing.TB, x tools) {
	t.Helper()
	text := r.page(t, x)
	fmt.Println(text)
	if file := os.Getenv("BOSGC_BENCH_PAGE"); file != "" {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil { //nolint:gosec // G306: a page of the documentation
			t.Fatal(err)
		}
	}
}

func (r *results) page(t testing.TB, x tools) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(intro)
	fmt.Fprintf(&b, "## This run\n\n    %s\n\n%s\n", commands[os.Getenv("BOSGC_BENCH")], r.machine(t, x))
	b.WriteString("## Targets\n\nTargets that count requests hold on any machine. Times and memory are those of this run.\n\n| target | | figure |\n|---|---|---|\n")
	for _, c := range r.says {
		holds := "does not hold"
		if c.holds {
			holds = "holds"
		}
		figure := c.figure
		if c.looks > 1 && c.holds {
			figure = fmt.Sprintf("in all %d, for instance %s", c.looks, figure)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", c.target, holds, figure)
	}
	fmt.Fprintf(&b, "\n## Figures\n\n%s%s", reading, r.String())
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// commands are the make targets of the plans.
var commands = map[string]string{"full": "make bench", "quick": "make bench-quick", "growth": "make bench-growth", "small": "cd test/bench && BOSGC_BENCH=small go test -run TestBench"}

const intro = `# What a sweep costs

*Written by the benchmark itself (test/bench); edit nothing here by hand.*

Side by side, each on a fresh copy of the same world, as far as the tables below have them:

- **bosgc**: the binary that is released, ` + "`bosgc sweep`" + `, with its default concurrency, its lock and its journal. Only BOSGC_MAX_DELETES and BOSGC_DEADLINE are raised, so that one sweep takes everything.
- **floor**: a bare client that knows beforehand which objects go, and sends what cannot be left out: every list once, in pages, of ConfigMaps the metadata alone; for each session that goes GET and DELETE in BOS and for each CFS session in CFS, because neither knows a precondition; for each ConfigMap GET, because its content is to be kept, and DELETE with preconditions; for each Job DELETE with preconditions. It has no lock, no journal and no second look, asks no permission and decides nothing. As many requests at once as bosgc has by default (BOS 2, CFS 4, Kubernetes 8), all systems side by side, and in each session one thing after the other.
- **script**: the manual procedure (test/bench/script.sh), with a real kubectl and curl for each call, one after the other.
- **usual peer**: what most sweepers for Kubernetes do: whole lists with all bodies, a GET for each session, deletes one by one without preconditions, at the pace that client-go has by default (5 requests a second to each API group, after the first 10).

The worlds are made from a seed, of CSM 1.4: sessions that came to their end, failed or were abandoned, some that run; some with a Job and Pods still, for others Kyverno has removed the Job; ConfigMaps, CFS sessions; and ten times as many ConfigMaps of other services. After each run what is left is compared with what should be. A sweep's journal takes 16 MiB, about 90,000 objects; of 100,000 sessions therefore no more than 20 % go in one sweep.

Above some thousand sessions a real BOS cannot give its list any more ([rescue](rescue.md)). In worlds of more than 1,000 sessions bosgc is therefore told where BOS's etcd is, as such a site should, and reads the IDs there: a real etcd with the keys that BOS would have. Its requests are not in the tables. The simulated BOS gives the others the list at any size, which favours them.

`

const reading = `Wall time and CPU time are those of the process and its children, peak memory is the largest of one of them. Requests are counted by the servers: by the lab, and by the audit log of the real API server. What is received is counted on the connections, with headers and TLS. The lab, the servers and the contender share the machine's cores. Each figure is of one run; only where nothing goes, and looking alone is compared, is it the middle one of three. Extrapolated rows were measured on a sample of sessions, with what does not depend on their number (lists) measured by itself and the rest taken to be proportional.

`

// machine describes where and when the results were measured.
func (r *results) machine(t testing.TB, x tools) string {
	t.Helper()
	version, err := exec.CommandContext(t.Context(), x.bosgc, "version").Output()
	if err != nil {
		t.Fatal(err)
	}
	var system unix.Utsname
	var memory unix.Sysinfo_t
	if err := unix.Uname(&system); err != nil {
		t.Fatal(err)
	}
	if err := unix.Sysinfo(&memory); err != nil {
		t.Fatal(err)
	}
	release, _, _ := bytes.Cut(system.Release[:], []byte{0})
	quiet := ""
	if r.load > float64(runtime.NumCPU()) {
		quiet = "\n**Others were at work on this machine: of this run only the numbers of requests and bytes are to be relied on, not the times, nor what is said of them below.**\n"
	}
	return fmt.Sprintf("%s, took %s. %s, %d cores, %.0f GiB of memory, Linux %s, %s; load before the run: %.2f. %s.\n%s",
		r.begun.UTC().Format("2006-01-02"), time.Since(r.begun).Round(time.Second), processor(), runtime.NumCPU(),
		float64(memory.Totalram)*float64(memory.Unit)/(1<<30), release, runtime.Version(), r.load, strings.TrimSpace(string(version)), quiet)
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// loadNow returns the load average of the last minute; 0 if it is not known.
func loadNow() (load float64) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	load, _ = strconv.ParseFloat(first, 64)
	return load
}
