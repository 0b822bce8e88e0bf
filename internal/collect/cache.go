package collect

import (
	"bytes"
	"encoding/json"
	"slices"
	"sync"
)

// maxCached is how many bytes of records, and as many of ConfigMaps, a World keeps for the journal: enough for
// 10,000 sessions as they usually are. What does not fit is read again before it is deleted.
const maxCached = 32 << 20

// cache keeps what was read for a plan and is to be in the journal if the plan is carried out, so that nothing is
// read twice: BOS's records of sessions that have ended, by session, and the ConfigMaps whose content was read, by
// UID and resource version. Neither can change; each can only go.
type cache struct{ records, configMaps textCache }

// textCache keeps texts by a key, up to maxCached bytes.
type textCache struct {
	mu    sync.Mutex // guards what follows
	size  int
	texts map[string]json.RawMessage
}

func (c *textCache) put(key string, text json.RawMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.size+len(text) > maxCached {
		return
	}
	if c.texts == nil {
		c.texts = map[string]json.RawMessage{}
	}
	c.size += len(text)
	c.texts[key] = slices.Clip(bytes.Clone(text)) // an answer is read into a buffer that may be twice as large
}

// get returns nil for a text that was not kept.
func (c *textCache) get(key string) json.RawMessage {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.texts[key]
}

func versionKey(uid, resourceVersion string) string { return uid + " " + resourceVersion }
