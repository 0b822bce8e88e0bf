package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Age is a length of time as settings have it: a sum of weeks, days, hours, minutes and seconds, such as 36h or 7d12h.
// A day has 24 hours.
type Age time.Duration

var ageUnits = map[byte]time.Duration{
	's': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour,
}

const ageExpected = "expected an age such as 36h, 7d or 1w2d12h (units s m h d w)"

// ParseAge reads an age. A number without a unit is an error and never zero: services of CSM that read "7" as no time
// at all have deleted everything for it (docs/csm.md, "Ages").
func ParseAge(text string) (Age, error) {
	rest := strings.TrimSpace(text)
	if rest == "" {
		return 0, errors.New("is empty; " + ageExpected)
	}
	var sum time.Duration
	seen := map[byte]bool{}
	for rest != "" {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		switch {
		case digits == 0:
			return 0, fmt.Errorf("has no number before %q; %s", rest, ageExpected)
		case digits == len(rest):
			return 0, fmt.Errorf("has no unit after %s; %s", rest, ageExpected)
		}
		n, err := strconv.ParseInt(rest[:digits], 10, 64)
		unit, ok := ageUnits[rest[digits]]
		switch {
		case !ok:
			return 0, fmt.Errorf("has an unknown unit %q; %s", rest[digits:digits+1], ageExpected)
		case seen[rest[digits]]:
			return 0, fmt.Errorf("names the unit %q twice; %s", rest[digits:digits+1], ageExpected)
		case err != nil || n > int64(math.MaxInt64-sum)/int64(unit):
			return 0, errors.New("is too long; " + ageExpected)
		}
		sum += time.Duration(n) * unit
		seen[rest[digits]] = true
		rest = rest[digits+1:]
	}
	return Age(sum), nil
}

// Decode reads an age for envconfig.
func (a *Age) Decode(text string) (err error) {
	*a, err = ParseAge(text)
	return err
}

// D returns the age as a time.Duration.
func (a Age) D() time.Duration { return time.Duration(a) }

func (a Age) String() string {
	if a == 0 {
		return "0s"
	}
	var b strings.Builder
	rest := time.Duration(a)
	for _, unit := range "dhms" { // no weeks: 7d is shown as most people write it
		if n := rest / ageUnits[byte(unit)]; n > 0 {
			fmt.Fprintf(&b, "%d%c", n, unit)
			rest -= n * ageUnits[byte(unit)]
		}
	}
	return b.String()
}
