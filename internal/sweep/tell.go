package sweep

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bosgc/gc"
	"bosgc/internal/margin"
	"bosgc/internal/metrics"
	"bosgc/internal/state"
	"bosgc/policy"
)

// tell reports a run wherever it is to be reported: in the state first, because that has the totals which the others
// pass on. That one of them fails is no failure of the run: the others tell of it, and the log does.
func (r *Run) tell(ctx context.Context, ledger *metrics.Ledger, now time.Time, d gc.Document, failure error) {
	// A run that was told to stop, or took too long, is one that has to be reported.
	ctx = context.WithoutCancel(ctx)
	exitCode := d.ExitCode
	var exit *Error
	if errors.As(failure, &exit) {
		exitCode = exit.Code
		r.metrics.RecordFailure(exitCode, r.begun, now)
	} else {
		r.metrics.RecordSweep(d, now)
	}
	summary := r.summary(d, exitCode, failure, now)
	r.updateState(ctx, ledger, func(s *state.State) {
		s.Remember(summary)
		if r.scheduled() {
			s.Settings = state.Settings{Run: r.ID, At: now, ByName: r.Settings.RecordedByName()}
		}
		s.Procedures = s.Procedures.End(endedProcedures(d))
		if exit == nil {
			s.List = d.SessionList(s.List)
			s.Sessions = d.Sessions()
		}
		// A run that has lost its lease may have read what another was taking apart.
		if r.lease != nil && !r.lease.Lost() && exit == nil {
			s.Sightings = d.Sightings(s.Sightings, now, r.Settings.OrphanInterval.D())
			s.Guards = d.RememberGuards(s.Guards)
		}
	})

	ctx, cancel := context.WithTimeout(ctx, margin.ReportTimeout)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() {
		if r.Settings.PushURL == "" {
			return
		}
		err := metrics.Push(ctx, r.Settings.PushURL, r.Installation(), r.outgoing(ledger), exitCode == gc.ExitDone)
		r.warn("the metrics were not pushed", "BOSGC_PUSH_URL", err)
	})
	all.Go(func() {
		if r.Settings.Textfile != "" {
			err := metrics.WriteTextfile(ctx, r.Settings.Textfile, r.outgoing(ledger))
			r.warn("the metrics were not written", "BOSGC_TEXTFILE", err)
		}
	})
	all.Go(func() {
		kind, reason, message := event(d, exitCode, failure)
		if r.Settings.CronJob != "" && reason != "" {
			message = fmt.Sprintf("run %s: %s", r.ID, message)
			r.warn("no Event was made", "BOSGC_CRONJOB", r.release.CreateEvent(ctx, r.Settings.CronJob, kind, reason, message))
		}
	})
	all.Wait()
}

// Installation names whose metrics these are: the installation that has this state.
func (r *Run) Installation() string { return r.own.Namespace() + "." + r.Settings.StateName }

// outgoing returns what this process hands over when it ends.
func (r *Run) outgoing(ledger *metrics.Ledger) prometheus.Gatherer {
	return metrics.Labelled(metrics.ForExport(ledger, ledger.Complete()), r.Installation())
}

// countDeletes adds what was deleted to the totals of all runs. Everything else that the state tells is of sweeps.
func (r *Run) countDeletes(ctx context.Context, d gc.Document) {
	ledger, err := metrics.NewLedger(r.options.Version, r.options.Commit)
	if err != nil {
		r.Log.Warn("what was deleted is not counted", "error", err.Error())
		return
	}
	r.metrics.RecordCleanup(d)
	r.updateState(context.WithoutCancel(ctx), ledger, func(s *state.State) {
		s.Procedures = s.Procedures.End(endedProcedures(d))
	})
}

// updateState adds the run to the totals in the state, and changes the state.
func (r *Run) updateState(ctx context.Context, ledger *metrics.Ledger, change func(*state.State)) {
	ctx, cancel := context.WithTimeout(ctx, margin.StateTimeout)
	defer cancel()
	if err := ledger.RecordRun(ctx, r.State(), r.ID, r.metrics, change); err != nil {
		r.Log.Warn("the state was not written; the next sweep does not know of this one", "error", err.Error())
	}
}

func (r *Run) summary(d gc.Document, exitCode int, failure error, now time.Time) state.Run {
	s := state.Run{
		ID: r.ID, Version: r.options.Version, StartedAt: r.begun, FinishedAt: now, ExitCode: exitCode,
		DryRun: r.Settings.DryRun, Error: d.Stopped, Outcomes: map[string]int{},
	}
	if failure != nil {
		s.Error = failure.Error()
	}
	for outcome, n := range d.Outcomes {
		s.Outcomes[string(outcome)] = n
	}
	for _, source := range d.Sources {
		if !source.Complete {
			s.Incomplete = append(s.Incomplete, source.Name)
		}
	}
	return s
}

// event returns what a person who looks at the CronJob is told; no reason if there is nothing to tell.
func event(d gc.Document, exitCode int, failure error) (kind, reason, message string) {
	const warning, normal = "Warning", "Normal"
	deleted, waiting := d.Outcomes[gc.Deleted], d.Outcomes[gc.Waiting]
	switch exitCode {
	case gc.ExitDone:
		if waiting > 0 {
			return normal, "SweepCapped",
				fmt.Sprintf("%d objects deleted; %d wait for the next sweep (BOSGC_MAX_DELETES)", deleted, waiting)
		}
		return "", "", ""
	case gc.ExitPartial:
		return warning, "SweepFailed", fmt.Sprintf("%d objects could not be deleted, %d were", d.Outcomes[gc.Failed], deleted)
	case gc.ExitRefused:
		return warning, "SweepRefused", fmt.Sprintf("%d objects look orphaned, which is too large a share of their kind "+
			"(BOSGC_MAX_ORPHAN_PERCENT); none of them was deleted", countReason(d, policy.OrphanGuard))
	case gc.ExitLocked:
		return normal, "SweepSkipped", "another run holds the lock"
	case gc.ExitIncomplete:
		for _, source := range d.Sources {
			if !source.Complete {
				message += fmt.Sprintf("; %s: %s", source.Name, source.Error)
			}
		}
		message = "not everything could be read, and what depends on it was left alone" + message
		return warning, "SweepIncomplete", clip(message)
	}
	message = d.Stopped
	if failure != nil {
		message = failure.Error()
	}
	return warning, "SweepFailed", clip(message)
}

// maxEventMessage is the length in bytes that a message is cut to. The API server takes 1024.
const maxEventMessage = 900

func clip(message string) string {
	if len(message) > maxEventMessage {
		message = strings.ToValidUTF8(message[:maxEventMessage], "") + "…"
	}
	return message
}

func countReason(d gc.Document, reason policy.Reason) (n int) {
	for _, o := range d.Objects {
		if o.Reason == reason {
			n++
		}
	}
	return n
}

// Linger goes on serving the metrics of a sweep until they have been scraped once, at most for BOSGC_METRICS_LINGER.
func (r *Run) Linger(ctx context.Context, ledger *metrics.Ledger) {
	patience := r.Settings.MetricsLinger
	if patience <= 0 || ctx.Err() != nil {
		return
	}
	server, err := metrics.Listen(ctx, r.Settings.MetricsAddr, r.outgoing(ledger), nil)
	if err != nil {
		r.Log.Warn("not lingering", "error", err.Error())
		return
	}
	r.Log.Info("lingering until scraped", "address", server.Address(), "atMost", patience.String())
	select {
	case <-server.Scraped():
	case <-time.After(patience.D()):
		r.Log.Warn("nobody has scraped the metrics", "waited", patience.String())
	case err := <-server.Failed():
		r.Log.Warn("not lingering any longer", "error", err.Error())
	case <-ctx.Done():
	}
	if err := server.Close(); err != nil {
		r.Log.Warn("not lingering any longer", "error", err.Error())
	}
}
