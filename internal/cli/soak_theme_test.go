package cli

import (
	"math/rand/v2"
	"net/http"
	"time"

	"bosgc/internal/lab"
)

// soakTheme is a kind of case that shows often what others show seldom: a world of a few stories, and what goes with it.
type soakTheme struct {
	sessions int // 0: as drawn
	stories  []string
	set      func(*soakCase, *rand.Rand)
}

var (
	daysTheme = &soakTheme{12, []string{
		"finished-recently", "failed-recently", "failed-10-days-ago", "zombie-failed-young", "keep-on-job", "abandoned-not-yet",
		"nothing-but-the-record", "configmap-in-use", "running", "orphan-configmap", "orphan-job-2-days", "orphan-configmap-of-a-week",
	}, (*soakCase).drawDays}
	guardTheme = &soakTheme{40, []string{"finished-expired", "orphan-configmap", "look-labelled", "look-owned"}, (*soakCase).drawGuard}
	keepTheme  = &soakTheme{0, []string{
		"keep-on-job", "keep-on-configmap", "keep-misspelled", "keep-unreadable", "keep-until-future", "orphan-configmap-kept",
	}, func(*soakCase, *rand.Rand) {}}
	lastTheme = &soakTheme{0, []string{
		"kept-reboot-before-configure", "kept-only-one-of-template", "kept-newest-of-tie", "kept-newest-is-young", "orphan-configmap",
	}, (*soakCase).drawLast}
)

func themeOf(seed uint64) *soakTheme {
	switch {
	case seed%13 == 0:
		return daysTheme
	case seed%17 == 0:
		return guardTheme
	case seed%17 == 10:
		return keepTheme
	case seed%17 == 15:
		return lastTheme
	}
	return nil
}

func (t *soakTheme) shape(options *lab.Options) {
	if t == nil {
		return
	}
	options.Only = t.stories
	if t.sessions > 0 {
		options.Sessions = t.sessions
	}
}

// drawGuard has so many orphans that the guard refuses them if it counts what BOS made, and lets them go if it also counts
// what only has a name like that.
func (c *soakCase) drawGuard(*rand.Rand) {
	orphans, made, all := 0, 0, 0
	for _, f := range c.world.Facts() {
		if f.Kind != lab.KindConfigMap {
			continue
		}
		all++
		if f.Reason != "not-ours" {
			made++
		}
		if f.Confirmed == "orphaned" {
			orphans++
		}
	}
	c.settings = standardSettings
	c.settings.v1, c.settings.sightings = c.world.Profile.BOSv1, 1
	c.settings.percent = (orphans*100 + all - 1) / max(1, all)
	c.steps = []*soakStep{quietStep()}
}

// drawLast has BOS not say which templates it has, in every second case.
func (c *soakCase) drawLast(*rand.Rand) {
	c.settings = standardSettings
	c.settings.v1 = c.world.Profile.BOSv1
	step := quietStep()
	if c.seed%2 == 0 {
		step.faults = []lab.Fault{{
			Kind: lab.FaultStatus, System: "bos", Method: http.MethodGet, Path: `^/v1/sessiontemplate$`, Status: http.StatusInternalServerError,
		}}
	}
	c.steps = []*soakStep{step}
}

// quietStep is a sweep that nothing disturbs.
func quietStep() *soakStep {
	return &soakStep{command: "sweep", wait: 20 * time.Minute, maxDeletes: 1000, environ: []string{"BOSGC_MAX_DELETES=1000", "BOSGC_REQUEST_TIMEOUT=3s"}}
}
