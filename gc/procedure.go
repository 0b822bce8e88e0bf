package gc

import (
	"bosgc/internal/checkpoint"
	"bosgc/internal/inventory"
)

// Procedure is what is known of one session that was named, and what is done about it.
type Procedure struct {
	Session        string           `json:"session"`
	Mode           string           `json:"mode"`              // clean, unset-config, cancel
	Resumed        checkpoint.Phase `json:"resumed,omitempty"` // where an earlier run stopped, from which this one goes on
	Ignored        string           `json:"ignored,omitempty"` // the run named by a note on its Job that no run has recorded
	Template       string           `json:"template,omitempty"`
	Operation      string           `json:"operation,omitempty"`
	Started        string           `json:"started,omitempty"` // as BOS has it
	Stopped        string           `json:"stopped,omitempty"` // as BOS has it; empty if it records no end
	Running        string           `json:"running,omitempty"` // what runs for it
	Configurations []string         `json:"configurations,omitempty"`
	BootSets       []BootSet        `json:"bootSets,omitempty"`
	Components     int              `json:"components"` // whose tag names this session
	Links          []inventory.Link `json:"links,omitempty"`
	Refused        string           `json:"refused,omitempty"` // why nothing is done about it
	Steps          []Step           `json:"steps"`

	// Failed is set if a phase failed or was cut off: the procedure is not at its end.
	Failed bool `json:"-"`
}

// BootSet is a part of the session's nodes.
type BootSet struct {
	Name  string   `json:"name"`
	Nodes []string `json:"nodes"`
	Error string   `json:"error,omitempty"` // why they are not known
}

// Step is one phase of a procedure.
type Step struct {
	Phase   checkpoint.Phase `json:"phase"`
	Detail  string           `json:"detail"`            // one sentence for a person
	Outcome Outcome          `json:"outcome,omitempty"` // done, failed, waiting
	Error   string           `json:"error,omitempty"`
}
