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

	lastChunk = 9999 // names have four digits

	// overhead is the size of a ConfigMap without its content: name, labels, managed fields.
	overhead = 1 << 10

	// bodyLimit bounds the size of a chunk that its label may claim, in bytes: that of a ConfigMap.
	bodyLimit = 1 << 20
)

// chunk is one ConfigMap of the current run.
type chunk struct {
	configMap kube.StoredConfigMap
	lines     *frame
	entries   int    // entries that end in it
	body      []byte // all lines, compressed
	stored    []byte // the body that is known to be in the cluster; nil before the first write
	writes    int
	dirty     bool // body is not known to be in the cluster
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
	c.configMap.UID, c.configMap.ResourceVersion = as.UID, as.ResourceVersion
	c.stored, c.dirty = c.body, false
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

// store writes one chunk. It returns nil only if the cluster has exactly its body.
func (j *Journal) store(ctx context.Context, c *chunk) error {
	growth := storedSize(len(c.body))
	if c.stored != nil {
		growth -= storedSize(len(c.stored))
	}
	if err := j.quota.makeRoom(ctx, growth); err != nil {
		return err
	}
	err := j.put(ctx, c)
	if err == nil {
		j.quota.used += growth
	}
	return err
}

func (j *Journal) put(ctx context.Context, c *chunk) error {
	c.configMap.Labels = map[string]string{
		journalLabel: j.options.Name, runLabel: j.options.Run,
		bytesLabel: strconv.Itoa(len(c.body)), entriesLabel: strconv.Itoa(c.entries),
	}
	c.configMap.Binary = map[string][]byte{contentKey: c.body}
	for retry := true; ; retry = false {
		written, err := j.options.Store.Put(ctx, c.configMap)
		if err == nil {
			c.markStored(written)
			return nil
		}
		// Also after a refusal: the store may have tried twice, and the second try was refused because
		// the first was carried out and its answer lost.
		stored, readErr := j.reconcile(ctx, c)
		switch {
		case stored:
			return nil
		case readErr != nil:
			return fmt.Errorf("write the journal: %w; what is there instead: %w", err, readErr)
		case !retry || !errors.Is(err, kube.ErrChanged):
			return fmt.Errorf("write the journal: %w", err)
		}
	}
}

// reconcile finds out whether a failed write has stored the chunk. If not, it takes over the version
// that the next write has to replace.
func (j *Journal) reconcile(ctx context.Context, c *chunk) (stored bool, err error) {
	found, presence, err := j.options.Store.Get(ctx, c.configMap.Name)
	if err != nil {
		return false, err
	}
	if presence == inventory.Absent {
		c.configMap.UID, c.configMap.ResourceVersion = "", ""
		return false, nil
	}
	body := found.Binary[contentKey]
	if bytes.Equal(body, c.body) {
		c.markStored(found)
		return true, nil
	}
	// Only what this run has written may be replaced. Somebody may have annotated it.
	if c.stored == nil || !bytes.Equal(body, c.stored) {
		return false, fmt.Errorf("ConfigMap %s has a content that this run did not write", c.configMap.Name)
	}
	c.configMap.UID, c.configMap.ResourceVersion = found.UID, found.ResourceVersion
	return false, nil
}

func storedSize(compressed int) int { return compressed + overhead }

func chunkName(journal, run string, number int) string {
	return fmt.Sprintf("%s-journal-%s-%04d", journal, run, number)
}

// parseChunk returns the run and the number of a chunk. A ConfigMap whose name and labels do not agree
// is not a chunk: somebody else has created or changed it.
func parseChunk(journal string, k kube.StoredConfigMap) (run string, number int, ok bool) {
	run = k.Labels[runLabel]
	dash := strings.LastIndexByte(k.Name, '-')
	number, err := strconv.Atoi(k.Name[dash+1:])
	return run, number, err == nil && runPattern.MatchString(run) && k.Name == chunkName(journal, run, number)
}
