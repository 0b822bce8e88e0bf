// Package policy holds the rules: what exists, the settings and the time go in, verdicts
// with their reasons come out. It does no I/O, reads no clock and logs nothing.
// docs/policy.md is the same in words, rule by rule and in the same order.
package policy

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/margin"
	"bosgc/internal/memory"
)

// Settings are what an administrator can tune (see package config for defaults).
type Settings struct {
	SessionTTL    time.Duration
	FailedTTL     time.Duration
	AbandonedTTL  time.Duration
	KeepLast      int
	KeepLastFor   time.Duration // from the end of a session; 0: for ever
	KeepTemplates []string      // globs of path.Match
	OrphanGrace   time.Duration
	// OrphanSightings is the number of sweeps that must have seen an object as an orphan before it is deleted.
	OrphanSightings int
	// OrphanInterval is the time that has to lie between two of them.
	OrphanInterval time.Duration
	// MaxOrphanPercent is the share of a kind that may look orphaned.
	MaxOrphanPercent int
	CFS              CFSMode
	CFSTTL           time.Duration
	CFSLink          CFSLink
}

// Memory is what a judge knows beside the snapshot.
type Memory struct {
	// Sightings are by Identity.
	memory.Memory

	// Requested is what persons have asked for, by the ID of the session.
	Requested map[string]Request
	// ClockDoubt is why the clock cannot be trusted; empty if it can.
	ClockDoubt string
}

// CFSMode is how far CFS sessions are collected.
type CFSMode string

// The values of CFSMode.
const (
	CFSOff    CFSMode = "off"
	CFSLinked CFSMode = "linked" // those whose session is collected or gone
	CFSOld    CFSMode = "old"    // also old ones without a tag
)

// CFSLink is which links between sessions and CFS sessions are acted on.
type CFSLink string

// The values of CFSLink.
const (
	LinkExact    CFSLink = "exact"    // the tag
	LinkInferred CFSLink = "inferred" // also strong inferred ones
)

// Kind is a kind of object, as documents, metrics and the journal name it.
type Kind string

// The values of Kind.
const (
	Session    Kind = "Session"
	Job        Kind = "Job"
	ConfigMap  Kind = "ConfigMap"
	CFSSession Kind = "CFSSession"
	Component  Kind = "Component" // a component whose desired configuration is unset; shown, never judged
)

// UnmarshalText refuses unknown kinds: a saved plan must not be taken for something that it does not say.
func (k *Kind) UnmarshalText(text []byte) (err error) {
	*k, err = parse("kind", text, append(Kinds(), Component))
	return err
}

// Kinds lists all kinds that are judged.
func Kinds() []Kind { return []Kind{Session, Job, ConfigMap, CFSSession} }

// Decision is the verdict on one object.
type Decision struct {
	Kind            Kind
	Name            string
	Session         string // the session it belongs to; empty if none
	Verdict         Verdict
	Reason          Reason
	Detail          string    // one sentence for a person
	EligibleAt      time.Time // when it can or could be deleted; zero if unknown
	Since           time.Time // since when it looks orphaned; zero if it does not
	Template        string    // of its session; empty if unknown
	StartedAt       time.Time // when it started or was created; zero if unknown
	EndedAt         time.Time // when it ended; zero if unknown, or if it has none
	UID             string    // Kubernetes only
	ResourceVersion string    // Kubernetes only
}

// Judge applies the rules to one snapshot. Its decisions depend on nothing else, so that
// judging twice gives the same result.
type Judge struct {
	settings  Settings
	now       time.Time
	memory    Memory
	templates inventory.Templates
	keptLast  map[string]bool         // by session; see newest
	guarded   map[Kind]string         // why no orphan of a kind may be deleted
	guards    map[string]memory.Guard // what the next run is to remember of it
	doubted   map[Kind]string         // why nothing of a kind is known to be of the same system as BOS; see tie.go
	untraced  bool                    // see inventory.Ties
	links     map[string]*strongLink

	assumeContent bool // of ConfigMaps, which are not read yet; see NeedsBody
}

// NewJudge returns a judge of the groups of one snapshot. It ranks the sessions of each
// template, because the rule that keeps the newest needs all of them.
func NewJudge(s *inventory.Snapshot, settings Settings, now time.Time, memory Memory) *Judge {
	j := &Judge{settings: settings, now: now, memory: memory, templates: s.Templates}
	j.keptLast = j.newest(s)
	return j
}

// All judges everything in a snapshot. Decisions come in the order in which objects are deleted: the oldest session
// first, and within a session ConfigMaps, CFS sessions, the session, Jobs.
func (j *Judge) All(s *inventory.Snapshot) iter.Seq[Decision] {
	return func(yield func(Decision) bool) {
		for _, u := range j.inOrder(s) {
			for _, d := range u.judge() {
				if !yield(d) {
					return
				}
			}
		}
	}
}

// unit is what is judged together: a group, or an object that names no session.
type unit struct {
	age   time.Time
	judge func() []Decision
}

// inOrder returns everything in a snapshot, the oldest first.
func (j *Judge) inOrder(s *inventory.Snapshot) []unit {
	units := make([]unit, 0, len(s.Groups)+len(s.UntaggedCFS)+len(s.StrayJobs))
	for _, g := range s.Groups {
		units = append(units, unit{j.facts(g).age(), func() []Decision { return j.Group(g) }})
	}
	linked := j.linkedGroups(s)
	for _, c := range s.UntaggedCFS {
		f := &facts{cfs: &c, linked: linked}
		age := cmp.Or(c.Completion.At(), c.Start.At())
		if j.links[c.Name] != nil && j.untaggedCFS(f).Verdict == Delete {
			age = time.Time{} // before any of its sessions: without one of them nothing leads to it any more
		}
		units = append(units, unit{age, func() []Decision { return []Decision{j.untaggedCFS(f)} }})
	}
	for _, job := range s.StrayJobs {
		units = append(units, unit{job.Created.At(), func() []Decision { return []Decision{j.strayJob(job)} }})
	}
	// Stable, so that equal ages keep the order of the IDs and a plan reads the same twice.
	slices.SortStableFunc(units, func(a, b unit) int { return a.age.Compare(b.age) })
	return units
}

// Group judges all objects of one session ID, in the order in which they are deleted.
func (j *Judge) Group(g *inventory.Group) []Decision {
	f := j.ownerFacts(g)
	cms := j.configMaps(f)
	f.holdBackOwner(cms)
	cfs := make([]Decision, 0, len(g.CFS))
	for _, c := range g.CFS {
		cfs = append(cfs, j.taggedCFS(&facts{sessionFacts: f.sessionFacts, cfs: &c}))
	}
	switch {
	case g.Listed != inventory.Present:
		return slices.Concat(cms, cfs, f.jobs)
	case f.agedByConfigMap():
		// Its ConfigMap alone tells how old the session is. Were the ConfigMap deleted first and the run
		// killed then, no later run could judge the session any more.
		return slices.Concat(cfs, []Decision{f.session}, cms, f.jobs)
	}
	// The ConfigMap first: it is deleted in no other version than the one that was judged, so that whoever has
	// protected the session there in the meantime loses nothing of it.
	return slices.Concat(cms, cfs, []Decision{f.session}, f.jobs)
}

// holdBackOwner keeps a session and its Jobs while one of its ConfigMaps cannot be judged, or is still being deleted:
// they are the thread that leads to it, and without them it could only be deleted as an orphan.
func (f *sessionFacts) holdBackOwner(cms []Decision) {
	for _, cm := range cms {
		var held *ruling
		switch {
		case cm.Verdict == Unknown:
			held = unknown(EvidenceIncomplete, "its ConfigMap "+cm.Name+" cannot be judged")
		case cm.Reason == Terminating:
			held = keep(Terminating, "its ConfigMap "+cm.Name+" is still being deleted: "+cm.Detail)
		default:
			continue
		}
		if f.session.Verdict == Delete {
			held.applyTo(&f.session)
		}
		for i := range f.jobs {
			if f.jobs[i].Verdict == Delete {
				held.applyTo(&f.jobs[i])
			}
		}
	}
}

// ruling is what a rule says about an object; see Decision for the fields.
type ruling struct {
	verdict  Verdict
	reason   Reason
	detail   string
	eligible time.Time
	since    time.Time
}

func remove(r Reason, eligible time.Time, detail string) *ruling {
	return &ruling{verdict: Delete, reason: r, detail: detail, eligible: eligible}
}

func keep(r Reason, detail string) *ruling { return &ruling{verdict: Keep, reason: r, detail: detail} }

func keepUntil(r Reason, eligible time.Time, detail string) *ruling {
	return &ruling{verdict: Keep, reason: r, detail: detail, eligible: eligible}
}

func unknown(r Reason, detail string) *ruling {
	return &ruling{verdict: Unknown, reason: r, detail: detail}
}

func (r *ruling) applyTo(d *Decision) {
	d.Verdict, d.Reason, d.Detail, d.EligibleAt, d.Since = r.verdict, r.reason, r.detail, r.eligible, r.since
}

// leadsToDelete reports whether the object is to be deleted, or is kept only as an orphan that is not confirmed.
func (r *ruling) leadsToDelete() bool {
	return r.verdict == Delete || r.reason == AwaitingConfirmation || r.reason == OrphanGuard
}

// inFuture reports whether a time lies so far ahead of now that some clock must be wrong.
func (j *Judge) inFuture(t time.Time) bool { return t.Sub(j.now) > margin.MaxClockSkew }
