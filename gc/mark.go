package gc

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

// Phase is a part of the procedure by which a named session is taken apart, in the order in which they come.
type Phase string

// The values of Phase.
const (
	PhaseStop   Phase = "stop"   // its Jobs get no Pods any more
	PhaseUnset  Phase = "unset"  // the desired configuration that it set
	PhasePurge  Phase = "purge"  // of what the batcher has gathered
	PhaseDelete Phase = "delete" // everything but its Jobs
	PhaseVerify Phase = "verify" // that nothing of it comes back
	PhaseFinish Phase = "finish" // its Jobs go
)

var phases = []Phase{PhaseStop, PhaseUnset, PhasePurge, PhaseDelete, PhaseVerify, PhaseFinish}

// before says that a phase comes before another one.
func (p Phase) before(other Phase) bool { return slices.Index(phases, p) < slices.Index(phases, other) }

// mark is what is noted on a session's Jobs before a phase begins. The Jobs go last, so that it is there for as
// long as anything else of the session is.
type mark struct {
	Phase  Phase     `json:"phase"`
	Unset  bool      `json:"unset,omitempty"`
	Cancel bool      `json:"cancel,omitempty"`
	Purge  bool      `json:"purge,omitempty"` // the batcher may have gathered something of it, which later phases do not see any more
	Job    string    `json:"job"`             // its UID: a copy of the Job is another one
	Run    string    `json:"run"`
	At     time.Time `json:"at"`
}

// memory is what the later phases need and the earlier ones delete.
type memory struct {
	Nodes          []string `json:"nodes"`
	Configurations []string `json:"configurations"`
}

// maxMemory bounds what a memory may unfold to, in bytes: the names of a hundred thousand nodes.
const maxMemory = 4 << 20

// readMark reads what an earlier run has noted. There is false if no run has. What cannot be read is an
// error: nobody knows then what the session needs.
func readMark(jobs []inventory.Job) (m mark, remembered memory, found bool, err error) {
	for _, job := range jobs {
		if job.Cleaning == "" || job.Fault != "" {
			continue
		}
		var one mark
		if err := json.Unmarshal([]byte(job.Cleaning), &one); err != nil || !slices.Contains(phases, one.Phase) {
			return mark{}, memory{}, true, fmt.Errorf("the annotation %s of Job %s is %.80q, which no run of this version has written; if nobody is taking the session apart, remove it: kubectl annotate job %s %s-",
				inventory.CleaningAnnotation, job.Name, job.Cleaning, job.Name, inventory.CleaningAnnotation)
		}
		if one.Job != job.UID {
			continue // somebody has made this Job from the manifest of the one that was marked
		}
		facts, err := unfold(job.Cleaned)
		if err != nil {
			return mark{}, memory{}, true, fmt.Errorf("the annotation %s of Job %s cannot be read: %w", inventory.CleanedAnnotation, job.Name, err)
		}
		// Of several Jobs the one that is furthest back counts: phases can be done twice.
		if !found || one.Phase.before(m.Phase) {
			m.Phase, m.Run, m.At = one.Phase, one.Run, one.At
		}
		m.Unset, m.Cancel, m.Purge, found = m.Unset || one.Unset, m.Cancel || one.Cancel, m.Purge || one.Purge, true
		remembered.Nodes = union(remembered.Nodes, facts.Nodes)
		remembered.Configurations = union(remembered.Configurations, facts.Configurations)
	}
	return m, remembered, found, nil
}

// annotations is what is noted on a Job.
func (m mark) annotations(uid string, remembered memory) (map[string]string, error) {
	m.Job = uid
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	facts, err := fold(remembered)
	if err != nil {
		return nil, err
	}
	return map[string]string{inventory.CleaningAnnotation: string(text), inventory.CleanedAnnotation: facts}, nil
}

// fold compresses: Kubernetes takes 256 KiB of annotations, and the names of 6,000 nodes are a third of that.
func fold(m memory) (string, error) {
	text, err := json.Marshal(m)
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

func unfold(text string) (m memory, err error) {
	if text == "" {
		return m, nil
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return m, err
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return m, err
	}
	plain, err := io.ReadAll(io.LimitReader(z, maxMemory+1))
	if err != nil {
		return m, err
	}
	if len(plain) > maxMemory {
		return m, errors.New("it is far longer than any list of nodes")
	}
	return m, json.Unmarshal(plain, &m)
}

// union is what is in either, sorted, each once.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
