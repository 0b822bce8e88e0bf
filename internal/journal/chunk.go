package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"bosgc/internal/inventory"
	"bosgc/internal/kube"
)

const (
	// Labels of a chunk. They have all that is needed to make room without reading its content.
	journalLabel = "bosgc/journal" // the name of the journal
	runLabel     = "bosgc/run"
	bytesLabel   = "bosgc/bytes"   // compressed size
	entriesLabel = "bosgc/entries" // number of entries that end in the chunk

	// contentKey is the key of a chunk's lines, as one zstd frame: "zstd -dc" reads them where bosgc does not run
	// (docs/safety.md).
	contentKey = "entries.jsonl.zst"
	// formerKey is the key that earlier versions of bosgc have written: gzip streams, one after the other.
	formerKey = "entries.jsonl.gz"
	// formerLimit bounds the lines of one such chunk, in bytes: twice what was ever written.
	formerLimit = 1 << 20

	lastChunk = 9999 // names have four digits, and two for the version

	// overhead is the size of a ConfigMap without its content: name, labels, managed fields.
	overhead = 1 << 10

	// bodyLimit bounds the size of a chunk that its label may claim, in bytes: that of a ConfigMap.
	bodyLimit = 1 << 20
)

// chunk is a part of the journal of the current run. No ConfigMap is ever written twice: what is added to a chunk goes
// into a new version of it, with all that was there before, and then the former version is deleted. So the account
// needs no permission to change the ConfigMaps of journals, and whoever takes it over cannot rewrite what was deleted.
type chunk struct {
	number  int
	lines   *frame
	entries int                   // entries that end in it
	body    []byte                // all lines, compressed
	stored  *kube.StoredConfigMap // the version that is known to be in the cluster; nil before the first write
	writes  int                   // versions that are known to have been there
	dirty   bool                  // body is not known to be in the cluster
}

// fits reports whether a piece may be added; a nil chunk takes none.
func (c *chunk) fits(piece []byte, l limits) bool {
	return c != nil && c.writes < l.chunkWrites && (c.lines.raw == 0 ||
		c.lines.raw+len(piece) <= l.rawBytes && c.lines.maxSize()+len(piece) <= l.chunkBytes)
}

func (c *chunk) add(piece []byte) error {
	c.entries += bytes.Count(piece, []byte("\n"))
	return c.lines.add(piece)
}

// complete makes the body from the lines.
func (c *chunk) complete() (err error) {
	c.body, err = c.lines.body()
	c.dirty = err == nil
	return err
}

func (c *chunk) markStored(as kube.StoredConfigMap) {
	c.stored, c.dirty = &as, false
	c.writes++
}

// splitLine splits a line that is longer than a chunk. Joined, the pieces are the line again.
func splitLine(line []byte, limit int) [][]byte {
	var pieces [][]byte
	for len(line) > limit {
		pieces = append(pieces, line[:limit])
		line = line[limit:]
	}
	return append(pieces, line)
}

// store writes a new version of a chunk. It returns nil only if the cluster has exactly its body.
func (j *Journal) store(ctx context.Context, c *chunk) error {
	size := storedSize(len(c.body))
	if err := j.quota.makeRoom(ctx, size); err != nil {
		return err
	}
	former := c.stored
	if err := j.put(ctx, c); err != nil {
		return err
	}
	j.quota.used += size
	if former != nil {
		j.outdated = append(j.outdated, *former)
	}
	j.dropOutdated(ctx)
	return nil
}

// dropOutdated deletes versions that a newer one has replaced. What cannot be deleted is no reason to stop: it counts,
// is tried again after the next write, and goes with its run at the latest.
func (j *Journal) dropOutdated(ctx context.Context) {
	for len(j.outdated) > 0 {
		former := j.outdated[0]
		err := j.options.Store.Delete(ctx, former)
		if err != nil && !errors.Is(err, kube.ErrChanged) { // somebody has annotated it, say
			return
		}
		if err == nil {
			j.quota.used -= storedSize(compressedSize(former))
		}
		j.outdated = j.outdated[1:]
	}
}

func (j *Journal) put(ctx context.Context, c *chunk) error {
	version := kube.StoredConfigMap{
		Name: versionName(j.options.Name, j.options.Run, c.number, c.writes),
		Labels: map[string]string{
			journalLabel: j.options.Name, runLabel: j.options.Run,
			bytesLabel: strconv.Itoa(len(c.body)), entriesLabel: strconv.Itoa(c.entries),
		},
		Binary: map[string][]byte{contentKey: c.body},
	}
	written, err := j.options.Store.Put(ctx, version)
	if err == nil {
		c.markStored(written)
		return nil
	}
	// Also after a refusal: the store may have tried twice, and the second try was refused because
	// the first was carried out and its answer lost.
	stored, readErr := j.reconcile(ctx, c, version.Name)
	switch {
	case stored:
		return nil
	case readErr != nil:
		return fmt.Errorf("write the journal: %w; what is there instead: %w", err, readErr)
	}
	return fmt.Errorf("write the journal: %w", err)
}

// reconcile finds out whether a failed write has stored the chunk.
func (j *Journal) reconcile(ctx context.Context, c *chunk, name string) (stored bool, err error) {
	found, presence, err := j.options.Store.Get(ctx, name)
	switch {
	case err != nil:
		return false, err
	case presence == inventory.Absent:
		return false, nil
	case !bytes.Equal(found.Binary[contentKey], c.body):
		return false, fmt.Errorf("ConfigMap %s has a content that this run did not write", name)
	}
	c.markStored(found)
	return true, nil
}

func storedSize(compressed int) int { return compressed + overhead }

// chunkName returns what the names of a chunk's versions begin with. Earlier versions of bosgc, which wrote chunks over,
// have named the chunk itself so.
func chunkName(journal, run string, number int) string {
	return fmt.Sprintf("%s-journal-%s-%04d", journal, run, number)
}

func versionName(journal, run string, number, version int) string {
	return fmt.Sprintf("%s-%02d", chunkName(journal, run, number), version)
}

// parseChunk returns the run, the number and the version of a chunk. A ConfigMap whose name and labels do not agree
// is not a chunk: somebody else has created or changed it.
func parseChunk(journal string, k kube.StoredConfigMap) (chunk storedChunk, run string, ok bool) {
	run = k.Labels[runLabel]
	chunk.configMap = k
	digits, versionDigits, versioned := strings.Cut(strings.TrimPrefix(k.Name, journal+"-journal-"+run+"-"), "-")
	number, err := strconv.Atoi(digits)
	if err != nil || !runPattern.MatchString(run) {
		return chunk, run, false
	}
	chunk.number = number
	if !versioned {
		return chunk, run, k.Name == chunkName(journal, run, number)
	}
	chunk.version, err = strconv.Atoi(versionDigits)
	return chunk, run, err == nil && k.Name == versionName(journal, run, number, chunk.version)
}
