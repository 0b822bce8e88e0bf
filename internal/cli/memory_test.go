package cli

import "testing"

// The limit is above what is alive, by enough for collections to come to an end, and grows with it.
func TestMemoryLimit(t *testing.T) {
	last := int64(0)
	for _, live := range []int64{0, 1 << 20, 20 << 20, 40 << 20, 200 << 20, 2 << 30} {
		limit := limitFor(live)
		if limit < leastMemory || limit < live+live/5 || limit < last {
			t.Errorf("%d bytes are alive, and the limit is %d, after %d", live, limit, last)
		}
		last = limit
	}
}
