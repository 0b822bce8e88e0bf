package cli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bosgc/gc"
	"bosgc/internal/config"
	"bosgc/internal/report"
	"bosgc/internal/sweep"
)

func (a *app) config() *cobra.Command {
	explain := ""
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print every setting, its value and where it came from",
		Long: `Print every setting, its value and where it came from. A bad setting ends it with
exit code 2, after naming all bad ones at once. Nothing is contacted.

--explain says of one setting what it means, what it accepts and where it matters.`,
		Example: `  bosgc config --explain BOSGC_KEEP_LAST`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("explain") {
				return a.explainSetting(explain)
			}
			settings, err := a.settings()
			if err != nil {
				return &sweep.Error{Code: gc.ExitUsage, Err: err}
			}
			all := settings.Settings(a.environ)
			for i := range all {
				a.origin(&all[i])
			}
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
	cmd.Flags().StringVar(&explain, "explain", "", "say what the setting of this `NAME` means")
	_ = cmd.RegisterFlagCompletionFunc("explain", cobra.FixedCompletions(config.Names(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *app) explainSetting(name string) error {
	e, known := config.Explain(name, a.environ)
	if !known {
		near := `"bosgc config" lists those that there are`
		if names := config.Nearest(name); len(names) > 0 {
			near = "the nearest are " + strings.Join(names, ", ")
		}
		return &sweep.Error{Code: gc.ExitUsage, Err: fmt.Errorf("%.80q is no setting; %s", name, near)}
	}
	a.origin(&e.Setting)
	if a.output == "json" {
		return written(report.JSON(a.stdout, e))
	}
	_, err := fmt.Fprint(a.stdout, report.Setting(e))
	return written(err)
}

// environment is where settings come from. --namespace is the last word on its own.
func (a *app) environment() []string {
	if a.namespace == "" {
		return a.environ
	}
	return append(slices.Clone(a.environ), namespaceSetting+"="+a.namespace)
}

const namespaceSetting = "BOSGC_NAMESPACE"

// settings reads the settings, and names the flag where that is what cannot be used.
func (a *app) settings() (config.Config, error) {
	settings, err := config.Load(a.environ)
	var problems config.Problems
	if a.namespace != "" && errors.As(err, &problems) {
		for i := range problems {
			if problems[i].Name == namespaceSetting {
				problems[i].Why += " (it is what --namespace says)"
			}
		}
	}
	return settings, err
}

func (a *app) origin(s *config.Setting) {
	if a.namespace != "" && s.Name == namespaceSetting {
		s.Origin = "flag"
	}
}
