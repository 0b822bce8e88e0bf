package journal

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
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

	// contentKey is the key of a chunk's lines. They are gzip, so that zcat reads them where bosgc does not
	// run (docs/safety.md), and any version those of any other.
	contentKey = "entries.jsonl.gz"

	lastChunk = 9999 // names have four digits

	// overhead is the size of a ConfigMap without its content: name, labels, managed fields.
	overhead = 1 << 10

	// readLimit bounds the content of one chunk when it is read: twice what is ever written, and small
	// enough that no damaged chunk exhausts the memory.
	readLimit = 1 << 20
)

// chunk is one ConfigMap of the current run.
type chunk struct {
	configMap kube.StoredConfigMap
	rawBytes  int    // size of its lines before compression
	entries   int    // entries that end in it
	sealed    []byte // its first lines, compressed; they are not compressed again
	open      []byte // the lines after those
	body      []byte // all lines, compressed
	stored    []byte // the body that is known to be in the cluster; nil before the first write
	writes    int
	dirty     bool // body is not known to be in the cluster
}

// fits reports whether a piece may be added; a nil chunk takes none.
func (c *chunk) fits(piece []byte, l limits) bool {
	return c != nil && c.writes < l.chunkWrites && (c.rawBytes == 0 || c.rawBytes+len(piece) <= l.chunkBytes)
}

func (c *chunk) add(piece []byte) {
	c.open = append(c.open, piece...)
	c.rawBytes += len(piece)
	c.entries += bytes.Count(piece, []byte("\n"))
}

// sealAt is the number of bytes that are compressed for good. A chunk grows in up to sixteen steps,
// and compressing all of it each time took most of the CPU time of a large sweep. The content is
// then several gzip streams, which read like one; each starts without the dictionary of those before
// it, which costs a few per cent of the size.
const sealAt = 64 << 10

// compress uses the writer w, whose tables take more than a megabyte.
func (c *chunk) compress(w *gzip.Writer) error {
	b := bytes.NewBuffer(bytes.Clone(c.sealed))
	w.Reset(b)
	_, err := w.Write(c.open)
	if err = errors.Join(err, w.Close()); err != nil {
		return fmt.Errorf("compress the journal: %w", err)
	}
	c.body, c.dirty = b.Bytes(), true
	if len(c.open) >= sealAt {
		c.sealed, c.open = c.body, nil
	}
	return nil
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

// gunzip returns the lines of a chunk, or with an error as much of them as can be read.
func gunzip(body []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	lines, err := io.ReadAll(io.LimitReader(r, readLimit+1))
	switch {
	case len(lines) > readLimit:
		return nil, fmt.Errorf("it comes to more than %d bytes", readLimit)
	case errors.Is(err, gzip.ErrHeader):
		return lines, errors.New("something follows its end")
	}
	return lines, err
}
