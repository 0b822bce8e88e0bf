package gc

import (
	"encoding/json"
	"sync"
)

// maxCached is how many bytes of records and ConfigMaps a plan keeps for its journal: enough for 10,000
// sessions as they usually are. What does not fit is read again before it is deleted.
const maxCached = 32 << 20

// kept is what was read to make a plan and is to be in the journal if the plan is carried out, so that nothing has to be
// read twice: BOS's records of sessions that have ended, by session, and the ConfigMaps whose content was looked at, by UID
// and resource version. Neither can change; each can only go.
type kept struct{ records, contents shelf }

// shelf keeps texts by a key, up to maxCached bytes.
type shelf struct {
	mu    sync.Mutex // guards what follows
	size  int
	texts map[string]json.RawMessage
}

func (s *shelf) put(key string, text json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.size+len(text) > maxCached {
		return
	}
	if s.texts == nil {
		s.texts = map[string]json.RawMessage{}
	}
	s.size += len(text)
	s.texts[key] = text
}

// get returns what was kept; nil if nothing was.
func (s *shelf) get(key string) json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.texts[key]
}
