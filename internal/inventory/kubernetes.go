package inventory

// Keep holds the annotations by which a person protects a session, as they were
// written; nil for one that is missing. What they mean is the policy's business, because
// it depends on the time.
type Keep struct {
	Keep  *string // bosgc/keep
	Until *string // bosgc/keep-until
	Odd   string  // the name of an annotation that begins as bosgc's do and is none of them; empty if there is none
}

// Annotations of Jobs and ConfigMaps begin with AnnotationPrefix; these are all that bosgc reads or writes.
const AnnotationPrefix = "bosgc/"

// KeepAnnotations are those by which a person protects a session.
var KeepAnnotations = []string{"bosgc/keep", "bosgc/keep-until"}

// What "bosgc clean" notes on a Job of the session that it removes, so that the next run can
// continue: how far it has come, and what it will still need to know.
const (
	CleaningAnnotation = "bosgc/clean"
	CleanedAnnotation  = "bosgc/clean-facts"
)

// Job is a Kubernetes Job that is, or looks like, one that BOS v1 made.
type Job struct {
	Name            string
	UID             string
	ResourceVersion string
	Fault           string // how it differs from what BOS v1 makes; empty if it is exact
	Session         string // variable SESSION_ID of the container boa
	Template        string // variable SESSION_TEMPLATE_ID
	Operation       string // variable OPERATION
	ConfigMap       string // what the volume boot-session holds
	Keep            Keep
	Created         Stamp
	Terminal        bool  // has the condition Complete or Failed
	Failed          bool  // has the condition Failed
	Finished        Stamp // when that condition came
	BackoffLimit    int   // tries after the first one
	FailedPods      int   // failed tries that Kubernetes has counted
	Completions     int   // Pods that have to succeed
	SucceededPods   int   // those that have, as far as Kubernetes has counted
	Suspended       bool
	Stopped         bool // it shall have no Pods (parallelism 0)
	Deletion        Deletion
	// Cleaning and Cleaned are the values of CleaningAnnotation and CleanedAnnotation; empty if missing.
	Cleaning, Cleaned string
}

// Pod is a Pod of a BOA Job, or one that such a Job has left behind.
type Pod struct {
	Name    string
	Job     string // label job-name; empty if it has none
	Session string // variable SESSION_ID of the container boa
	Over    bool   // phase Succeeded or Failed
	Deleted Stamp  // when it should have ended after somebody deleted it; Missing if nobody has
	Boa     Container
	// OthersRun reports whether a container other than boa has not terminated: the mesh proxy,
	// where nothing on the system ends it (docs/csm.md, "The mesh proxy").
	OthersRun bool
}

// Container is the state of a Pod's container boa.
type Container struct {
	Terminated bool
	ExitCode   int
	Finished   Stamp
}

// Body is what is known of a ConfigMap's content.
type Body string

// The values of Body.
const (
	BodyUnread Body = ""       // not needed yet
	BodyExact  Body = "exact"  // one key data.json holding an object with boot_sets
	BodyOther  Body = "other"  // anything else
	BodyFailed Body = "failed" // it could not be read
)

// ConfigMap is one whose name is a session ID. Its content is not kept.
type ConfigMap struct {
	Name            string
	UID             string
	ResourceVersion string
	Fault           string // how its metadata differs from what BOS v1 makes; empty if exact
	Keep            Keep
	Created         Stamp
	Body            Body
	BodyFault       string // how the body differs, or why it could not be read
	Template        string // that the body names; empty if it was not read
	// User is something that refers to it and does not belong to its session; empty if nothing was seen.
	User     string
	Deletion Deletion
}

// Deletion is what is known of an object that has been deleted and is still there.
type Deletion struct {
	Since      Stamp    // when it was deleted; Missing if it was not
	Finalizers []string // what holds it
}

// Reference says that something in Kubernetes refers to a ConfigMap.
type Reference struct {
	ConfigMap string
	Kind      string // Pod, Job, CronJob
	Name      string
	Session   string // session that the referrer belongs to; empty if none
}
