package inventory

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Owner is a session as far as it tells which CFS sessions can belong to it.
type Owner struct {
	ID         string
	V2         bool // of BOS v2, which tags in the same way
	Nodes      []string
	NodesKnown bool
	// Configuration is what it set; empty if it set none.
	Configuration      string
	ConfigurationKnown bool
	// From and Until are when the batcher may have started CFS sessions for it. A zero From is not known, a
	// zero Until has not come yet.
	From, Until time.Time
}

// Link says which sessions a CFS session belongs to, and how that is known.
type Link struct {
	CFS      string   `json:"cfs"`
	Sessions []string `json:"sessions"` // by ID; with a veto those that it could belong to
	Exact    bool     `json:"exact"`    // it names its session itself
	Score    int      `json:"score"`    // 0 to 100
	Evidence []string `json:"evidence"` // for a person
	Veto     string   `json:"veto"`     // why it must not be acted on; empty if nothing speaks against it
}

// strongScore is what configuration, nodes and time give together. One of them missing is never made
// up for by the rest.
const strongScore = 90

// Strong reports whether a link may be acted on.
func (l Link) Strong() bool { return l.Veto == "" && len(l.Sessions) > 0 && l.Score >= strongScore }

// NotBatcherMade says what a CFS session has that the batcher never makes; empty if the batcher may have made it
// (docs/csm.md, "The batcher").
func NotBatcherMade(c CFSSession) string {
	id, batcher := strings.CutPrefix(c.Name, "batcher-")
	switch {
	case !batcher || !IsSessionID(id):
		return "its name is not one that the batcher gives"
	case c.Definition != "dynamic":
		return fmt.Sprintf("its target is %q: an image build, not nodes", c.Definition)
	case c.Limit == "":
		return "it has no Ansible limit; the batcher always sets one"
	}
	return ""
}

// Components returns the IDs of the components in its Ansible limit, each once.
func (c CFSSession) Components() []string {
	var ids []string
	for id := range strings.SplitSeq(c.Limit, ",") {
		if id = strings.TrimSpace(id); id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// Started reports whether the batcher may have started a CFS session for this session at that time. CFS
// cuts times to the second.
func (o Owner) Started(at time.Time) bool {
	return (o.From.IsZero() || at.Add(time.Second).After(o.From)) && (o.Until.IsZero() || !at.After(o.Until))
}

// Sets reports whether the session may have set any configuration at all.
func (o Owner) Sets() bool { return !o.ConfigurationKnown || o.Configuration != "" }

func (o Owner) mayHaveSet(configuration string) bool {
	return !o.ConfigurationKnown || o.Configuration == configuration
}

// Links returns for each CFS session which sessions it belongs to. One with a tag belongs to the session that the
// tag names. The batcher leaves the tag out where a batch mixes nodes of several sessions (docs/csm.md,
// "Tags"); then each component of the limit is attributed to the session that had set its configuration
// when the CFS session began, and the CFS session belongs to all of those. One component that cannot be attributed
// for certain is a veto. The CFS sessions and the owners must be all that there are: what one of them says can prove
// another's link, or put it in doubt. The links are in the order of the tags, and of the names of the CFS sessions.
func Links(sessions []CFSSession, owners []Owner, components map[string]Component) []Link {
	sessions = slices.Clone(sessions)
	slices.SortStableFunc(sessions, func(a, b CFSSession) int {
		return cmp.Or(cmp.Compare(a.Tag, b.Tag), cmp.Compare(a.Name, b.Name))
	})
	index := newOwnerIndex(owners)
	for _, c := range sessions {
		index.tagged[c.Tag] = true
	}
	for _, c := range components {
		index.tagged[c.Tag] = true
	}
	links := make([]Link, 0, len(sessions))
	for _, c := range sessions {
		if c.Tag != "" {
			links = append(links, exactLink(c))
			continue
		}
		links = append(links, newAttribution(index, c).infer(components))
	}
	return links
}

func exactLink(c CFSSession) Link {
	return Link{
		CFS: c.Name, Sessions: []string{c.Tag}, Exact: true, Score: 100,
		Evidence: []string{"its tag names session " + c.Tag}, Veto: cmp.Or(c.Fault, NotBatcherMade(c)),
	}
}

// UndecidedComponents returns the components of those CFS sessions that may be linked, as far as that can be said
// without what CFS knows of the components, sorted.
func UndecidedComponents(sessions []CFSSession, owners []Owner) []string {
	index := newOwnerIndex(owners)
	ids := map[string]bool{}
	for _, c := range sessions {
		if limit := c.Components(); c.Tag == "" && newAttribution(index, c).mayLink(limit) {
			for _, id := range limit {
				ids[id] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(ids))
}
