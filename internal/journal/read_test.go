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
)

func writer(t testing.TB) *gzip.Writer {
	t.Helper()
	w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// chunksOf splits entries into chunks, without a cluster.
func chunksOf(t testing.TB, entries []Entry, limit int) []content {
	t.Helper()
	var parts []content
	var c *chunk
	flush := func() {
		if c != nil {
			if err := c.compress(writer(t)); err != nil {
				t.Fatal(err)
			}
			parts = append(parts, content{chunkName("j", "r", len(parts)), len(parts), c.body})
		}
		c = &chunk{}
	}
	for _, e := range entries {
		e.Run = "r"
		line, err := encode(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, piece := range splitLine(line, limit) {
			if !c.fits(piece, limits{chunkBytes: limit, chunkWrites: 1}) {
				flush()
			}
			c.add(piece)
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
			if raw, err := gunzip(p.body); err != nil || len(raw) > limit {
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
		raw, err := gunzip(p.body)
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
	zip := func(text string) []byte {
		c := &chunk{open: []byte(text)}
		_ = c.compress(writer(t))
		return c.body
	}
	bomb := zip(strings.Repeat(`{"run":"r","kind":"Job","name":"n"}`+"\n", 1<<16))
	flipped := slices.Clone(good)
	flipped[len(flipped)-5]++ // the checksum
	for name, tt := range map[string]struct {
		bodies [][]byte
		want   string // part of the error
		read   int
	}{
		"none":            {nil, "0000 is missing", 0},
		"empty":           {[][]byte{{}, good}, "0000 cannot be read", 1},
		"no gzip":         {[][]byte{[]byte("no gzip at all"), good}, "0000 cannot be read", 1},
		"checksum":        {[][]byte{flipped, good}, "checksum", 2},
		"something after": {[][]byte{append(slices.Clone(good), 0), good}, "unexpected EOF", 2},
		"much after":      {[][]byte{append(slices.Clone(good), make([]byte, 30)...), good}, "follows", 2},
		"no JSON":         {[][]byte{good, zip("hello\n"), good}, "0001 cannot be understood", 2},
		"of another run":  {[][]byte{zip(`{"run":"q","kind":"Job","name":"n"}` + "\n")}, "another run", 0},
		"null":            {[][]byte{zip("null\n")}, "another run", 0},
		"all bad":         {[][]byte{zip(strings.Repeat("x\n", 1000)), good}, "and 990 more faults", 1},
		"bomb":            {[][]byte{bomb, good}, "more than 1048576 bytes", 1},
	} {
		var parts []content
		for i, body := range tt.bodies {
			parts = append(parts, content{chunkName("j", "r", i), i, body})
		}
		got, err := decode("j", "r", parts)
		if err == nil || !strings.Contains(err.Error(), tt.want) || len(got) != tt.read || len(err.Error()) > 4000 {
			t.Errorf("%s: %d entries, %v", name, len(got), err)
		}
	}
}

func TestDecompressionIsBounded(t *testing.T) {
	c := &chunk{open: bytes.Repeat([]byte("\n"), 24<<20)}
	if err := c.compress(writer(t)); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := gunzip(c.body)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; err == nil || took > 12<<20 {
		t.Errorf("%v, %d bytes were taken", err, took)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(chunksOf(f, []Entry{entry("a", "{}")}, 300)[0].body, []byte{})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		for _, body := range [][]byte{first, second} {
			if raw, _ := gunzip(body); len(raw) > readLimit {
				t.Fatalf("%d bytes", len(raw))
			}
		}
		parts := []content{{"first", 0, first}, {"second", 1, second}}
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

// However a chunk has grown, it reads as one text, is hardly larger than if it had been compressed at
// once, and no byte of it is compressed with every step.
func TestChunkThatGrows(t *testing.T) {
	var grown chunk
	var all []byte
	for i := range 60 {
		object := fmt.Sprintf(`{"data":%q}`, strings.Repeat(fmt.Sprint(i*i, " nodes; "), 800))
		line, err := encode(entry(fmt.Sprint(i), object))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, line...)
		grown.add(line)
		if err := grown.compress(writer(t)); err != nil {
			t.Fatal(err)
		}
		if got, err := gunzip(grown.body); err != nil || !bytes.Equal(got, all) {
			t.Fatalf("after %d lines: %v, %d bytes of %d", i+1, err, len(got), len(all))
		}
		if len(grown.open) >= sealAt {
			t.Fatalf("%d bytes are compressed again with each line", len(grown.open))
		}
	}
	at := chunk{open: all}
	if err := at.compress(writer(t)); err != nil {
		t.Fatal(err)
	}
	if grown.rawBytes != len(all) || grown.entries != 60 || len(all) < 4*sealAt || len(grown.body) > 2*len(at.body) {
		t.Errorf("%d bytes in %d lines are %d bytes compressed, %d if compressed at once",
			grown.rawBytes, grown.entries, len(grown.body), len(at.body))
	}
	t.Logf("%d bytes are %d, %d if compressed at once", len(all), len(grown.body), len(at.body))
}
