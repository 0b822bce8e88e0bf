package explain

import (
	"strings"
	"time"

	"bosgc/gc"
	"bosgc/internal/inventory"
)

// Deletion is what the journal has of an object that is gone. Its texts are data: anybody may have written to a journal.
type Deletion struct {
	Run    string    `json:"run"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
	Detail string    `json:"detail"`
	// Restore is whether and how it can be put back, or why not.
	Restore string `json:"restore"`
	Command string `json:"command,omitempty"` // shows what a restore of the run would put back; empty if nothing of it
	With    []Gone `json:"with"`              // what else of its session the run deleted
}

// Gone is another object that was deleted.
type Gone struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Restore string `json:"restore"`
}

// OfDeleted returns the explanation of an object that no source knows any more.
func OfDeleted(run gc.Run, at time.Time, unknown *NotFoundError, session string, d *Deletion) *Explanation {
	e := &Explanation{
		APIVersion: gc.APIVersion, Kind: "Explanation", Run: run.ID, CreatedAt: at, Cluster: run.Cluster, Namespace: run.Namespace,
		Object: gc.Object{Kind: unknown.Kind, Name: unknown.Name, Session: session, Detail: "it is gone"},
		Facts:  []Fact{}, Linked: []Tied{}, Links: []inventory.Link{}, Rules: []Rule{}, Changes: []Change{},
		Sources: unknown.Sources, Deletion: d,
	}
	if len(unknown.Missing) > 0 {
		e.Object.Detail = "whether it is gone is not known, because this was not read completely: " + strings.Join(unknown.Missing, ", ")
	}
	e.ExitCode = (&gc.Document{Sources: unknown.Sources}).ComputeExitCode()
	return e
}
