package sweep

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"bosgc/gc"
	"bosgc/internal/config"
	"bosgc/internal/margin"
	"bosgc/internal/metrics"
	"bosgc/policy"
)

// Serving is what Serve needs beside its run.
type Serving struct {
	// Load reads the settings again before each sweep: a secret in a file is changed from time to time.
	Load func() (config.Config, error)
	// Pages are served beside the metrics, by their paths.
	Pages map[string]http.Handler
	// Show is given what each sweep returns.
	Show func(gc.Document)
}

// Serve sweeps at once and then every BOSGC_INTERVAL, and serves metrics meanwhile, until the context ends. That is its
// normal end.
func (r *Run) Serve(ctx context.Context, s Serving) error {
	ledger, err := metrics.NewLedger(r.options.Version, r.options.Commit)
	if err != nil {
		return &Error{gc.ExitFailed, err}
	}
	server, err := metrics.Listen(ctx, r.Settings.MetricsAddr, metrics.Labelled(ledger, r.Installation()), s.Pages)
	if err != nil {
		return &Error{gc.ExitFailed, err}
	}
	r.Log.Info("serving", "address", server.Address(), "interval", r.Settings.Interval.String())
	r.continueTotals(ctx, ledger)

	// An interval, not a pause: it is counted from start to start. A tick that comes while a sweep still runs is kept,
	// and a second one is dropped, so that sweeps never pile up.
	next := time.NewTicker(r.Settings.Interval.D())
	defer next.Stop()
	for {
		sweepOnce(ctx, r.options, s, ledger, r.Log)
		select {
		case <-next.C:
		case <-ctx.Done():
			if err := server.Close(); err != nil {
				return &Error{gc.ExitFailed, err}
			}
			return nil
		case err := <-server.Failed():
			return &Error{gc.ExitFailed, err}
		}
	}
}

// continueTotals goes on counting where the last process has ended.
func (r *Run) continueTotals(ctx context.Context, ledger *metrics.Ledger) {
	ctx, cancel := context.WithTimeout(ctx, margin.StateTimeout)
	defer cancel()
	if err := ledger.Load(ctx, r.State()); err != nil {
		r.Log.Warn("what earlier sweeps counted cannot be read", "error", err.Error())
	}
}

// logDocument logs what a sweep by hand prints as a table.
func logDocument(log *slog.Logger, d gc.Document) {
	for _, s := range d.Sources {
		if !s.Complete {
			log.Warn("a source could not be read completely, and what depends on it is left alone", "run", d.Run,
				"source", s.Name, "error", s.Error)
		}
	}
	for _, g := range d.Guards {
		if g.Closed() {
			log.Warn("the orphan guard holds back what looks orphaned", "run", d.Run, "kind", g.Kind, "why", g.Why)
		}
	}
	counts := map[string]int{}
	for i := range d.Objects {
		o := &d.Objects[i]
		switch {
		case o.Outcome == gc.Failed:
			log.Warn("an object could not be deleted", "run", d.Run, "kind", o.Kind, "name", o.Name, "error", o.Error)
		case d.Kind == "Plan" && o.Verdict == policy.Delete:
			counts[string(o.Kind)+" "+string(o.Reason)]++
			log.Debug("would delete", "run", d.Run, "kind", o.Kind, "name", o.Name, "reason", o.Reason, "detail", o.Detail)
		}
	}
	if d.Kind == "Plan" {
		log.Info("dry run ended", "run", d.Run, "exitCode", d.ExitCode, "wouldDelete", d.Summary.Delete, "keep", d.Summary.Keep,
			"unknown", d.Summary.Unknown, "wouldDeleteByReason", counts)
	}
}

func sweepOnce(
	ctx context.Context, options Options, s Serving, ledger *metrics.Ledger, log *slog.Logger,
) {
	if ctx.Err() != nil {
		return
	}
	settings, err := s.Load()
	if err != nil {
		err = &Error{gc.ExitUsage, err}
	}
	var run *Run
	if err == nil {
		run, err = New(options, settings, log)
	}
	if err == nil {
		var d gc.Document
		if d, err = run.Sweep(ctx, ledger); err == nil {
			logDocument(log, d)
			s.Show(d)
		}
		run.Kube().CloseIdleConnections()
	}
	if err == nil {
		return
	}
	code := gc.ExitFailed
	if exit := (*Error)(nil); errors.As(err, &exit) {
		code = exit.Code
	}
	log.Error("sweep failed", "error", err.Error(), "exitCode", code)
	if code != gc.ExitUsage {
		return
	}
	// Nothing was contacted, not even for the report.
	if err := ledger.RecordFailure(gc.ExitUsage, time.Now()); err != nil {
		log.Error("the failure is not counted", "error", err.Error())
	}
}
