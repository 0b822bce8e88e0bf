// Package metrics has the Prometheus metrics of bosgc (docs/metrics.md), and hands them over: to
// whoever scrapes, to a Pushgateway, or to a file. Every series exists from the beginning, at zero if
// it counts something: an alert on a series that appears with the first failure would miss that
// failure.
package metrics

import (
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"bosgc/gc"
	"bosgc/internal/bos"
	"bosgc/internal/collect"
	"bosgc/internal/inventory"
	"bosgc/policy"
)

// Metrics are the metrics of one run. Counters start at zero; package state adds them up.
type Metrics struct {
	registry *prometheus.Registry

	// Which gauges have a new value; see Fresh.
	swept       bool // a sweep came to a result
	hasSessions bool // the number of sessions is known: from BOS's list, or from the keys in its etcd
	hasListSize bool // the size of the list was estimated
	succeeded   bool
	cleanup     bool // the run is not a sweep: only its counters are new

	objects        *prometheus.GaugeVec
	orphans        *prometheus.GaugeVec
	guard          *prometheus.GaugeVec
	oldestOrphan   *prometheus.GaugeVec
	oldestEligible *prometheus.GaugeVec
	backlog        *prometheus.GaugeVec
	rows           *prometheus.GaugeVec
	backlogStart   prometheus.Gauge
	dryRun         prometheus.Gauge
	deleted        *prometheus.CounterVec
	failures       *prometheus.CounterVec
	sessions       prometheus.Gauge
	listOK         prometheus.Gauge
	listBytes      prometheus.Gauge
	listLimit      prometheus.Gauge
	complete       *prometheus.GaugeVec
	duration       prometheus.Gauge
	lastSweep      prometheus.Gauge
	lastSuccess    prometheus.Gauge
	lastExitCode   prometheus.Gauge
	stateOK        prometheus.Gauge
	setAside       prometheus.Gauge
	requests       *prometheus.CounterVec
	requestTime    *prometheus.HistogramVec
}

// Systems are the values of the label "system".
var Systems = []string{"bos", "cfs", "kube"}

// New returns Metrics with every series that can be known beforehand.
func New(version, commit string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		objects: gauges("objects",
			"Objects seen by the last sweep, by its verdict and reason.", "kind", "verdict", "reason"),
		orphans: gauges("orphans",
			"Objects that looked orphaned to the last sweep, whatever was done about them.", "kind"),
		guard: gauges("orphan_guard",
			"Whether the orphan guard held objects back in the last sweep: 1 if it did.", "kind"),
		oldestOrphan: gauges("oldest_orphan_age_seconds",
			"Age of the oldest object that looked orphaned to the last sweep; 0 if there was none.", "kind"),
		oldestEligible: gauges("oldest_eligible_age_seconds",
			"For how long the oldest object that may go, and is still there, has been eligible; 0 if there is none.",
			"kind"),
		backlog: gauges("backlog",
			"Objects that may go and that the last sweep has left for the next one.", "kind"),
		rows: gauges("sweeps_in_a_row",
			"For how many sweeps until now, without a gap, a condition has held.", "condition"),
		backlogStart: gauge("backlog_start", "Objects left by the sweep with which the row of sweeps began that "+
			"have left no fewer; 0 if there is no such row."),
		dryRun:   gauge("dry_run", "Whether the last sweep was a dry run: 1 if it was, and nothing is deleted."),
		deleted:  counters("deleted_total", "Objects deleted.", "kind", "reason"),
		failures: counters("delete_failures_total", "Objects that could not be deleted.", "kind"),
		sessions: gauge("bos_sessions",
			"Sessions in the last complete list of BOS v1; it hangs somewhere above 1000."),
		listOK: gauge("bos_list_ok", "Whether BOS v1 answers its list of sessions: 0 if it did not, "+
			"or was not asked because it would hang."),
		listBytes: gauge("bos_list_bytes",
			"What the list of BOS v1's sessions would have its etcd send, estimated."),
		listLimit: gauge("bos_list_limit_bytes",
			"What BOS v1 takes from its etcd; a list that needs more hangs."),
		complete: gauges("source_complete", "Whether the last sweep read a source completely.", "source"),
		duration: gauge("sweep_duration_seconds", "How long the last sweep took."),
		lastSweep: gauge("last_sweep_timestamp_seconds",
			"When the last sweep ended, in seconds since 1970."),
		lastSuccess: gauge("last_success_timestamp_seconds",
			"When the last sweep that ended with exit code 0 ended, in seconds since 1970."),
		lastExitCode: gauge("last_exit_code", "Exit code of the last sweep."),
		stateOK: gauge("state_ok",
			"Whether the state that sweeps leave for each other could be read and written."),
		setAside: gauge("state_set_aside_timestamp_seconds", "When a state that could not be understood "+
			"was last set aside, in seconds since 1970; 0 is never."),
		requests: counters("requests_total",
			"Requests sent, every try counted; code 0 is no answer.", "system", "verb", "code"),
		requestTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "bosgc", Name: "request_duration_seconds", Help: "Time until a request was answered.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"system", "verb"}),
	}
	m.registry.MustRegister(m.objects, m.orphans, m.guard, m.oldestOrphan, m.oldestEligible, m.backlog, m.rows,
		m.backlogStart, m.dryRun, m.deleted, m.failures,
		m.sessions, m.listOK, m.listBytes, m.listLimit, m.complete, m.duration, m.lastSweep, m.lastSuccess,
		m.lastExitCode, m.stateOK, m.setAside, m.requests, m.requestTime, buildInfo(version, commit))
	m.stateOK.Set(1)
	m.listLimit.Set(bos.MaxList)
	m.createSeries()
	return m
}

func buildInfo(version, commit string) prometheus.Collector {
	info := gauges("build_info", "A constant 1, labelled by what was built.", "version", "commit", "goversion")
	info.WithLabelValues(version, commit, runtime.Version()).Set(1)
	return info
}

func (m *Metrics) createSeries() {
	for _, kind := range policy.Kinds() {
		for _, verdict := range policy.Verdicts() {
			for _, reason := range policy.Reasons(verdict) {
				m.objects.WithLabelValues(string(kind), string(verdict), string(reason))
			}
		}
		for _, reason := range policy.Reasons(policy.Delete) {
			m.deleted.WithLabelValues(string(kind), string(reason))
		}
		for _, vec := range []*prometheus.GaugeVec{m.orphans, m.guard, m.oldestOrphan, m.oldestEligible, m.backlog} {
			vec.WithLabelValues(string(kind))
		}
		m.failures.WithLabelValues(string(kind))
	}
	for _, condition := range conditions {
		m.rows.WithLabelValues(condition)
	}
	for _, source := range collect.SourceNames() {
		m.complete.WithLabelValues(source)
	}
	for _, system := range Systems {
		for _, verb := range []string{http.MethodGet, http.MethodDelete} {
			m.requests.WithLabelValues(system, verb, "200")
			m.requestTime.WithLabelValues(system, verb)
		}
	}
}

// Gather returns all metrics of this run. It implements prometheus.Gatherer.
func (m *Metrics) Gather() ([]*dto.MetricFamily, error) { return m.registry.Gather() }

// Fresh reports whether this run has a new value for a gauge. A sweep that failed before it saw
// anything has none: the last one that did still describes what there is.
func (m *Metrics) Fresh(name string) bool {
	if m.cleanup && !strings.HasPrefix(name, "bosgc_state_") {
		return false
	}
	switch name {
	case "bosgc_last_success_timestamp_seconds":
		return m.succeeded
	case "bosgc_bos_sessions":
		return m.hasSessions
	case "bosgc_bos_list_bytes":
		return m.hasListSize
	case "bosgc_last_exit_code", "bosgc_last_sweep_timestamp_seconds", "bosgc_sweep_duration_seconds",
		"bosgc_build_info", "bosgc_bos_list_limit_bytes", rowsName, "bosgc_state_ok", "bosgc_state_set_aside_timestamp_seconds":
		return true
	default:
		return m.swept
	}
}

// RequestObserver returns a function to call for every request to a system; status 0 is no answer.
func (m *Metrics) RequestObserver(system string) func(method string, status int, took time.Duration) {
	return func(method string, status int, took time.Duration) {
		code := strconv.Itoa(status)
		if status != 0 && http.StatusText(status) == "" {
			code = "other" // a server that makes up codes must not make up series
		}
		m.requests.WithLabelValues(system, method, code).Inc()
		m.requestTime.WithLabelValues(system, method).Observe(took.Seconds())
	}
}

// RecordSweep records what a sweep has found and done.
func (m *Metrics) RecordSweep(d gc.Document, now time.Time) {
	tallies := map[policy.Kind]*tally{}
	for _, kind := range policy.Kinds() {
		tallies[kind] = &tally{objects: map[verdictReason]int{}}
	}
	for _, o := range d.Objects {
		if t := tallies[o.Kind]; t != nil { // a sweep does not judge components
			t.add(o, now)
			m.recordOutcome(o)
		}
	}
	// Gauges are set at the end and never reset in between: a scrape must not see half a sweep.
	for kind, t := range tallies {
		m.setTally(string(kind), t)
	}
	m.recordSources(d)
	m.recordConditions(d, tallies)
	m.dryRun.Set(boolValue(d.Kind == "Plan"))
	m.swept = true
	m.recordEnd(d.ExitCode, d.CreatedAt, now)
}

func (m *Metrics) setTally(kind string, t *tally) {
	for _, verdict := range policy.Verdicts() {
		for _, reason := range policy.Reasons(verdict) {
			n := t.objects[verdictReason{verdict, reason}]
			m.objects.WithLabelValues(kind, string(verdict), string(reason)).Set(float64(n))
		}
	}
	m.orphans.WithLabelValues(kind).Set(float64(t.orphans))
	m.guard.WithLabelValues(kind).Set(boolValue(t.objects[verdictReason{policy.Keep, policy.OrphanGuard}] > 0))
	m.backlog.WithLabelValues(kind).Set(float64(t.backlog))
	m.oldestOrphan.WithLabelValues(kind).Set(t.oldestOrphan.Seconds())
	m.oldestEligible.WithLabelValues(kind).Set(t.oldestEligible.Seconds())
}

func (m *Metrics) recordSources(d gc.Document) {
	for _, source := range d.Sources {
		m.complete.WithLabelValues(source.Name).Set(boolValue(source.Complete))
		if source.Name == inventory.SourceSessions {
			m.listOK.Set(boolValue(source.Listed))
			if source.Listed || d.List != nil && d.List.From == collect.FromEtcd {
				m.sessions.Set(float64(source.Count))
				m.hasSessions = true
			}
		}
	}
	if d.List != nil && (d.List.From != "" || d.List.Why == "") { // otherwise its size is not known
		m.listBytes.Set(float64(d.List.Bytes))
		m.hasListSize = true
	}
}

func (m *Metrics) recordOutcome(o gc.Object) {
	switch o.Outcome {
	case gc.Deleted:
		m.deleted.WithLabelValues(string(o.Kind), string(o.Reason)).Inc()
	case gc.Failed:
		m.failures.WithLabelValues(string(o.Kind)).Inc()
	default:
	}
}

// RecordCleanup counts what was deleted by the manual procedure. Nothing else is new, because that was
// not a sweep.
func (m *Metrics) RecordCleanup(d gc.Document) {
	m.cleanup = true
	for _, o := range d.Objects {
		if slices.Contains(policy.Kinds(), o.Kind) {
			m.recordOutcome(o)
		}
	}
}

// RecordFailure records a sweep that came to no result.
func (m *Metrics) RecordFailure(exitCode int, begun, now time.Time) {
	m.recordNoConditions()
	m.recordEnd(exitCode, begun, now)
}

func (m *Metrics) recordEnd(exitCode int, begun, now time.Time) {
	// The other codes have conditions of their own.
	m.rows.WithLabelValues(rowFailed).Set(boolValue(exitCode == gc.ExitFailed || exitCode == gc.ExitUsage || exitCode == gc.ExitLocked))
	m.duration.Set(now.Sub(begun).Seconds())
	m.lastExitCode.Set(float64(exitCode))
	m.lastSweep.Set(float64(now.Unix()))
	if exitCode == gc.ExitDone {
		m.lastSuccess.Set(float64(now.Unix()))
		m.succeeded = true
	}
}

// SetStateSetAside records when a state was last set aside; the zero time is never.
func (m *Metrics) SetStateSetAside(at time.Time) {
	if !at.IsZero() {
		m.setAside.Set(float64(at.Unix()))
	}
}

// SetStateOK records whether the state could be read and written.
func (m *Metrics) SetStateOK(ok bool) { m.stateOK.Set(boolValue(ok)) }

func boolValue(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "bosgc", Name: name, Help: help})
}

func gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "bosgc", Name: name, Help: help}, labels)
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "bosgc", Name: name, Help: help}, labels)
}
