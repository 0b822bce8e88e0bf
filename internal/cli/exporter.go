package cli

import (
	"time"

	"github.com/spf13/cobra"

	"bosgc/gc"
	"bosgc/internal/metrics"
	"bosgc/internal/page"
	"bosgc/internal/sweep"
)

func (a *app) exporter() *cobra.Command {
	return &cobra.Command{
		Use:   "exporter",
		Short: "Serve /metrics from what the last sweep left; change nothing",
		Long: `Serve /metrics, /healthz and, for a browser, a page about the last sweeps at
BOSGC_METRICS_ADDR, from the state that sweeps leave in the ConfigMap <BOSGC_STATE_NAME>-state. A CronJob's Pod is gone before anybody scrapes it; this
is what is scraped instead. It reads that one ConfigMap and contacts nothing else.
bosgc_last_sweep_timestamp_seconds says how old its figures are.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			run, err := a.newRun()
			if err != nil {
				return err
			}
			exporter, err := metrics.NewExporter(run.State(), Version, Commit, run.Log)
			if err != nil {
				return &sweep.Error{Code: gc.ExitFailed, Err: err}
			}
			ctx := cmd.Context()
			pages := page.Pages{Installation: run.Installation(), State: exporter.State, Now: time.Now}
			shown := metrics.Labelled(exporter, run.Installation())
			server, err := metrics.Listen(ctx, run.Settings.MetricsAddr, shown, pages.Handlers())
			if err != nil {
				return &sweep.Error{Code: gc.ExitFailed, Err: err}
			}
			run.Log.Info("serving", "address", server.Address(),
				"state", run.Store().Namespace()+"/"+run.Settings.StateName+"-state")
			select {
			case <-ctx.Done():
				err = server.Close()
			case err = <-server.Failed():
			}
			if err != nil {
				return &sweep.Error{Code: gc.ExitFailed, Err: err}
			}
			return nil
		},
	}
}
