package cfs

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/transport"
)

// Timing holds the options of CFS that say how fast its batcher reacts.
type Timing struct {
	Window   time.Duration // how long a batch that is not full waits for more components
	Interval time.Duration // time between two checks of the components
	Disabled bool          // the batcher creates no CFS sessions
}

// maxTiming is the longest window or interval that is accepted: a caller that waits for the batcher
// waits that long.
const maxTiming = time.Hour

// Timing reads the options of the batcher. An option that is missing or null has the batcher's own
// default (docs/csm.md, "CFS options").
func (c *Client) Timing(ctx context.Context) (Timing, error) {
	version, err := c.version(ctx)
	if err != nil {
		return Timing{}, err
	}
	options, err := c.options(ctx, version)
	if err != nil {
		return Timing{}, err
	}
	window, interval, disable := "batchWindow", "batcherCheckInterval", "batcherDisable"
	if version == "/v3" {
		window, interval, disable = "batch_window", "batcher_check_interval", "batcher_disable"
	}
	timing := Timing{}
	if timing.Window, err = parseSeconds(options[window], 60*time.Second); err != nil {
		return Timing{}, fmt.Errorf("GET %s/options: option %s: %w", version, window, err)
	}
	if timing.Interval, err = parseSeconds(options[interval], 10*time.Second); err != nil {
		return Timing{}, fmt.Errorf("GET %s/options: option %s: %w", version, interval, err)
	}
	if value := options[disable]; len(value) > 0 {
		if err := json.Unmarshal(value, &timing.Disabled); err != nil {
			return Timing{}, fmt.Errorf("GET %s/options: option %s is %s, where true or false is expected",
				version, disable, transport.Printable(string(value), 80))
		}
	}
	return timing, nil
}

// parseSeconds parses a number of seconds. It returns usual if there is none.
func parseSeconds(value json.RawMessage, usual time.Duration) (time.Duration, error) {
	if len(value) == 0 || string(value) == "null" {
		return usual, nil
	}
	var n float64
	if err := json.Unmarshal(value, &n); err != nil || n < 0 || n > maxTiming.Seconds() {
		return 0, fmt.Errorf("%s is no number of seconds between 0 and %.0f: set it right in the options of CFS",
			transport.Printable(string(value), 80), maxTiming.Seconds())
	}
	return time.Duration(n * float64(time.Second)), nil
}

// IsBatcher reports whether the batcher takes a CFS session for one of its own when it starts. It
// goes by the name alone, wherever in it the word is (docs/csm.md, "The batcher").
func IsBatcher(c inventory.CFSSession) bool { return strings.Contains(c.Name, "batcher") }
