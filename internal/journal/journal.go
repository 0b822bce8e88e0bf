// Package journal keeps the whole of every object that bosgc is about to delete: in ConfigMaps
// beside the state, and in a file if there is a folder for it. An entry is written before its
// object goes, so that whatever a run has deleted can be read there, wherever it was killed.
package journal

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"bosgc/internal/kube"
)

// Component is the kind of an entry for a desired configuration that was unset. The other kinds
// are those that are judged (policy.Kinds).
const Component = "Component"

// Entry is one object as it was before it was deleted.
type Entry struct {
	Run             string    `json:"run"`
	At              time.Time `json:"at"`
	Kind            string    `json:"kind"`
	Name            string    `json:"name"`
	Session         string    `json:"session,omitempty"`
	Reason          string    `json:"reason,omitempty"`
	Detail          string    `json:"detail,omitempty"`
	UID             string    `json:"uid,omitempty"`             // Kubernetes only
	ResourceVersion string    `json:"resourceVersion,omitempty"` // Kubernetes only

	// Object is the whole thing as its API gave it: a manifest, what BOS or CFS answered (a
	// ghost has none), or {"desiredConfig": "<previous value>"} of a Component.
	Object json.RawMessage `json:"object,omitempty"`
}

// limits bound what a journal takes. They are the same everywhere but in tests.
type limits struct {
	raw   int // bytes of lines in one chunk, before they are compressed
	puts  int // how often one chunk is written
	total int // bytes of all chunks of all runs, compressed
}

var usual = limits{
	// What does not compress at all still fits: with its metadata, and in base64, it is below the
	// 1 MiB of a ConfigMap and the 1.5 MiB that etcd takes in a request. So nothing has to be
	// compressed first to know whether it fits.
	raw: 512 << 10,
	// A chunk is written anew each time something is added to it. Without a limit, a run that
	// adds a little a thousand times would send half a chunk a thousand times, and etcd would
	// keep each until its next compaction. So each byte is sent at most this often, and nearly
	// half of that on average; a run of a thousand deletes has at most 63 chunks for it.
	puts: 16,
	// The etcd behind the API server refuses every write of the whole cluster when it is full,
	// by default at 2 GiB. This is less than a hundredth of it, less than a tenth while what
	// was rewritten is not compacted yet, and enough: the entries of a thousand objects of BOS
	// come to less than 1 MiB.
	total: 16 << 20,
}

// ErrFull says that the journal has no room for an entry, so that its object must stay.
var ErrFull = errors.New("the journal is full")

// Options say where a run's journal is kept.
type Options struct {
	Store *kube.Store
	Name  string // its ConfigMaps are <Name>-journal-<Run>-<number>
	Run   string
	Dir   string // a folder for the same as JSON lines; empty is none
	Runs  int    // kept in the store, with this one; at least 1
}

// Journal is that of the run under way. It is safe for concurrent use.
type Journal struct {
	options Options
	limits  limits

	mu      sync.Mutex // guards what follows
	waiting []*request
	busy    bool // a goroutine works on what follows, and no other may

	file  *file // nil without a folder
	room  *room
	tail  *chunk
	press *gzip.Writer
	next  int       // number of the next chunk
	queue [][]byte  // what is in no chunk yet
	wrote time.Time // when the last write began; the zero time before the first
}

type request struct {
	lines [][]byte
	done  chan error
}

var runForm = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// Open begins the journal of a run. It makes room first: whole runs are dropped, the oldest
// first. It is to be called when there is something to delete, or an idle run would cost an old
// one its place. The error says that nothing may be deleted: the bounds could not be kept, or
// the folder cannot be written.
func Open(ctx context.Context, o Options) (*Journal, error) { return open(ctx, o, usual) }

func open(ctx context.Context, o Options, l limits) (*Journal, error) {
	if !runForm.MatchString(o.Run) || o.Runs < 1 {
		return nil, fmt.Errorf("journal of run %q, %d runs: a name of lower-case letters, digits and dashes and at least 1 are expected", o.Run, o.Runs)
	}
	j := &Journal{options: o, limits: l}
	// Fast: what is written is text that is mostly alike, and a tenth more of it is cheaper than three times the CPU.
	j.press, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // the only error is a level that there is not
	if o.Dir != "" {
		j.file = &file{dir: o.Dir, name: o.Name + "-journal-" + o.Run + ".jsonl"}
		tried := make(chan error, 1)
		go func() { tried <- j.file.try() }()
		select { // a file system that hangs is not waited for
		case err := <-tried:
			if err != nil {
				return nil, err
			}
		case <-ctx.Done():
			return nil, j.file.failed(context.Cause(ctx))
		}
	}
	var err error
	if j.room, err = survey(ctx, o, l); err != nil {
		return nil, err
	}
	return j, j.room.make(ctx, 0)
}

// Discard removes the journal of a run that has certainly deleted nothing. Else such runs would, one
// after the other, push out those that have.
func (j *Journal) Discard(ctx context.Context) error {
	chunks, err := j.options.Store.List(ctx, map[string]string{journalLabel: j.options.Name, runLabel: j.options.Run})
	if err != nil {
		return err
	}
	for _, c := range chunks {
		if err := j.options.Store.Delete(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// Close lets go of the file. It has nothing to report: all that was confirmed is on the disk.
func (j *Journal) Close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file != nil && !j.busy { // a Write that nobody waited for ends with the process
		j.file.close()
	}
}

// Write adds entries. Only when it gives nil is each of them in the cluster, and on the disk if
// there is a folder: only then may their objects go. After an error some of them may be in the
// journal all the same, which restores nothing that is still there. ErrFull says that no later
// entry will fit either. The run's name is filled in.
func (j *Journal) Write(ctx context.Context, entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	r := &request{done: make(chan error, 1)}
	for _, e := range entries {
		e.Run = j.options.Run
		line, err := encode(e)
		if err != nil {
			return fmt.Errorf("journal entry of %s %s: %w", e.Kind, e.Name, err)
		}
		r.lines = append(r.lines, line)
	}
	j.mu.Lock()
	j.waiting = append(j.waiting, r)
	if !j.busy {
		j.busy = true
		// What is written belongs to several callers, of which each may give up for itself. The
		// store has a deadline of its own for every request.
		go j.work(context.WithoutCancel(ctx))
	}
	j.mu.Unlock()
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("not waited for until the journal was written: %w", context.Cause(ctx))
	}
}

func encode(e Entry) ([]byte, error) {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(e)
	return line.Bytes(), err
}

// gather is how long after one write began the next one begins at the earliest. A sweep takes thirty sessions at a time, and
// most have written their entries by then: so one request, of which etcd keeps a copy, is for thirty of them and not for
// three. A session waits by so much longer, while the others go on.
const gather = 50 * time.Millisecond

// work writes what waits until nothing does. What came while one request was under way, or shortly after, goes out
// together with the next.
func (j *Journal) work(ctx context.Context) {
	for {
		j.mu.Lock()
		if len(j.waiting) == 0 {
			j.busy = false
			j.mu.Unlock()
			return
		}
		j.mu.Unlock()
		time.Sleep(time.Until(j.wrote.Add(gather)))
		j.wrote = time.Now()
		j.mu.Lock()
		batch := j.waiting
		j.waiting = nil
		j.mu.Unlock()
		var lines [][]byte
		for _, r := range batch {
			lines = append(lines, r.lines...)
		}
		err := j.add(ctx, lines)
		for _, r := range batch {
			r.done <- err
		}
	}
}

func (j *Journal) add(ctx context.Context, lines [][]byte) error {
	// What could not be written before goes first, unchanged: nobody knows whether it is in the
	// cluster. A chunk there is always the beginning of what is meant to be in it, and nothing
	// has to be taken back.
	if err := j.flush(ctx); err != nil {
		return err
	}
	if j.file != nil {
		if err := j.file.add(lines); err != nil {
			return err
		}
	}
	for _, line := range lines {
		j.queue = append(j.queue, pieces(line, j.limits.raw)...)
	}
	return j.flush(ctx)
}

// flush writes until the queue is empty.
func (j *Journal) flush(ctx context.Context) error {
	for {
		if j.tail != nil && j.tail.dirty {
			if err := j.put(ctx, j.tail); err != nil {
				return err
			}
		}
		if len(j.queue) == 0 {
			return nil
		}
		if !j.tail.takes(j.queue[0], j.limits) {
			if j.next > lastChunk {
				return fmt.Errorf("%w: it has %d chunks", ErrFull, j.next)
			}
			var room []byte
			if j.tail != nil {
				room = j.tail.open[:0]
			}
			j.tail = &chunk{kept: kube.StoredConfigMap{Name: chunkName(j.options.Name, j.options.Run, j.next)}, open: room}
			j.next++
		}
		for len(j.queue) > 0 && j.tail.takes(j.queue[0], j.limits) {
			j.tail.add(j.queue[0])
			j.queue = j.queue[1:]
		}
		if err := j.tail.compress(j.press); err != nil {
			return err
		}
	}
}
