package inventory

import (
	"testing"
	"time"
)

func TestParseStamp(t *testing.T) {
	utc := func(s string) time.Time {
		at, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return at.UTC()
	}
	tests := []struct {
		name, raw string
		want      time.Time
		bad       bool
	}{
		{
			name: "ISO with Z, as the server writes start_time", raw: "2023-06-23T20:57:34.352623Z",
			want: utc("2023-06-23T20:57:34.352623Z"),
		},
		{name: "ISO with Z and no fraction", raw: "2023-06-23T20:57:34Z", want: utc("2023-06-23T20:57:34Z")},
		{
			name: "space and no zone, as BOA writes stop_time", raw: "2023-06-23 21:24:14.647779",
			want: utc("2023-06-23T21:24:14.647779Z"),
		},
		{name: "space, no zone, microseconds were zero", raw: "2023-06-23 21:24:14", want: utc("2023-06-23T21:24:14Z")},
		{name: "CFS: T and no zone", raw: "2023-06-23T21:24:14", want: utc("2023-06-23T21:24:14Z")},
		{name: "zone with an offset", raw: "2023-06-23T21:24:14+02:00", want: utc("2023-06-23T19:24:14Z")},
		{name: "space and an offset", raw: "2023-06-23 21:24:14.5+00:00", want: utc("2023-06-23T21:24:14.5Z")},
		{name: "empty is unknown", raw: ""},
		{name: "blank is unknown", raw: "  "},
		{name: "a written-out None is bad: when in doubt nothing is concluded", raw: "None", bad: true},
		{name: "a word is bad", raw: "yesterday", bad: true},
		{name: "a number is bad", raw: "1687553854", bad: true},
		{name: "an impossible day is bad", raw: "2023-02-30 00:00:00", bad: true},
		{name: "a counter's zero is bad, not fifty years old", raw: "1970-01-01T00:00:00Z", bad: true},
		{name: "the zero time is bad, not two thousand years old", raw: "0001-01-01T00:00:00Z", bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ParseStamp(tt.raw)
			if !got.At().Equal(tt.want) || got.Bad() != tt.bad || got.Known() == tt.want.IsZero() {
				t.Errorf("ParseStamp(%q) = %+v (bad %v), want %v (bad %v)", tt.raw, got, got.Bad(), tt.want, tt.bad)
			}
		})
	}
}

func FuzzParseStamp(f *testing.F) {
	for _, s := range []string{
		"", "2023-06-23T20:57:34.352623Z", "2020-08-11 21:02:09.137917", "0001-01-01T00:00:00Z", "9999-12-31 23:59:60",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got := ParseStamp(raw)
		if got.Known() && got.Bad() {
			t.Fatalf("%q is both known and bad", raw)
		}
		if got.Known() && got.At().Year() < 2000 {
			t.Fatalf("%q became %v: nothing of CSM is that old", raw, got.At())
		}
	})
}

func TestIsSessionID(t *testing.T) {
	for id, want := range map[string]bool{
		"5a0df9d1-2c3b-4f5e-8a9b-0123456789ab":     true,
		"5A0DF9D1-2C3B-4F5E-8A9B-0123456789AB":     false, // names are never normalised before a delete
		"st3-5a0df9d1-2c3b-4f5e-8a9b-0123456789ab": false,
		"5a0df9d1-2c3b-1f5e-8a9b-0123456789ab":     false,
		"5a0df9d1-2c3b-4f5e-8a9b-0123456789ab\n":   false,
		"":                                         false, "..": false, "/": false,
	} {
		if got := IsSessionID(id); got != want {
			t.Errorf("IsSessionID(%q) = %v, want %v", id, got, want)
		}
	}
}
