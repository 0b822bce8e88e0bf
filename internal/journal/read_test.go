package journal

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"bosgc/internal/kube"
)

func encoder(t testing.TB) *zstd.Encoder {
	t.Helper()
	e, err := newEncoder()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// compressed returns the body of a chunk that has a text.
func compressed(t testing.TB, text []byte) []byte {
	t.Helper()
	f := newFrame(encoder(t))
	if err := f.add(text); err != nil {
		t.Fatal(err)
	}
	body, err := f.body()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// formerly returns what earlier versions of bosgc have made of it.
func formerly(t testing.TB, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	for half := range slices.Chunk(text, len(text)/2+1) { // in several streams
		w := gzip.NewWriter(&b)
		if _, err := w.Write(half); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// chunksOf splits entries into chunks, without a cluster.
func chunksOf(t testing.TB, entries []Entry, limit int) []content {
	t.Helper()
	var parts []content
	var c *chunk
	encoder := encoder(t)
	flush := func() {
		if c != nil {
			if err := c.complete(); err != nil {
				t.Fatal(err)
			}
			parts = append(parts, content{chunkName("j", "r", len(parts)), len(parts), c.body, false})
		}
		c = &chunk{lines: newFrame(encoder)}
	}
	for _, e := range entries {
		e.Run = "r"
		line, err := encode(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, piece := range splitLine(line, limit) {
			if !c.fits(piece, limits{chunkBytes: limit, rawBytes: limit, chunkWrites: 1}) {
				flush()
			}
			if err := c.add(piece); err != nil {
				t.Fatal(err)
			}
		}
	}
	flush()
	return parts
}

func randomEntries(random *rand.Rand, n, longest int) []Entry {
	var all []Entry
	for i := range n {
		e := entry(fmt.Sprint(i), fmt.Sprintf("%q", strings.Repeat("x", random.IntN(longest+1))))
		e.Run = "r"
		all = append(all, e)
	}
	return all
}

// Whatever the sizes: no chunk exceeds the limit, and all of them together have the entries. If one is
// missing or damaged, all entries outside of it are still read, none is made up, and the damage is
// named.
func TestChunking(t *testing.T) {
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 7))
		limit := 80 + random.IntN(2000)
		want := randomEntries(random, 1+random.IntN(40), 1+random.IntN(3*limit))
		parts := chunksOf(t, want, limit)
		for _, p := range parts {
			if raw, err := decompress(p.body, false, readLimit); err != nil || len(raw) > limit {
				t.Fatalf("seed %d: %v, chunk of %d bytes", seed, err, len(raw))
			}
		}
		got, err := decode("j", "r", parts)
		if err != nil || !slices.EqualFunc(got, want, func(a, b Entry) bool { return reflect.DeepEqual(a, b) }) {
			t.Fatalf("seed %d: %v, %d entries, want %d", seed, err, len(got), len(want))
		}
		if len(parts) < 2 {
			continue
		}
		lost := random.IntN(len(parts) - 1)
		body := slices.Clone(parts[lost].body)
		without := slices.Delete(slices.Clone(parts), lost, lost+1)
		damaged := slices.Clone(parts)
		damaged[lost].body = body[:random.IntN(len(body))]
		for what, rest := range map[string][]content{"missing": without, "cannot be read": damaged} {
			got, err := decode("j", "r", rest)
			var damage *DamageError
			if !errors.As(err, &damage) || len(damage.Faults) != 1 ||
				!strings.Contains(damage.Faults[0], parts[lost].configMap) ||
				!strings.Contains(damage.Faults[0], what) {
				t.Fatalf("seed %d: %v", seed, err)
			}
			i := 0
			for _, e := range got {
				for i < len(want) && !reflect.DeepEqual(want[i], e) {
					i++
				}
				if i == len(want) {
					t.Fatalf("seed %d: %s was made up", seed, e.Name)
				}
			}
			if n := countOutside(t, parts, lost); n > len(got) {
				t.Fatalf("seed %d: %d entries lie outside of %s, %d were read",
					seed, n, parts[lost].configMap, len(got))
			}
		}
	}
}

// countOutside counts the entries that have no part in one chunk.
func countOutside(t *testing.T, parts []content, lost int) int {
	before, _ := decode("j", "r", parts[:max(lost, 0)])
	var rest []byte
	for _, p := range parts[lost:] {
		raw, err := decompress(p.body, false, readLimit)
		if err != nil {
			t.Fatal(err)
		}
		if p.number == lost {
			if !bytes.HasSuffix(raw, []byte("\n")) {
				rest = []byte("split")
			}
			continue
		}
		rest = append(rest, raw...)
	}
	n := len(before)
	if lost == 0 {
		n = 0
	}
	n += bytes.Count(rest, []byte("\n"))
	if bytes.HasPrefix(rest, []byte("split")) {
		n--
	}
	return n
}

func TestEntryWithoutItsEndIsNoDamage(t *testing.T) {
	parts := chunksOf(t, []Entry{entry("a", "{}"), entry("b", `"`+strings.Repeat("x", 1000)+`"`)}, 300)
	got, err := decode("j", "r", parts[:len(parts)-1])
	if err != nil || len(got) != 1 || got[0].Name != "a" {
		t.Errorf("%v, %v", err, names(got))
	}
}

func TestDamage(t *testing.T) {
	good := chunksOf(t, []Entry{entry("a", "{}")}, 300)[0].body
	zip := func(text string) []byte { return compressed(t, []byte(text)) }
	bomb := zip(strings.Repeat(`{"run":"r","kind":"Job","name":"n"}`+"\n", 1<<19))
	flipped := slices.Clone(good)
	flipped[len(flipped)-1]++ // the checksum
	for name, tt := range map[string]struct {
		bodies [][]byte
		want   string // part of the error
		read   int
	}{
		"none":            {nil, "0000 is missing", 0},
		"empty":           {[][]byte{{}, good}, "0000 cannot be read", 1},
		"no zstd":         {[][]byte{[]byte("no zstd at all"), good}, "0000 cannot be read", 1},
		"checksum":        {[][]byte{flipped, good}, "CRC", 2},
		"something after": {[][]byte{append(slices.Clone(good), 0), good}, "unexpected EOF", 2},
		"much after":      {[][]byte{append(slices.Clone(good), make([]byte, 30)...), good}, "follows", 2},
		"no JSON":         {[][]byte{good, zip("hello\n"), good}, "0001 cannot be understood", 2},
		"of another run":  {[][]byte{zip(`{"run":"q","kind":"Job","name":"n"}` + "\n")}, "another run", 0},
		"null":            {[][]byte{zip("null\n")}, "another run", 0},
		"all bad":         {[][]byte{zip(strings.Repeat("x\n", 1000)), good}, "and 990 more faults", 1},
		"bomb":            {[][]byte{bomb, good}, "more than 16777216 bytes", 1},
	} {
		var parts []content
		for i, body := range tt.bodies {
			parts = append(parts, content{chunkName("j", "r", i), i, body, false})
		}
		got, err := decode("j", "r", parts)
		if err == nil || !strings.Contains(err.Error(), tt.want) || len(got) != tt.read || len(err.Error()) > 4000 {
			t.Errorf("%s: %d entries, %v", name, len(got), err)
		}
	}
}

func TestDecompressionIsBounded(t *testing.T) {
	text := bytes.Repeat([]byte("\n"), 24<<20)
	for former, body := range map[bool][]byte{false: compressed(t, text), true: formerly(t, text)} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := decompress(body, former, 1<<20)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; err == nil || took > 16<<20 {
			t.Errorf("%v, %d bytes were taken", err, took)
		}
	}
}

// A journal that an earlier version of bosgc has begun, and one that it has written, are read as before.
func TestFormerJournalsAreRead(t *testing.T) {
	want := randomEntries(rand.New(rand.NewPCG(1, 7)), 40, 300)
	var lines []byte
	for _, e := range want {
		line, err := encode(e)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line...)
	}
	k := kube.StoredConfigMap{Name: chunkName("j", "r", 0), Binary: map[string][]byte{formerKey: formerly(t, lines)}}
	got, err := decode("j", "r", []content{newContent(0, k)})
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %d entries, want %d", err, len(got), len(want))
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(chunksOf(f, []Entry{entry("a", "{}")}, 300)[0].body, []byte{})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		for _, body := range [][]byte{first, second} {
			for _, former := range []bool{false, true} {
				if raw, _ := decompress(body, former, readLimit); len(raw) > readLimit {
					t.Fatalf("%d bytes", len(raw))
				}
			}
		}
		parts := []content{{"first", 0, first, false}, {"second", 1, second, false}}
		entries, err := decode("j", "r", parts)
		for _, e := range entries {
			if e.Run != "r" {
				t.Fatalf("%+v", e)
			}
		}
		var damage *DamageError
		if err != nil && (!errors.As(err, &damage) || len(damage.Faults) > maxFaults) {
			t.Fatal(err)
		}
		// What was read can be written and read again.
		again, err := decode("j", "r", chunksOf(t, entries, 500))
		if err != nil && len(entries) > 0 || len(again) != len(entries) {
			t.Fatalf("%v: %d entries, and then %d", err, len(entries), len(again))
		}
	})
}

// FuzzDecodeLines leaves out the compression, which stops a fuzzer early.
func FuzzDecodeLines(f *testing.F) {
	f.Add([]byte(`{"run":"r","kind":"Job","name":"n"}`+"\n"), 7)
	f.Fuzz(func(t *testing.T, raw []byte, at int) {
		if len(raw) > readLimit {
			return
		}
		whole := decoder{run: "r", damage: &DamageError{}}
		whole.decodeLines("x", raw)
		at = min(max(at, 0), len(raw))
		split := decoder{run: "r", damage: &DamageError{}}
		split.decodeLines("x", bytes.Clone(raw[:at]))
		split.decodeLines("y", bytes.Clone(raw[at:]))
		if !reflect.DeepEqual(whole.entries, split.entries) || len(whole.damage.Faults) != len(split.damage.Faults) {
			t.Fatalf("cut at %d: %+v %q, whole %+v %q", at, split.entries, split.damage, whole.entries, whole.damage)
		}
	})
}

// However a chunk has grown, it reads as one text, and is hardly larger than if it had been compressed at once.
func TestChunkThatGrows(t *testing.T) {
	grown := chunk{lines: newFrame(encoder(t))}
	var all []byte
	for i := range 60 {
		object := fmt.Sprintf(`{"data":%q}`, strings.Repeat(fmt.Sprint(i*i, " nodes; "), 800))
		line, err := encode(entry(fmt.Sprint(i), object))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, line...)
		before := grown.lines.blocks.Len()
		if err := errors.Join(grown.add(line), grown.complete()); err != nil {
			t.Fatal(err)
		}
		if got, err := decompress(grown.body, false, readLimit); err != nil || !bytes.Equal(got, all) {
			t.Fatalf("after %d lines: %v, %d bytes of %d", i+1, err, len(got), len(all))
		}
		if now := grown.lines.blocks.Bytes(); len(now) <= before || !bytes.HasPrefix(grown.body, now[:before]) {
			t.Fatalf("after %d lines the beginning is another", i+1)
		}
	}
	once := compressed(t, all)
	if grown.lines.raw != len(all) || grown.entries != 60 || len(grown.body) > 2*len(once) {
		t.Errorf("%d bytes in %d lines are %d bytes compressed, %d if compressed at once",
			grown.lines.raw, grown.entries, len(grown.body), len(once))
	}
}

// Twenty runs that each delete a thousand objects of a machine of 6,000 nodes find room in one journal.
func TestAYearOfALargeMachine(t *testing.T) {
	const runs, sessions, nodes = 20, 250, 6000
	var xnames []string
	for i := range nodes {
		xnames = append(xnames, fmt.Sprintf("x%dc%ds%db%dn%d", 1000+i/512, i/64%8, i/8%8, i/2%4, i%2))
	}
	random := rand.New(rand.NewPCG(6, 7))
	f := newFrame(encoder(t))
	chunks, size, used := 1, 0, 0
	for range sessions {
		id := fmt.Sprintf("%08x-1d3b-4b60-8dae-%012x", random.Uint32(), random.Uint64()>>16)
		for _, kind := range []string{"ConfigMap", "CFSSession", "Session", "Job"} {
			object := fmt.Sprintf(`{"metadata":{"name":%q,"uid":"%016x"},"data":{"words":%q`, id, random.Uint64(),
				strings.Repeat("what each of them has; ", 60))
			if kind == "ConfigMap" || kind == "CFSSession" {
				object += fmt.Sprintf(`,"limit":%q`, strings.Join(xnames, ","))
			}
			e := entry(id, object+"}}")
			e.Kind, e.At = kind, e.At.Add(time.Duration(random.Int64N(1e9)))
			line, err := encode(e)
			if err != nil {
				t.Fatal(err)
			}
			c := chunk{lines: f}
			if !c.fits(line, defaultLimits) {
				body, err := f.body()
				if err != nil {
					t.Fatal(err)
				}
				used += storedSize(len(body))
				f, chunks = newFrame(f.encoder), chunks+1
				c.lines = f
			}
			if err := c.add(line); err != nil {
				t.Fatal(err)
			}
			size += len(line)
		}
	}
	body, err := f.body()
	if err != nil {
		t.Fatal(err)
	}
	used += storedSize(len(body))
	if runs*used > defaultLimits.totalBytes {
		t.Errorf("a run of %d bytes takes %d; %d of them have %d bytes of room", size, used, runs, defaultLimits.totalBytes)
	}
	t.Logf("a run of %.1f MB takes %.0f KB in %d chunks", float64(size)/1e6, float64(used)/1e3, chunks)
}
