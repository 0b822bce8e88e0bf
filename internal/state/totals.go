package state

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Totals are metrics by name. A gauge has the value of the last sweep, a counter or histogram the sum
// of all sweeps.
type Totals map[string]*dto.MetricFamily

// Gather returns the metrics, sorted by name. It implements prometheus.Gatherer.
func (t Totals) Gather() ([]*dto.MetricFamily, error) {
	families := make([]*dto.MetricFamily, 0, len(t))
	for _, name := range slices.Sorted(maps.Keys(t)) {
		families = append(families, t[name])
	}
	return families, nil
}

// Add returns the totals with one run added. A metric that the run does not have is dropped, because a
// run has every metric of its version. A gauge that is not fresh keeps its value, such as the number
// of sessions when BOS did not answer.
func (t Totals) Add(run []*dto.MetricFamily, fresh func(name string) bool) (Totals, error) {
	sum := Totals{}
	for _, f := range run {
		name := f.GetName()
		before := t[name]
		if before != nil && before.GetType() != f.GetType() {
			before = nil // another version had another type for it
		}
		switch f.GetType() {
		case dto.MetricType_GAUGE:
			sum[name] = f
			if before != nil && !fresh(name) {
				sum[name] = before
			}
		case dto.MetricType_COUNTER, dto.MetricType_HISTOGRAM:
			sum[name] = addFamily(before, f)
		default:
			return nil, fmt.Errorf("metric %s is a %s; it cannot be added up", name, f.GetType())
		}
	}
	return sum, nil
}

// addFamily adds two families, series by series.
func addFamily(before, f *dto.MetricFamily) *dto.MetricFamily {
	if before == nil {
		return f
	}
	sum := &dto.MetricFamily{Name: f.Name, Help: f.Help, Type: f.Type, Unit: f.Unit}
	series := map[string]*dto.Metric{}
	for _, m := range before.GetMetric() {
		series[seriesKey(m)] = m
	}
	for _, m := range f.GetMetric() {
		if old, ok := series[seriesKey(m)]; ok {
			m = addMetric(old, m)
		}
		series[seriesKey(m)] = m
	}
	for _, k := range slices.Sorted(maps.Keys(series)) {
		sum.Metric = append(sum.Metric, series[k])
	}
	return sum
}

// seriesKey returns a text that identifies a series by its labels, in any order.
func seriesKey(m *dto.Metric) string {
	labels := slices.Clone(m.GetLabel())
	sortLabels(labels)
	var text strings.Builder
	for _, l := range labels {
		fmt.Fprintf(&text, "%s=%q,", l.GetName(), l.GetValue())
	}
	return text.String()
}

func sortLabels(labels []*dto.LabelPair) {
	slices.SortFunc(labels, func(a, b *dto.LabelPair) int { return cmp.Compare(a.GetName(), b.GetName()) })
}

func addMetric(old, m *dto.Metric) *dto.Metric {
	sum := &dto.Metric{Label: m.GetLabel()}
	if m.GetCounter() != nil {
		value := old.GetCounter().GetValue() + m.GetCounter().GetValue()
		sum.Counter = &dto.Counter{Value: &value}
		return sum
	}
	a, b := old.GetHistogram(), m.GetHistogram()
	if !sameBuckets(a, b) {
		return m // another version had other buckets, which cannot be added: it starts again
	}
	count, total := a.GetSampleCount()+b.GetSampleCount(), a.GetSampleSum()+b.GetSampleSum()
	h := &dto.Histogram{SampleCount: &count, SampleSum: &total}
	for i, bucket := range b.GetBucket() {
		n := bucket.GetCumulativeCount() + a.GetBucket()[i].GetCumulativeCount()
		h.Bucket = append(h.Bucket, &dto.Bucket{UpperBound: bucket.UpperBound, CumulativeCount: &n})
	}
	sum.Histogram = h
	return sum
}

func sameBuckets(a, b *dto.Histogram) bool {
	return slices.EqualFunc(a.GetBucket(), b.GetBucket(), func(x, y *dto.Bucket) bool {
		return x.GetUpperBound() == y.GetUpperBound()
	})
}

func (t Totals) text() (string, error) {
	var out bytes.Buffer
	families, _ := t.Gather()
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&out, f); err != nil {
			return "", fmt.Errorf("encode the metrics: %w", err)
		}
	}
	return out.String(), nil
}

// parseTotals parses the text format of Prometheus, which text returns. Any tool for that format can
// also read it from the ConfigMap.
func parseTotals(text string) (Totals, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if c := m.GetCounter(); c != nil && !(c.GetValue() >= 0 && c.GetValue() < math.MaxInt64) {
				return nil, fmt.Errorf("%s is %v; expected a count", f.GetName(), c.GetValue())
			}
			if h := m.GetHistogram(); h != nil {
				// A family that was gathered has no bucket for +Inf; its text has one.
				h.Bucket = slices.DeleteFunc(h.Bucket, func(b *dto.Bucket) bool {
					return math.IsInf(b.GetUpperBound(), 1)
				})
			}
			sortLabels(m.Label)
		}
	}
	return families, nil
}
