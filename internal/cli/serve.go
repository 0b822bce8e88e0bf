package cli

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"bosgc/gc"
	"bosgc/internal/config"
	"bosgc/internal/metrics"
	"bosgc/internal/state"
)

func (a *app) serve() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Sweep every BOSGC_INTERVAL in one long-running process, and serve /metrics",
		Long: `Sweep at once and then every BOSGC_INTERVAL, one sweep after the other, and serve
/metrics and /healthz at BOSGC_METRICS_ADDR. A sweep that fails is logged and counted, and
the next one comes all the same. SIGTERM ends it cleanly: what is under way is finished.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			defer a.quitMesh()
			settings, log, err := a.load()
			if err != nil {
				return err
			}
			return a.sweeping(cmd.Context(), settings, log)
		},
	}
}

// sweeping serves metrics while it sweeps, until the context ends. That is its normal end.
func (a *app) sweeping(ctx context.Context, settings config.Config, log *slog.Logger) error {
	ledger, err := metrics.NewLedger(Version, Commit)
	if err != nil {
		return &exitError{gc.ExitFailed, err}
	}
	to, err := a.connect(settings, metrics.New(Version, Commit), log)
	if err != nil {
		return &exitError{gc.ExitUsage, err} // the next sweep would not know better
	}
	server, err := metrics.Listen(ctx, settings.MetricsAddr, ledger)
	if err != nil {
		return &exitError{gc.ExitFailed, err}
	}
	log.Info("serving", "address", server.Address(), "interval", settings.Interval.String())
	a.resume(ctx, settings, to, ledger, log)

	// An interval, not a pause: it is counted from start to start. A tick that comes while a
	// sweep still runs is kept, and a second one is dropped, so that sweeps never pile up.
	next := time.NewTicker(settings.Interval.D())
	defer next.Stop()
	for {
		a.sweepAgain(ctx, ledger, log)
		select {
		case <-next.C:
		case <-ctx.Done():
			if err := server.Close(); err != nil {
				return &exitError{gc.ExitFailed, err}
			}
			return nil
		case err := <-server.Failed():
			return &exitError{gc.ExitFailed, err}
		}
	}
}

// resume goes on counting where the last process has ended.
func (a *app) resume(ctx context.Context, settings config.Config, to *connection, ledger *metrics.Ledger, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, stateWithin)
	defer cancel()
	if err := ledger.Load(ctx, state.NewStore(to.own, settings.StateName)); err != nil {
		log.Warn("what earlier sweeps counted cannot be read", "error", err.Error())
	}
}

func (a *app) sweepAgain(ctx context.Context, ledger *metrics.Ledger, log *slog.Logger) {
	if ctx.Err() != nil {
		return
	}
	// Read anew: a secret in a file is changed from time to time.
	settings, err := config.Load(a.environ)
	if err != nil {
		log.Error("sweep failed", "error", err.Error(), "exitCode", gc.ExitUsage)
		a.notBegun(ledger, log)
		return
	}
	if _, err := a.sweepAndReport(ctx, a.begin(settings, log), ledger); err != nil {
		code := gc.ExitFailed
		if exit := (*exitError)(nil); errors.As(err, &exit) {
			code = exit.code
		}
		log.Error("sweep failed", "error", err.Error(), "exitCode", code)
		if code == gc.ExitUsage { // nothing was contacted, not even for the report
			a.notBegun(ledger, log)
		}
	}
}

func (a *app) notBegun(ledger *metrics.Ledger, log *slog.Logger) {
	if err := ledger.RecordFailure(gc.ExitUsage, time.Now()); err != nil {
		log.Error("the failure is not counted", "error", err.Error())
	}
}
