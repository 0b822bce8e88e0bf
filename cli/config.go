package cli

import (
	"cmp"
	"errors"
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
				return a.badConfig(err)
			}
			all := settings.Settings(a.environ)
			if a.output == "json" {
				return report.JSON(a.stdout, map[string]any{"settings": all})
			}
			for _, s := range all {
				if _, err := fmt.Fprintf(a.stdout, "%-30s %-24s %s\n", s.Name, cmp.Or(report.Clean(s.Value), `""`), s.Origin); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func (a *app) badConfig(err error) error {
	var problems config.Problems
	if a.output == "json" && errors.As(err, &problems) {
		if err := report.JSON(a.stdout, map[string]any{"problems": problems}); err != nil {
			return err
		}
	}
	return &exitError{gc.ExitUsage, err}
}
