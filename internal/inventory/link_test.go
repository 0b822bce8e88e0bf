package inventory

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

const batch1 = "batcher-00000009-0000-4000-8000-000000000000"

// mixed is a batch of two nodes of A and one of B, which run at the same time.
type mixed struct {
	c          CFSSession
	owners     map[string]*Owner
	components map[string]Component
}

func newMixed() *mixed {
	m := &mixed{
		c: CFSSession{
			Name: batch1, Configuration: "cos", Definition: "dynamic", Limit: "n1,n2,n3", Status: "complete",
			Start: KnownStamp(at(30)),
		},
		owners: map[string]*Owner{
			idA: {Nodes: []string{"n1", "n2"}, From: at(0), Until: at(90)},
			idB: {Nodes: []string{"n3", "n4"}, From: at(10), Until: at(80)},
		},
		components: map[string]Component{},
	}
	for id, o := range m.owners {
		o.ID, o.NodesKnown, o.Configuration, o.ConfigurationKnown = id, true, "cos", true
		for _, n := range o.Nodes {
			m.components[n] = Component{ID: n, Tag: id, CFSSessions: []string{batch1}}
		}
	}
	return m
}

func (m *mixed) link() Link {
	var owners []Owner
	for _, o := range m.owners {
		owners = append(owners, *o)
	}
	return Links([]CFSSession{m.c}, owners, m.components)[0]
}

func (m *mixed) component(id string, change func(*Component)) {
	c := m.components[id]
	change(&c)
	m.components[id] = c
}

// another adds a session C that fits node n1 as well as A does.
func (m *mixed) another(change func(*Owner)) {
	o := &Owner{
		ID: idC, Nodes: []string{"n1"}, NodesKnown: true, Configuration: "cos", ConfigurationKnown: true, From: at(20),
		Until: at(60),
	}
	change(o)
	m.owners[idC] = o
}

func tagged(tag string) func(*Component) { return func(c *Component) { c.Tag = tag } }

func TestAMixedBatchIsOfAllItsSessions(t *testing.T) {
	l := newMixed().link()
	if !l.Strong() || l.Exact || !slices.Equal(l.Sessions, []string{idA, idB}) || l.Score != 100 {
		t.Fatalf("%+v", l)
	}
	evidence := strings.Join(l.Evidence, "\n")
	for _, fact := range []string{"cos", "2 of " + idA, "1 of " + idB, "12:30:00", "the state of 3 of"} {
		if !strings.Contains(evidence, fact) {
			t.Errorf("the evidence does not name %q:\n%s", fact, evidence)
		}
	}
}

func TestALinkOfLessThanNinetyIsWeak(t *testing.T) {
	l := newMixed().link()
	if l.Score = 89; l.Strong() {
		t.Errorf("%+v", l)
	}
	if l.Score, l.Sessions = 100, nil; l.Strong() {
		t.Errorf("of no session: %+v", l)
	}
}

func TestTheTagIsTheLink(t *testing.T) {
	m := newMixed()
	m.c.Tag = idC
	if l := m.link(); !l.Exact || !l.Strong() || !slices.Equal(l.Sessions, []string{idC}) {
		t.Errorf("a tag is outweighed by inference: %+v", l)
	}
	m.c.Name = "by-hand"
	if l := m.link(); l.Strong() {
		t.Errorf("a person's CFS session is linked by its tag: %+v", l)
	}
}

func TestWhatStaysALink(t *testing.T) {
	tests := map[string]func(*mixed){
		"a component was set again since, by a session that is known": func(m *mixed) {
			m.another(func(o *Owner) { o.From, o.Until = at(100), at(120) })
			m.component("n1", tagged(idC))
		},
		"another session fits, but the tag is of the one that began after it": func(m *mixed) {
			m.another(func(o *Owner) { o.From = at(-5) })
		},
		"another session on the same nodes set another configuration": func(m *mixed) {
			m.another(func(o *Owner) { o.Configuration = "uan" })
		},
		"another session was over before": func(m *mixed) {
			m.another(func(o *Owner) { o.From, o.Until = at(-60), at(0) })
		},
		"a session of unknown nodes set another configuration": func(m *mixed) {
			m.another(func(o *Owner) { o.Configuration, o.NodesKnown = "uan", false })
		},
		"no state names it any more": func(m *mixed) {
			for n := range m.components {
				m.component(n, func(c *Component) { c.CFSSessions = nil })
			}
		},
		"its session has not ended": func(m *mixed) { m.owners[idA].Until = time.Time{} },
		"CFS cuts the fraction off its start": func(m *mixed) {
			m.owners[idA].From = at(30).Add(900 * time.Millisecond)
		},
		"a component is named twice":             func(m *mixed) { m.c.Limit = "n1, n2,n3,n1" },
		"it runs: a cancel has to know that too": func(m *mixed) { m.c.Status = "running" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			m := newMixed()
			change(m)
			if l := m.link(); !l.Strong() || !slices.Equal(l.Sessions, []string{idA, idB}) {
				t.Errorf("%+v", l)
			}
		})
	}
}

func TestWhatIsInDoubtIsVetoed(t *testing.T) {
	// since has a session D set n1 again long after.
	since := func(m *mixed) {
		m.owners["D"] = &Owner{
			ID: "D", Nodes: []string{"n1"}, NodesKnown: true, Configuration: "cos", ConfigurationKnown: true,
			From: at(200), Until: at(300),
		}
		m.component("n1", tagged("D"))
	}
	tests := []struct {
		name   string
		change func(*mixed)
		why    string
	}{
		{"a person gave it its name", func(m *mixed) { m.c.Name = "batcher-2" }, "name"},
		{"an image build", func(m *mixed) { m.c.Definition = "image" }, "image"},
		{"no limit", func(m *mixed) { m.c.Limit = "" }, "always sets one"},
		{"nothing but commas", func(m *mixed) { m.c.Limit = "," }, "component"},
		{"no start", func(m *mixed) { m.c.Start = Stamp{} }, "start"},
		{"not understood", func(m *mixed) { m.c.Fault = "garbled" }, "garbled"},
		{"a node of nobody", func(m *mixed) { m.c.Limit += ",n9"; m.components["n9"] = Component{ID: "n9"} }, "n9"},
		{"a group, not a node", func(m *mixed) { m.c.Limit += ",Compute" }, "Compute"},
		{"another configuration", func(m *mixed) { m.c.Configuration = "uan" }, "no session"},
		{"before its sessions began", func(m *mixed) { m.c.Start = KnownStamp(at(5)) }, "n3"},
		{"long after its sessions ended", func(m *mixed) { m.c.Start = KnownStamp(at(85)) }, "n3"},
		{"a CFS session without a configuration is of no shutdown", func(m *mixed) {
			m.c.Configuration, m.owners[idA].Configuration, m.owners[idB].Configuration = "", "", ""
		}, "no session"},
		{"shutdown sets none", func(m *mixed) { m.owners[idB].Configuration = "" }, "n3"},
		{"another session fits as well, and has not left its tag", func(m *mixed) { m.another(func(*Owner) {}) }, idC},
		{
			"another session fits as well, and its own had just begun",
			func(m *mixed) {
				m.another(func(o *Owner) { o.From = at(-5) })
				m.owners[idA].From = at(28)
			}, idC,
		},
		{
			"another session fits as well, and the tag is of neither",
			func(m *mixed) { m.another(func(*Owner) {}); m.component("n1", tagged("x")) }, idC,
		},
		{
			"the nodes of a session are not known",
			func(m *mixed) { m.another(func(o *Owner) { o.NodesKnown, o.Nodes = false, nil }) }, idC,
		},
		{
			"neither nodes nor configuration of a session are known",
			func(m *mixed) {
				m.another(func(o *Owner) { *o = Owner{ID: idC, From: at(20)} })
			}, idC,
		},
		{"nothing of a session is known", func(m *mixed) { m.another(func(o *Owner) { *o = Owner{ID: idC} }) }, idC},
		{
			"the configuration of its own session is not known",
			func(m *mixed) { m.owners[idA].ConfigurationKnown = false }, idA,
		},
		{"the start of its own session is not known", func(m *mixed) { m.owners[idA].From = time.Time{} }, idA},
		{"BOS v2 fits as well", func(m *mixed) { m.another(func(o *Owner) { o.V2, o.From = true, at(-5) }) }, "v2"},
		{
			"BOS v2 fits, and has the tag",
			func(m *mixed) { m.another(func(o *Owner) { o.V2 = true }); m.component("n1", tagged(idC)) }, "v2",
		},
		{"BOS v2 alone fits", func(m *mixed) { m.owners[idA].V2 = true }, "v2"},
		{
			"the nodes of BOS v2 are not known",
			func(m *mixed) { m.another(func(o *Owner) { *o = Owner{ID: idC, V2: true, From: at(20)} }) }, idC,
		},
		{"a component that CFS no longer has", func(m *mixed) { delete(m.components, "n2") }, "no component n2"},
		{
			"a component that is not understood",
			func(m *mixed) { m.component("n2", func(c *Component) { c.Fault = "garbled" }) }, "garbled",
		},
		{"a component without a tag", func(m *mixed) { m.component("n2", tagged("")) }, "person"},
		{"a component with the tag of an earlier session", func(m *mixed) {
			m.another(func(o *Owner) { o.From, o.Until = at(-60), at(-10) })
			m.component("n1", tagged(idC))
		}, "began before"},
		{
			"a component with the tag of a session that nobody knows",
			func(m *mixed) { m.component("n1", tagged("gone")) }, "gone",
		},
		{"a component with the tag of a session of which no time is known", func(m *mixed) {
			m.another(func(o *Owner) { o.From, o.Configuration = time.Time{}, "uan" })
			m.component("n1", tagged(idC))
		}, idC},
		{"set again since, and nothing else has the tag of its own session", func(m *mixed) {
			since(m)
			m.component("n2", tagged("D"))
		}, "ever set"},
		{
			"set again since, and its own session has no end",
			func(m *mixed) { since(m); m.owners[idA].Until = time.Time{} }, "ended",
		},
		{
			"set again since, and its own session had just begun",
			func(m *mixed) { since(m); m.owners[idA].From = at(28) }, "just begun",
		},
		{"set again since, and by another before", func(m *mixed) {
			since(m)
			m.another(func(o *Owner) { o.Configuration, o.From, o.Until = "uan", at(5), at(25) })
		}, idC},
		{"set again since, and before perhaps by one of unknown nodes", func(m *mixed) {
			since(m)
			m.another(func(o *Owner) { *o = Owner{ID: idC, From: at(5), Until: at(25)} })
		}, idC},
		{"one session alone would have left it its tag", func(m *mixed) { m.c.Limit = "n1,n2" }, "tag"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMixed()
			tt.change(m)
			l := m.link()
			if l.Strong() {
				t.Fatalf("acted on: %+v", l)
			}
			if !strings.Contains(l.Veto, tt.why) {
				t.Errorf("the veto %q does not say %q", l.Veto, tt.why)
			}
		})
	}
}

func TestAVetoedLinkStillNamesTheSessionsThatItCouldBeOf(t *testing.T) {
	m := newMixed()
	m.another(func(*Owner) {})
	if l := m.link(); !slices.Equal(l.Sessions, []string{idA, idB, idC}) || l.Score < 90 || len(l.Evidence) == 0 {
		t.Errorf("%+v", l)
	}
}

func TestOnlyWhatMayBeLinkedIsLookedUp(t *testing.T) {
	m := newMixed()
	ask := func() []string {
		var owners []Owner
		for _, o := range m.owners {
			owners = append(owners, *o)
		}
		return UndecidedComponents([]CFSSession{m.c}, owners)
	}
	if got := ask(); !slices.Equal(got, []string{"n1", "n2", "n3"}) {
		t.Errorf("components %q", got)
	}
	m.another(func(o *Owner) { o.NodesKnown = false })
	if got := ask(); len(got) > 0 {
		t.Errorf("%q are asked for, although the nodes of a session are not known", got)
	}
	delete(m.owners, idC)
	m.c.Limit = "n1,n9"
	if got := ask(); len(got) > 0 {
		t.Errorf("%q are asked for, although n9 is nobody's", got)
	}
	m.c.Limit, m.c.Tag = "n1,n3", idA
	if got := ask(); len(got) > 0 {
		t.Errorf("%q are asked for, although the tag says all", got)
	}
}

// history is a machine in which sessions, people and the batcher set and apply configurations.
type history struct {
	random     *rand.Rand
	now        time.Time
	owners     []Owner
	sessions   []CFSSession
	components map[string]Component
	setter     map[string]string // by component, who wanted what it is to have; "a person"
	truth      map[string][]string
	set        map[string]string // by session
	pending    map[string]bool   // by component
	staging    []staging         // what sessions have not come to yet
}

type staging struct {
	by    time.Time
	owner Owner
}

// stage has a session set tag and configuration, first come first served.
func (h *history) stage() {
	o := h.staging[0].owner
	h.staging = h.staging[1:]
	h.set[o.ID] = o.Configuration
	for _, id := range o.Nodes {
		c := h.components[id]
		c.Desired, c.Tag, h.setter[id], h.pending[id] = o.Configuration, o.ID, o.ID, true
		h.components[id] = c
	}
}

// machine is the number of nodes.
const machine = 24

const person = "a person"

func newHistory(seed uint64) *history {
	h := &history{
		random: rand.New(rand.NewPCG(seed, 6)), now: noon, components: map[string]Component{},
		setter: map[string]string{}, truth: map[string][]string{}, set: map[string]string{}, pending: map[string]bool{},
	}
	for n := range machine {
		id := fmt.Sprintf("n%d", n)
		h.components[id] = Component{ID: id}
		h.setter[id] = person
	}
	for range 40 + h.random.IntN(60) {
		h.now = h.now.Add(time.Duration(20+h.random.IntN(600)) * time.Second)
		for len(h.staging) > 0 && h.staging[0].by.Before(h.now) {
			h.stage()
		}
		switch h.random.IntN(12) {
		case 0, 1, 2, 3:
			h.begin()
		case 4:
			h.byHand()
		default:
			h.batch()
		}
	}
	return h
}

func (h *history) some() (nodes []string) {
	first := h.random.IntN(machine)
	for n := first; n < min(machine, first+1+h.random.IntN(6)); n++ {
		nodes = append(nodes, fmt.Sprintf("n%d", n))
	}
	return nodes
}

func (h *history) configuration() string { return []string{"cos", "cos", "uan"}[h.random.IntN(3)] }

// begin starts a session that will soon set tag and configuration of its nodes; now and then that fails, and
// nobody notices. Nodes that are not configured by then shall have another configuration: that somebody wanted the
// very same one a minute before cannot be told from the session's own doing, and is the one thing taken on trust.
func (h *history) begin() {
	o := Owner{
		ID: fmt.Sprintf("%08d-0000-4000-8000-000000000000", len(h.owners)), V2: h.random.IntN(20) == 0,
		Nodes: h.some(), NodesKnown: true, Configuration: h.configuration(), ConfigurationKnown: true, From: h.now,
	}
	if h.random.IntN(25) > 0 {
		o.Until = h.now.Add(time.Duration(30+h.random.IntN(60)) * time.Minute)
	}
	fails := h.random.IntN(20) == 0
	if h.random.IntN(10) == 0 {
		o.Configuration, fails = "", true // shutdown
	}
	for _, id := range o.Nodes {
		h.pending[id] = h.pending[id] && h.components[id].Desired != o.Configuration
	}
	if !fails {
		h.staging = append(h.staging, staging{h.now.Add(time.Duration(h.random.IntN(200)) * time.Second), o})
	}
	o.ConfigurationKnown = !o.V2
	if h.random.IntN(30) == 0 {
		o.Nodes, o.NodesKnown = nil, false
	}
	h.owners = append(h.owners, o)
}

// byHand has a person set a configuration that the component does not have to have anyway: what is set again as its
// tag says belongs to nobody else.
func (h *history) byHand() {
	for _, id := range h.some() {
		c := h.components[id]
		awaited := slices.ContainsFunc(h.staging, func(s staging) bool { return slices.Contains(s.owner.Nodes, id) })
		if want := h.configuration(); want != c.Desired && !awaited {
			c.Desired, h.setter[id] = want, person
			if h.set[c.Tag] == want {
				h.setter[id] = c.Tag
			}
			h.components[id], h.pending[id] = c, true
		}
	}
}

// batch has the batcher configure some components that shall have the same configuration.
func (h *history) batch() {
	want := h.configuration()
	if h.random.IntN(4) == 0 { // somebody has booted a node
		h.pending[fmt.Sprintf("n%d", h.random.IntN(machine))] = true
	}
	c := CFSSession{
		Name: fmt.Sprintf("batcher-%08d-0000-4000-8000-000000000000", len(h.sessions)), Configuration: want,
		Definition: "dynamic", Status: "complete", Start: KnownStamp(h.now.Truncate(time.Second)),
	}
	var limit, tags []string
	for n := range machine {
		id := fmt.Sprintf("n%d", n)
		if component := h.components[id]; component.Desired == want && h.pending[id] && h.random.IntN(4) > 0 {
			h.pending[id] = h.random.IntN(6) == 0 // it has failed, and is tried again
			limit = append(limit, id)
			tags = append(tags, component.Tag)
			h.truth[c.Name] = append(h.truth[c.Name], h.setter[id])
			component.CFSSessions = []string{c.Name}
			h.components[id] = component
		}
	}
	if len(limit) == 0 {
		return
	}
	c.Limit = strings.Join(limit, ",")
	if tags = slices.Compact(tags); len(tags) == 1 {
		c.Tag = tags[0]
	}
	slices.Sort(h.truth[c.Name])
	h.truth[c.Name] = slices.Compact(h.truth[c.Name])
	h.sessions = append(h.sessions, c)
}

// whole reports whether the tags alone tell everything about a CFS session.
func (h *history) whole(c CFSSession) bool {
	for _, id := range c.Components() {
		if !slices.Contains(h.truth[c.Name], h.components[id].Tag) {
			return false
		}
	}
	return !slices.Contains(h.truth[c.Name], person)
}

func (h *history) links() map[string]Link {
	links := map[string]Link{}
	for _, l := range Links(h.sessions, h.owners, h.components) {
		links[l.CFS] = l
	}
	return links
}

const histories = 400

func TestWhatIsInferredIsTrue(t *testing.T) {
	inferred, loose, known := 0, 0, 0
	for seed := range uint64(histories) {
		h := newHistory(seed)
		for name, l := range h.links() {
			if l.Exact {
				continue
			}
			loose++
			if i := slices.IndexFunc(
				h.sessions, func(c CFSSession) bool { return c.Name == name },
			); h.whole(h.sessions[i]) {
				known++
			}
			if l.Strong() {
				inferred++
				if !slices.Equal(l.Sessions, h.truth[name]) {
					t.Errorf(
						"seed %d: %s is of %q, and is linked to %q: %q", seed, name, h.truth[name], l.Sessions,
						l.Evidence,
					)
				}
			}
		}
	}
	t.Logf("%d of %d are inferred, %d could be known", inferred, loose, known)
	if inferred < known/3 {
		t.Errorf("%d of %d are inferred: too few to say anything", inferred, loose)
	}
}

func TestLinksDoNotDependOnAnyOrder(t *testing.T) {
	for seed := range uint64(histories / 4) {
		h := newHistory(seed)
		before := h.links()
		h.random.Shuffle(len(h.owners), func(i, j int) { h.owners[i], h.owners[j] = h.owners[j], h.owners[i] })
		h.random.Shuffle(
			len(h.sessions), func(i, j int) { h.sessions[i], h.sessions[j] = h.sessions[j], h.sessions[i] },
		)
		for i := range h.sessions {
			limit := h.sessions[i].Components()
			slices.Reverse(limit)
			h.sessions[i].Limit = strings.Join(limit, ",")
		}
		for name, l := range h.links() {
			was := before[name]
			if l.Strong() != was.Strong() || l.Score != was.Score || !slices.Equal(l.Sessions, was.Sessions) ||
				l.Strong() && !reflect.DeepEqual(l, was) {
				t.Errorf("seed %d:\n%+v\nbut before\n%+v", seed, l, was)
			}
		}
	}
}

// Less knowledge must never lead to more links.
func TestLessKnowledgeNeverMakesALink(t *testing.T) {
	forget := map[string]func(*history){
		"the nodes of a session": func(h *history) {
			o := &h.owners[h.random.IntN(len(h.owners))]
			o.Nodes, o.NodesKnown = nil, false
		},
		"the configuration of a session": func(h *history) {
			h.owners[h.random.IntN(len(h.owners))].ConfigurationKnown = false
		},
		"the start of a session": func(h *history) {
			h.owners[h.random.IntN(len(h.owners))].From = time.Time{}
		},
		"a component": func(h *history) {
			delete(h.components, fmt.Sprintf("n%d", h.random.IntN(machine)))
		},
		"the tag of a component": func(h *history) { h.change(func(c *Component) { c.Tag = "" }) },
	}
	for what, lose := range forget {
		t.Run(what, func(t *testing.T) {
			lost := 0
			for seed := range uint64(histories) {
				h := newHistory(seed)
				if len(h.owners) == 0 {
					continue
				}
				before := h.links()
				lose(h)
				for name, l := range h.links() {
					if l.Strong() && !before[name].Strong() {
						t.Errorf("seed %d: appeared: %+v; before: %+v", seed, l, before[name])
					}
					if !l.Strong() && before[name].Strong() {
						lost++
					}
				}
			}
			if lost == 0 {
				t.Error("no link hangs on it: this shows nothing")
			}
		})
	}
}

func (h *history) change(f func(*Component)) {
	id := fmt.Sprintf("n%d", h.random.IntN(machine))
	c := h.components[id]
	f(&c)
	h.components[id] = c
}

// One component that belongs to nobody is enough for a veto.
func TestAForeignComponentAlwaysVetoes(t *testing.T) {
	for seed := range uint64(histories / 4) {
		h := newHistory(seed)
		h.components["stranger"] = Component{ID: "stranger"}
		for i := range h.sessions {
			h.sessions[i].Limit += ",stranger"
		}
		for name, l := range h.links() {
			if !l.Exact && l.Strong() {
				t.Errorf("seed %d: %s is linked in spite of it: %+v", seed, name, l)
			}
		}
	}
}

// One more session that could have set a component may take links away, and never adds one.
func TestARivalNeverMakesALink(t *testing.T) {
	vetoed := 0
	for seed := range uint64(histories) {
		h := newHistory(seed)
		before := h.links()
		if len(h.sessions) == 0 {
			continue
		}
		c := h.sessions[h.random.IntN(len(h.sessions))]
		h.owners = append(h.owners, Owner{
			ID: idC, Nodes: c.Components()[:1], NodesKnown: true, Configuration: c.Configuration,
			ConfigurationKnown: true,
			From:               c.Start.At().Add(-time.Minute), Until: c.Start.At().Add(time.Minute),
		})
		after := h.links()[c.Name]
		switch was := before[c.Name]; {
		case after.Strong() && !was.Strong() && len(was.Sessions) > 1:
			t.Errorf("seed %d: %+v\nbefore %+v", seed, after, was)
		case !after.Strong() && was.Strong():
			vetoed++
		}
	}
	if vetoed == 0 {
		t.Error("no rival ever took a link away: this shows nothing")
	}
}
