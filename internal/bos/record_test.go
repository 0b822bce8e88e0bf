package bos

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"bosgc/internal/inventory"
)

func parse(t *testing.T, raw string) inventory.Stamp {
	t.Helper()
	stamp := inventory.ParseStamp(raw)
	if !stamp.Known() {
		t.Fatalf("%q is no time", raw)
	}
	return stamp
}

func TestDecodeRecord(t *testing.T) {
	tests := []struct {
		name, body string
		want       inventory.Record
	}{
		{
			"finished, CSM 1.5",
			`{"complete":true,"error_count":0,"in_progress":false,"job":"boa-x","operation":"boot",` +
				`"start_time":"2023-06-23T20:57:34.352623Z","status_link":"/v1/session/x/status",` +
				`"stop_time":"2023-06-23 21:24:14.647779","templateName":"cle"}`,
			inventory.Record{
				Template: "cle", Operation: "boot",
				Start: parse(t, "2023-06-23T20:57:34.352623Z"), Stop: parse(t, "2023-06-23 21:24:14.647779"),
			},
		},
		{
			"running, CSM 1.0",
			`{"complete":false,"error_count":0,"in_progress":false,"job":"boa-x","operation":"reboot",` +
				`"start_time":"2020-08-11 21:02:09","stop_time":null,"templateUuid":"cle"}`,
			inventory.Record{Template: "cle", Operation: "reboot", Start: parse(t, "2020-08-11 21:02:09")},
		},
		{
			"no status",
			`{"complete":"","error_count":"","in_progress":"","job":"boa-x","operation":"boot","start_time":"",` +
				`"stop_time":"","templateName":"cle"}`,
			inventory.Record{Template: "cle", Operation: "boot"},
		},
		{
			"fields of other kinds",
			`{"job":null,"boa_job_name":7,"operation":false,"templateName":["a"],"templateUuid":"b",` +
				`"start_time":false,"stop_time":1687553854}`,
			inventory.Record{Template: "b", Start: inventory.Stamp{Raw: "false"}, Stop: inventory.Stamp{Raw: "1687553854"}},
		},
		{
			"times that are none", `{"start_time":"yesterday","stop_time":{"a":1}}`,
			inventory.Record{Start: inventory.Stamp{Raw: "yesterday"}, Stop: inventory.Stamp{Raw: `{"a":1}`}},
		},
		{
			"times as words for nothing", `{"start_time":"None","stop_time":" "}`,
			inventory.Record{Start: inventory.Stamp{Raw: "None"}},
		},
		{"next to nothing", `{"stop_time":""}`, inventory.Record{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.Presence = inventory.Present
			got, err := DecodeRecord([]byte(tt.body))
			if err != nil || got != tt.want {
				t.Errorf("%+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

// A record without any field would have no stop time, and the session would be taken for an abandoned one.
func TestOtherObjectsAreNotRecords(t *testing.T) {
	for _, body := range []string{`{}`, `{"status":"ok"}`, `null`, `[]`, `{"title":"Sign in"}`} {
		if got, err := DecodeRecord([]byte(body)); err == nil || got.Presence != inventory.Unknown {
			t.Errorf("%s was taken for a record: %+v, %v", body, got, err)
		}
	}
}

func TestHugeBadTimeIsBounded(t *testing.T) {
	for _, value := range []string{`"` + strings.Repeat("x", 100000) + `"`, "[" + strings.Repeat("1,", 100000) + "1]"} {
		got, err := DecodeRecord([]byte(`{"stop_time":` + value + `}`))
		if err != nil || !got.Stop.Bad() || len(got.Stop.Raw) > 1000 {
			t.Errorf("%v, bad %v, %d bytes", err, got.Stop.Bad(), len(got.Stop.Raw))
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	for _, s := range []string{
		`{"stop_time":"2023-06-23 21:24:14.647779","job":"boa-x"}`, `{"start_time":false}`, "{}", "null", "[]", `{"a":`,
		`{"job":"\ud800"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := DecodeRecord(data)
		if err != nil && got != (inventory.Record{}) {
			t.Fatalf("an error with %+v", got)
		}
		if err == nil && (got.Presence != inventory.Present || !json.Valid(data)) {
			t.Fatalf("%q became %+v", data, got)
		}
		for _, s := range []inventory.Stamp{got.Start, got.Stop} {
			if s.Known() && s.At().Before(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) {
				t.Fatalf("%v", s)
			}
		}
	})
}

func FuzzDecodeIDs(f *testing.F) {
	for _, s := range []string{`["b","a","b"]`, "[]", "null", `[null]`, `["a"`, `["a"]x`, "{}", ` ["",""]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ids, err := decodeIDs(data)
		if (err == nil) == (ids == nil) {
			t.Fatalf("%q: %q with %v", data, ids, err)
		}
		if err != nil {
			return
		}
		var all []string
		if json.Unmarshal(data, &all) != nil || all == nil {
			t.Fatalf("%q is no array of strings", data)
		}
		slices.Sort(all)
		if !slices.Equal(slices.Compact(all), ids) {
			t.Fatalf("%q became %q", data, ids)
		}
	})
}
