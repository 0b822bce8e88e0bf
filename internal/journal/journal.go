// Package journal stores every object that bosgc is about to delete, as a whole: in ConfigMaps beside
// the state, and in a file if there is a folder for it. An entry is written before its object is
// deleted, so the journal has everything that a run has deleted, wherever the run was killed.
package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"bosgc/internal/kube"
)

// Component is the kind of an entry for a desired configuration that was unset. All other kinds are
// those of policy.Kinds.
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

	// Object is the object as its API returned it: a manifest, the answer of BOS or CFS (none for a
	// ghost), or {"desiredConfig": "<previous value>"} of a Component.
	Object json.RawMessage `json:"object,omitempty"`
}

// limits bound the size of a journal. Only tests use other limits than defaultLimits.
type limits struct {
	chunkBytes  int // bytes of one chunk, compressed
	rawBytes    int // bytes of lines in one chunk, before compression
	chunkWrites int // writes of one chunk
	totalBytes  int // compressed bytes of all chunks of all runs, with versions that are replaced and not deleted yet
}

// readLimit bounds the lines of one chunk when it is read, in bytes: what is ever written, and small enough that no
// damaged chunk exhausts the memory.
const readLimit = 16 << 20

var defaultLimits = limits{
	// With its metadata, and in base64, a chunk is below the 1 MiB of a ConfigMap and the 1.5 MiB of a request to
	// etcd, also if the last thing that was added does not compress at all.
	chunkBytes: 512 << 10,
	rawBytes:   readLimit,
	// A chunk is written as a whole each time something is added to it. Without a limit, a run that
	// adds a little a thousand times would send half a chunk a thousand times, and etcd would keep
	// each of them until its next compaction. With it, each byte is sent at most 16 times, about half
	// as often on average, and a run of a thousand deletes has at most 63 chunks.
	chunkWrites: 16,
	// A full etcd refuses all writes of the whole cluster; it is full at 2 GiB by default. This is
	// less than a hundredth of that, and less than a tenth while rewritten chunks are not compacted
	// yet. It is enough: the entries of a thousand sessions take less than 1 MiB.
	totalBytes: 16 << 20,
}

// ErrFull is returned when the journal has no room for an entry, so that its object must stay.
var ErrFull = errors.New("the journal is full")

// Options configure the journal of a run.
type Options struct {
	Store *kube.Store
	Name  string // its ConfigMaps are <Name>-journal-<Run>-<number>-<version>
	Run   string
	Dir   string // folder for a copy as JSON lines; empty for none
	Runs  int    // runs that the store holds, including this one; at least 1
}

// Journal is the journal of the current run. It is safe for concurrent use.
type Journal struct {
	options Options
	limits  limits

	mu      sync.Mutex // guards pending and writing
	pending []*pendingWrite
	writing bool // a goroutine runs drain; only that one uses the fields below

	file       *file // nil without a folder
	quota      *quota
	current    *chunk                 // the chunk that is written; nil before the first
	outdated   []kube.StoredConfigMap // versions that newer ones have replaced
	nextNumber int                    // of the next chunk
	queue      [][]byte
	lastWrite  time.Time // when the last write began; zero before the first
	encoder    *zstd.Encoder
}

// pendingWrite is one call of Write.
type pendingWrite struct {
	lines [][]byte
	done  chan error
}

var runPattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// Open opens the journal of a run. It first makes room by dropping whole runs, the oldest first. Call
// it only when there is something to delete: an idle run would otherwise cost an old one its place.
// After an error nothing may be deleted: the limits cannot be kept, or the folder cannot be written.
func Open(ctx context.Context, o Options) (*Journal, error) { return open(ctx, o, defaultLimits) }

func open(ctx context.Context, o Options, l limits) (*Journal, error) {
	if !runPattern.MatchString(o.Run) || o.Runs < 1 {
		return nil, fmt.Errorf("journal of run %q, %d runs: a name of lower-case letters, digits and dashes "+
			"and at least 1 are expected", o.Run, o.Runs)
	}
	j := &Journal{options: o, limits: l}
	if o.Dir != "" {
		j.file = &file{dir: o.Dir, name: o.Name + "-journal-" + o.Run + ".jsonl"}
		checked := make(chan error, 1)
		go func() { checked <- j.file.checkWritable() }()
		select { // a file system that hangs must not hang the run
		case err := <-checked:
			if err != nil {
				return nil, err
			}
		case <-ctx.Done():
			return nil, j.file.wrap(context.Cause(ctx))
		}
	}
	var err error
	if j.encoder, err = newEncoder(); err != nil {
		return nil, err
	}
	if j.quota, err = newQuota(ctx, o, l); err != nil {
		return nil, err
	}
	return j, j.quota.makeRoom(ctx, 0)
}

// Discard removes the journal of a run that has certainly deleted nothing. Otherwise such runs would
// push out, one after the other, the runs that have.
func (j *Journal) Discard(ctx context.Context) error {
	chunks, err := j.options.Store.List(ctx, map[string]string{
		journalLabel: j.options.Name, runLabel: j.options.Run,
	})
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

// Close closes the file. It has no error to return: all that Write has confirmed is on the disk.
func (j *Journal) Close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file != nil && !j.writing { // a Write whose caller gave up ends with the process
		j.file.close()
	}
}

// Write adds entries and fills in their run. If it returns nil, each of them is in the cluster, and
// on the disk if there is a folder; only then may the objects be deleted. After an error some of them
// may be in the journal nevertheless: restore ignores an entry whose object still exists. After
// ErrFull no later entry will fit either.
func (j *Journal) Write(ctx context.Context, entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	w := &pendingWrite{done: make(chan error, 1)}
	for _, e := range entries {
		e.Run = j.options.Run
		line, err := encode(e)
		if err != nil {
			return fmt.Errorf("journal entry of %s %s: %w", e.Kind, e.Name, err)
		}
		w.lines = append(w.lines, line)
	}
	j.mu.Lock()
	j.pending = append(j.pending, w)
	if !j.writing {
		j.writing = true
		// A write carries the entries of several callers, and each of them may give up for itself.
		// The store has a deadline of its own for every request.
		go j.drain(context.WithoutCancel(ctx))
	}
	j.mu.Unlock()
	select {
	case err := <-w.done:
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

// writeInterval is the shortest time between the starts of two writes. A sweep works on thirty
// sessions at a time, and most of them have their entries ready by then: one request, of which etcd
// keeps a copy, serves thirty of them instead of three. A session waits that much longer while the
// others go on.
const writeInterval = 50 * time.Millisecond

// drain writes until nothing is pending. What arrives during a write, or shortly after it, goes out
// together in the next one.
func (j *Journal) drain(ctx context.Context) {
	for {
		j.mu.Lock()
		if len(j.pending) == 0 {
			j.writing = false
			j.mu.Unlock()
			return
		}
		j.mu.Unlock()
		time.Sleep(time.Until(j.lastWrite.Add(writeInterval)))
		j.lastWrite = time.Now()
		j.mu.Lock()
		batch := j.pending
		j.pending = nil
		j.mu.Unlock()
		var lines [][]byte
		for _, w := range batch {
			lines = append(lines, w.lines...)
		}
		err := j.writeLines(ctx, lines)
		for _, w := range batch {
			w.done <- err
		}
	}
}

func (j *Journal) writeLines(ctx context.Context, lines [][]byte) error {
	// What an earlier write has left goes first, unchanged: nobody knows whether it is in the cluster.
	// So a chunk in the cluster is always the beginning of its next version, and nothing has to be
	// taken back.
	if err := j.flush(ctx); err != nil {
		return err
	}
	if j.file != nil {
		if err := j.file.appendLines(lines); err != nil {
			return err
		}
	}
	for _, line := range lines {
		j.queue = append(j.queue, splitLine(line, j.limits.chunkBytes)...)
	}
	return j.flush(ctx)
}

// flush writes until the queue is empty.
func (j *Journal) flush(ctx context.Context) error {
	for {
		if j.current != nil && j.current.dirty {
			if err := j.store(ctx, j.current); err != nil {
				return err
			}
		}
		if len(j.queue) == 0 {
			return nil
		}
		if !j.current.fits(j.queue[0], j.limits) {
			if j.nextNumber > lastChunk {
				return fmt.Errorf("%w: it has %d chunks", ErrFull, j.nextNumber)
			}
			j.current = &chunk{number: j.nextNumber, lines: newFrame(j.encoder)}
			j.nextNumber++
		}
		for len(j.queue) > 0 && j.current.fits(j.queue[0], j.limits) {
			if err := j.current.add(j.queue[0]); err != nil {
				return err
			}
			j.queue = j.queue[1:]
		}
		if err := j.current.complete(); err != nil {
			return err
		}
	}
}
