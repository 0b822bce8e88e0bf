package kube

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"bosgc/internal/margin"
)

// clock compares this machine's clock with the Date of the API server's answers. Each answer
// gives a bound: the server wrote its Date, truncated to seconds, after the request was sent and
// before the answer came. A slow network makes the skew look smaller, never larger.
type clock struct {
	mu       sync.Mutex
	measured bool
	skew     time.Duration // the largest seen; positive if this machine is ahead
}

func (c *clock) note(header http.Header, sent, received time.Time) {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return
	}
	var skew time.Duration
	switch {
	case received.Before(date):
		skew = received.Sub(date)
	case sent.After(date.Add(time.Second)):
		skew = sent.Sub(date.Add(time.Second))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.measured = true
	if skew.Abs() > c.skew.Abs() {
		c.skew = skew
	}
}

// ClockSkew returns how far this machine's clock is at least ahead of the API server's; negative if it
// is behind. It is not known before the first answer.
func (c *Client) ClockSkew() (skew time.Duration, known bool) {
	c.clock.mu.Lock()
	defer c.clock.mu.Unlock()
	return c.clock.skew, c.clock.measured
}

// ClockDoubt returns why no age can be trusted; empty if ages can be.
func (c *Client) ClockDoubt() string {
	skew, known := c.ClockSkew()
	switch {
	case !known:
		return "the API server has not said what time it is"
	case skew > margin.MaxClockSkew:
		return fmt.Sprintf("this machine's clock is at least %s ahead of the API server's", skew.Round(time.Second))
	case skew < -margin.MaxClockSkew:
		return fmt.Sprintf("this machine's clock is at least %s behind the API server's", (-skew).Round(time.Second))
	}
	return ""
}
