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

	"bosgc/inventory"
	"bosgc/kube"
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
	kept   kube.Kept
	raw    []byte // its lines
	body   []byte // the same, compressed
	stored []byte // the body that is known to be in the cluster
	puts   int
	dirty  bool // body is not known to be in the cluster
}

// takes says whether a piece may be added.
func (c *chunk) takes(piece []byte, l limits) bool {
	return c != nil && c.puts < l.puts && (len(c.raw) == 0 || len(c.raw)+len(piece) <= l.raw)
}

func (c *chunk) compress() error {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(c.raw)
	if err := errors.Join(err, w.Close()); err != nil {
		return fmt.Errorf("compress the journal: %w", err)
	}
	c.body, c.dirty = b.Bytes(), true
	return nil
}

func (c *chunk) written(as kube.Kept) {
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
		entriesLabel: strconv.Itoa(bytes.Count(c.raw, []byte("\n"))),
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
func identify(journal string, k kube.Kept) (run string, number int, ok bool) {
	run = k.Labels[runLabel]
	dash := strings.LastIndexByte(k.Name, '-')
	number, err := strconv.Atoi(k.Name[dash+1:])
	return run, number, err == nil && runForm.MatchString(run) && k.Name == chunkName(journal, run, number)
}

// gunzip gives the content of a chunk, or what can be read of it together with the error.
func gunzip(body []byte) ([]byte, error) {
	source := bytes.NewReader(body)
	r, err := gzip.NewReader(source)
	if err != nil {
		return nil, err
	}
	r.Multistream(false)
	raw, err := io.ReadAll(io.LimitReader(r, readLimit+1))
	switch {
	case len(raw) > readLimit:
		return nil, fmt.Errorf("it comes to more than %d bytes", readLimit)
	case err != nil:
		return raw, err
	case source.Len() > 0:
		return raw, errors.New("something follows its end")
	}
	return raw, nil
}
