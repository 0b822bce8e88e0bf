package gc

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"runtime"
	"slices"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/state"
	"bosgc/policy"
)

// APIVersion marks the form of plans and reports.
const APIVersion = "bosgc/v1"

// planLife is how long a plan may wait before it is carried out. Every object is checked
// again then; the limit keeps a forgotten file from surprising somebody next month.
const planLife = 24 * time.Hour

// Object is one line of a plan or report. There are tens of thousands of them, held from the plan to the report: small
// fields lie side by side.
type Object struct {
	Kind            policy.Kind    `json:"kind"`
	Name            string         `json:"name"`
	Session         string         `json:"session,omitempty"`
	Verdict         policy.Verdict `json:"verdict"`
	Reason          policy.Reason  `json:"reason"`
	now             policy.Reason  // why it stays, where a saved plan would have it go
	Outcome         Outcome        `json:"outcome,omitempty"`
	FoundIn         Place          `json:"foundIn,omitempty"` // of a session: what named its ID first
	Detail          string         `json:"detail"`
	EligibleAt      Moment         `json:"eligibleAt,omitzero"`
	since           Moment
	UID             string `json:"uid,omitempty"`
	ResourceVersion string `json:"resourceVersion,omitempty"`
	Template        string `json:"template,omitempty"`
	StartedAt       Moment `json:"startedAt,omitzero"`
	EndedAt         Moment `json:"endedAt,omitzero"`
	// Link is how a CFS session without a tag was linked, if that was tried.
	Link  *inventory.Link `json:"link,omitempty"`
	Error string          `json:"error,omitempty"`
}

// Since is since when an object looks orphaned; zero if it does not.
func (o Object) Since() time.Time { return o.since.Time() }

// Summary counts verdicts.
type Summary struct {
	Delete  int `json:"delete"`
	Keep    int `json:"keep"`
	Unknown int `json:"unknown"`
}

// Document is what plans and reports have in common.
type Document struct {
	APIVersion string             `json:"apiVersion"`
	Kind       string             `json:"kind"` // Plan or Report
	Run        string             `json:"run"`
	CreatedAt  time.Time          `json:"createdAt"`
	ExpiresAt  *time.Time         `json:"expiresAt,omitempty"`  // Plan only
	FinishedAt *time.Time         `json:"finishedAt,omitempty"` // Report only
	PolicyHash string             `json:"policyHash"`
	Cluster    string             `json:"cluster"`
	Namespace  string             `json:"namespace,omitempty"`
	Sources    []inventory.Source `json:"sources"`
	List       *SessionList       `json:"sessionList,omitempty"`
	Objects    []Object           `json:"objects"`
	Summary    Summary            `json:"summary"`
	Outcomes   map[Outcome]int    `json:"outcomes,omitempty"`   // Report only
	Stopped    string             `json:"stopped,omitempty"`    // why a sweep ended early
	Procedures []*Procedure       `json:"procedures,omitempty"` // of sessions that were named
	Timings    []Timing           `json:"timings,omitempty"`    // if they were wanted
	ExitCode   int                `json:"exitCode"`

	saved bool // its objects are those of a saved plan
}

// Plan is what a sweep would do. It can be carried out once.
type Plan struct {
	Document

	run     Run
	systems *Systems // nil once it has been carried out
	world   *world
}

// Run is what one plan is made for.
type Run struct {
	ID       string // see RunID
	Settings policy.Settings
	// Named is the same as a person writes it, by the names of the variables.
	Named     map[string]string
	Cluster   string // where the API server is
	Namespace string // where Jobs and ConfigMaps are
	Clock     func() time.Time
	Batcher   string        // name of the Deployment of CFS's batcher
	Reading   time.Duration // how long reading may take
	// Sightings is how many earlier sweeps have seen an object as an orphan, by its UID.
	Sightings map[string]int
	// List is what earlier sweeps remember of BOS's list of sessions.
	List state.SessionList
	// Hung is told when BOS's list is about to be asked for although it is large, and when it has hung; nil when it
	// has answered after that. A run that is killed, or only looks, must not have the next one ask again. It may be nil.
	Hung func(*state.Hang)
	// AskAll has BOS asked for every session, also where that changes no verdict: for a person who wants to see
	// when those that stay began and ended, and of which template they are.
	AskAll bool
}

// MakePlan reads everything and judges it. It deletes nothing. The error is that of the context:
// everything else that goes wrong is in the plan.
func MakePlan(ctx context.Context, systems Systems, r Run) (*Plan, error) {
	now := r.Clock().UTC()
	w, err := systems.collect(ctx, r, now)
	if err != nil {
		return nil, err
	}
	return planOf(w, systems, r, now), nil
}

// planOf judges what was read.
func planOf(w *world, systems Systems, r Run, now time.Time) *Plan {
	// The objects are the largest thing that a run makes in one piece. What reading has left lying goes first, or both
	// together are the most that the run ever takes.
	runtime.GC()
	expires := now.Add(planLife)
	p := &Plan{systems: &systems, run: r, world: w, Document: Document{
		APIVersion: APIVersion,
		Kind:       "Plan",
		Run:        r.ID,
		CreatedAt:  now,
		ExpiresAt:  &expires,
		PolicyHash: hash(r.Settings),
		Cluster:    r.Cluster,
		Namespace:  r.Namespace,
		Sources:    w.sources,
		List:       w.list,
		Objects:    make([]Object, 0, w.snapshot.Size()),
	}}
	judging := time.Now()
	links := w.inferred()
	var details recent
	for d := range w.judge.All(w.snapshot) {
		o := object(d)
		w.list.origin(&o)
		o.Detail = details.once(o.Detail)
		if d.Kind == policy.CFSSession {
			o.Link = links[d.Name]
		}
		p.Objects = append(p.Objects, o)
		p.Summary.add(d.Verdict)
	}
	systems.Timings.took("judging", judging, len(p.Objects))
	p.ExitCode = p.exitCode()
	return p
}

// recent holds the last few details. What belongs to one session mostly stays or goes for the same one, and is
// judged one after the other: so such a detail is kept once.
type recent struct {
	last [4]string
	next int
}

func (r *recent) once(text string) string {
	for _, known := range r.last {
		if known == text {
			return known
		}
	}
	r.last[r.next%len(r.last)] = text
	r.next++
	return text
}

func (s *Summary) add(v policy.Verdict) {
	switch v {
	case policy.Delete:
		s.Delete++
	case policy.Keep:
		s.Keep++
	default:
		s.Unknown++
	}
}

func object(d policy.Decision) Object {
	return Object{
		Kind: d.Kind, Name: d.Name, Session: d.Session,
		Verdict: d.Verdict, Reason: d.Reason, Detail: d.Detail,
		UID: d.UID, ResourceVersion: d.ResourceVersion, since: MomentOf(d.Since),
		Template: d.Template, EligibleAt: MomentOf(d.EligibleAt), StartedAt: MomentOf(d.StartedAt), EndedAt: MomentOf(d.EndedAt),
	}
}

// Exit codes, as users and monitoring know them.
const (
	ExitDone       = 0
	ExitFailed     = 1
	ExitUsage      = 2
	ExitPartial    = 3
	ExitRefused    = 4
	ExitLocked     = 5
	ExitIncomplete = 6
)

// exitCode gives the first that applies of: stopped early, a source incomplete, an object
// failed, the orphan guard refused.
func (d *Document) exitCode() int {
	if d.Stopped != "" {
		return ExitFailed
	}
	for _, source := range d.Sources {
		if !source.Complete {
			return ExitIncomplete
		}
	}
	if d.Outcomes[Failed] > 0 || slices.ContainsFunc(d.Procedures, func(p *Procedure) bool { return p.failed }) {
		return ExitPartial
	}
	for _, o := range d.Objects {
		// That an object was to stay when a plan was saved says nothing of now.
		if o.now == policy.OrphanGuard || o.Reason == policy.OrphanGuard && !d.saved {
			return ExitRefused
		}
	}
	return ExitDone
}

// RunID names a run: sortable by time, and unlike any other.
func RunID(now time.Time) string {
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails: see crypto/rand
	return now.UTC().Format("20060102t150405z") + "-" + hex.EncodeToString(random[:])
}

// hash tells whether two plans were made by the same rules.
func hash(settings policy.Settings) string {
	text, err := json.Marshal(settings)
	if err != nil {
		panic(err) // plain data always marshals
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
