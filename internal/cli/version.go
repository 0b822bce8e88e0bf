package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"bosgc/internal/report"
)

// Set when the binary is linked.
var (
	Version = "dev"
	Commit  = "unknown"
)

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the commit and the version of Go",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if a.output == "json" {
				return written(report.JSON(a.stdout, map[string]string{"version": Version, "commit": Commit, "go": runtime.Version()}))
			}
			_, err := fmt.Fprintf(a.stdout, "bosgc %s, commit %s, %s\n", Version, Commit, runtime.Version())
			return written(err)
		},
	}
}
