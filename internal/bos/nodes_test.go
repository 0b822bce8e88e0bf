package bos

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"bosgc/internal/inventory"
)

func TestNodes(t *testing.T) {
	const path = "GET /v1/session/" + id + "/status/compute"
	set := func(phases string) string {
		return `{"name":"compute","session":"` + id + `","phases":` + phases + `}`
	}
	all := `[{"name":"shutdown","categories":[{"name":"succeeded","node_list":["x3","x1"]},{"name":"excluded","node_list":["x8","x4"]}],"errors":{}},
		{"name":"boot","categories":[{"name":"failed","node_list":["x2","x1"]},{"name":"in_progress","node_list":["x4"]},{"name":"not_started","node_list":[]}]}]`
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
		{"none, as a problem", problem(`{"title":"The Boot Set was not found.","detail":"x","status":404}`), nil, inventory.Absent, ""},
		{"missing route", problem(route), nil, inventory.Unknown, "HTTP 404"},
		{"404 page", reply{404, "text/html", page}, nil, inventory.Unknown, "HTTP 404"},
		{"page", reply{200, "text/html", page}, nil, inventory.Unknown, "not JSON"},
		{"cannot be read", jsonReply(500, "{}"), nil, inventory.Unknown, "HTTP 500"},
		{"null", jsonReply(200, "null"), nil, inventory.Unknown, "null"},
		{"nothing", reply{204, "", ""}, nil, inventory.Unknown, "no JSON object"},
		{"a list", jsonReply(200, "[]"), nil, inventory.Unknown, "no JSON object"},
		{"no phases", jsonReply(200, set("null")), nil, inventory.Unknown, "no phases"},
		{"another form", jsonReply(200, set(`[{"categories":[{"node_list":"x1"}]}]`)), nil, inventory.Unknown, "another form"},
		{"a node without a name", jsonReply(200, set(`[{"categories":[{"name":"failed","node_list":[""]}]}]`)), nil, inventory.Unknown, "has no name"},
		{"another boot set", jsonReply(200, `{"name":"uan","session":"`+id+`","phases":`+all+`}`), nil, inventory.Unknown, `boot set "uan"`},
		{"another session", jsonReply(200, `{"name":"compute","session":"other","phases":`+all+`}`), nil, inventory.Unknown, `session "other"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := start(t, map[string]reply{path: tt.reply})
			nodes, presence, err := c.Nodes(t.Context(), id, "compute")
			if !slices.Equal(nodes, tt.nodes) || presence != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%v, %v, %v", nodes, presence, err)
			}
			if gate := c.gate(); gate != nil {
				t.Errorf("one session has closed the gate: %v", gate)
			}
		})
	}
}

func TestNodesOfABigMachine(t *testing.T) {
	var nodes []string
	for i := range 6000 {
		nodes = append(nodes, fmt.Sprintf(`"x%05dc0s0b0n0"`, i))
	}
	var phases []string
	for _, name := range []string{"shutdown", "boot", "configure"} {
		phases = append(phases, `{"name":"`+name+`","categories":[{"name":"succeeded","node_list":[`+strings.Join(nodes, ", ")+`]}],"errors":{"m":[`+strings.Join(nodes, ",")+`]}}`)
	}
	c, _ := start(t, map[string]reply{"GET /v1/session/" + id + "/status/compute": jsonReply(200, `{"name":"compute","phases":[`+strings.Join(phases, ",")+`]}`)})
	if got, presence, err := c.Nodes(t.Context(), id, "compute"); err != nil || presence != inventory.Present || len(got) != 6000 {
		t.Errorf("%d, %v, %v", len(got), presence, err)
	}
}

func TestNodesAreAskedForLikeEverythingElse(t *testing.T) {
	c, s := start(t, map[string]reply{"GET /v1/session/" + id + "/status/compute": {}, "GET /v1/healthz": {}})
	for range 2 {
		if _, presence, err := c.Nodes(t.Context(), id, "compute"); !errors.Is(err, ErrSilent) || presence != inventory.Unknown {
			t.Errorf("%v, %v", presence, err)
		}
	}
	if s.count() != 2 {
		t.Errorf("asked for %q", s.requests())
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
		t.Errorf("asked for %q", s.requests())
	}
}
