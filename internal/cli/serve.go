package cli

import (
	"time"

	"github.com/spf13/cobra"

	"bosgc/gc"
	"bosgc/internal/config"
	"bosgc/internal/metrics"
	"bosgc/internal/page"
	"bosgc/internal/sweep"
)

func (a *app) serve() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Sweep every BOSGC_INTERVAL in one long-running process, and serve /metrics",
		Long: `Sweep at once and then every BOSGC_INTERVAL, one sweep after the other, and serve
/metrics, /healthz and, for a browser, the report of the last sweep at
BOSGC_METRICS_ADDR. A sweep that fails is logged and counted, and
the next one comes all the same. SIGTERM ends it cleanly: what is under way is finished.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			defer a.quitMesh()
			settings, log, err := a.load()
			if err != nil {
				return err
			}
			options := a.runOptions()
			options.Serving = true
			run, err := sweep.New(options, settings, log)
			if err != nil {
				return err // the next sweep would not know better
			}
			// It shows the state of every sweep, also of one that another process has made.
			exporter, err := metrics.NewExporter(run.State(), Version, Commit, log)
			if err != nil {
				return &sweep.Error{Code: gc.ExitFailed, Err: err}
			}
			pages := page.Pages{Installation: run.Installation(), State: exporter.State, Now: time.Now}
			return run.Serve(cmd.Context(), sweep.Serving{
				Load:  func() (config.Config, error) { return config.Load(a.environ) },
				Pages: pages.Handlers(), Show: pages.Show,
			})
		},
	}
}
