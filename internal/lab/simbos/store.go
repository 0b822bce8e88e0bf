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
	Broken    bool   // the status record cannot be read: every GET is a 500
	BootSets  []BootSet
}

// BootSet is the part of a session's nodes that boots one image.
type BootSet struct {
	Name   string
	Nodes  []string
	Failed int // number of nodes that failed, from the front
	// Progress is what BOA wrote about the nodes; nil: all but the failed ones are where the session is.
	Progress Progress
}

// V2Session is a session of BOS v2.
type V2Session struct {
	Name, Operation, Template string
	Start, End                any
	Status                    string
	Nodes                     []string
	// Tenant owns the session. A client that does not name the tenant gets a 404 for it, but sees it in the list.
	Tenant string
}

type entry struct {
	value any
	size  int // of key and value, as etcd sends them
}

type statusRecord struct {
	start, stop any
	broken      bool
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
	if !session.Ghost {
		link := "/v1/session/" + session.ID + "/status"
		put(templateKey, session.Template, len(session.Template))
		put("operation", session.Operation, len(session.Operation))
		put("status_link", link, len(link))
		job := cmp.Or(session.Job, "boa-"+session.ID)
		put("job", job, len(job))
	}
	if !session.NoStatus {
		put("status", statusRecord{session.Start, session.Stop, session.Broken}, pickleBase)
	}
	for _, set := range session.BootSets {
		size := pickleBootSet + pickleNode*len(set.Nodes)*len(Phases(session.Operation))
		put("status/"+set.Name, setRecord{set, session.Operation, session.Start, session.Stop}, size)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[session.ID] = keys
	for attribute := range keys {
		s.saveToEtcd(session.ID, attribute)
	}
}

type setRecord struct {
	set         BootSet
	operation   string
	start, stop any
}

// Phases returns the phases of an operation, in order.
func Phases(operation string) []string {
	switch operation {
	case "shutdown", "configure":
		return []string{operation}
	case "reboot":
		return []string{"shutdown", "boot", "configure"}
	}
	return []string{"boot", "configure"}
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

// get returns the attributes of a session and its status record.
func (s *store) get(id string) (attributes map[string]any, status *statusRecord) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loadFromEtcd(id)
	attributes = map[string]any{}
	for attribute, e := range s.sessions[id] {
		if record, ok := e.value.(statusRecord); ok {
			status = &record
		} else if !strings.HasPrefix(attribute, "status/") {
			attributes[attribute] = e.value
		}
	}
	return attributes, status
}

func (s *store) bootSet(id, name string) (setRecord, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loadFromEtcd(id)
	record, ok := s.sessions[id]["status/"+name].value.(setRecord)
	return record, ok
}

// remove deletes every key of a session, and returns how many there were.
func (s *store) remove(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loadFromEtcd(id)
	keys := len(s.sessions[id])
	s.deleteFromEtcd(id)
	delete(s.sessions, id)
	return keys
}
