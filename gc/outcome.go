package gc

import "bosgc/internal/inventory"

// Outcome is what became of an object that was to be deleted, or of another thing that was to be done. The
// empty Outcome is none yet.
type Outcome string

// The values of Outcome.
const (
	Deleted  Outcome = "deleted"
	Gone     Outcome = "gone"     // it was gone already
	Skipped  Outcome = "skipped"  // it changed since it was judged, and is kept
	Failed   Outcome = "failed"   // it is still there, and there is an error
	Waiting  Outcome = "waiting"  // left for the next sweep
	Done     Outcome = "done"     // a step of a procedure
	Restored Outcome = "restored" // an object that is there again
)

// Place is what named the ID of a session. The empty Place is none.
type Place string

// The values of Place.
const (
	inBOS        Place = inventory.SourceSessions
	inEtcd       Place = "bos-etcd"
	inJobs       Place = inventory.SourceJobs
	inConfigMaps Place = inventory.SourceConfigMaps
	inCFS        Place = inventory.SourceCFSSessions
	inComponents Place = inventory.SourceCFSComponents
)
