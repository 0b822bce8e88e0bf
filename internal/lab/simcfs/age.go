package simcfs

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

var (
	agePattern = regexp.MustCompile(`^(?:[0-9]+[mMhHdDwW])?$`)
	ageUnits   = []struct {
		pattern *regexp.Regexp
		length  time.Duration
	}{
		{regexp.MustCompile(`(?i)(\d+)\w*w`), 7 * 24 * time.Hour},
		{regexp.MustCompile(`(?i)(\d+)\w*d`), 24 * time.Hour},
		{regexp.MustCompile(`(?i)(\d+)\w*h`), time.Hour},
		{regexp.MustCompile(`(?i)(\d+)\w*m`), time.Minute},
	}
)

// parseAge returns the time that an age such as 7d or 12h stands for. As in CFS it looks for each unit anywhere in the
// text: 1h30m is one hour and one minute, -3d is three days, and a text without a unit is now. An age of before the year
// 1 is a 500.
func (s *Server) parseAge(text string) (time.Time, *problem) {
	if s.release.checksAge && (len(text) > 10 || !agePattern.MatchString(text)) {
		return time.Time{}, badRequest(fmt.Sprintf("'%s' does not match '^(?:[0-9]+[mMhHdDwW]){0,1}$'", text))
	}
	at := s.now().UTC()
	for _, unit := range ageUnits {
		found := unit.pattern.FindStringSubmatch(text)
		if found == nil {
			continue
		}
		n, err := strconv.Atoi(found[1])
		if err != nil || n > int(290*365*24*time.Hour/unit.length) { // most that a Duration holds
			return time.Time{}, internalError
		}
		at = at.Add(-time.Duration(n) * unit.length)
	}
	return at, nil
}
