package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"bosgc/gc"
	"bosgc/internal/config"
	"bosgc/internal/metrics"
	"bosgc/internal/state"
	"bosgc/policy"
)

// Both fit, one after the other, into the time that a Pod has left when requests under way were
// given theirs.
const (
	stateWithin = 10 * time.Second
	toldWithin  = 5 * time.Second
)

// report tells of a run wherever it is to be told of: in the state first, because that has the
// totals which the others give on. That one of them fails is no failure of the run: the others
// tell of it, and the log does.
func (r *oneRun) report(ctx context.Context, to *connection, ledger *metrics.Ledger, now time.Time, d gc.Document, failure error) {
	// A run that was told to stop, or took too long, is one that has to be reported.
	ctx = context.WithoutCancel(ctx)
	exitCode := d.ExitCode
	var exit *exitError
	if errors.As(failure, &exit) {
		exitCode = exit.code
		r.metrics.RecordFailure(exitCode, r.begun, now)
	} else {
		r.metrics.RecordSweep(d, now)
	}
	summary := r.summary(d, exitCode, failure, now)
	r.keep(ctx, to, ledger, func(s *state.State) {
		s.Last = &summary
		if exit == nil {
			s.List = d.Remember(s.List)
		}
		if r.lock != nil && exit == nil {
			s.Sightings = d.Sighted(s.Sightings, now)
		}
	})

	ctx, cancel := context.WithTimeout(ctx, toldWithin)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() {
		if r.settings.PushURL == "" {
			return
		}
		instance := to.own.Namespace() + "." + r.settings.StateName
		err := metrics.Push(ctx, r.settings.PushURL, instance, metrics.ForExport(ledger, ledger.Complete()), exitCode == gc.ExitDone)
		r.warn("the metrics were not pushed", "BOSGC_PUSH_URL", err)
	})
	all.Go(func() {
		if r.settings.Textfile != "" {
			r.warn("the metrics were not written", "BOSGC_TEXTFILE", metrics.WriteTextfile(ctx, r.settings.Textfile, metrics.ForExport(ledger, ledger.Complete())))
		}
	})
	all.Go(func() {
		kind, reason, message := event(d, exitCode, failure)
		if r.settings.CronJob != "" && reason != "" {
			message = fmt.Sprintf("run %s: %s", r.id, message)
			r.warn("no Event was made", "BOSGC_CRONJOB", to.release.Event(ctx, r.settings.CronJob, kind, reason, message))
		}
	})
	all.Wait()
}

func (r *oneRun) warn(what, setting string, err error) {
	if err != nil {
		r.log.Warn(what, "setting", setting, "error", err.Error())
	}
}

// keep books the run in the state.
func (r *oneRun) keep(ctx context.Context, to *connection, ledger *metrics.Ledger, change func(*state.State)) {
	ctx, cancel := context.WithTimeout(ctx, stateWithin)
	defer cancel()
	store := state.NewStore(to.own, r.settings.StateName)
	err := ledger.RecordRun(ctx, store, r.id, r.metrics, change)
	if err != nil {
		r.log.Warn("the state was not written; the next sweep does not know of this one", "error", err.Error())
	}
}

func (r *oneRun) summary(d gc.Document, exitCode int, failure error, now time.Time) state.Run {
	s := state.Run{
		ID: r.id, Version: Version, StartedAt: r.begun, FinishedAt: now, ExitCode: exitCode, DryRun: r.settings.DryRun,
		Error: d.Stopped, Outcomes: map[string]int{},
	}
	if failure != nil {
		s.Error = failure.Error()
	}
	for outcome, n := range d.Outcomes {
		s.Outcomes[outcome.String()] = n
	}
	for _, source := range d.Sources {
		if !source.Complete {
			s.Incomplete = append(s.Incomplete, source.Name)
		}
	}
	return s
}

// event is what a person who looks at the CronJob is told; no reason if there is nothing to tell.
func event(d gc.Document, exitCode int, failure error) (kind, reason, message string) {
	const warning, normal = "Warning", "Normal"
	switch exitCode {
	case gc.ExitDone:
		if n := d.Outcomes[gc.Waiting]; n > 0 {
			return normal, "SweepCapped", fmt.Sprintf("%d objects deleted; %d wait for the next sweep (BOSGC_MAX_DELETES)", d.Outcomes[gc.Deleted], n)
		}
		return "", "", ""
	case gc.ExitPartial:
		return warning, "SweepFailed", fmt.Sprintf("%d objects could not be deleted, %d were", d.Outcomes[gc.Failed], d.Outcomes[gc.Deleted])
	case gc.ExitRefused:
		return warning, "SweepRefused", fmt.Sprintf("%d objects look orphaned, which is too large a share of their kind (BOSGC_MAX_ORPHAN_PERCENT); none of them was deleted", reasons(d, policy.OrphanGuard))
	case gc.ExitLocked:
		return normal, "SweepSkipped", "another run holds the lock"
	case gc.ExitIncomplete:
		for _, source := range d.Sources {
			if !source.Complete {
				message += fmt.Sprintf("; %s: %s", source.Name, source.Error)
			}
		}
		return warning, "SweepIncomplete", clip("not everything could be read, and what depends on it was left alone" + message)
	}
	message = d.Stopped
	if failure != nil {
		message = failure.Error()
	}
	return warning, "SweepFailed", clip(message)
}

// clip keeps to the length that the API server takes.
func clip(message string) string {
	if len(message) > 900 {
		message = strings.ToValidUTF8(message[:900], "") + "…"
	}
	return message
}

func reasons(d gc.Document, reason policy.Reason) (n int) {
	for _, o := range d.Objects {
		if o.Reason == reason {
			n++
		}
	}
	return n
}

// linger goes on serving the metrics of a sweep until they have been read once.
func (a *app) linger(ctx context.Context, settings config.Config, ledger *metrics.Ledger, log *slog.Logger) {
	if settings.MetricsLinger <= 0 || ctx.Err() != nil {
		return
	}
	server, err := metrics.Listen(ctx, settings.MetricsAddr, metrics.ForExport(ledger, ledger.Complete()))
	if err != nil {
		log.Warn("not lingering", "error", err.Error())
		return
	}
	log.Info("lingering until scraped", "address", server.Address(), "atMost", settings.MetricsLinger.String())
	select {
	case <-server.Scraped():
	case <-time.After(settings.MetricsLinger.D()):
		log.Warn("nobody has scraped the metrics", "waited", settings.MetricsLinger.String())
	case err := <-server.Failed():
		log.Warn("not lingering any longer", "error", err.Error())
	case <-ctx.Done():
	}
	if err := server.Close(); err != nil {
		log.Warn("not lingering any longer", "error", err.Error())
	}
}
