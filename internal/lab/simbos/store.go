// Package simbos simulates the Boot Orchestration Service of one CSM release: all of its v1 API that a garbage
// collector can meet, and the little of v2 that it asks.
//
// BOS v1 stores nothing but keys in an etcd, and most of its oddities follow from that (docs/csm.md, "BOS v1"). This
// package stores keys too, and lets the oddities follow from them.
package simbos

import (
	"cmp"
	"log"
	"maps"
	"slices"
	"strings"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// ListLimit is the largest answer that gRPC carries, in bytes. A session list whose keys and values are larger never
// answers (docs/csm.md, "The list that hangs").
const ListLimit = 4 << 20

// Session is a session of BOS v1.
type Session struct {
	ID        string
	Template  string
	Operation string
	Job       string // empty: boa- and the ID
	Start     any    // start_time as in the API: a text or nil
	Stop      any    // stop_time as in the API: a text or nil
	NoStatus  bool   // no status record was ever written
	Ghost     bool   // only the status keys are left
	Broken    bool   // the status records cannot be read: every GET is a 500
	BootSets  []BootSet
	// Named are the boot sets that the status record names. Only a record that BOA made names any, as that of a ghost.
	Named []string
	// Version is the version of the BOS that wrote the status; empty: this one.
	Version string
	// Attributes are all attributes, as a release before CSM 1.0 wrote them; nil: those of Version.
	Attributes map[string]string
}

// BootSet is the part of a session's nodes that boots one image.
type BootSet struct {
	Name   string
	Nodes  []string
	Failed int // number of nodes that failed, from the front
	// Progress is what BOA wrote about the nodes; nil: all but the failed ones are where the session is.
	Progress Progress
	// Phases is what BOA wrote through the API; it replaces Progress.
	Phases []Phase `json:",omitempty"`
}

// V2Session is a session of BOS v2.
type V2Session struct {
	Name, Operation, Template, Limit string
	Start, End                       any
	Status                           string
	Nodes                            []string
	// Tenant owns the session. A client that does not name the tenant gets a 404 for it, but sees it in the list.
	Tenant string
}

type entry struct {
	value any
	size  int // of key and value, as etcd sends them
}

// statusRecord is the status of a session.
type statusRecord struct {
	start, stop any
	broken      bool
	named       []string // boot sets
}

// store plays BOS's etcd. Its keys are /session/<id>/<attribute>; they are stored by session, because BOS reads and
// deletes them by that prefix.
type store struct {
	mu       sync.Mutex
	sessions map[string]map[string]entry
	etcd     *etcd // holds the sessions if it is not nil
}

const keyPrefix = "/session/"

// Sizes of pickled status records in bytes: of a session, of a boot set, and for each node in each phase. They are
// orders of magnitude: what matters is that machines with many nodes reach the limit with fewer sessions.
const (
	pickleBase    = 620
	pickleBootSet = 900
	pickleNode    = 18
)

func (s *store) add(session Session, templateKey string) {
	keys := map[string]entry{}
	put := func(attribute string, value any, size int) {
		keys[attribute] = entry{value, len(keyPrefix) + len(session.ID) + 1 + len(attribute) + size}
	}
	attributes := session.Attributes
	if attributes == nil && !session.Ghost {
		attributes = session.attributes(templateKey)
	}
	for attribute, value := range attributes {
		put(attribute, value, len(value))
	}
	start, named := session.Start, session.Named
	if session.Ghost { // BOA made its status
		start = boaForm(start)
		for _, set := range session.BootSets {
			named = append(named, set.Name)
		}
	}
	if !session.NoStatus {
		put("status", statusRecord{start, session.Stop, session.Broken, slices.Compact(named)}, pickleBase)
	}
	for _, set := range session.BootSets {
		record := setRecord{
			set: set, operation: session.Operation, times: Times{boaForm(session.Start), session.Stop},
			writer: session.Version, broken: session.Broken,
		}
		put("status/"+set.Name, record, record.size())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[session.ID] = keys
	for attribute := range keys {
		s.saveToEtcd(session.ID, attribute)
	}
}

func (s Session) attributes(templateKey string) map[string]string {
	if s.Version != "" {
		templateKey = Options{Version: s.Version}.templateKey()
	}
	return map[string]string{
		templateKey: s.Template, "operation": s.Operation,
		"status_link": "/v1/session/" + s.ID + "/status", "job": cmp.Or(s.Job, "boa-"+s.ID),
	}
}

// ids returns the ID of every session that any key names, ghosts included.
func (s *store) ids() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.etcd != nil {
		ids, err := s.etcd.list(true)
		if err != nil {
			log.Printf("lab: etcd: %v", err)
		}
		return ids
	}
	return slices.Sorted(maps.Keys(s.sessions))
}

func (s *store) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.totalSize()
}

func (s *store) totalSize() int {
	total := 0
	for _, keys := range s.sessions {
		for _, e := range keys {
			total += e.size
		}
	}
	return total
}

// scale changes the sizes of all entries in proportion, so that they add up to want.
func (s *store) scale(want int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	have := s.totalSize()
	if have == 0 {
		return
	}
	for _, keys := range s.sessions {
		for attribute, e := range keys {
			e.size = int(int64(e.size) * int64(want) / int64(have))
			keys[attribute] = e
		}
	}
}

// get returns the attributes of a session. A ghost has none.
func (s *store) get(id string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loadFromEtcd(id)
	attributes := map[string]any{}
	for attribute, e := range s.sessions[id] {
		if attribute != "status" && !strings.HasPrefix(attribute, "status/") {
			attributes[attribute] = e.value
		}
	}
	return attributes
}

// value returns the value of one key, or nil.
func (s *store) value(id, attribute string) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loadFromEtcd(id)
	return s.sessions[id][attribute].value
}

// removeKey deletes one key, and reports whether there was one.
func (s *store) removeKey(id, attribute string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loadFromEtcd(id)
	if _, ok := s.sessions[id][attribute]; !ok {
		return false
	}
	s.deleteFromEtcd(key(id, attribute))
	delete(s.sessions[id], attribute)
	if len(s.sessions[id]) == 0 {
		delete(s.sessions, id)
	}
	return true
}

// remove deletes every key of a session, and returns how many there were.
func (s *store) remove(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loadFromEtcd(id)
	keys := len(s.sessions[id])
	s.deleteFromEtcd(key(id, ""), clientv3.WithPrefix())
	delete(s.sessions, id)
	return keys
}
