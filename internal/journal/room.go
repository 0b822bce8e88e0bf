package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"bosgc/internal/kube"
)

// Info is what the store has of one run's journal.
type Info struct {
	Run     string    `json:"run"`
	Created time.Time `json:"createdAt"` // its first chunk, by the API server's clock
	Chunks  int       `json:"chunks"`
	Entries int       `json:"entries"`
	Bytes   int       `json:"bytes"` // compressed

	chunks []numbered
}

type numbered struct {
	number int
	kept   kube.StoredConfigMap
}

// Runs lists the runs that have a journal, the newest first. Of each only what the labels of its
// chunks say is read.
func Runs(ctx context.Context, store *kube.Store, name string) ([]Info, error) {
	runs, _, err := list(ctx, store, name)
	slices.Reverse(runs)
	return runs, err
}

// list gives the runs, the oldest first, with their chunks in order; and what claims to be of the
// journal and cannot be understood.
func list(ctx context.Context, store *kube.Store, name string) (runs []Info, strays []kube.StoredConfigMap, err error) {
	all, err := store.List(ctx, map[string]string{journalLabel: name})
	if err != nil {
		return nil, nil, fmt.Errorf("the journal: %w", err)
	}
	at := map[string]int{}
	for _, k := range all {
		run, number, ok := identify(name, k)
		if !ok {
			strays = append(strays, k)
			continue
		}
		i, known := at[run]
		if !known {
			i = len(runs)
			at[run] = i
			runs = append(runs, Info{Run: run, Created: k.Created})
		}
		r := &runs[i]
		if k.Created.Before(r.Created) {
			r.Created = k.Created
		}
		r.Chunks++
		r.Bytes += size(k)
		r.Entries += count(k, entriesLabel, 0)
		r.chunks = append(r.chunks, numbered{number, k})
	}
	for _, r := range runs {
		slices.SortFunc(r.chunks, func(a, b numbered) int { return cmp.Compare(a.number, b.number) })
	}
	// The clock of one API server, and not the one in the run's name, which any machine may
	// have given; only within one second is that the better witness.
	slices.SortFunc(runs, func(a, b Info) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Run, b.Run)) })
	return runs, strays, nil
}

// size is what a chunk weighs. Without a label that makes sense it is as heavy as one can be.
func size(k kube.StoredConfigMap) int { return count(k, bytesLabel, readLimit) }

func count(k kube.StoredConfigMap, label string, otherwise int) int {
	n, err := strconv.Atoi(k.Labels[label])
	if err != nil || n < 0 || n > readLimit {
		return otherwise
	}
	return n
}

// room is what the store holds besides the run under way, and how much there may be.
type room struct {
	store  *kube.Store
	runs   int    // how many others may stay
	limit  int    // bytes
	used   int    // bytes, of this run too
	others []Info // the oldest first
	strays []kube.StoredConfigMap
}

// survey finds out what there is.
func survey(ctx context.Context, o Options, l limits) (*room, error) {
	r := &room{store: o.Store, runs: o.Runs - 1, limit: l.total}
	var err error
	if r.others, r.strays, err = list(ctx, o.Store, o.Name); err != nil {
		return nil, err
	}
	for _, other := range r.others {
		if other.Run == o.Run {
			return nil, fmt.Errorf("there is a journal of run %s already", o.Run)
		}
		r.used += other.Bytes + other.Chunks*overhead
	}
	for _, k := range r.strays {
		r.used += cost(size(k))
	}
	return r, nil
}

// make drops whole runs, the oldest first, until there is room for so many more bytes. What
// cannot be dropped stays in its place while the next older one can go instead: one that
// nobody can delete must not stop all sweeps. It is an error only if the bounds would be
// broken, because a journal that nobody can shorten would grow with every sweep, until the
// cluster's etcd is full.
//
// What is not understood is never dropped, since nobody knows whose it is. It counts, though.
func (r *room) make(ctx context.Context, bytes int) error {
	var failed error
	for i := 0; i < len(r.others) && r.short(bytes); {
		if err := r.drop(ctx, &r.others[i]); err != nil {
			failed = errors.Join(failed, err)
			i++
			continue
		}
		r.others = slices.Delete(r.others, i, i+1)
	}
	switch {
	case !r.short(bytes):
		return nil
	case failed != nil:
		return fmt.Errorf("%w: old runs cannot be dropped from it: %w", ErrFull, failed)
	case len(r.strays) > 0:
		return fmt.Errorf("%w: %d of %d bytes are used; %d ConfigMaps have its label and are not understood, such as %s: remove them if nobody needs them",
			ErrFull, r.used, r.limit, len(r.strays), r.strays[0].Name)
	}
	return fmt.Errorf("%w: this run has used %d of %d bytes; what is left is for the next run", ErrFull, r.used, r.limit)
}

func (r *room) short(bytes int) bool { return len(r.others) > r.runs || r.used+bytes > r.limit }

// drop deletes a run from its beginning: if it is stopped on the way, what remains can be told
// from a run that is whole, because a beginning is missing.
func (r *room) drop(ctx context.Context, run *Info) error {
	for len(run.chunks) > 0 {
		k := run.chunks[0].kept
		if err := r.store.Delete(ctx, k); err != nil {
			return fmt.Errorf("drop run %s: %w", run.Run, err)
		}
		r.used -= cost(size(k))
		run.chunks = run.chunks[1:]
	}
	return nil
}
