package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"bosgc/internal/inventory"
	"bosgc/internal/kube"
)

// ErrNoRun says that there is no journal of a run.
var ErrNoRun = errors.New("there is no journal of this run")

// DamageError says what of a run's journal is missing or cannot be read.
type DamageError struct {
	Run    string
	Faults []string // each names its chunk; at most so many that a person reads them
	More   int      // faults beyond those
}

const maxFaults = 10

func (e *DamageError) Error() string {
	text := fmt.Sprintf("the journal of run %s is damaged: %s", e.Run, strings.Join(e.Faults, "; "))
	if e.More > 0 {
		text += fmt.Sprintf("; and %d more faults", e.More)
	}
	return text
}

// Read gives all entries of a run in the order in which they were written. The error is ErrNoRun
// if it has no journal, and a *DamageError with what could be read if it is not whole. That the
// last chunks are missing cannot be noticed.
func Read(ctx context.Context, store *kube.Store, name, run string) ([]Entry, error) {
	runs, _, err := list(ctx, store, name)
	if err != nil {
		return nil, err
	}
	for _, r := range runs {
		if r.Run != run {
			continue
		}
		var parts []part
		for _, c := range r.chunks {
			found, presence, err := store.Get(ctx, c.kept.Name)
			if err != nil {
				return nil, fmt.Errorf("the journal of run %s: %w", run, err)
			}
			if presence == inventory.Present { // else it has just been dropped
				parts = append(parts, part{c.kept.Name, c.number, found.Binary[contentKey]})
			}
		}
		return decode(name, run, parts)
	}
	return nil, ErrNoRun
}

// part is a chunk as it is read.
type part struct {
	name   string
	number int
	body   []byte
}

// decode puts the chunks of a run, in order, together again.
func decode(name, run string, parts []part) ([]Entry, error) {
	d := decoder{run: run, damage: &DamageError{Run: run}}
	for _, p := range parts {
		if p.number != d.next {
			d.gap(chunkName(name, run, d.next), p.number-d.next)
		}
		d.next = p.number + 1
		raw, err := gunzip(p.body)
		if err != nil {
			d.fault("ConfigMap %s cannot be read to its end: %s", p.name, err)
		}
		d.lines(p.name, raw)
		if err != nil {
			d.carry, d.broken = nil, true
		}
	}
	if len(parts) == 0 {
		d.gap(chunkName(name, run, 0), 1)
	}
	// What is left in carry is an entry whose end was never written. Its object has not been
	// deleted: that waits for the end.
	if len(d.damage.Faults) > 0 {
		return d.entries, d.damage
	}
	return d.entries, nil
}

type decoder struct {
	run     string
	next    int    // number of the next chunk
	carry   []byte // the beginning of a line that goes on in the next chunk
	broken  bool   // the next line may have lost its beginning
	entries []Entry
	damage  *DamageError
}

func (d *decoder) fault(format string, values ...any) {
	if len(d.damage.Faults) == maxFaults {
		d.damage.More++
		return
	}
	d.damage.Faults = append(d.damage.Faults, fmt.Sprintf(format, values...))
}

func (d *decoder) gap(first string, n int) {
	if n == 1 {
		d.fault("ConfigMap %s is missing", first)
	} else {
		d.fault("%d ConfigMaps are missing, from %s on", n, first)
	}
	d.carry, d.broken = nil, true
}

func (d *decoder) lines(chunk string, raw []byte) {
	for {
		line, rest, whole := bytes.Cut(raw, []byte("\n"))
		if !whole {
			d.carry = append(d.carry, line...)
			return
		}
		if len(d.carry) > 0 {
			line = append(d.carry, line...)
			d.carry = nil
		}
		raw = rest
		var e Entry
		err := json.Unmarshal(line, &e)
		if err == nil && e.Run != d.run {
			err = errors.New("it is of another run")
		}
		switch {
		case err == nil:
			d.entries = append(d.entries, e)
		case !d.broken: // else it is the rest of a line, and the damage has been named already
			d.fault("an entry in ConfigMap %s cannot be understood: %s", chunk, err)
		}
		d.broken = false
	}
}
