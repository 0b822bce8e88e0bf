package cli

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"bosgc/gc"
	"bosgc/internal/config"
	"bosgc/internal/doctor"
	"bosgc/internal/report"
)

func (a *app) doctor() *cobra.Command {
	metricsURL := ""
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check everything that a sweep needs; change nothing",
		Long: `Check everything that a sweep needs, one line a check: ok, warning or failure, what
was found, and what to do. The settings, the mesh proxy, each system and how it is
reached, permissions missing and not needed, the clock, traces of BOS in the
namespace, the state, the journal and the last sweep. It deletes and changes nothing,
and does not ask BOS for its list. The exit code is 1 if a check fails.`,
		Example: `  bosgc doctor
  bosgc doctor --metrics-url http://bosgc-exporter.services:9090/metrics`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			defer a.quitMesh()
			run, err := a.newRun()
			if err != nil {
				return a.showChecks(badSettings(err))
			}
			return a.showChecks(run.Doctor(cmd.Context(), metricsURL))
		},
	}
	cmd.Flags().StringVar(&metricsURL, "metrics-url", "", "also check that metrics of bosgc are served at this `URL`")
	return cmd
}

// badSettings returns a failure for each setting that cannot be used: nothing else can be checked then.
func badSettings(err error) []doctor.Check {
	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		return []doctor.Check{{Name: "settings", Level: doctor.Failure, Found: err.Error(), Remedy: "correct it"}}
	}
	var all []doctor.Check
	for p := range slices.Values(problems) {
		all = append(all, doctor.Check{
			Name: "settings", Level: doctor.Failure, Found: config.Problems{p}.Error(), Remedy: "bosgc config --explain " + p.Name,
		})
	}
	return all
}

// checks is the document of bosgc doctor.
type checks struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"` // Checks
	Checks     []doctor.Check `json:"checks"`
	ExitCode   int            `json:"exitCode"`
}

func (a *app) showChecks(all []doctor.Check) error {
	code := gc.ExitDone
	if doctor.Failed(all) {
		code = gc.ExitFailed
	}
	d := checks{gc.APIVersion, "Checks", all, code}
	if err := a.writeResult(d, func() string { return report.Doctor(all) }); err != nil {
		return err
	}
	return exitWith(code)
}
