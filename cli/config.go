package cli

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"bosgc/config"
	"bosgc/gc"
	"bosgc/report"
)

func (a *app) config() *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Print every setting, its value and where it came from",
		Long: `Print every setting, its value and where it came from. A bad setting ends it with
exit code 2, after naming all bad ones at once. Nothing is contacted.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			settings, err := config.Load(a.environ)
			if err != nil {
				return &exitError{gc.ExitUsage, err}
			}
			all := settings.Settings(a.environ)
			if a.output == "json" {
				return written(report.JSON(a.stdout, map[string]any{"settings": all}))
			}
			for _, s := range all {
				if _, err = fmt.Fprintf(a.stdout, "%-30s %-24s %s\n", s.Name, cmp.Or(report.Clean(s.Value), `""`), s.Origin); err != nil {
					break
				}
			}
			return written(err)
		},
	}
}
