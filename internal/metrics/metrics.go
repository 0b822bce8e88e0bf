// Package metrics keeps the Prometheus metrics of bosgc (docs/metrics.md), and knows the ways out
// of a process that ends. Every series is there from the beginning, at zero where that is what
// it counts: an alert on a series that appears only with the first failure would miss that
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

// Metrics is the registry of one sweep. Its counters begin at zero; package state adds them up.
type Metrics struct {
	registry  *prometheus.Registry
	swept     bool // a sweep came to a result, so that gauges say something
	listed    bool // BOS answered with its list, or its etcd with the keys
	weighed   bool // the list was estimated
	succeeded bool
	aside     bool // not a sweep: what it says besides its counters is of no sweep

	objects        *prometheus.GaugeVec
	orphans        *prometheus.GaugeVec
	oldestOrphan   *prometheus.GaugeVec
	oldestEligible *prometheus.GaugeVec
	backlog        *prometheus.GaugeVec
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

// New makes a registry with every series that can be known beforehand.
func New(version, commit string) *Metrics {
	m := &Metrics{
		registry:       prometheus.NewRegistry(),
		objects:        gauges("objects", "Objects seen by the last sweep, by its verdict and reason.", "kind", "verdict", "reason"),
		orphans:        gauges("orphans", "Objects that looked orphaned to the last sweep, whatever was done about them.", "kind"),
		oldestOrphan:   gauges("oldest_orphan_age_seconds", "Age of the oldest object that looked orphaned to the last sweep; 0 if there was none.", "kind"),
		oldestEligible: gauges("oldest_eligible_age_seconds", "For how long the oldest object that may go, and is still there, has been eligible; 0 if there is none.", "kind"),
		backlog:        gauges("backlog", "Objects that may go and that the last sweep has left for the next one.", "kind"),
		deleted:        counters("deleted_total", "Objects deleted.", "kind", "reason"),
		failures:       counters("delete_failures_total", "Objects that could not be deleted.", "kind"),
		sessions:       gauge("bos_sessions", "Sessions in the last complete list of BOS v1; it hangs somewhere above 1000."),
		listOK:         gauge("bos_list_ok", "Whether BOS v1 answers its list of sessions: 0 if it did not, or was not asked because it would hang."),
		listBytes:      gauge("bos_list_bytes", "What the list of BOS v1's sessions would have its etcd send, estimated."),
		listLimit:      gauge("bos_list_limit_bytes", "What BOS v1 takes from its etcd; a list that needs more hangs."),
		complete:       gauges("source_complete", "Whether the last sweep read a source completely.", "source"),
		duration:       gauge("sweep_duration_seconds", "How long the last sweep took."),
		lastSweep:      gauge("last_sweep_timestamp_seconds", "When the last sweep ended, in seconds since 1970."),
		lastSuccess:    gauge("last_success_timestamp_seconds", "When the last sweep that ended with exit code 0 ended, in seconds since 1970."),
		lastExitCode:   gauge("last_exit_code", "Exit code of the last sweep."),
		stateOK:        gauge("state_ok", "Whether the state that sweeps leave for each other could be read and written."),
		setAside:       gauge("state_set_aside_timestamp_seconds", "When a state that could not be understood was last set aside and begun anew, in seconds since 1970; 0 is never."),
		requests:       counters("requests_total", "Requests sent, every try counted; code 0 is no answer.", "system", "verb", "code"),
		requestTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "bosgc", Name: "request_duration_seconds", Help: "Time until a request was answered.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"system", "verb"}),
	}
	info := gauges("build_info", "A constant 1, labelled by what was built.", "version", "commit", "goversion")
	info.WithLabelValues(version, commit, runtime.Version()).Set(1)
	m.registry.MustRegister(m.objects, m.orphans, m.oldestOrphan, m.oldestEligible, m.backlog, m.deleted, m.failures,
		m.sessions, m.listOK, m.listBytes, m.listLimit, m.complete, m.duration, m.lastSweep, m.lastSuccess, m.lastExitCode, m.stateOK, m.setAside, m.requests, m.requestTime, info)
	m.stateOK.Set(1)
	m.listLimit.Set(bos.MaxList)
	m.zero()
	return m
}

func (m *Metrics) zero() {
	for _, kind := range policy.Kinds() {
		for _, verdict := range policy.Verdicts() {
			for _, reason := range policy.Reasons(verdict) {
				m.objects.WithLabelValues(kind.String(), verdict.String(), reason.String())
			}
		}
		for _, reason := range policy.Reasons(policy.Delete) {
			m.deleted.WithLabelValues(kind.String(), reason.String())
		}
		for _, vec := range []*prometheus.GaugeVec{m.orphans, m.oldestOrphan, m.oldestEligible, m.backlog} {
			vec.WithLabelValues(kind.String())
		}
		m.failures.WithLabelValues(kind.String())
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

// Gather gives all metrics of this sweep.
func (m *Metrics) Gather() ([]*dto.MetricFamily, error) { return m.registry.Gather() }

// Fresh says of a gauge whether this sweep has something new to say. One that failed before it saw
// anything has not: the last one that did goes on standing for what there is.
func (m *Metrics) Fresh(name string) bool {
	if m.aside && !strings.HasPrefix(name, "bosgc_state_") {
		return false
	}
	switch name {
	case "bosgc_last_success_timestamp_seconds":
		return m.succeeded
	case "bosgc_bos_sessions":
		return m.listed
	case "bosgc_bos_list_bytes":
		return m.weighed
	case "bosgc_last_exit_code", "bosgc_last_sweep_timestamp_seconds", "bosgc_sweep_duration_seconds", "bosgc_build_info",
		"bosgc_bos_list_limit_bytes", "bosgc_state_ok", "bosgc_state_set_aside_timestamp_seconds":
		return true
	default:
		return m.swept
	}
}

// Request is told of every request that a system was sent; status 0 is no answer.
func (m *Metrics) Request(system string) func(method string, status int, took time.Duration) {
	return func(method string, status int, took time.Duration) {
		code := strconv.Itoa(status)
		if status != 0 && http.StatusText(status) == "" {
			code = "other" // a server that makes up codes must not make up series
		}
		m.requests.WithLabelValues(system, method, code).Inc()
		m.requestTime.WithLabelValues(system, method).Observe(took.Seconds())
	}
}

// tally is what one sweep found of one kind.
type tally struct {
	verdicts map[policy.Verdict]map[policy.Reason]int
	orphans  int
	backlog  int
	orphan   time.Duration // age of the oldest
	eligible time.Duration // of the oldest that is still there
}

// Swept takes over what a sweep has found and done.
func (m *Metrics) Swept(d gc.Document, now time.Time) {
	tallies := map[policy.Kind]*tally{}
	for _, kind := range policy.Kinds() {
		tallies[kind] = &tally{verdicts: map[policy.Verdict]map[policy.Reason]int{policy.Delete: {}, policy.Keep: {}, policy.Unknown: {}}}
	}
	for _, o := range d.Objects {
		if t := tallies[o.Kind]; t != nil { // a component is no object that a sweep judges
			m.count(t, o, now)
		}
	}
	// Set at the end and never reset in between: a scrape must not see half a sweep.
	for kind, t := range tallies {
		for verdict, reasons := range t.verdicts {
			for _, reason := range policy.Reasons(verdict) {
				m.objects.WithLabelValues(kind.String(), verdict.String(), reason.String()).Set(float64(reasons[reason]))
			}
		}
		m.orphans.WithLabelValues(kind.String()).Set(float64(t.orphans))
		m.backlog.WithLabelValues(kind.String()).Set(float64(t.backlog))
		m.oldestOrphan.WithLabelValues(kind.String()).Set(t.orphan.Seconds())
		m.oldestEligible.WithLabelValues(kind.String()).Set(t.eligible.Seconds())
	}
	for _, source := range d.Sources {
		m.complete.WithLabelValues(source.Name).Set(number(source.Complete))
		if source.Name == inventory.SourceSessions {
			m.listOK.Set(number(source.Listed))
			if source.Listed || d.List != nil && d.List.From == collect.FromEtcd {
				m.sessions.Set(float64(source.Count))
				m.listed = true
			}
		}
	}
	if d.List != nil && (d.List.From != "" || d.List.Why == "") { // else nobody knows how large it is
		m.listBytes.Set(float64(d.List.Bytes))
		m.weighed = true
	}
	m.swept = true
	m.ended(d.ExitCode, d.CreatedAt, now)
}

func (m *Metrics) count(t *tally, o gc.Object, now time.Time) {
	kind := o.Kind.String()
	t.verdicts[o.Verdict][o.Reason]++
	if o.Reason.LooksOrphaned() {
		t.orphans++
		if !o.OrphanedSince.IsZero() { // a ghost has no age
			t.orphan = max(t.orphan, now.Sub(o.OrphanedSince))
		}
	}
	switch o.Outcome {
	case gc.Deleted:
		m.deleted.WithLabelValues(kind, o.Reason.String()).Inc()
	case gc.Failed:
		m.failures.WithLabelValues(kind).Inc()
	default:
	}
	if o.Verdict != policy.Delete || o.Outcome == gc.Deleted || o.Outcome == gc.Gone || o.Outcome == gc.Skipped {
		return
	}
	t.backlog++
	if !o.EligibleAt.IsZero() {
		t.eligible = max(t.eligible, now.Sub(o.EligibleAt))
	}
}

// Cleaned counts what was deleted because it was asked for by name. Nothing else is new: that was no sweep.
func (m *Metrics) Cleaned(d gc.Document) {
	m.aside = true
	for _, o := range d.Objects {
		if slices.Contains(policy.Kinds(), o.Kind) {
			m.count(&tally{verdicts: map[policy.Verdict]map[policy.Reason]int{policy.Delete: {}, policy.Keep: {}, policy.Unknown: {}}}, o, time.Time{})
		}
	}
}

// Failed notes a sweep that came to no result.
func (m *Metrics) Failed(exitCode int, begun, now time.Time) { m.ended(exitCode, begun, now) }

func (m *Metrics) ended(exitCode int, begun, now time.Time) {
	m.duration.Set(now.Sub(begun).Seconds())
	m.lastExitCode.Set(float64(exitCode))
	m.lastSweep.Set(float64(now.Unix()))
	if exitCode == gc.ExitDone {
		m.lastSuccess.Set(float64(now.Unix()))
		m.succeeded = true
	}
}

// SetAside notes when a state was last set aside; the zero time is never.
func (m *Metrics) SetAside(at time.Time) {
	if !at.IsZero() {
		m.setAside.Set(float64(at.Unix()))
	}
}

// StateOK notes whether the state could be read and written.
func (m *Metrics) StateOK(ok bool) { m.stateOK.Set(number(ok)) }

func number(b bool) float64 {
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
