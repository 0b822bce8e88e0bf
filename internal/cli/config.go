package cli

import (
	"cmp"
	"context"
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
exit code 2, after naming all bad ones at once, before anything is contacted.

A command typed by hand judges by the settings that the last scheduled sweep has
recorded in the state, where the environment has none of its own. They are shown
with the origin "scheduled sweep". --own-settings leaves them out, and then nothing
is contacted.

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
				a.markFlag(&all[i])
			}
			a.markScheduled(cmd.Context(), settings, all)
			if a.structured() {
				return a.writeDocument(map[string]any{"settings": all})
			}
			for _, s := range all {
				value := cmp.Or(report.Clean(s.Value), `""`)
				if _, err = fmt.Fprintf(a.stdout, "%-30s %-24s %s\n", s.Name, value, s.Origin); err != nil {
					break
				}
			}
			return written(err)
		},
	}
	cmd.Flags().StringVar(&explain, "explain", "", "say what the setting of this `NAME` means")
	_ = cmd.RegisterFlagCompletionFunc("explain",
		cobra.FixedCompletions(config.Names(), cobra.ShellCompDirectiveNoFileComp))
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
	a.markFlag(&e.Setting)
	return a.writeResult(e, func() string { return report.Setting(e) })
}

const namespaceSetting = "BOSGC_NAMESPACE"

// environment returns the environment from which settings are read. In it --namespace stands for BOSGC_NAMESPACE.
func (a *app) environment() []string {
	if a.namespace == "" {
		return a.environ
	}
	return append(slices.Clone(a.environ), namespaceSetting+"="+a.namespace)
}

// settings reads the settings. A problem with the namespace names the flag if that is where it comes from.
func (a *app) settings() (config.Config, error) {
	settings, err := config.Load(a.environ)
	if problems, ok := errors.AsType[config.Problems](err); ok && a.namespace != "" {
		for i := range problems {
			if problems[i].Name == namespaceSetting {
				problems[i].Why += " (it is what --namespace says)"
			}
		}
	}
	return settings, err
}

// markScheduled shows the settings that hold because the last scheduled sweep has recorded them. That they cannot be
// read is said, and the others are shown. Where no Kubernetes is configured, there is none to read them from.
func (a *app) markScheduled(ctx context.Context, settings config.Config, all []config.Setting) {
	run, err := sweep.New(a.runOptions(), settings, a.logger(settings))
	if err != nil {
		return
	}
	adopted, err := run.ScheduledSettings(ctx)
	if err != nil {
		a.say("What scheduled sweeps have recorded of their settings cannot be read: " + err.Error())
		return
	}
	values := run.Settings.RecordedByName()
	for i := range all {
		if slices.Contains(adopted, all[i].Name) {
			all[i].Value, all[i].Origin = values[all[i].Name], "scheduled sweep"
		}
	}
}

// markFlag corrects the origin of the namespace, which config can only see in the environment.
func (a *app) markFlag(s *config.Setting) {
	if a.namespace != "" && s.Name == namespaceSetting {
		s.Origin = "flag"
	}
}
