package simbos

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	serverForm = "2006-01-02T15:04:05.000000Z" // times that BOS v1 writes
	agentForm  = "2006-01-02 15:04:05.000000"  // times that BOA writes
	v2Form     = "2006-01-02T15:04:05"
)

// v1Time returns a time in the form in which BOS v1 writes it. Without microseconds there is no fraction.
func v1Time(at time.Time) string {
	return strings.Replace(at.UTC().Format(serverForm), ".000000", "", 1)
}

// boaForm returns a time in the form in which BOA writes it. What is no time that BOS wrote stays as it is.
func boaForm(value any) any {
	text, _ := value.(string)
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return value
	}
	return strings.TrimSuffix(at.Format(agentForm), ".000000")
}

// v2Time returns a time of BOS v2; zero if it is none.
func v2Time(value any) time.Time {
	text, _ := value.(string)
	at, _ := time.Parse(v2Form, text)
	return at
}

// ageForm is how BOS v2 checks an age from 2.10 on. It does not check one before.
var ageForm = regexp.MustCompile(`^(0|0[mMhHdDwW]|[1-9][0-9]*[mMhHdDwW])$`)

var ageUnits = map[time.Duration]*regexp.Regexp{
	7 * 24 * time.Hour: regexp.MustCompile(`(?i)(\d+)\w*w`),
	24 * time.Hour:     regexp.MustCompile(`(?i)(\d+)\w*d`),
	time.Hour:          regexp.MustCompile(`(?i)(\d+)\w*h`),
	time.Minute:        regexp.MustCompile(`(?i)(\d+)\w*m`),
}

// age returns how long ago a text such as 7d or 3h30m is. A text without any number and unit is now.
func age(text string) time.Duration {
	total := time.Duration(0)
	for unit, form := range ageUnits {
		if match := form.FindStringSubmatch(text); match != nil {
			n, _ := strconv.Atoi(match[1])
			total += time.Duration(n) * unit
		}
	}
	return total
}
