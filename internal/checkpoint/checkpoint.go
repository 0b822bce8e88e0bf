// Package checkpoint reads and writes how far the procedure of "bosgc clean" has come with a session. It is noted
// on the session's Jobs, which go last: so the note is there for as long as anything else of the session is, and
// whoever comes next goes on from it.
package checkpoint

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"bosgc/internal/inventory"
)

// Phase is a part of the procedure by which a named session is taken apart.
type Phase string

// The values of Phase.
const (
	PhaseStop   Phase = "stop"   // its Jobs get no Pods any more
	PhaseUnset  Phase = "unset"  // the desired configuration that it set
	PhasePurge  Phase = "purge"  // what the batcher has collected of it
	PhaseDelete Phase = "delete" // everything but its Jobs
	PhaseVerify Phase = "verify" // that nothing of it comes back
	PhaseFinish Phase = "finish" // its Jobs go
)

// Phases returns all phases, in their order.
func Phases() []Phase {
	return []Phase{PhaseStop, PhaseUnset, PhasePurge, PhaseDelete, PhaseVerify, PhaseFinish}
}

// Before reports whether a phase comes before another one.
func (p Phase) Before(other Phase) bool {
	phases := Phases()
	return slices.Index(phases, p) < slices.Index(phases, other)
}

// Checkpoint is what is noted on a session's Jobs before a phase begins.
type Checkpoint struct {
	Phase  Phase `json:"phase"`
	Unset  bool  `json:"unset,omitempty"`
	Cancel bool  `json:"cancel,omitempty"`
	// Purge is set if the batcher may have collected something of the session. Later phases cannot see that any
	// more.
	Purge bool      `json:"purge,omitempty"`
	Job   string    `json:"job"` // its UID: a copy of the Job is another Job
	Run   string    `json:"run"` // which recorded in the state that it begins this
	At    time.Time `json:"at"`
}

// Asked reports whether run has recorded that it takes a session apart in this way.
type Asked func(run, session string, cancel, unset bool) bool

// Facts are what later phases need and earlier ones delete.
type Facts struct {
	Nodes          []string `json:"nodes"`
	Configurations []string `json:"configurations"`
}

// maxFacts bounds what decompressed facts may take, in bytes: the names of a hundred thousand nodes.
const maxFacts = 4 << 20

// Note is what is noted on a session's Jobs.
type Note struct {
	Checkpoint

	Facts Facts
	Found bool // something is noted
	Known bool // by runs that have recorded it; false if the note of one Job is not
}

// Read returns what is noted on a session's Jobs. A note that cannot be read is an error: what the session needs is
// not known then.
func Read(jobs []inventory.Job, asked Asked) (note Note, err error) {
	note.Known = true
	for _, job := range jobs {
		if job.Cleaning == "" || job.Fault != "" {
			continue
		}
		var noted Checkpoint
		if err := json.Unmarshal([]byte(job.Cleaning), &noted); err != nil || !slices.Contains(Phases(), noted.Phase) {
			return Note{Found: true}, fmt.Errorf("the annotation %s of Job %s is %.80q, which no run of this version "+
				"has written; if nobody is taking the session apart, remove it: kubectl annotate job %s %s-",
				inventory.CleaningAnnotation, job.Name, job.Cleaning, job.Name, inventory.CleaningAnnotation)
		}
		if noted.Job != job.UID {
			continue // somebody has created this Job from the manifest of the one that bore the note
		}
		more, err := decompress(job.Cleaned)
		if err != nil {
			return Note{Found: true}, fmt.Errorf("the annotation %s of Job %s cannot be read: %w",
				inventory.CleanedAnnotation, job.Name, err)
		}
		// Of several Jobs the one that is furthest back counts: phases can be done twice.
		if !note.Found || noted.Phase.Before(note.Phase) {
			note.Phase, note.Run, note.At = noted.Phase, noted.Run, noted.At
		}
		note.Found, note.Known = true, note.Known && asked(noted.Run, job.Session, noted.Cancel, noted.Unset)
		note.Unset, note.Cancel, note.Purge = note.Unset || noted.Unset, note.Cancel || noted.Cancel, note.Purge || noted.Purge
		note.Facts.Nodes = Union(note.Facts.Nodes, more.Nodes)
		note.Facts.Configurations = Union(note.Facts.Configurations, more.Configurations)
	}
	note.Known = note.Known && note.Found
	return note, nil
}

// Annotations returns what is noted on the Job with the given UID.
func (c Checkpoint) Annotations(uid string, facts Facts) (map[string]string, error) {
	c.Job = uid
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	compressed, err := compress(facts)
	if err != nil {
		return nil, err
	}
	return map[string]string{inventory.CleaningAnnotation: string(text), inventory.CleanedAnnotation: compressed}, nil
}

// compress is needed because Kubernetes takes 256 KiB of annotations, and the names of 6,000 nodes are a third of
// that.
func compress(facts Facts) (string, error) {
	text, err := json.Marshal(facts)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

func decompress(text string) (facts Facts, err error) {
	if text == "" {
		return facts, nil
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return facts, err
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return facts, err
	}
	plain, err := io.ReadAll(io.LimitReader(z, maxFacts+1))
	if err != nil {
		return facts, err
	}
	if len(plain) > maxFacts {
		return facts, errors.New("it is far longer than any list of nodes")
	}
	return facts, json.Unmarshal(plain, &facts)
}

// Union returns what is in either list, sorted, each once.
func Union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
