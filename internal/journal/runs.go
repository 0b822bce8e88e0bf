package journal

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"bosgc/internal/kube"
)

// Info describes the journal of one run in the store.
type Info struct {
	Run     string    `json:"run"`
	Created time.Time `json:"createdAt"` // of its first chunk, by the API server's clock
	Chunks  int       `json:"chunks"`
	Entries int       `json:"entries"`
	Bytes   int       `json:"bytes"` // compressed

	chunks []storedChunk // sorted by number and version
}

// storedChunk is a chunk as a list returns it, without its content.
type storedChunk struct {
	number    int
	version   int // 0 also where an earlier version of bosgc has written it
	configMap kube.StoredConfigMap
}

// newest returns the newest version of each chunk, which has all that the others have.
func newest(sorted []storedChunk) []storedChunk {
	var all []storedChunk
	for i, c := range sorted {
		if i == len(sorted)-1 || sorted[i+1].number != c.number {
			all = append(all, c)
		}
	}
	return all
}

// Runs lists the runs that have a journal, the newest first. It reads only the labels of their chunks.
func Runs(ctx context.Context, store *kube.Store, name string) ([]Info, error) {
	runs, _, err := listRuns(ctx, store, name)
	slices.Reverse(runs)
	return runs, err
}

// listRuns returns the runs, the oldest first, and the ConfigMaps that have the journal's label but
// are none of its chunks.
func listRuns(ctx context.Context, store *kube.Store, name string) (runs []Info, strays []kube.StoredConfigMap, err error) {
	all, err := store.List(ctx, map[string]string{journalLabel: name})
	if err != nil {
		return nil, nil, fmt.Errorf("the journal: %w", err)
	}
	indexes := map[string]int{}
	for _, k := range all {
		chunk, run, ok := parseChunk(name, k)
		if !ok {
			strays = append(strays, k)
			continue
		}
		i, known := indexes[run]
		if !known {
			i = len(runs)
			indexes[run] = i
			runs = append(runs, Info{Run: run, Created: k.Created})
		}
		r := &runs[i]
		if k.Created.Before(r.Created) {
			r.Created = k.Created
		}
		r.chunks = append(r.chunks, chunk)
	}
	for i := range runs {
		r := &runs[i]
		slices.SortFunc(r.chunks, func(a, b storedChunk) int {
			return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.version, b.version))
		})
		for _, c := range newest(r.chunks) {
			r.Chunks++
			r.Bytes += compressedSize(c.configMap)
			r.Entries += numberLabel(c.configMap, entriesLabel, 0)
		}
	}
	// By the clock of one API server. The time in a run's name is that of some machine; it only
	// decides within one second.
	slices.SortFunc(runs, func(a, b Info) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Run, b.Run))
	})
	return runs, strays, nil
}

// compressedSize returns the size of a chunk by its label. Without a sensible label a chunk counts as
// large as one can be.
func compressedSize(k kube.StoredConfigMap) int { return numberLabel(k, bytesLabel, bodyLimit) }

func numberLabel(k kube.StoredConfigMap, label string, fallback int) int {
	n, err := strconv.Atoi(k.Labels[label])
	if err != nil || n < 0 || n > bodyLimit {
		return fallback
	}
	return n
}
