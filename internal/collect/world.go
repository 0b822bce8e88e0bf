// Package collect reads all systems into one World, and says what of it is complete. It changes nothing.
package collect

import (
	"encoding/json"
	"slices"
	"time"

	"bosgc/internal/bos"
	"bosgc/internal/bosetcd"
	"bosgc/internal/cfs"
	"bosgc/internal/inventory"
	"bosgc/internal/kube"
	"bosgc/internal/memory"
	"bosgc/internal/progress"
	"bosgc/internal/state"
	"bosgc/policy"
)

// Clients reach the systems that a session leaves something in.
type Clients struct {
	progress.Reporter

	BOS   *bos.Client
	CFS   *cfs.Client
	Kube  *kube.Client
	State *state.Store    // what earlier runs have left
	Etcd  *bosetcd.Reader // nil: BOS's etcd is not to be read
	// SameCluster reports whether bosgc runs in a Pod of that Kubernetes and asks BOS by the name of a Service in it.
	SameCluster bool
	// Limits on what is asked at once, for the loops that ask for one object after the other.
	BOSConcurrency  int
	CFSConcurrency  int
	KubeConcurrency int
}

// Options are what one World is collected for.
type Options struct {
	Settings    policy.Settings
	Clock       func() time.Time
	ReadTimeout time.Duration // how long reading may take
	// Memory is what earlier runs leave for the rules; MemoryErr is why it could not be read.
	Memory    memory.Memory
	MemoryErr error
	// List is what earlier sweeps remember of BOS's list of sessions.
	List state.SessionList
	// Procedures are those that runs of "bosgc clean" have recorded in the state.
	Procedures state.Procedures
	// RecordHang is told when BOS's list is about to be asked for although it is large, and when it has hung; nil
	// when it has answered after that. A run that is killed, or only looks, must not have the next one ask again.
	// It may be nil.
	RecordHang func(*state.Hang)
	// AskEverySession has BOS asked for every session, also where that changes no verdict: for a person who wants
	// to see when those that are kept began and ended, and of which template they are.
	AskEverySession bool
}

// World is what one run knows: everything that it read, joined, and the judge of it.
type World struct {
	// Seen has no Jobs, Pods and ConfigMaps of everything, only of named sessions: the Snapshot has them, and twice they
	// are a third of the memory of a sweep.
	Seen inventory.Seen
	// Versions are those of Kubernetes' lists, by source: where a watch goes on from. There is none of a list that
	// could not be read.
	Versions  map[string]string
	Snapshot  *inventory.Snapshot
	Sources   []inventory.Source
	Judge     *policy.Judge
	Named     map[string]*inventory.Group // of Sessions: the named sessions as they are now
	Requested map[string]policy.Request   // by session: procedures that a person began and that did not end
	// HasBOSv1 is false where BOS v1 is positively known to have been removed (CSM 1.6).
	HasBOSv1 bool
	List     *SessionList
	// PodsWithoutJob are Pods of BOA that have ended and whose Job is gone.
	PodsWithoutJob []string
	// Notes are what a person should know and no object says.
	Notes []string
	Links []inventory.Link // none unless inferred ones are acted on, and there may be any

	cached *cache
}

// SourceNames lists the places that a run reads.
func SourceNames() []string {
	return []string{
		inventory.SourceSessions, inventory.SourceJobs, inventory.SourceConfigMaps,
		inventory.SourcePods, inventory.SourceCronJobs, inventory.SourceCFSSessions,
	}
}

// Complete reports whether a source was read completely.
func (w *World) Complete(source string) bool {
	return slices.ContainsFunc(w.Sources, func(s inventory.Source) bool { return s.Name == source && s.Complete })
}

// Group returns what is known of a session; nil if nothing is.
func (w *World) Group(id string) *inventory.Group {
	if id == "" {
		return nil
	}
	for _, g := range w.Snapshot.Groups {
		if g.ID == id {
			return g
		}
	}
	return nil
}

// EndedRecord returns BOS's record of a session that had ended when the plan was made, and its text; nil if there
// is none. Such a record does not change any more.
func (w *World) EndedRecord(id string) (inventory.Record, json.RawMessage) {
	if w.cached == nil {
		return inventory.Record{}, nil
	}
	text := w.cached.records.get(id)
	if text == nil {
		return inventory.Record{}, nil
	}
	record, err := bos.DecodeRecord(text)
	if err != nil {
		return inventory.Record{}, nil
	}
	return record, text
}

// Manifest returns the manifest of exactly this version of a ConfigMap, if it was read for the plan; nil otherwise.
func (w *World) Manifest(kind policy.Kind, uid, resourceVersion string) json.RawMessage {
	if kind != policy.ConfigMap || w.cached == nil {
		return nil
	}
	return w.cached.configMaps.get(versionKey(uid, resourceVersion))
}
