package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"bosgc/gc"
)

func (a *app) plan() *cobra.Command {
	return &cobra.Command{
		Use:   "plan",
		Short: "Show what a sweep would delete, and why; delete nothing",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.run(cmd.Context(), 0, true)
		},
	}
}

func (a *app) sweep() *cobra.Command {
	maxDeletes := 0
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "Delete what is finished or orphaned: what the CronJob runs",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("max-deletes") && maxDeletes < 1 {
				return fmt.Errorf("--max-deletes is %d; expected at least 1", maxDeletes)
			}
			return a.run(cmd.Context(), maxDeletes, false)
		},
	}
	cmd.Flags().IntVar(&maxDeletes, "max-deletes", 0, "objects to delete at most in this run (default: BOSGC_MAX_DELETES)")
	return cmd
}

// run plans and, unless told to look only, carries out. A plan and a sweep differ in one call.
func (a *app) run(ctx context.Context, maxDeletes int, lookOnly bool) error {
	settings, log, err := a.load()
	if err != nil {
		return err
	}
	systems, cluster, err := a.connect(settings, log)
	if err != nil {
		return &exitError{gc.ExitUsage, err}
	}
	defer quitMesh(settings.MeshQuitURL, log)

	tooLate := fmt.Errorf("the run took longer than %s (BOSGC_DEADLINE)", settings.Deadline)
	ctx, cancel := context.WithTimeoutCause(ctx, settings.Deadline.D(), tooLate)
	defer cancel()

	plan, err := gc.MakePlan(ctx, systems, settings.Policy(), cluster, time.Now().UTC())
	if err != nil {
		return &exitError{gc.ExitFailed, fmt.Errorf("stopped while reading; nothing was deleted: %w", err)}
	}
	if lookOnly || settings.DryRun {
		return a.show(plan.Document)
	}
	if maxDeletes == 0 {
		maxDeletes = settings.MaxDeletes
	}
	report, err := plan.Execute(ctx, gc.Limits{MaxDeletes: maxDeletes, Grace: settings.RequestTimeout.D()})
	if err != nil {
		return &exitError{gc.ExitFailed, err}
	}
	log.Info("sweep ended", "run", report.Run, "exitCode", report.ExitCode, "outcomes", report.Outcomes, "stopped", report.Stopped)
	return a.show(report.Document)
}

// quitMesh asks the Pod's mesh proxy to end, so that the Job can. Where there is none, or
// the system ends it by itself, nobody answers, and that is fine.
func quitMesh(url string, log *slog.Logger) {
	if url == "" {
		return
	}
	// A context of its own: the proxy must also be asked after the run was told to stop.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, http.NoBody)
	if err == nil {
		var response *http.Response
		if response, err = http.DefaultClient.Do(request); err == nil {
			err = response.Body.Close()
		}
	}
	if err != nil {
		log.Warn("the mesh proxy was not told to quit", "setting", "BOSGC_MESH_QUIT_URL", "error", err.Error())
	}
}
