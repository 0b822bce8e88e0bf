package cli

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"bosgc/internal/lab"
)

// drawDays draws nine days or more with about a sweep a day, in which Kyverno removes Jobs three days after their end,
// where it does. Nothing else goes wrong, so that at its end it is known what must have gone.
func (c *soakCase) drawDays(r *rand.Rand) {
	c.days = true
	s := &c.settings
	s.tuned, s.percent, s.keepLast, s.templates, s.cfs = true, 100, 0, oneOf(r, "", "", "own-*"), "old"
	s.grace, s.sessionTTL, s.failedTTL = oneOf(r, 12*time.Hour, day), oneOf(r, day, 3*day, 7*day), oneOf(r, 5*day, 9*day)
	// What has no end but that of its Job has none when the Job has gone.
	s.abandonedTTL = max(s.sessionTTL, oneOf(r, 5*day, 8*day))
	s.cfsTTL = min(oneOf(r, day, 7*day), s.sessionTTL, s.failedTTL, s.abandonedTTL)
	c.steps = nil
	for n := range 10 + r.IntN(3) {
		step := drawStep(r, c)
		step.faults, step.changes, step.crash, step.skew = nil, nil, nil, 0
		step.environ = []string{fmt.Sprint("BOSGC_MAX_DELETES=", step.maxDeletes)}
		if n == 0 {
			step.command = "sweep" // which sees the Jobs while they are there
		} else {
			step.wait = 20*time.Hour + time.Duration(r.IntN(8*60))*time.Minute
		}
		c.steps = append(c.steps, step)
	}
}

// expireJobs has Kyverno remove the Jobs whose time is over.
func (s *soakWorld) expireJobs(now time.Time) {
	if s.days && s.clock().Sub(soakNow) > 12*time.Hour {
		s.counts.add("Jobs removed", len(s.server.ExpireJobs(now)))
	}
}

// convergeAfterDays requires that everything has gone whose time is over, and that no sweep does anything else.
func (s *soakWorld) convergeAfterDays() error {
	if err := s.sweepsUndisturbed(s.settings.sightings + 1); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(s.exist())) {
		if f := s.world.Facts()[key]; s.overdue(f) {
			s.violate("%s is stuck", s.told(key))
		}
	}
	s.counts.add("days", 1)
	return s.sameTwice()
}

// overdue reports whether an object must have gone, whichever rule it goes by.
func (s *soakWorld) overdue(f lab.Fact) bool {
	mortal := []string{"too-young", "completed-expired", "failed-expired", "abandoned", "kept-last", "ghost"}
	since, least := f.End, max(s.settings.sessionTTL, s.settings.failedTTL, s.settings.abandonedTTL)
	if since.IsZero() {
		since = f.Start
	}
	if f.Created.After(since) {
		since = f.Created
	}
	if f.Kind == lab.KindConfigMap && f.Confirmed == "orphaned" {
		since, least = f.Created, max(s.settings.grace, s.settings.sessionTTL)
	} else if !f.Listed || !slices.Contains(mortal, f.SessionReason) || slices.Contains(never, f.Reason) {
		return false
	}
	if s.settings.keeps(f.Template) {
		return false
	}
	return f.Reason != "terminating" && s.clock().Sub(since) > least+time.Minute
}
