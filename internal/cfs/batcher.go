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

// Timing is how fast the batcher of CFS reacts.
type Timing struct {
	Window   time.Duration // for how long a batch that is not full waits for more components
	Interval time.Duration // between two looks at the components
	Disabled bool          // it makes no new CFS sessions
}

// maxTiming is the longest window or interval that is believed: whoever waits for the batcher waits for that long.
const maxTiming = time.Hour

// Timing asks CFS for the options of its batcher. What is not among them is as the batcher has it
// by itself (docs/csm.md, "CFS options"). It is an error if a time is none.
func (c *Client) Timing(ctx context.Context) (Timing, error) {
	version, err := c.base(ctx)
	if err != nil {
		return Timing{}, err
	}
	path := version + "/options"
	answer, err := c.get(ctx, transport.Request{Path: path})
	if err != nil {
		return Timing{}, err
	}
	window, interval, disable := "batchWindow", "batcherCheckInterval", "batcherDisable"
	if version == "/v3" {
		window, interval, disable = "batch_window", "batcher_check_interval", "batcher_disable"
	}
	var options map[string]json.RawMessage
	if err := json.Unmarshal(answer.Body, &options); err != nil || options == nil {
		return Timing{}, fmt.Errorf("GET %s: the answer is no JSON object but begins %q", path, transport.Printable(string(answer.Body), 80))
	}
	timing := Timing{}
	if timing.Window, err = seconds(options[window], 60*time.Second); err != nil {
		return Timing{}, fmt.Errorf("GET %s: option %s: %w", path, window, err)
	}
	if timing.Interval, err = seconds(options[interval], 10*time.Second); err != nil {
		return Timing{}, fmt.Errorf("GET %s: option %s: %w", path, interval, err)
	}
	if value := options[disable]; len(value) > 0 {
		if err := json.Unmarshal(value, &timing.Disabled); err != nil {
			return Timing{}, fmt.Errorf("GET %s: option %s is %s, where true or false is expected", path, disable, transport.Printable(string(value), 80))
		}
	}
	return timing, nil
}

// seconds reads a number of seconds; without one it is usual.
func seconds(value json.RawMessage, usual time.Duration) (time.Duration, error) {
	if len(value) == 0 || string(value) == "null" {
		return usual, nil
	}
	var n float64
	if err := json.Unmarshal(value, &n); err != nil || n < 0 || n > maxTiming.Seconds() {
		return 0, fmt.Errorf("%s is no number of seconds between 0 and %.0f: set it right in the options of CFS", transport.Printable(string(value), 80), maxTiming.Seconds())
	}
	return time.Duration(n * float64(time.Second)), nil
}

// IsBatcher says whether the batcher takes a CFS session for one of its own when it starts: it goes
// by the name alone, wherever in it the word stands (docs/csm.md, "The batcher").
func IsBatcher(c inventory.CFSSession) bool { return strings.Contains(c.Name, "batcher") }
