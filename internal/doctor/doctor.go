// Package doctor checks everything that a sweep needs. It deletes and changes nothing, and never asks BOS for its list,
// which can hang BOS.
package doctor

import (
	"context"
	"fmt"
	"time"

	"bosgc/internal/bos"
	"bosgc/internal/bosetcd"
	"bosgc/internal/cfs"
	"bosgc/internal/config"
	"bosgc/internal/kube"
	"bosgc/internal/state"
)

// Level is the result of a check.
type Level string

// The values of Level. A failure is what keeps sweeps from doing their work.
const (
	OK      Level = "ok"
	Warning Level = "warning"
	Failure Level = "failure"
)

// Check is one line of the result.
type Check struct {
	Name   string `json:"name"`
	Level  Level  `json:"level"`
	Found  string `json:"found"`
	Remedy string `json:"remedy,omitempty"` // what to do; empty if there is nothing to do
}

// Doctor is what is checked. None of its clients may have been used before: what they remember of a run would count.
type Doctor struct {
	Settings     config.Config
	Cluster      string // address of the API server
	Kube         *kube.Client
	BOS          *bos.Client
	CFS          *cfs.Client
	Etcd         *bosetcd.Reader // nil if it is not to be read
	Store        *kube.Store     // where state, lease and journal are
	State        *state.Store
	MetricsURL   string // where metrics should be served; empty: not asked
	AskMesh      func(context.Context) error
	PollDeadline time.Duration // for one request that is not one to a system
	Now          func() time.Time
}

// Checks runs all checks, one after another, in the order in which a person mends what they find.
func (d Doctor) Checks(ctx context.Context) []Check {
	var all []Check
	all = append(all, d.checkSettings()...)
	all = append(all, d.checkMesh(ctx)...)
	reached := d.checkKubernetes(ctx)
	all = append(all, reached)
	if reached.Level != Failure {
		all = append(all, d.checkPermissions(ctx)...)
		all = append(all, d.checkClock())
		all = append(all, d.checkNamespace(ctx)...)
	}
	all = append(all, d.checkBOS(ctx)...)
	all = append(all, d.checkCFS(ctx)...)
	all = append(all, d.checkEtcd(ctx)...)
	if reached.Level != Failure {
		all = append(all, d.checkState(ctx)...)
		all = append(all, d.checkJournal(ctx))
	}
	return append(all, d.checkMetrics(ctx)...)
}

// Failed reports whether a check has failed.
func Failed(all []Check) bool {
	for _, c := range all {
		if c.Level == Failure {
			return true
		}
	}
	return false
}

func passed(name, format string, args ...any) Check {
	return Check{Name: name, Level: OK, Found: fmt.Sprintf(format, args...)}
}

func warning(name, remedy, format string, args ...any) Check {
	return Check{name, Warning, fmt.Sprintf(format, args...), remedy}
}

func failure(name, remedy, format string, args ...any) Check {
	return Check{name, Failure, fmt.Sprintf(format, args...), remedy}
}

func (d Doctor) checkSettings() []Check {
	all := []Check{passed("settings", "all are understood")}
	if d.Settings.DryRun {
		all = []Check{passed("settings", "all are understood; sweeps delete nothing (BOSGC_DRY_RUN=true)")}
	}
	for _, name := range d.Settings.PlainCredentials() {
		all = append(all, warning("settings", "use https:// in "+name, "%s sends a credential unencrypted", name))
	}
	return all
}

func (d Doctor) checkMesh(ctx context.Context) []Check {
	if d.Settings.MeshQuitURL == "" {
		return []Check{passed("mesh proxy", "none is expected (BOSGC_MESH_QUIT_URL is empty)")}
	}
	if err := d.AskMesh(ctx); err != nil {
		return []Check{warning("mesh proxy", "check the Pod's injection and BOSGC_MESH_QUIT_URL",
			"not ready: %s", err.Error())}
	}
	return []Check{passed("mesh proxy", "ready")}
}
