package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bosgc/internal/kube"
)

// quota bounds what the store holds: the current run, other runs, and what is not understood.
type quota struct {
	store     *kube.Store
	maxOthers int
	maxBytes  int
	used      int    // bytes, including those of the current run
	others    []Info // the oldest first
	strays    []kube.StoredConfigMap
}

// newQuota lists what the store holds. It fails if the run has a journal already.
func newQuota(ctx context.Context, o Options, l limits) (*quota, error) {
	q := &quota{store: o.Store, maxOthers: o.Runs - 1, maxBytes: l.totalBytes}
	var err error
	if q.others, q.strays, err = listRuns(ctx, o.Store, o.Name); err != nil {
		return nil, err
	}
	for _, other := range q.others {
		if other.Run == o.Run {
			return nil, fmt.Errorf("there is a journal of run %s already", o.Run)
		}
		for _, c := range other.chunks {
			q.used += storedSize(compressedSize(c.configMap))
		}
	}
	for _, k := range q.strays {
		q.used += storedSize(compressedSize(k))
	}
	return q, nil
}

// makeRoom drops whole runs, the oldest first, until there is room for some more bytes.
//
// A run that cannot be dropped stays, and the next one is dropped instead: one ConfigMap that nobody
// can delete must not stop all sweeps. makeRoom fails only if the limits would be exceeded: a journal
// that nobody can shorten would grow with every sweep, until the cluster's etcd is full.
//
// A ConfigMap that is not understood is never dropped, because nobody knows whose it is. It counts.
func (q *quota) makeRoom(ctx context.Context, bytes int) error {
	var failed error
	for i := 0; i < len(q.others) && q.exceeded(bytes); {
		if err := q.drop(ctx, &q.others[i]); err != nil {
			failed = errors.Join(failed, err)
			i++
			continue
		}
		q.others = slices.Delete(q.others, i, i+1)
	}
	switch {
	case !q.exceeded(bytes):
		return nil
	case failed != nil:
		return fmt.Errorf("%w: old runs cannot be dropped from it: %w", ErrFull, failed)
	case len(q.strays) > 0:
		return fmt.Errorf("%w: %d of %d bytes are used; %d ConfigMaps have its label and are not understood, "+
			"such as %s: remove them if nobody needs them",
			ErrFull, q.used, q.maxBytes, len(q.strays), q.strays[0].Name)
	}
	return fmt.Errorf("%w: this run has used %d of %d bytes; what is left is for the next run",
		ErrFull, q.used, q.maxBytes)
}

func (q *quota) exceeded(bytes int) bool {
	return len(q.others) > q.maxOthers || q.used+bytes > q.maxBytes
}

// drop deletes a run from its beginning, and versions that were replaced before what has replaced them. If it is
// interrupted, the rest does not pass for a whole run, because its beginning is missing.
func (q *quota) drop(ctx context.Context, run *Info) error {
	for len(run.chunks) > 0 {
		k := run.chunks[0].configMap
		if err := q.store.Delete(ctx, k); err != nil {
			return fmt.Errorf("drop run %s: %w", run.Run, err)
		}
		q.used -= storedSize(compressedSize(k))
		run.chunks = run.chunks[1:]
	}
	return nil
}
