package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bosgc/internal/inventory"
	"bosgc/internal/kube"
)

// Document is the journal of one run.
type Document struct {
	APIVersion string  `json:"apiVersion"`
	Kind       string  `json:"kind"` // Journal
	Run        string  `json:"run"`
	Damage     string  `json:"damage,omitempty"` // what of it could not be read
	Entries    []Entry `json:"entries"`          // in the order in which they were written
	ExitCode   int     `json:"exitCode"`
}

// ErrNoRun is returned for a run that has no journal.
var ErrNoRun = errors.New("there is no journal of this run")

// DamageError says what of a run's journal is missing or cannot be read.
type DamageError struct {
	Run    string
	Faults []string // each names its chunk; at most maxFaults
	More   int      // number of further faults
}

const maxFaults = 10

func (e *DamageError) Error() string {
	text := fmt.Sprintf("the journal of run %s is damaged: %s", e.Run, strings.Join(e.Faults, "; "))
	if e.More > 0 {
		text += fmt.Sprintf("; and %d more faults", e.More)
	}
	return text
}

// Read returns all entries of a run in the order in which they were written. The error is ErrNoRun if
// the run has no journal. A damaged journal returns what could be read and a *DamageError; missing
// chunks at the end cannot be noticed.
func Read(ctx context.Context, store *kube.Store, name, run string) ([]Entry, error) {
	var contents []content
	for try := 1; ; try++ {
		runs, _, err := listRuns(ctx, store, name)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(runs, func(r Info) bool { return r.Run == run })
		if i < 0 {
			return nil, ErrNoRun
		}
		var whole bool
		if contents, whole, err = readChunks(ctx, store, newest(runs[i].chunks)); err != nil {
			return nil, fmt.Errorf("the journal of run %s: %w", run, err)
		}
		if whole || try == maxReads {
			return decode(name, run, contents)
		}
	}
}

// maxReads bounds how often a journal is read from its beginning, because a chunk that was listed is not there any
// more: the run goes on and has replaced it, or the whole run is being dropped.
const maxReads = 5

func readChunks(ctx context.Context, store *kube.Store, chunks []storedChunk) (read []content, whole bool, err error) {
	for _, c := range chunks {
		found, presence, err := store.Get(ctx, c.configMap.Name)
		if err != nil {
			return nil, false, err
		}
		if presence == inventory.Present {
			read = append(read, newContent(c.number, found))
		}
	}
	return read, len(read) == len(chunks), nil
}

// content is the content of a chunk.
type content struct {
	configMap string
	number    int
	body      []byte
	former    bool // an earlier version of bosgc has written it
}

func newContent(number int, k kube.StoredConfigMap) content {
	if body, found := k.Binary[contentKey]; found {
		return content{k.Name, number, body, false}
	}
	return content{k.Name, number, k.Binary[formerKey], true}
}

// decode decodes the entries in the chunks of a run, which are sorted by number.
func decode(name, run string, chunks []content) ([]Entry, error) {
	d := decoder{run: run, damage: &DamageError{Run: run}}
	for _, c := range chunks {
		if c.number != d.next {
			d.skip(chunkName(name, run, d.next), c.number-d.next)
		}
		d.next = c.number + 1
		limit := readLimit
		if c.former {
			limit = formerLimit
		}
		lines, err := decompress(c.body, c.former, limit)
		if err != nil {
			d.addFault("ConfigMap %s cannot be read to its end: %s", c.configMap, err)
		}
		d.decodeLines(c.configMap, lines)
		if err != nil {
			d.partial, d.lostLine = nil, true
		}
	}
	if len(chunks) == 0 {
		d.skip(chunkName(name, run, 0), 1)
	}
	// What is left in partial is an entry whose end was never written. Its object has not been deleted:
	// that waits for the end.
	if len(d.damage.Faults) > 0 {
		return d.entries, d.damage
	}
	return d.entries, nil
}

type decoder struct {
	run      string
	next     int    // number of the next chunk
	partial  []byte // beginning of a line that goes on in the next chunk
	lostLine bool   // the next line may lack its beginning
	entries  []Entry
	damage   *DamageError
}

func (d *decoder) addFault(format string, values ...any) {
	if len(d.damage.Faults) == maxFaults {
		d.damage.More++
		return
	}
	d.damage.Faults = append(d.damage.Faults, fmt.Sprintf(format, values...))
}

// skip reports n missing chunks.
func (d *decoder) skip(first string, n int) {
	if n == 1 {
		d.addFault("ConfigMap %s is missing", first)
	} else {
		d.addFault("%d ConfigMaps are missing, from %s on", n, first)
	}
	d.partial, d.lostLine = nil, true
}

func (d *decoder) decodeLines(configMap string, lines []byte) {
	for {
		line, rest, complete := bytes.Cut(lines, []byte("\n"))
		if !complete {
			d.partial = append(d.partial, line...)
			return
		}
		if len(d.partial) > 0 {
			line = append(d.partial, line...)
			d.partial = nil
		}
		lines = rest
		var e Entry
		err := json.Unmarshal(line, &e)
		if err == nil && e.Run != d.run {
			err = errors.New("it is of another run")
		}
		switch {
		case err == nil:
			d.entries = append(d.entries, e)
		case !d.lostLine: // otherwise it is the rest of a line, whose damage is reported already
			d.addFault("an entry in ConfigMap %s cannot be understood: %s", configMap, err)
		}
		d.lostLine = false
	}
}
