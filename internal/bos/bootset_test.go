package bos

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bosgc/internal/inventory"
)

const bootSet = `{"name":"compute","session":"x","metadata":{"in_progress":false},"links":[],"phases":[
 {"name":"shutdown","metadata":{},"categories":[
  {"name":"not_started","node_list":[]},{"name":"succeeded","node_list":["x3","x1"]}],"errors":{}},
 {"name":"boot","categories":[
  {"name":"failed","node_list":["x1"]},{"name":"excluded","node_list":["x2"]},{"name":"in_progress","node_list":null}],
  "errors":{"no":["x1"]}}]}`

func TestBootSetStatus(t *testing.T) {
	const path = "GET /v1/session/" + id + "/status/compute"
	for _, status := range []int{200, 201} { // 201 before CSM 1.2
		c, _ := start(t, map[string]reply{path: jsonReply(status, bootSet)})
		got, err := c.BootSetStatus(t.Context(), id, "compute")
		if err != nil {
			t.Fatal(err)
		}
		want := BootSetStatus{Name: "compute", Phases: []Phase{
			{Name: "shutdown", Categories: []Category{
				{Name: "not_started", Nodes: []string{}}, {Name: "succeeded", Nodes: []string{"x3", "x1"}},
			}},
			{Name: "boot", Categories: []Category{
				{Name: "failed", Nodes: []string{"x1"}}, {Name: "excluded", Nodes: []string{"x2"}}, {Name: "in_progress"},
			}},
		}}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
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

func TestNodes(t *testing.T) {
	const path = "GET /v1/session/" + id + "/status/compute"
	set := func(phases string) string {
		return `{"name":"compute","session":"` + id + `","phases":` + phases + `}`
	}
	all := `[
		{"name":"shutdown","categories":[
			{"name":"succeeded","node_list":["x3","x1"]},{"name":"excluded","node_list":["x8","x4"]}],"errors":{}},
		{"name":"boot","categories":[
			{"name":"failed","node_list":["x2","x1"]},{"name":"in_progress","node_list":["x4"]},
			{"name":"not_started","node_list":[]}]}]`
	categories := func(list string) string { return set(`[{"categories":[` + list + `]}]`) }
	about := func(session, name string) string {
		return `{"name":"` + name + `","session":"` + session + `","phases":` + all + `}`
	}
	for _, tt := range []struct {
		name  string
		reply reply
		nodes []string
		want  inventory.Presence
		err   string
	}{
		{"all phases", jsonReply(200, set(all)), []string{"x1", "x2", "x3", "x4"}, inventory.Present, ""},
		{"before CSM 1.2", jsonReply(201, set(all)), []string{"x1", "x2", "x3", "x4"}, inventory.Present, ""},
		{"no nodes", jsonReply(200, set("[]")), []string{}, inventory.Present, ""},
		{"none", jsonReply(404, "null"), nil, inventory.Absent, ""},
		{"none, with nothing", jsonReply(404, ""), nil, inventory.Absent, ""},
		{
			"a problem that BOS does not have", problem(`{"title":"The Boot Set was not found.","detail":"x","status":404}`),
			nil, inventory.Unknown, "HTTP 404",
		},
		{"a proxy without the route", reply{404, "", ""}, nil, inventory.Unknown, "HTTP 404"},
		{"missing route", problem(route), nil, inventory.Unknown, "HTTP 404"},
		{"404 page", reply{404, "text/html", page}, nil, inventory.Unknown, "HTTP 404"},
		{"page", reply{200, "text/html", page}, nil, inventory.Unknown, "not JSON"},
		{"cannot be read", jsonReply(500, "{}"), nil, inventory.Unknown, "HTTP 500"},
		{"null", jsonReply(200, "null"), nil, inventory.Unknown, "null"},
		{"nothing", reply{204, "", ""}, nil, inventory.Unknown, "no JSON object"},
		{"a list", jsonReply(200, "[]"), nil, inventory.Unknown, "no JSON object"},
		{"no phases", jsonReply(200, set("null")), nil, inventory.Unknown, "no phases"},
		{"another form", jsonReply(200, categories(`{"node_list":"x1"}`)), nil, inventory.Unknown, "another form"},
		{
			"a node without a name", jsonReply(200, categories(`{"name":"failed","node_list":[""]}`)),
			nil, inventory.Unknown, "has no name",
		},
		{"another boot set", jsonReply(200, about(id, "uan")), nil, inventory.Unknown, `boot set "uan"`},
		{"another session", jsonReply(200, about("other", "compute")), nil, inventory.Unknown, `session "other"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := start(t, map[string]reply{path: tt.reply})
			nodes, presence, err := c.Nodes(t.Context(), id, "compute")
			if !slices.Equal(nodes, tt.nodes) || presence != tt.want {
				t.Errorf("%v, %v, %v", nodes, presence, err)
			}
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want one with %q", err, tt.err)
			}
			if err := c.Err(); err != nil {
				t.Errorf("after one session, BOS is not asked any more: %v", err)
			}
		})
	}
}

func TestNodesOfABigMachine(t *testing.T) {
	var nodes []string
	for i := range 6000 {
		nodes = append(nodes, fmt.Sprintf(`"x%05dc0s0b0n0"`, i))
	}
	list := strings.Join(nodes, ", ")
	var phases []string
	for _, name := range []string{"shutdown", "boot", "configure"} {
		phases = append(phases, `{"name":"`+name+`","categories":[{"name":"succeeded","node_list":[`+list+`]}],`+
			`"errors":{"m":[`+list+`]}}`)
	}
	body := `{"name":"compute","phases":[` + strings.Join(phases, ",") + `]}`
	c, _ := start(t, map[string]reply{"GET /v1/session/" + id + "/status/compute": jsonReply(200, body)})
	got, presence, err := c.Nodes(t.Context(), id, "compute")
	if err != nil || presence != inventory.Present || len(got) != 6000 {
		t.Errorf("%d, %v, %v", len(got), presence, err)
	}
}

func TestNodesObeySilenceAndBadNames(t *testing.T) {
	c, s := start(t, map[string]reply{"GET /v1/session/" + id + "/status/compute": {}, "GET /v1/healthz": {}})
	for range 2 {
		_, presence, err := c.Nodes(t.Context(), id, "compute")
		if !errors.Is(err, ErrSilent) || presence != inventory.Unknown {
			t.Errorf("%v, %v", presence, err)
		}
	}
	if s.count() != 2 {
		t.Errorf("requested %q", s.requests())
	}
	c, s = start(t, map[string]reply{})
	for _, name := range []string{"", ".", "..", "a/b", "a?b", "a\nb"} {
		if _, _, err := c.Nodes(t.Context(), id, name); err == nil {
			t.Errorf("boot set %q", name)
		}
		if _, _, err := c.Nodes(t.Context(), name, "compute"); err == nil {
			t.Errorf("session %q", name)
		}
	}
	if s.count() != 0 {
		t.Errorf("requested %q", s.requests())
	}
}

func FuzzDecodeBootSet(f *testing.F) {
	for _, s := range []string{
		bootSet, "{}", "null", `{"phases":null}`, `{"phases":[null]}`, `{"name":"compute","phases":[]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := decodeBootSet(data); err == nil && !json.Valid(data) {
			t.Fatalf("%q is accepted", data)
		}
		nodes, err := decodeNodes(data, "x", "compute")
		if (err == nil) == (nodes == nil) {
			t.Fatalf("%q became %q, %v", data, nodes, err)
		}
		if !slices.IsSorted(nodes) || len(slices.Compact(slices.Clone(nodes))) != len(nodes) {
			t.Fatalf("%q", nodes)
		}
	})
}
