package state

import (
	"encoding/json"
	"fmt"
	"time"
)

// Batcher is the Deployment of CFS's batcher while it is restarted. It is written before the Deployment is scaled to 0
// and removed when it is up again, so that the next run can finish what a run that died has left undone.
type Batcher struct {
	Deployment string    `json:"deployment"`
	Replicas   int32     `json:"replicas"` // that it had, and is to have again
	Run        string    `json:"run"`
	At         time.Time `json:"at"`
}

// decodeBatcher decodes this part alone: a batcher that is down must come up whatever became of the rest of the state.
func decodeBatcher(data map[string]string) (b Batcher, err error) {
	if text := data[keyBatcher]; text != "" {
		if err = json.Unmarshal([]byte(text), &b); err != nil {
			err = fmt.Errorf("%w: %s: %w", ErrUnreadable, keyBatcher, err)
		}
	}
	return b, err
}
