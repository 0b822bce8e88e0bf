package cli

import (
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/lab"
	"bosgc/internal/lab/simbos"
	"bosgc/internal/lab/simcfs"
)

// TestCleanOfALargeSession limits the time that CFS needs for the unset of a session of 6,000 nodes. From CSM 1.5 each
// list and each PATCH with filters makes CFS read every component of the machine, half a second of them here, so that
// what counts is the number of requests.
func TestCleanOfALargeSession(t *testing.T) {
	const nodes, most = 6000, 15 * time.Second
	s := start(t, lab.Options{CSM: "1.5", Seed: 7, Sessions: 20, Nodes: nodes}, lab.ServerOptions{CFSRealCosts: true})
	var large simbos.Session
	for _, o := range s.World.Truth() {
		for _, session := range s.BOS.Sessions() {
			if o.Story == "finished-expired" && o.Kind == lab.KindSession && o.Name == session.ID && session.Operation != "shutdown" {
				large = session
			}
		}
	}
	large.BootSets[0].Nodes = s.World.Nodes()
	s.BOS.Add(large)
	shown, _ := s.document([]string{"clean", large.ID, "--dry-run"})
	for _, id := range s.World.Nodes() {
		s.CFS.AddComponent(simcfs.Component{
			ID: id, DesiredConfig: shown.Procedures[0].Configurations[0], Status: "configured", Enabled: true,
			Tags: map[string]string{"bos_session": large.ID},
		})
	}
	before := s.CFS.ReadingTime()
	began := time.Now()
	d, code := s.document([]string{"clean", large.ID, "--unset-config", "--yes"})
	if code != gc.ExitDone {
		t.Fatalf("exit code %d, %+v", code, d.Procedures)
	}
	for _, id := range s.World.Nodes() {
		if c, _ := s.CFS.Component(id); c.DesiredConfig != "" {
			t.Fatalf("component %s still has the configuration %q", id, c.DesiredConfig)
		}
	}
	spent := s.CFS.ReadingTime() - before
	if t.Logf("CFS read records for %s, of %s in all", spent, time.Since(began)); spent > most {
		t.Errorf("CFS read records for %s; want at most %s", spent, most)
	}
}
