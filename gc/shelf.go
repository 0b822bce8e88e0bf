package gc

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
)

// kept is what was read to make a plan and is to be in the journal if the plan is carried out, so that nothing has to be
// read twice: BOS's records of sessions that have ended, by session, and the ConfigMaps whose content was looked at, by UID
// and resource version. Neither can change; each can only go.
type kept struct{ records, contents shelf }

// shelf keeps texts that are mostly alike, compressed: ten thousand ConfigMaps of sessions, of a few KiB each, take some
// hundred bytes each. What there is no room for is read again.
type shelf struct {
	mu    sync.Mutex // guards what follows
	used  int
	like  []byte // the first text: of the others little more is kept than how they differ from it
	press *flate.Writer
	out   bytes.Buffer // of press
	// unpress is used again and again: each has a window of 32 KiB.
	unpress io.ReadCloser
	texts   map[string]packed
}

type packed struct {
	packed string
	size   int // of the text
}

const (
	// shelfRoom is how many bytes a shelf takes: enough for ten thousand texts as they usually are, and little beside what a
	// plan of so many holds.
	shelfRoom = 4 << 20
	// likeness is how much of a text others can be compared with: flate looks back no further.
	likeness = 32 << 10
	// fast is the fastest level of flate that heeds what it is to compare with.
	fast = 2
)

// close lets go of what only putting needs, a mebibyte for each shelf.
func (k *kept) close() {
	for _, s := range []*shelf{&k.records, &k.contents} {
		s.press, s.out = nil, bytes.Buffer{}
	}
}

func (s *shelf) put(key string, text json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.texts != nil && s.press == nil {
		return // closed: it is read again when it is needed
	}
	if s.texts == nil {
		s.texts, s.like = map[string]packed{}, bytes.Clone(text[:min(len(text), likeness)])
		s.press, _ = flate.NewWriterDict(nil, fast, s.like) // the only error is a level that there is not
	}
	s.out.Reset()
	s.press.Reset(&s.out) // to what it was with the dictionary
	_, err := s.press.Write(text)
	if err != nil || s.press.Close() != nil || s.used+s.out.Len() > shelfRoom {
		return
	}
	s.used += s.out.Len()
	s.texts[key] = packed{s.out.String(), len(text)}
}

// get gives what was kept; nil if nothing was.
func (s *shelf) get(key string) json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, there := s.texts[key]
	if !there {
		return nil
	}
	source := strings.NewReader(kept.packed)
	if s.unpress == nil {
		s.unpress = flate.NewReaderDict(source, s.like)
	} else if s.unpress.(flate.Resetter).Reset(source, s.like) != nil {
		return nil
	}
	text := make([]byte, kept.size+1)
	// What does not compress at all may come back with the dictionary before it, and so be longer.
	if n, err := io.ReadFull(s.unpress, text); n != kept.size || !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return text[:kept.size]
}
