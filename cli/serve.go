package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"bosgc/config"
	"bosgc/gc"
	"bosgc/metrics"
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
	m := metrics.New(Version, Commit)
	if _, _, err := a.connect(settings, m, log); err != nil {
		return &exitError{gc.ExitUsage, err} // the next sweep would not know better
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", settings.MetricsAddr)
	if err != nil {
		return &exitError{gc.ExitFailed, fmt.Errorf("serve metrics at BOSGC_METRICS_ADDR=%q: %w", settings.MetricsAddr, err)}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.Handler())
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	log.Info("serving", "address", listener.Addr().String(), "interval", settings.Interval.String())

	// An interval, not a pause: it is counted from start to start. A tick that comes while a
	// sweep still runs is kept, and a second one is dropped, so that sweeps never pile up.
	next := time.NewTicker(settings.Interval.D())
	defer next.Stop()
	for {
		a.sweepAndCount(ctx, m, log)
		select {
		case <-next.C:
		case <-ctx.Done():
			return shutDown(server)
		case err := <-served:
			return &exitError{gc.ExitFailed, fmt.Errorf("serve metrics: %w", err)}
		}
		if ctx.Err() != nil {
			return shutDown(server)
		}
	}
}

func (a *app) sweepAndCount(ctx context.Context, m *metrics.Metrics, log *slog.Logger) {
	if ctx.Err() != nil {
		return
	}
	// Read anew: a secret in a file is changed from time to time.
	settings, err := config.Load(a.environ)
	if err != nil {
		log.Error("sweep failed", "error", err.Error(), "exitCode", gc.ExitUsage)
		m.Failed(gc.ExitUsage, time.Now())
		return
	}
	d, err := a.once(ctx, settings, m, log)
	var exit *exitError
	if errors.As(err, &exit) {
		log.Error("sweep failed", "error", err.Error(), "exitCode", exit.code)
		m.Failed(exit.code, time.Now())
		return
	}
	m.Swept(d, time.Now())
}

// shutDown lets a scrape that is under way come to its end.
func shutDown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return &exitError{gc.ExitFailed, fmt.Errorf("stop serving metrics: %w", err)}
	}
	return nil
}
