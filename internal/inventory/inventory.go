// Package inventory holds what exists on a CSM system and what belongs to what, as plain
// data. It does no I/O and knows no rules: clients fill it, the policy judges it.
//
// Presence is proof, absence is a claim. Whatever is looked up here answers with a
// Presence, and Absent only where the source that would know has answered completely. A
// rule therefore cannot argue from absence without having asked.
package inventory

import "regexp"

// Presence is what is known about whether a thing exists. The zero value is Unknown, so
// that a forgotten field can never pass for a proof of absence.
type Presence string

// The values of Presence.
const (
	Unknown Presence = ""        // the source did not answer, or not completely
	Absent  Presence = "absent"  // the source answered completely, and the thing is not there
	Present Presence = "present" // it was seen
)

// Names of the sources, as in the plan and the metrics.
const (
	SourceSessions      = "bos-sessions"
	SourceJobs          = "kube-jobs"
	SourceConfigMaps    = "kube-configmaps"
	SourcePods          = "kube-pods"
	SourceCronJobs      = "kube-cronjobs"
	SourceCFSSessions   = "cfs-sessions"
	SourceCFSComponents = "cfs-components"
)

// Source is how well one source answered in this run.
type Source struct {
	Name     string `json:"name"`
	Complete bool   `json:"complete"`
	Count    int    `json:"count"`    // of the objects that it listed
	Requests int    `json:"requests"` // that it took
	Error    string `json:"error"`    // why it is not complete; empty if it is
	Listed   bool   `json:"-"`        // whether its list was answered, whatever became of single objects
}

var uuid4 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// IsSessionID reports whether a text has the form that BOS v1 gives its session IDs: a
// lower-case random UUID. Older forms (docs/csm.md, "Session IDs") exist and are reported,
// but nothing is ever deleted by such a name.
func IsSessionID(s string) bool { return uuid4.MatchString(s) }

// JobName returns the name that BOS v1 gives the Job of a session.
func JobName(session string) string { return "boa-" + session }

// Record is what BOS v1 says of one session when asked for it alone. Its fields
// "complete", "in_progress" and "error_count" are left out on purpose: on half of the CSM
// releases they are false or 0 whatever happens (docs/csm.md, "Fields that lie").
type Record struct {
	Presence  Presence
	Broken    bool // BOS works but cannot read the record of this session; Presence is Unknown
	Template  string
	Operation string
	Start     Stamp
	Stop      Stamp
	Err       string // why Presence is Unknown
}

// CFSSession is one session of the Configuration Framework Service.
type CFSSession struct {
	Name          string
	Configuration string
	Definition    string // target definition: dynamic, image, repo, spec
	Limit         string // Ansible limit: comma-separated component IDs
	Status        string // pending, running, complete
	Succeeded     string // true, false, none, unknown: a text in every CSM release
	Start         Stamp
	Completion    Stamp
	Tag           string // tag bos_session; empty if it has none
	Fault         string // what could not be understood of it; empty if nothing
}
