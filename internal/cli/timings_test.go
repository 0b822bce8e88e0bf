package cli

import (
	"strings"
	"testing"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/internal/progress"
)

func TestTimingsSayWhereTheTimeWent(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 30}, lab.ServerOptions{})
	if d, _ := s.document([]string{"plan"}); d.Timings != nil {
		t.Errorf("nobody asked for %+v", d.Timings)
	}
	d, _ := s.document([]string{"sweep", "--timings"})
	phases := map[string]progress.Timing{}
	for _, f := range d.Timings {
		if f.Seconds < 0 || f.Busy < 0 || f.Begun < 0 || f.Count < 0 {
			t.Errorf("%+v", f)
		}
		phases[f.Name] = f
	}
	for _, source := range d.Sources {
		if f := phases["reading: "+source.Name]; f.Count != source.Count {
			t.Errorf("%s: %d listed, and its time is of %d", source.Name, source.Count, f.Count)
		}
	}
	if n := phases["deleting: Session"].Count; n == 0 || n != d.Outcomes[gc.Deleted]-phases["deleting: Job"].Count-phases["deleting: ConfigMap"].Count-phases["deleting: CFSSession"].Count {
		t.Errorf("outcomes %v, %+v", d.Outcomes, d.Timings)
	}
	_, stdout, _ := s.run([]string{"plan", "--timings"})
	_, table, found := strings.Cut(stdout, "\nWhere the time went (")
	if !found || !strings.Contains(table, "reading: kube-jobs ") {
		t.Errorf("%s", stdout)
	}
	for line := range strings.Lines(table) {
		if len(line) > 81 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
}
