package cli

import (
	"github.com/spf13/cobra"

	"bosgc/gc"
	"bosgc/internal/metrics"
	"bosgc/internal/state"
)

func (a *app) exporter() *cobra.Command {
	return &cobra.Command{
		Use:   "exporter",
		Short: "Serve /metrics from what the last sweep left; change nothing",
		Long: `Serve /metrics and /healthz at BOSGC_METRICS_ADDR, from the state that sweeps leave in the
ConfigMap <BOSGC_STATE_NAME>-state. A CronJob's Pod is gone before anybody scrapes it; this
is what is scraped instead. It reads that one ConfigMap and contacts nothing else.
bosgc_last_sweep_timestamp_seconds says how old its figures are.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, log, err := a.load()
			if err != nil {
				return err
			}
			to, err := a.connect(settings, metrics.New(Version, Commit), log)
			if err != nil {
				return &exitError{gc.ExitUsage, err}
			}
			exporter, err := metrics.NewExporter(state.NewStore(to.own, settings.StateName), Version, Commit, log)
			if err != nil {
				return &exitError{gc.ExitFailed, err}
			}
			ctx := cmd.Context()
			server, err := metrics.Listen(ctx, settings.MetricsAddr, exporter)
			if err != nil {
				return &exitError{gc.ExitFailed, err}
			}
			log.Info("serving", "address", server.Address(), "state", to.own.Namespace()+"/"+settings.StateName+"-state")
			select {
			case <-ctx.Done():
				err = server.Close()
			case err = <-server.Failed():
			}
			if err != nil {
				return &exitError{gc.ExitFailed, err}
			}
			return nil
		},
	}
}
