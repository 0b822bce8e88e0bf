package bench

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"
)

// claim is one target and whether it is met.
type claim struct {
	target string
	counts bool // it counts requests, which do not depend on the machine, and must be met
	looks  int  // how often it was checked
	// The fields below are from the first place where the target is not met, or else from the first.
	holds  bool
	figure string
}

func (r *results) claim(target string, counts, holds bool, figure string, values ...any) {
	for i := range r.says {
		if c := &r.says[i]; c.target == target {
			c.looks++
			if c.holds && !holds {
				c.holds, c.figure = false, fmt.Sprintf(figure, values...)
			}
			return
		}
	}
	r.says = append(r.says, claim{target, counts, 1, holds, fmt.Sprintf(figure, values...)})
}

const (
	requests = true
	measured = false
)

// judge compares the results with the targets. Only a number of requests fails the test: times and
// memory are those of one machine on one day.
func (r *results) judge(t testing.TB, x tools) {
	t.Helper()
	for _, one := range r.rows {
		least := r.find(one.host, floor, one.size)
		if one.contender != bosgc || least == nil {
			continue
		}
		r.judgeRequests(one, least)
		r.judgeTime(one, least)
		if one.size == (Size{10_000, 50, 100_000, large}) {
			r.claim("peak memory under 128 MiB at 10,000 sessions and 100,000 foreign ConfigMaps of 100 KiB",
				measured, one.cost.MaxRSS < 128<<20, "%s", mebibytes(one.cost.MaxRSS))
		}
	}
	r.judgeGrowth()
	r.judgeSize(t, x)
	for _, c := range r.says {
		if c.counts && !c.holds {
			t.Errorf("does not hold: %s: %s", c.target, c.figure)
		}
	}
}

// judgeRequests checks the numbers of requests. Requests for the lock, the journal and the permissions
// of bosgc itself are only shown in the tables.
func (r *results) judgeRequests(one row, least *Cost) {
	n, is := one.goes, one.cost.Requests
	say := func(target string, counts bool, got, most int) {
		r.claim(target, counts, got <= most, "%s, at most %s (%s; %s)", grouped(got), grouped(most), one.size, one.host)
	}
	gone := n["ConfigMap"] + n["Job"]
	again := func(n int) int { return n + n/4 } // what has been held up for half a second is read again
	say("BOS is asked for its list once at most", requests, is["bos list"], 1)
	say("BOS gets one DELETE per collected session", requests, is["bos DELETE"], n["Session"])
	// Some few sessions stay because they are the newest of their templates, and some are read to estimate
	// the size of the list.
	say("BOS gets one GET per collected session, and none (50 at most) for those that stay", requests, is["bos GET"], again(n["Session"])+50)
	say("CFS gets one GET and one DELETE per collected CFS session", requests, is["cfs GET"]+is["cfs DELETE"], again(n["CFSSession"])+n["CFSSession"])
	say("Kubernetes gets one DELETE per deleted object", requests, is["kube DELETE configmaps"]+is["kube DELETE jobs"], gone)
	say("Kubernetes gets nothing but that per deleted object", measured, is["kube GET configmaps"]+is["kube GET jobs"], 0)
	say("Kubernetes gets one GET per deleted ConfigMap (for its content, which the plan looks at and the journal keeps)", requests,
		is["kube GET configmaps"], again(n["ConfigMap"])+8) // and some to estimate the size of BOS's list
	say("Kubernetes gets one GET per deleted Job (for the journal, and the last look)", requests, is["kube GET jobs"], again(n["Job"]))
	say("Kubernetes gets no list twice", requests, is["kube list"], least.Requests["kube list"])
}

// What a sweep may cost beside the floor, at 10,000 sessions of which half are deleted.
const (
	mostOfFloor     = 1.35
	mostOfSlowFloor = 1.15 // where each request takes 5 ms
)

func (r *results) judgeTime(one row, least *Cost) {
	place := fmt.Sprintf(" (%s; %s)", one.size, one.host)
	times := float64(one.cost.Wall) / float64(least.Wall)
	if one.size.Sessions == 10_000 && one.cost.First > 0 {
		r.claim("the first request within 50 ms of the start", measured, one.cost.First < 50*time.Millisecond, "%d ms", one.cost.First.Milliseconds())
	}
	switch {
	case one.size.ForeignBytes >= large:
		return
	case one.size.Garbage == 0:
		r.claim("with nothing to do, at most 1.1 times as long as listing"+place, measured, times <= 1.1, "%.2f times", times)
		return
	case one.size.Sessions == 10_000 && one.size.Garbage == 50:
		most := mostOfFloor
		if strings.Contains(one.host, "each request") { // the systems' time, not ours, is most of it
			most = mostOfSlowFloor
		}
		r.claim(fmt.Sprintf("at most %v times the floor's wall time%s", most, place), measured, times <= most, "%.2f times", times)
		cpu := float64(one.cost.CPU) / float64(least.CPU)
		r.claim(fmt.Sprintf("at most %v times the floor's CPU time%s", mostOfFloor, place), measured, cpu <= mostOfFloor, "%.2f times", cpu)
	}
	if by := r.find(one.host, script, one.size); by != nil {
		faster := float64(by.Wall) / float64(one.cost.Wall)
		r.claim("at least 20 times as fast as the script"+place, measured, faster >= 20, "%.1f times", faster)
	}
}

// judgeGrowth compares worlds of different sizes on the simulated systems that answer at once, where
// the work of bosgc itself counts most.
func (r *results) judgeGrowth() {
	var objects, walls, cpus []float64
	var small, big *row
	for i := range r.rows {
		one := &r.rows[i]
		if one.contender != bosgc || one.host != (labHost{}).name() || one.size.Garbage != growing || one.size.ForeignBytes >= large {
			continue
		}
		objects = append(objects, float64(one.objects()))
		walls = append(walls, one.cost.Wall.Seconds())
		cpus = append(cpus, one.cost.CPU.Seconds())
		if one.size.Sessions == 10_000 {
			small = one
		}
		big = one
	}
	if len(objects) < 3 || small == nil {
		return
	}
	wall, cpu := exponent(objects, walls), exponent(objects, cpus)
	where := fmt.Sprintf(" (%d %% garbage; %s)", growing, big.host)
	r.claim("wall time grows with the 1.05th power of the objects at most, from 1,000 to 100,000 sessions"+where, measured, wall <= 1.05, "%.3f", wall)
	r.claim("CPU time grows with the 1.05th power of the objects at most, from 1,000 to 100,000 sessions"+where, measured, cpu <= 1.05, "%.3f", cpu)
	perSession := float64(big.cost.MaxRSS-small.cost.MaxRSS) / float64(big.size.Sessions-small.size.Sessions)
	r.claim("peak memory grows by less than 1 KiB per session, from 10,000 to 100,000"+where, measured, perSession < 1<<10, "%.0f bytes", perSession)
}

// exponent fits a power law by least squares of the logarithms.
func exponent(x, y []float64) float64 {
	var sx, sy, sxx, sxy float64
	n := float64(len(x))
	for i := range x {
		a, b := math.Log(x[i]), math.Log(y[i])
		sx, sy, sxx, sxy = sx+a, sy+b, sxx+a*a, sxy+a*b
	}
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}

func (r *results) judgeSize(t testing.TB, x tools) {
	t.Helper()
	for _, file := range []struct{ what, path string }{
		{"the binary", x.bosgc}, {"the image, packed", "../../bin/bosgc-image.tar"},
	} {
		if info, err := os.Stat(file.path); err == nil {
			r.claim(file.what+" is under 40 MiB", measured, info.Size() < 40<<20, "%s", mebibytes(info.Size()))
		}
	}
}
