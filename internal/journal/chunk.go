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
	// The labels of a chunk. They say all that is needed to make room without reading it.
	journalLabel = "bosgc/journal" // the name of the journal
	runLabel     = "bosgc/run"
	bytesLabel   = "bosgc/bytes"   // compressed
	entriesLabel = "bosgc/entries" // that end in it

	// contentKey is where a chunk's lines are.
	contentKey = "entries.jsonl.gz"

	lastChunk = 9999 // four digits

	// overhead is what a ConfigMap costs besides its content: name, labels, managed fields.
	overhead = 1 << 10

	// readLimit is what one chunk may come to when it is read: twice what is ever written, and
	// little enough that no damaged one eats the memory.
	readLimit = 1 << 20
)

// chunk is one ConfigMap of the run under way.
type chunk struct {
	kept   kube.StoredConfigMap
	size   int    // bytes of its lines
	lines  int    // that end in it
	sealed []byte // its first lines, compressed for good
	open   []byte // the lines after those, to which others may be added
	body   []byte // all of them, compressed
	stored []byte // the body that is known to be in the cluster
	puts   int
	dirty  bool // body is not known to be in the cluster
}

// takes says whether a piece may be added.
func (c *chunk) takes(piece []byte, l limits) bool {
	return c != nil && c.puts < l.puts && (c.size == 0 || c.size+len(piece) <= l.raw)
}

func (c *chunk) add(piece []byte) {
	c.open = append(c.open, piece...)
	c.size += len(piece)
	c.lines += bytes.Count(piece, []byte("\n"))
}

// sealAt is after how many bytes what is compressed is not compressed again with what is added to it. A chunk grows in up to
// sixteen steps, and compressing all of it each time was what a large sweep spent most of its own time on. Several
// streams of gzip, one after the other, are one for whoever reads them; each begins without knowing those
// before, which costs a few per cent of the size.
const sealAt = 64 << 10

func (c *chunk) compress(w *gzip.Writer) error {
	b := bytes.NewBuffer(bytes.Clone(c.sealed))
	w.Reset(b)
	_, err := w.Write(c.open)
	if err := errors.Join(err, w.Close()); err != nil {
		return fmt.Errorf("compress the journal: %w", err)
	}
	c.body, c.dirty = b.Bytes(), true
	if len(c.open) >= sealAt {
		c.sealed, c.open = c.body, c.open[:0]
	}
	return nil
}

func (c *chunk) written(as kube.StoredConfigMap) {
	c.kept.UID, c.kept.ResourceVersion = as.UID, as.ResourceVersion
	c.stored, c.dirty = c.body, false
	c.puts++
}

// pieces cuts a line that is longer than a chunk. Read side by side they are the line again.
func pieces(line []byte, limit int) [][]byte {
	var all [][]byte
	for len(line) > limit {
		all = append(all, line[:limit])
		line = line[limit:]
	}
	return append(all, line)
}

// put writes one chunk. It gives nil only when the cluster has exactly its body.
func (j *Journal) put(ctx context.Context, c *chunk) error {
	grows := cost(len(c.body))
	if c.stored != nil {
		grows -= cost(len(c.stored))
	}
	if err := j.room.make(ctx, grows); err != nil {
		return err
	}
	err := j.settle(ctx, c)
	if err == nil {
		j.room.used += grows
	}
	return err
}

func (j *Journal) settle(ctx context.Context, c *chunk) error {
	c.kept.Labels = map[string]string{
		journalLabel: j.options.Name, runLabel: j.options.Run, bytesLabel: strconv.Itoa(len(c.body)),
		entriesLabel: strconv.Itoa(c.lines),
	}
	c.kept.Binary = map[string][]byte{contentKey: c.body}
	for again := true; ; again = false {
		kept, err := j.options.Store.Put(ctx, c.kept)
		if err == nil {
			c.written(kept)
			return nil
		}
		// Also after a refusal: it may be one of the second try, after the first was carried
		// out and its answer lost.
		done, unseen := j.look(ctx, c)
		switch {
		case done:
			return nil
		case unseen != nil:
			return fmt.Errorf("write the journal: %w; what is there instead: %w", err, unseen)
		case !again || !errors.Is(err, kube.ErrChanged):
			return fmt.Errorf("write the journal: %w", err)
		}
	}
}

// look finds out what became of an earlier try, and which version is to be written over next.
func (j *Journal) look(ctx context.Context, c *chunk) (done bool, err error) {
	found, presence, err := j.options.Store.Get(ctx, c.kept.Name)
	if err != nil {
		return false, err
	}
	if presence == inventory.Absent {
		c.kept.UID, c.kept.ResourceVersion = "", ""
		return false, nil
	}
	body := found.Binary[contentKey]
	if bytes.Equal(body, c.body) {
		c.written(found)
		return true, nil
	}
	// Only what this run has put there may be written over. Somebody may have annotated it.
	if c.stored == nil || !bytes.Equal(body, c.stored) {
		return false, fmt.Errorf("ConfigMap %s has a content that this run did not write", c.kept.Name)
	}
	c.kept.UID, c.kept.ResourceVersion = found.UID, found.ResourceVersion
	return false, nil
}

func cost(compressed int) int { return compressed + overhead }

func chunkName(journal, run string, number int) string {
	return fmt.Sprintf("%s-journal-%s-%04d", journal, run, number)
}

// identify says which chunk a ConfigMap is. One whose name and labels do not fit together is none:
// somebody else has made or changed it.
func identify(journal string, k kube.StoredConfigMap) (run string, number int, ok bool) {
	run = k.Labels[runLabel]
	dash := strings.LastIndexByte(k.Name, '-')
	number, err := strconv.Atoi(k.Name[dash+1:])
	return run, number, err == nil && runForm.MatchString(run) && k.Name == chunkName(journal, run, number)
}

// gunzip gives the content of a chunk, or what can be read of it together with the error.
func gunzip(body []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(r, readLimit+1))
	switch {
	case len(raw) > readLimit:
		return nil, fmt.Errorf("it comes to more than %d bytes", readLimit)
	case errors.Is(err, gzip.ErrHeader):
		return raw, errors.New("something follows its end")
	}
	return raw, err
}
