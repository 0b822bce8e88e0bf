package gc

import (
	"time"

	"bosgc/policy"
)

// Report is what became of a plan.
type Report struct {
	Document

	// Sent counts the deletes that were carried out, or may have been.
	Sent int `json:"-"`
	// Changed is set if something else may have been changed, such as a desired configuration that was unset.
	Changed bool `json:"-"`
}

// NewReport returns the report of a plan of which nothing has been carried out yet.
func NewReport(plan Document) *Report {
	report := &Report{Document: plan}
	report.Kind, report.ExpiresAt = "Report", nil
	return report
}

// Harmless reports whether certainly nothing was deleted or changed.
func (r *Report) Harmless() bool {
	return !r.Changed && r.Sent == 0 && r.Outcomes[Deleted]+r.Outcomes[Gone] == 0
}

// Finish counts outcomes and sets the exit code.
func (r *Report) Finish(now time.Time) {
	r.Outcomes = map[Outcome]int{Deleted: 0, Gone: 0, Skipped: 0, Failed: 0, Waiting: 0, Terminating: 0}
	for _, o := range r.Objects {
		if o.Outcome != "" {
			r.Outcomes[o.Outcome]++
		}
	}
	r.FinishedAt = &now
	r.ExitCode = r.ComputeExitCode()
}

// Postpone returns the report of a plan of which everything is left for the next sweep, because of something without
// which nothing may be deleted. A source that was incomplete decides the exit code; otherwise the run has failed.
func Postpone(plan Document, why error) *Report {
	report := NewReport(plan)
	for i := range report.Objects {
		if o := &report.Objects[i]; o.Verdict == policy.Delete {
			o.Outcome, o.Detail = Waiting, why.Error()
		}
	}
	if report.Complete() {
		report.Stopped = why.Error()
	}
	report.Finish(time.Now().UTC())
	return report
}
