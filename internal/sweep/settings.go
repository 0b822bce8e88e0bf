package sweep

import (
	"context"
	"fmt"
	"strings"
	"time"

	"bosgc/internal/config"
	"bosgc/internal/state"
)

// scheduled reports whether this is a run of the schedule, whose settings hold for persons too.
func (r *Run) scheduled() bool { return r.options.Serving || r.Settings.CronJob != "" }

// adoptSettings takes over what the last scheduled sweep has judged by. A shell without the variables of the CronJob
// would otherwise delete what the CronJob keeps.
func (r *Run) adoptSettings(remembered state.State, unreadable error) error {
	if r.scheduled() || r.options.OwnSettings {
		return nil
	}
	if unreadable == nil && remembered.Settings.ByName == nil && !remembered.SetAside.IsZero() {
		unreadable = fmt.Errorf("they were lost with the state that was set aside at %s, and no scheduled sweep has run since",
			remembered.SetAside.UTC().Format("2006-01-02 15:04 UTC"))
	}
	var adopted []string
	var own []config.Difference
	if unreadable == nil {
		adopted, own, unreadable = r.Settings.Adopt(remembered.Settings.ByName, r.options.Environ)
	}
	if unreadable != nil {
		return r.withoutSettings(unreadable)
	}
	if text := DescribeSettings(r.Settings, adopted, own); text != "" && r.options.Say != nil && !r.told {
		r.told = true
		r.options.Say(text)
	}
	return nil
}

// ScheduledSettings takes over what the last scheduled sweep has judged by, and returns the names of the settings that
// it changed.
func (r *Run) ScheduledSettings(ctx context.Context) ([]string, error) {
	if r.scheduled() || r.options.OwnSettings {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	remembered, err := r.State().Read(ctx)
	if err != nil {
		return nil, err
	}
	adopted, _, err := r.Settings.Adopt(remembered.Settings.ByName, r.options.Environ)
	return adopted, err
}

// lookPatience is how long a command waits for the state that shows settings and would show them without it, too.
const lookPatience = 3 * time.Second

// withoutSettings ends a run that deletes by rules. One that deletes nothing goes on.
func (r *Run) withoutSettings(why error) error {
	if r.Settings.DryRun || r.deletesByName {
		r.Log.Warn("the settings of the scheduled sweeps cannot be read; those of this environment are used", "error", why.Error())
		return nil
	}
	return failed("nothing was deleted: the settings of the scheduled sweeps cannot be read, and without them what they "+
		"keep could be deleted: %w\n--own-settings uses those of this environment instead", why)
}

// DescribeSettings returns the line that tells a person which settings of the scheduled sweeps are used, and which own
// ones differ; empty if there are none.
func DescribeSettings(c config.Config, adopted []string, own []config.Difference) string {
	var parts []string
	if len(adopted) > 0 {
		values := c.RecordedByName()
		for i, name := range adopted {
			adopted[i] = name + "=" + values[name]
		}
		parts = append(parts, "Settings of the scheduled sweeps are used: "+strings.Join(adopted, ", ")+" (--own-settings leaves them out)")
	}
	if len(own) > 0 {
		texts := make([]string, len(own))
		for i, d := range own {
			texts[i] = fmt.Sprintf("%s=%s (scheduled sweeps: %s)", d.Name, d.Own, d.Scheduled)
		}
		parts = append(parts, "Own settings differ: "+strings.Join(texts, ", "))
	}
	return strings.Join(parts, ". ")
}
