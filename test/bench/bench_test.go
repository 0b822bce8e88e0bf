package bench

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestBench runs the plan that BOSGC_BENCH names and writes the results.
func TestBench(t *testing.T) {
	plan := plans[os.Getenv("BOSGC_BENCH")]
	if plan == nil {
		t.Skip("a measurement, and no test: see make bench")
	}
	r := begin()
	x := build(t)
	x.kubectl = kubectl(t)
	for _, size := range plan.sizes {
		isolated(t, size.String(), func(t testing.TB) {
			world := newWorld(t, size)
			etcd := bosEtcd(t, world)
			for _, service := range plan.services {
				if service > 0 && (size.ForeignBytes >= large || size.Garbage == 0) {
					// Large ConfigMaps are there for the memory, and without deletes a slow API delays everybody alike.
					continue
				}
				r.compare(t, plan, labHost{world, service, etcd}, world, x)
			}
			if plan.real(size) {
				r.compare(t, plan, newPlaneHost(t, world, etcd), world, x)
			}
		})
	}
	r.judge(t, x)
	r.write(t, x)
}

// TestSmoke compares once, in a small world.
func TestSmoke(t *testing.T) {
	x := build(t)
	x.kubectl = kubectl(t)
	world := newWorld(t, Size{Sessions: 50, Garbage: 20, Foreign: 500, ForeignBytes: 1 << 10})
	r := begin()
	r.compare(t, plans["small"], labHost{world, time.Millisecond, ""}, world, x)
	if text := r.table(r.rows[0].host, world.Size); strings.Count(text, "\n") != 2+len(contenders) {
		t.Errorf("not every contender is in the table:\n%s", text)
	}
}
