package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"bosgc/gc"
	"bosgc/internal/outfile"
	"bosgc/internal/planfile"
	"bosgc/internal/sweep"
)

func (a *app) plan() *cobra.Command {
	save := ""
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what a sweep would delete, and why; delete nothing",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			defer a.quitMesh()
			if err := outfile.Check(save); save != "" && err != nil {
				return fmt.Errorf("--save is %q: %w", save, err)
			}
			run, err := a.newRun()
			if err != nil {
				return err
			}
			d, err := run.Plan(cmd.Context())
			if err != nil {
				return err
			}
			if save != "" {
				if err := a.savePlan(save, d, run.Settings.PolicyByName()); err != nil {
					return err
				}
			}
			return a.show(d)
		},
	}
	cmd.Flags().StringVar(&save, "save", "", "file to write the plan to, for bosgc apply")
	a.addViewFlags(cmd, func() bool { return save != "" })
	return cmd
}

// savePlan writes a plan for apply.
func (a *app) savePlan(file string, d gc.Document, settings map[string]string) error {
	if err := planfile.Write(file, d, settings); err != nil {
		return &sweep.Error{Code: gc.ExitFailed, Err: fmt.Errorf("the plan was not saved to %s: %w", file, err)}
	}
	a.say(fmt.Sprintf("Saved to %s; until %s: bosgc apply %s", file, d.ExpiresAt.Format("2006-01-02 15:04 UTC"), file))
	return nil
}
