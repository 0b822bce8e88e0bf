package journal

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"bosgc/internal/lab"
)

func TestOldestRunsAreDropped(t *testing.T) {
	c := start(t)
	// By the API server's clock; the names have the opposite order.
	c.addRun("run-9", 2, 5*time.Hour)
	c.addRun("run-8", 3, 4*time.Hour)
	c.addRun("run-7", 1, 3*time.Hour)
	if got := c.runs(); got != "run-7:1 run-8:3 run-9:2" {
		t.Fatal(got)
	}
	o := c.options(run)
	o.Runs = 3
	j := c.open(o, defaultLimits)
	if got := c.runs(); got != "run-7:1 run-8:3" {
		t.Errorf("room for one more was to be made: %s", got)
	}
	c.write(j, entry("0", "{}"))
	if got := c.runs(); got != run+":1 run-7:1 run-8:3" {
		t.Error(got)
	}
	o.Run, o.Runs = "only", 1
	c.write(c.open(o, defaultLimits), entry("0", "{}"))
	if got := c.runs(); got != "only:1" {
		t.Error(got)
	}
}

func TestJournalsOfOtherNamesAreIgnored(t *testing.T) {
	c := start(t)
	c.addRun("run-1", 2, time.Hour)
	o := c.options(run)
	o.Name, o.Runs = "second", 1
	c.write(c.open(o, defaultLimits), entry("0", "{}"))
	if got := c.runs(); got != "run-1:2" {
		t.Error(got)
	}
	if _, err := Read(t.Context(), c.Store, "bosgc", run); !errors.Is(err, ErrNoRun) {
		t.Error(err)
	}
}

func TestOpenRefusesAnExistingRun(t *testing.T) {
	c := start(t)
	c.addRun(run, 1, time.Hour)
	if _, err := Open(t.Context(), c.options(run)); err == nil || !strings.Contains(err.Error(), run) {
		t.Error(err)
	}
	if got := c.runs(); got != run+":1" {
		t.Error(got)
	}
}

// A run whose drop was interrupted must not pass for a shorter one.
func TestHalfDroppedRunIsDamaged(t *testing.T) {
	c := start(t)
	c.addRun("run-1", 3, time.Hour)
	o := c.options(run)
	o.Runs = 1
	c.fault("status=403,system=kube,method=DELETE,path=run-1-0001")
	_, err := Open(t.Context(), o)
	if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "run-1") {
		t.Errorf("%v", err)
	}
	if got := c.runs(); got != "run-1:2" {
		t.Fatal(got)
	}
	var damage *DamageError
	entries, err := Read(t.Context(), c.Store, "bosgc", "run-1")
	if !errors.As(err, &damage) || len(entries) != 2 ||
		!strings.Contains(err.Error(), "bosgc-journal-run-1-0000 is missing") {
		t.Errorf("%v, %v", err, entries)
	}
	c.ClearFaults()
	c.open(o, defaultLimits)
	if got := c.runs(); got != "" {
		t.Error(got)
	}
}

// One old run that nobody can delete must not stop all sweeps. If none can be deleted, that must.
func TestUndeletableRunKeepsItsPlace(t *testing.T) {
	c := start(t)
	for n := range 4 {
		c.addRun(fmt.Sprintf("run-%d", n), 1, time.Duration(10-n)*time.Hour)
	}
	c.fault("status=403,system=kube,method=DELETE,path=run-0")
	o := c.options(run)
	o.Runs = 3
	c.open(o, defaultLimits)
	if got := c.runs(); got != "run-3:1 run-0:1" {
		t.Error(got)
	}
	c.fault("status=403,system=kube,method=DELETE")
	o.Runs = 2
	if _, err := Open(t.Context(), o); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	o.Runs = 3 // nothing has to be dropped
	c.open(o, defaultLimits)
	c.fault("status=500,system=kube,method=GET,path=configmaps")
	if _, err := Open(t.Context(), o); err == nil {
		t.Error("opened without knowing what there is")
	}
}

func TestTotalIsBounded(t *testing.T) {
	c := start(t)
	c.addRun("run-1", 2, 3*time.Hour)
	c.addRun("run-2", 2, 2*time.Hour)
	c.addRun("run-3", 2, time.Hour)
	l := limits{chunkBytes: 300, rawBytes: 300, chunkWrites: 1, totalBytes: 8 * (overhead + 200)}
	j := c.open(c.options(run), l)
	if got := c.runs(); got != "run-3:2 run-2:2 run-1:2" {
		t.Fatalf("dropped too early: %s", got)
	}
	written := []string{}
	var err error
	for n := range 20 {
		if err = j.Write(t.Context(), []Entry{entry(fmt.Sprint(n), "{}")}); err != nil {
			break
		}
		written = append(written, fmt.Sprint(n))
	}
	if !errors.Is(err, ErrFull) || len(written) < 7 || len(written) > 9 {
		t.Fatalf("%v after %d", err, len(written))
	}
	if got := c.runs(); got != fmt.Sprintf("%s:%d", run, len(written)) {
		t.Errorf("the old runs were to go first, all of them: %s", got)
	}
	c.same(c.read(run), written)
	if err := j.Write(t.Context(), []Entry{entry("late", "{}")}); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
}

// What is not understood may be somebody else's, or of a later version: it stays, and it counts.
func TestUnknownConfigMapsStay(t *testing.T) {
	c := start(t)
	c.addStray("bosgc-journal-run-1-0000", map[string]string{runLabel: "run-2"})
	c.addStray("somebody-s", map[string]string{})
	c.addStray("bosgc-journal-run-1-1", map[string]string{runLabel: "run-1", bytesLabel: "-7"})
	before := len(c.Kube.Names("configmaps", lab.Namespace))
	o := c.options(run)
	o.Runs = 1
	j := c.open(o, defaultLimits)
	if j.quota.used != 3*(bodyLimit+overhead) {
		t.Errorf("they count for %d bytes", j.quota.used)
	}
	c.write(j, entry("0", "{}"))
	if got := c.runs(); got != run+":1" {
		t.Error(got)
	}
	if after := len(c.Kube.Names("configmaps", lab.Namespace)); after != before+1 {
		t.Errorf("%d ConfigMaps, and then %d", before, after)
	}
	o.Run = "other"
	_, err := open(t.Context(), o, limits{chunkBytes: 300, rawBytes: 300, chunkWrites: 1, totalBytes: bodyLimit})
	if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "not understood") {
		t.Error(err)
	}
}
