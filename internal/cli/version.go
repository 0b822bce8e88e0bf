package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
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
			document := map[string]string{"version": Version, "commit": Commit, "go": runtime.Version()}
			return a.writeResult(document, func() string {
				return fmt.Sprintf("bosgc %s, commit %s, %s\n", Version, Commit, runtime.Version())
			})
		},
	}
}
