package bos

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"bosgc/internal/inventory"
)

func known(t *testing.T, raw string) inventory.Stamp {
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
			"finished, CSM 1.5", `{"complete":true,"error_count":0,"in_progress":false,"job":"boa-x","operation":"boot","start_time":"2023-06-23T20:57:34.352623Z","status_link":"/v1/session/x/status","stop_time":"2023-06-23 21:24:14.647779","templateName":"cle"}`,
			inventory.Record{Template: "cle", Operation: "boot", Start: known(t, "2023-06-23T20:57:34.352623Z"), Stop: known(t, "2023-06-23 21:24:14.647779")},
		},
		{
			"running, CSM 1.0", `{"complete":false,"error_count":0,"in_progress":false,"job":"boa-x","operation":"reboot","start_time":"2020-08-11 21:02:09","stop_time":null,"templateUuid":"cle"}`,
			inventory.Record{Template: "cle", Operation: "reboot", Start: known(t, "2020-08-11 21:02:09")},
		},
		{
			"no status", `{"complete":"","error_count":"","in_progress":"","job":"boa-x","operation":"boot","start_time":"","stop_time":"","templateName":"cle"}`,
			inventory.Record{Template: "cle", Operation: "boot"},
		},
		{
			"fields of other kinds", `{"job":null,"boa_job_name":7,"operation":false,"templateName":["a"],"templateUuid":"b","start_time":false,"stop_time":1687553854}`,
			inventory.Record{Template: "b", Start: inventory.Stamp{Raw: "false"}, Stop: inventory.Stamp{Raw: "1687553854"}},
		},
		{
			"times that are none", `{"start_time":"yesterday","stop_time":{"a":1}}`,
			inventory.Record{Start: inventory.Stamp{Raw: "yesterday"}, Stop: inventory.Stamp{Raw: `{"a":1}`}},
		},
		{"times as words for nothing", `{"start_time":"None","stop_time":" "}`, inventory.Record{Start: inventory.Stamp{Raw: "None"}}},
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

// A session whose record says nothing at all would have no end, and be taken for an abandoned one.
func TestWhatIsNoRecordIsNone(t *testing.T) {
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

const bootSet = `{"name":"compute","session":"x","metadata":{"in_progress":false},"links":[],"phases":[
 {"name":"shutdown","metadata":{},"categories":[{"name":"not_started","node_list":[]},{"name":"succeeded","node_list":["x3","x1"]}],"errors":{}},
 {"name":"boot","categories":[{"name":"failed","node_list":["x1"]},{"name":"excluded","node_list":["x2"]},{"name":"in_progress","node_list":null}],"errors":{"no":["x1"]}}]}`

func TestStatus(t *testing.T) {
	const path = "GET /v1/session/" + id + "/status"
	tests := []struct {
		name    string
		reply   reply
		want    []string
		isError bool
	}{
		{"as usual", jsonReply(200, `{"id":"x","metadata":{},"links":[]}`), nil, false},
		{"with boot sets", jsonReply(201, `{"boot_sets":["a","b"]}`), []string{"a", "b"}, false},
		{"null boot sets", jsonReply(200, `{"boot_sets":null}`), nil, false},
		{"none recorded", jsonReply(404, "null\n"), nil, false},
		{"none recorded, no body", jsonReply(404, ""), nil, false},
		{"none recorded, as a problem", problem(`{"title":"The Session status was not found."}`), nil, false},
		{"a page", reply{404, "text/html", page}, nil, true},
		{"missing route", problem(route), nil, true},
		{"boot sets of another kind", jsonReply(200, `{"boot_sets":{"a":1}}`), nil, true},
		{"null", jsonReply(200, "null"), nil, true},
		{"500", jsonReply(500, ""), nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := start(t, map[string]reply{path: tt.reply})
			got, err := c.Status(t.Context(), id)
			if (err != nil) != tt.isError || !slices.Equal(got.BootSets, tt.want) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestBootSetStatus(t *testing.T) {
	const path = "GET /v1/session/" + id + "/status/compute"
	for _, status := range []int{200, 201} { // 201 before CSM 1.2
		c, _ := start(t, map[string]reply{path: jsonReply(status, bootSet)})
		got, err := c.BootSetStatus(t.Context(), id, "compute")
		if err != nil {
			t.Fatal(err)
		}
		want := BootSetStatus{Name: "compute", Phases: []Phase{
			{Name: "shutdown", Categories: []Category{{Name: "not_started", Nodes: []string{}}, {Name: "succeeded", Nodes: []string{"x3", "x1"}}}},
			{Name: "boot", Categories: []Category{{Name: "failed", Nodes: []string{"x1"}}, {Name: "excluded", Nodes: []string{"x2"}}, {Name: "in_progress"}}},
		}}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
		if nodes := got.Nodes(); !slices.Equal(nodes, []string{"x1", "x2", "x3"}) {
			t.Errorf("nodes %q", nodes)
		}
	}
	for name, r := range map[string]reply{
		"nodes of another kind": jsonReply(200, `{"phases":[{"categories":[{"node_list":[1]}]}]}`),
		"phases as an object":   jsonReply(200, `{"phases":{}}`),
		"an array":              jsonReply(200, `[]`),
		"503":                   jsonReply(503, bootSet),
		"another 404":           jsonReply(404, "{}"),
	} {
		c, _ := start(t, map[string]reply{path: r})
		if got, err := c.BootSetStatus(t.Context(), id, "compute"); err == nil || got.Phases != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	for _, s := range []string{`{"stop_time":"2023-06-23 21:24:14.647779","job":"boa-x"}`, `{"start_time":false}`, "{}", "null", "[]", `{"a":`, `{"job":"\ud800"}`} {
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

func FuzzDecodeBootSet(f *testing.F) {
	for _, s := range []string{bootSet, "{}", "null", `{"phases":null}`, `{"phases":[null]}`, `{"boot_sets":["a"]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := decodeStatus(data); err == nil && !json.Valid(data) {
			t.Fatalf("%q is a status", data)
		}
		got, err := decodeBootSet(data)
		if err == nil && !json.Valid(data) {
			t.Fatalf("%q is a boot set's status", data)
		}
		nodes := got.Nodes()
		if !slices.IsSorted(nodes) || len(slices.Compact(slices.Clone(nodes))) != len(nodes) {
			t.Fatalf("%q", nodes)
		}
	})
}
