package metrics

import (
	"slices"

	dto "github.com/prometheus/client_model/go"

	"bosgc/gc"
	"bosgc/internal/inventory"
	"bosgc/internal/state"
	"bosgc/policy"
)

// rowsName is the gauge that says for how many sweeps in a row a condition has held. Alerts count sweeps by it, and are
// right on any schedule.
const rowsName = "bosgc_sweeps_in_a_row"

// startName is the gauge that says how much was left by the sweep with which the row rowBacklog began.
const startName = "bosgc_backlog_start"

// Conditions of rowsName.
const (
	rowFailed        = "failed"         // it came to no result, or was stopped
	rowIncomplete    = "incomplete"     // a source was not read completely, BOS's list apart
	rowListFailed    = "list-failed"    // BOS did not answer its list
	rowListLarge     = "list-large"     // the list was not to be had, and is so large that it hangs
	rowDeletesFailed = "deletes-failed" // a delete failed
	rowGuarded       = "guarded"        // the orphan guard held something back
	rowOrphans       = "orphans"        // something looked orphaned
	rowClockDoubted  = "clock-doubted"  // the age of most objects of a kind was not known
	rowBacklog       = "backlog"        // objects were deleted, and no fewer left than when the row began
)

var conditions = []string{
	rowFailed, rowIncomplete, rowListFailed, rowListLarge, rowDeletesFailed, rowGuarded, rowOrphans, rowClockDoubted,
	rowBacklog,
}

const (
	fewDoubted = 10 // some objects always have odd times, which says nothing about a clock
	fewLeft    = 20 // some objects cannot be deleted, which is no backlog
)

// notJudged is the value of a condition in the metrics of a run that cannot tell: the row goes on as it was.
const notJudged = -1

// recordConditions records which conditions held in a sweep that came to a result.
func (m *Metrics) recordConditions(d gc.Document, tallies map[policy.Kind]*tally) {
	held := map[string]bool{}
	backlog := 0
	for _, t := range tallies {
		doubted := t.objects[verdictReason{policy.Unknown, policy.ClockSkew}]
		held[rowClockDoubted] = held[rowClockDoubted] || doubted > fewDoubted && 2*doubted > t.seen
		backlog += t.backlog
	}
	deletes := func(o gc.Object) bool { return o.Outcome == gc.Deleted }
	held[rowBacklog] = d.Kind != "Plan" && backlog > fewLeft && slices.ContainsFunc(d.Objects, deletes)
	if held[rowBacklog] {
		m.backlogStart.Set(float64(backlog))
	}
	for _, source := range d.Sources {
		listed := source.Name != inventory.SourceSessions || source.Listed
		if !listed {
			large := d.List != nil && d.List.Bytes > d.List.Limit/2
			held[rowListLarge], held[rowListFailed] = large, !large
		}
		held[rowIncomplete] = held[rowIncomplete] || listed && !source.Complete
	}
	for _, o := range d.Objects {
		held[rowDeletesFailed] = held[rowDeletesFailed] || o.Outcome == gc.Failed
		held[rowGuarded] = held[rowGuarded] || o.Reason == policy.OrphanGuard
		held[rowOrphans] = held[rowOrphans] || o.Reason.LooksOrphaned()
	}
	for _, condition := range conditions {
		m.rows.WithLabelValues(condition).Set(boolValue(held[condition]))
	}
}

// recordNoConditions is for a sweep that came to no result.
func (m *Metrics) recordNoConditions() {
	for _, condition := range conditions {
		m.rows.WithLabelValues(condition).Set(notJudged)
	}
}

// add returns the totals with one run added.
func (r record) add(to state.Totals) (state.Totals, error) {
	sum, err := to.Add(r.families, r.fresh)
	if err != nil || !r.fresh(rowsName) {
		return sum, err
	}
	begun := to[startName]
	fewer := only(sum[startName]) < only(begun)
	for _, f := range r.families {
		if f.GetName() == rowsName {
			sum[rowsName] = continueRows(to[rowsName], f, fewer)
		}
	}
	if begun != nil && rowsIn(sum[rowsName])[rowBacklog] > 1 {
		sum[startName] = begun
	}
	return sum, nil
}

// only returns the value of a gauge without labels; 0 where there is none.
func only(f *dto.MetricFamily) float64 {
	if len(f.GetMetric()) == 0 {
		return 0
	}
	return f.GetMetric()[0].GetGauge().GetValue()
}

// rowsIn returns the number of sweeps by condition.
func rowsIn(f *dto.MetricFamily) map[string]float64 {
	rows := map[string]float64{}
	for _, series := range f.GetMetric() {
		for _, label := range series.GetLabel() {
			rows[label.GetValue()] = series.GetGauge().GetValue()
		}
	}
	return rows
}

// continueRows returns for how many sweeps conditions have held, of the same before a sweep and what held in it. With
// fewer objects left than when the row rowBacklog began, that row begins again.
func continueRows(before, held *dto.MetricFamily, fewer bool) *dto.MetricFamily {
	rows := rowsIn(before)
	if fewer {
		rows[rowBacklog] = 0
	}
	next := &dto.MetricFamily{Name: held.Name, Help: held.Help, Type: held.Type, Unit: held.Unit}
	for _, series := range held.GetMetric() {
		n := 0.0
		for _, label := range series.GetLabel() {
			n = rows[label.GetValue()]
		}
		switch value := series.GetGauge().GetValue(); {
		case value > 0:
			n++
		case value == 0:
			n = 0
		}
		next.Metric = append(next.Metric, &dto.Metric{Label: series.GetLabel(), Gauge: &dto.Gauge{Value: &n}})
	}
	return next
}
