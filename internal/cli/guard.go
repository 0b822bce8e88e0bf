package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"bosgc/gc"
	"bosgc/internal/report"
	"bosgc/internal/sweep"
	"bosgc/policy"
)

func (a *app) guard() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "guard",
		Short: "Show which kinds the orphan guard holds back; release one of them",
		Long: `Show of which kinds the orphan guard holds back what looks orphaned, since when
and why. Where more than BOSGC_MAX_ORPHAN_PERCENT of a kind looks orphaned, it is
more likely that BOS has lost its sessions. The same holds where nothing shows
that BOS, CFS and Kubernetes are of one system. Nothing of that kind is deleted as an
orphan then, whatever the share becomes, until a person has looked at why:
"bosgc guard release KIND" says so.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withRun(cmd.Context(), func(ctx context.Context, run *sweep.Run) error {
				all, err := run.Guards(ctx)
				if err != nil {
					return err
				}
				return a.showGuards(guards{gc.APIVersion, "Guards", all, nil, gc.ExitDone}, report.Guards(all))
			})
		},
	}
	cmd.AddCommand(a.guardRelease())
	return cmd
}

func (a *app) guardRelease() *cobra.Command {
	return &cobra.Command{
		Use:   "release KIND",
		Short: "Have sweeps delete what looks orphaned of a kind, after a person has looked",
		Long: `Have the next sweeps delete what looks orphaned of a kind, as long as it does, and
as far as it has been seen often enough. What comes to look orphaned later is
counted again, and too large a share of it held back.

KIND is session, job, configmap or cfs.`,
		Example:           `  bosgc guard release configmap`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.FixedCompletions([]string{"session", "job", "configmap", "cfs"}, cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, known := parseKind(args[0])
			if !known {
				return fmt.Errorf("unknown kind %.80q; expected session, job, configmap or cfs", args[0])
			}
			return a.withRun(cmd.Context(), func(ctx context.Context, run *sweep.Run) error {
				released, err := run.ReleaseGuard(ctx, kind)
				if err != nil {
					return err
				}
				d := guards{gc.APIVersion, "Guards", []gc.Guard{}, nil, gc.ExitDone}
				if d.Guards, err = run.Guards(ctx); err != nil {
					return err
				}
				if released == nil {
					return a.showGuards(d, fmt.Sprintf("Nothing to release: the orphan guard does not hold back %s.\n%s",
						kind, report.Guards(d.Guards)))
				}
				d.Released = []policy.Kind{kind}
				held, n := "looked orphaned to the last sweep", released.Orphans
				if released.Doubt {
					held, n = "the last sweep held back because nothing shows that it is of BOS's system", released.Doubted
				}
				return a.showGuards(d, fmt.Sprintf("Released: %s. What %s (%d) is not held back any more; the next sweeps delete it.\n",
					kind, held, n))
			})
		},
	}
}

// guards is the document of the orphan guard.
type guards struct {
	APIVersion string        `json:"apiVersion"`
	Kind       string        `json:"kind"`   // Guards
	Guards     []gc.Guard    `json:"guards"` // of the kinds that are held back
	Released   []policy.Kind `json:"released,omitempty"`
	ExitCode   int           `json:"exitCode"`
}

func (a *app) showGuards(d guards, text string) error {
	return a.writeResult(d, func() string { return text })
}

// withRun begins a run that only needs the state.
func (a *app) withRun(ctx context.Context, do func(context.Context, *sweep.Run) error) error {
	defer a.quitMesh()
	run, err := a.newRun()
	if err != nil {
		return err
	}
	ctx, cancel := run.WithDeadline(ctx)
	defer cancel()
	run.WaitForMesh(ctx)
	return do(ctx, run)
}
