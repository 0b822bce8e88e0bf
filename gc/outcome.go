package gc

import "bosgc/internal/inventory"

// Outcome is what became of an object that was to be deleted, and of other things that were to be done.
type Outcome int8

// The values of Outcome.
const (
	_        Outcome = iota // none yet
	Deleted                 // an object
	Gone                    // it was gone already
	Skipped                 // it changed since it was judged, and is kept
	Failed                  // it is there still, and there is an error
	Waiting                 // left for the next sweep
	Done                    // a step of a procedure
	Restored                // an object that is there again
)

var outcomeWords = inventory.Words{
	Deleted: "deleted", Gone: "gone", Skipped: "skipped", Failed: "failed", Waiting: "waiting", Done: "done", Restored: "restored",
}

func (o Outcome) String() string { return outcomeWords[o] }

// MarshalText gives its word.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText takes a word. An unknown one is an error.
func (o *Outcome) UnmarshalText(text []byte) error {
	n, err := outcomeWords.Parse("outcome", text)
	*o = Outcome(n)
	return err
}

// Place is what has named the ID of a session.
type Place int8

// The values of Place.
const (
	_ Place = iota // nothing has
	inBOS
	inEtcd
	inJobs
	inConfigMaps
	inCFS
	inComponents
)

var placeWords = inventory.Words{
	inBOS: inventory.SourceSessions, inEtcd: "bos-etcd",
	inJobs: inventory.SourceJobs, inConfigMaps: inventory.SourceConfigMaps, inCFS: inventory.SourceCFSSessions, inComponents: inventory.SourceCFSComponents,
}

func (p Place) String() string { return placeWords[p] }

// MarshalText gives its word.
func (p Place) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText takes a word. An unknown one is an error.
func (p *Place) UnmarshalText(text []byte) error {
	n, err := placeWords.Parse("place", text)
	*p = Place(n)
	return err
}
