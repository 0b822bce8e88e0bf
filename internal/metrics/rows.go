package metrics

import (
	dto "github.com/prometheus/client_model/go"

	"bosgc/gc"
	"bosgc/internal/inventory"
	"bosgc/internal/state"
	"bosgc/policy"
)

// rowsName is the gauge that says for how many sweeps in a row a condition has held. Alerts count sweeps by it, and are
// right on any schedule.
const rowsName = "bosgc_sweeps_in_a_row"

// Conditions of rowsName.
const (
	rowFailed        = "failed"         // it came to no result, or was stopped
	rowIncomplete    = "incomplete"     // a source was not read completely, BOS's list apart
	rowListFailed    = "list-failed"    // BOS did not answer its list
	rowListLarge     = "list-large"     // the list was not to be had, and is so large that it hangs
	rowDeletesFailed = "deletes-failed" // a delete failed
	rowGuarded       = "guarded"        // the orphan guard held something back
	rowOrphans       = "orphans"        // something looked orphaned
)

var conditions = []string{
	rowFailed, rowIncomplete, rowListFailed, rowListLarge, rowDeletesFailed, rowGuarded, rowOrphans,
}

// notJudged is the value of a condition in the metrics of a run that cannot tell: the row goes on as it was.
const notJudged = -1

// recordConditions records which conditions held in a sweep that came to a result.
func (m *Metrics) recordConditions(d gc.Document) {
	held := map[string]bool{}
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
	for _, f := range r.families {
		if f.GetName() == rowsName {
			sum[rowsName] = continueRows(to[rowsName], f)
		}
	}
	return sum, nil
}

// continueRows returns for how many sweeps conditions have held, of the same before a sweep and what held in it.
func continueRows(before, held *dto.MetricFamily) *dto.MetricFamily {
	rows := map[string]float64{}
	for _, series := range before.GetMetric() {
		for _, label := range series.GetLabel() {
			rows[label.GetValue()] = series.GetGauge().GetValue()
		}
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
