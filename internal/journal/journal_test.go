package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bosgc/internal/kube"
	"bosgc/internal/lab"
)

const run = "20260102t150405z-1a2b3c4d"

func TestReadReturnsWhatWasWritten(t *testing.T) {
	c := start(t)
	o := c.options(run)
	o.Dir = t.TempDir()
	j := c.open(o, defaultLimits)
	at := time.Date(2026, 1, 2, 15, 4, 6, 123456789, time.UTC)
	want := []Entry{
		{
			At: at, Kind: "ConfigMap", Name: "a", Session: "s", Reason: "orphaned", Detail: "it is <old> & ünloved",
			UID: "u", ResourceVersion: "7", Object: []byte(`{"data":{"x":"a\nb  <&>\u0000"}}`),
		},
		{At: at, Kind: "Session", Name: "ghost"},
		{At: at, Kind: Component, Name: "x1", Object: []byte(`{"desiredConfig":"c"}`)},
	}
	c.write(j, want[:2]...)
	c.write(j, want[2:]...)
	c.write(j)
	for i := range want {
		want[i].Run = run
	}
	got, err := Read(t.Context(), c.Store, "bosgc", run)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n%+v, want\n%+v", err, got, want)
	}
	all, err := Runs(t.Context(), c.Store, "bosgc")
	if err != nil || len(all) != 1 || all[0].Run != run || all[0].Chunks != 1 || all[0].Entries != 3 ||
		all[0].Bytes < 50 || time.Since(all[0].Created) > time.Minute {
		t.Errorf("%v, %+v", err, all)
	}
	j.Close()
	file := filepath.Join(o.Dir, "bosgc-journal-"+run+".jsonl")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var lines []Entry
	for line := range strings.Lines(string(text)) {
		var e Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Error(err)
		}
		lines = append(lines, e)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 || !reflect.DeepEqual(lines, want) {
		t.Errorf("%v, %v, %s", err, info.Mode(), text)
	}
	if left, err := os.ReadDir(o.Dir); err != nil || len(left) != 1 {
		t.Errorf("%v, the folder holds %v", err, left)
	}
}

func TestWriteRefusesMalformedObjects(t *testing.T) {
	c := start(t)
	j := c.open(c.options(run), defaultLimits)
	if err := j.Write(t.Context(), []Entry{entry("good", "{}"), entry("bad", "{")}); err == nil ||
		!strings.Contains(err.Error(), "ConfigMap bad") {
		t.Error(err)
	}
	if got := c.runs(); got != "" {
		t.Errorf("there is %s", got)
	}
	c.write(j, entry("later", "{}"))
	c.same(c.read(run), []string{"later"})
}

func TestConcurrentWritesAreGathered(t *testing.T) {
	c := start(t)
	j := c.open(c.options(run), defaultLimits)
	var want []string
	var all sync.WaitGroup
	begun := time.Now()
	for worker := range 8 {
		for n := range 25 {
			want = append(want, fmt.Sprintf("%d-%02d", worker, n))
		}
		all.Go(func() {
			for n := range 25 {
				e := entry(fmt.Sprintf("%d-%02d", worker, n), `{"a":"b"}`)
				if err := j.Write(t.Context(), []Entry{e}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	got := c.read(run)
	slices.Sort(got)
	slices.Sort(want)
	c.same(got, want)
	// The slower the machine is, the more entries gather in one request.
	if most := 2 + int(time.Since(begun)/(50*time.Millisecond)); len(c.writes) > min(most, 150) {
		t.Errorf("%d requests for 200 entries that came 8 at a time, and %d would do", len(c.writes), most)
	}
}

// A chunk that is full, by its bytes or by the number of its writes, is never changed again.
func TestChunksAreBounded(t *testing.T) {
	c := start(t)
	j := c.open(c.options(run), limits{chunkBytes: 2000, rawBytes: 2000, chunkWrites: 4, totalBytes: 1 << 20})
	for n := range 10 {
		c.write(j, entry(fmt.Sprint(n), "{}"))
	}
	if got := c.runs(); got != run+":3" {
		t.Errorf("small entries: %s", got)
	}
	c.write(j, entry("big", `"`+strings.Repeat("x", 1800)+`"`), entry("other", `"`+strings.Repeat("x", 1800)+`"`))
	if got := c.runs(); got != run+":5" {
		t.Errorf("with big entries: %s", got)
	}
	c.onlyCreated()
	for _, name := range c.chunks() {
		if version := name[len(name)-3:]; version > "-03" {
			t.Errorf("%s: a chunk was to be written 4 times", name)
		}
	}
	c.same(c.read(run), []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "big", "other"})
}

// The ConfigMap of an entry may have a mebibyte and need not compress.
func TestEntryLargerThanAChunk(t *testing.T) {
	c := start(t)
	j := c.open(c.options(run), defaultLimits)
	text := make([]byte, 1300<<10)
	for i := range text {
		text[i] = byte('!' + rand.IntN(60))
		if text[i] == '"' || text[i] == '\\' {
			text[i] = 'a'
		}
	}
	c.write(j, entry("before", "{}"))
	c.write(j, entry("big", `"`+string(text)+`"`), entry("after", "{}"))
	got, err := Read(t.Context(), c.Store, "bosgc", run)
	if err != nil || len(got) != 3 || string(got[1].Object) != `"`+string(text)+`"` {
		t.Fatalf("%v, %q", err, names(got))
	}
	for _, name := range c.chunks() {
		found, _, err := c.Get(t.Context(), name)
		if err != nil || len(found.Binary[contentKey]) > defaultLimits.chunkBytes+1<<10 {
			t.Errorf("%v, %s has %d bytes", err, name, len(found.Binary[contentKey]))
		}
	}
}

func TestLostAnswerIsNoFailure(t *testing.T) {
	for _, fault := range []string{
		"count=1,method=POST", "count=1,method=DELETE", "count=4,method=POST", "count=4,method=DELETE",
	} {
		t.Run(fault, func(t *testing.T) { // the client gives up after 4
			t.Parallel()
			c := start(t)
			j := c.open(c.options(run), defaultLimits)
			c.fault("lose-answer,system=kube," + fault)
			for _, name := range []string{"0", "1", "2"} {
				c.write(j, entry(name, "{}"))
			}
			c.same(c.read(run), []string{"0", "1", "2"})
			if got := c.chunks(); len(got) != 1 {
				t.Errorf("left: %q", got)
			}
		})
	}
}

// One half of a large entry is in the cluster, and the write of the other fails: first as if the run
// were killed there, then as if it went on.
func TestCrashBetweenTwoChunks(t *testing.T) {
	c := start(t)
	l := limits{chunkBytes: 500, rawBytes: 500, chunkWrites: 16, totalBytes: 1 << 20}
	j := c.open(c.options(run), l)
	big := `"` + strings.Repeat("x", 1800) + `"`
	c.write(j, entry("before", "{}"))
	// The first two of its four chunks arrive.
	c.fault("delay=1ms,system=kube,method=POST,count=2")
	c.fault("status=403,system=kube,method=POST")
	if err := j.Write(t.Context(), []Entry{entry("big", big)}); err == nil {
		t.Fatal("half an entry is a whole one")
	}
	c.same(c.read(run), []string{"before"})
	if len(c.chunks()) != 3 {
		t.Fatalf("%v", c.chunks())
	}
	if err := j.Write(t.Context(), []Entry{entry("not yet", "{}")}); err == nil {
		t.Fatal("written, although what goes before it is not")
	}
	c.ClearFaults()
	c.write(j, entry("after", "{}"))
	c.same(c.read(run), []string{"before", "big", "after"})
}

// Whatever the network does, confirmed entries can be read, in their order and complete.
func TestNothingConfirmedIsLost(t *testing.T) {
	seed := rand.Uint64()
	for round := range uint64(4) {
		t.Run(fmt.Sprintf("seed %d, %d", seed, round), func(t *testing.T) {
			t.Parallel()
			writeOnBadNetwork(t, rand.New(rand.NewPCG(seed, round)))
		})
	}
}

func writeOnBadNetwork(t *testing.T, random *rand.Rand) {
	c := start(t)
	faults := []string{"lose-answer", "refuse", "status=403", "status=500", "malformed"}
	l := limits{chunkBytes: 200 + random.IntN(3000), rawBytes: 200 + random.IntN(3000), chunkWrites: 1 + random.IntN(8), totalBytes: 1 << 20}
	j := c.open(c.options(run), l)
	var confirmed, tried []string
	for n := range 25 {
		if random.IntN(2) == 0 {
			method := []string{"GET", "POST", "DELETE", "(POST|DELETE)"}[random.IntN(4)]
			c.fault(fmt.Sprintf("%s,system=kube,method=%s,count=%d,path=configmaps",
				faults[random.IntN(len(faults))], method, 1+random.IntN(3)))
		}
		var entries []Entry
		for i := range 1 + random.IntN(3) {
			object := fmt.Sprintf("%q", strings.Repeat("x", random.IntN(2*l.chunkBytes)))
			entries = append(entries, entry(fmt.Sprintf("%d.%d", n, i), object))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		err := j.Write(ctx, entries)
		cancel()
		if tried = append(tried, names(entries)...); err == nil {
			confirmed = append(confirmed, names(entries)...)
		}
		if n%5 == 0 {
			c.ClearFaults()
		}
	}
	c.ClearFaults()
	c.onlyCreated()
	got := c.read(run)
	i := 0
	for _, name := range got {
		if i < len(confirmed) && confirmed[i] == name {
			i++
		}
		if !slices.Contains(tried, name) {
			t.Errorf("%s comes from nowhere", name)
		}
	}
	if i < len(confirmed) {
		t.Errorf("%s was confirmed and is not there, or not in its order: %q", confirmed[i], got)
	}
	t.Logf("%+v: %d tried, %d confirmed, %d there, in %d chunks",
		l, len(tried), len(confirmed), len(got), len(c.chunks()))
}

// Whoever annotates a journal, or writes something else into it, takes nothing from it and does not stop it.
func TestForeignContentIsNotReplaced(t *testing.T) {
	c := start(t)
	j := c.open(c.options(run), defaultLimits)
	c.write(j, entry("0", "{}"))
	name := c.chunks()[0]
	found, _, err := c.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	found.Binary[contentKey] = []byte("something else")
	if _, err = c.Put(t.Context(), found); err != nil {
		t.Fatal(err)
	}
	c.write(j, entry("1", "{}"))
	c.write(j, entry("2", "{}"))
	c.same(c.read(run), []string{"0", "1", "2"})
	if got := c.chunks(); len(got) != 2 {
		t.Errorf("one that cannot be deleted keeps the others: %q", got)
	}
	if found, _, _ = c.Get(t.Context(), name); string(found.Binary[contentKey]) != "something else" {
		t.Error("written over or deleted")
	}
	if got := c.runs(); got != run+":1" {
		t.Error(got)
	}
	o := c.options("later")
	o.Runs = 1
	c.open(o, defaultLimits)
	if got := c.chunks(); len(got) != 0 {
		t.Errorf("left of a run that was dropped: %q", got)
	}
}

// A version that cannot be deleted counts, is read by no reader, and goes as soon as it can.
func TestOutdatedVersionsGo(t *testing.T) {
	c := start(t)
	j := c.open(c.options(run), defaultLimits)
	c.write(j, entry("0", "{}"))
	used := j.quota.used
	c.fault("status=403,system=kube,method=DELETE")
	c.write(j, entry("1", "{}"))
	c.write(j, entry("2", "{}"))
	if got := c.chunks(); len(got) != 3 || j.quota.used < 3*used {
		t.Errorf("there are %q, and %d bytes count", got, j.quota.used)
	}
	c.same(c.read(run), []string{"0", "1", "2"})
	all, err := Runs(t.Context(), c.Store, "bosgc")
	if err != nil || len(all) != 1 || all[0].Chunks != 1 || all[0].Entries != 3 {
		t.Errorf("%v, %+v", err, all)
	}
	q, err := newQuota(t.Context(), c.options("other"), defaultLimits)
	if err != nil || q.used != j.quota.used {
		t.Errorf("%v, another run counts %d bytes, and this one %d", err, q.used, j.quota.used)
	}
	c.ClearFaults()
	c.write(j, entry("3", "{}"))
	if got := c.chunks(); len(got) != 1 || j.quota.used > 2*used {
		t.Errorf("there are %q, and %d bytes count", got, j.quota.used)
	}
	c.same(c.read(run), []string{"0", "1", "2", "3"})
}

// What is listed may have been replaced when it is read.
func TestReadWhileTheRunGoesOn(t *testing.T) {
	c := start(t)
	j := c.open(c.options(run), defaultLimits)
	c.write(j, entry("0", "{}"))
	listed := c.chunks()[0]
	var once sync.Once
	c.before = func(r *http.Request) {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, listed) {
			once.Do(func() { c.write(j, entry("1", "{}")) })
		}
	}
	c.same(c.read(run), []string{"0", "1"})
}

// A ConfigMap that has the name of the next chunk is not replaced either.
func TestForeignConfigMapIsNotReplaced(t *testing.T) {
	c := start(t)
	j := c.open(c.options(run), limits{chunkBytes: 500, rawBytes: 500, chunkWrites: 1, totalBytes: 1 << 20})
	c.write(j, entry("0", "{}"))
	name := versionName("bosgc", run, 1, 0)
	if _, err := c.Put(t.Context(), kube.StoredConfigMap{Name: name, Data: map[string]string{"precious": "1"}}); err != nil {
		t.Fatal(err)
	}
	if err := j.Write(t.Context(), []Entry{entry("1", "{}")}); err == nil || !strings.Contains(err.Error(), name) {
		t.Error(err)
	}
	if found, _, err := c.Get(t.Context(), name); err != nil || found.Data["precious"] != "1" {
		t.Errorf("%v, %+v", err, found)
	}
}

func TestDeletedChunkIsCreatedAgain(t *testing.T) {
	c := start(t)
	j := c.open(c.options(run), defaultLimits)
	c.write(j, entry("0", "{}"))
	c.Kube.Remove("configmaps", lab.Namespace, c.chunks()[0])
	c.write(j, entry("1", "{}"))
	c.same(c.read(run), []string{"0", "1"})
}

func TestCallerThatGivesUpStopsNoOther(t *testing.T) {
	c := start(t)
	j := c.open(c.options(run), defaultLimits)
	c.fault("delay=300ms,system=kube,method=POST,count=1")
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() {
		if err := j.Write(short, []Entry{entry("0", "{}")}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
	time.Sleep(10 * time.Millisecond)
	all.Go(func() { c.write(j, entry("1", "{}")) })
	all.Wait()
	c.same(c.read(run), []string{"0", "1"})
}

func TestUnwritableFileStopsTheJournal(t *testing.T) {
	c := start(t)
	o := c.options(run)
	o.Dir = filepath.Join(t.TempDir(), "not-mounted")
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "BOSGC_JOURNAL_DIR") {
		t.Errorf("a folder that does not exist: %v", err)
	}
	o.Dir = t.TempDir()
	j := c.open(o, defaultLimits)
	c.write(j, entry("0", "{}"))
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("NOT RUN: a full disk was not tried, because only Linux has one: ", err)
	}
	good := j.file.handle
	j.file.handle = full
	for range 2 {
		if err := j.Write(t.Context(), []Entry{entry("1", "{}")}); err == nil ||
			!strings.Contains(err.Error(), "no space left") {
			t.Errorf("a full disk: %v", err)
		}
		j.file.handle = good // a disk that lost something is not trusted any more
	}
	c.same(c.read(run), []string{"0"})
	o.Run = "same-name"
	name := filepath.Join(o.Dir, "bosgc-journal-same-name.jsonl")
	if err := os.WriteFile(name, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.open(o, defaultLimits).Write(t.Context(), []Entry{entry("0", "{}")}); err == nil {
		t.Error("another's file was written to")
	}
}

// A real API server refuses malformed labels.
func TestLabelsAreValid(t *testing.T) {
	c := start(t)
	o := c.options(strings.Repeat("r", 63))
	o.Name = strings.Repeat("n", 63)
	c.write(c.open(o, defaultLimits), entry("0", "{}"))
	list, err := c.List(t.Context(), map[string]string{journalLabel: o.Name})
	if err != nil || len(list) != 1 {
		t.Fatal(err, list)
	}
	for name, value := range list[0].Labels {
		if len(value) > 63 || strings.ContainsAny(value, " /") {
			t.Errorf("label %s: %q", name, value)
		}
	}
	if len(list[0].Name) > 253 {
		t.Error(list[0].Name)
	}
	for _, bad := range []string{"", "a/b", "A", "a_b", "-a", strings.Repeat("r", 64)} {
		if _, err := Open(t.Context(), Options{Store: c.Store, Name: "bosgc", Run: bad, Runs: 1}); err == nil {
			t.Errorf("run %q", bad)
		}
	}
}
