package policy

import (
	"cmp"
	"fmt"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/margin"
	"bosgc/internal/memory"
)

// doubt notes which kinds are not shown to be of the same system as the BOS that was asked. Nothing of them is deleted
// for what BOS lacks, until a person has looked: to a wrong BOS everything is an orphan.
func (j *Judge) doubt(ties inventory.Ties) {
	j.doubted, j.untraced = map[Kind]string{}, ties.Untraced
	if j.settings.MaxOrphanPercent >= 100 {
		return
	}
	for _, t := range []struct {
		tie   inventory.Tie
		kinds []Kind
	}{{ties.Kubernetes, []Kind{Session, Job, ConfigMap}}, {ties.CFS, []Kind{CFSSession}}} {
		for _, kind := range t.kinds {
			if !t.tie.Shown {
				j.doubted[kind] = cmp.Or(t.tie.Doubt, "nothing shows that it is of the same system as BOS")
			}
		}
	}
}

// doubtOf says why nothing shows whose a kind is, and what ends that; "" if it is not in doubt.
func (j *Judge) doubtOf(kind Kind) string {
	if j.doubted[kind] == "" {
		return ""
	}
	return fmt.Sprintf("%s; if it is the right place: bosgc guard release %s", j.doubted[kind], kind)
}

// trusted returns what becomes of the guards for what is in doubt. What was kept with an object that has been released is
// in doubt by itself, so it is counted again after each kind.
func (j *Judge) trusted(s *inventory.Snapshot) map[Kind]memory.Guard {
	guards, doubted := map[Kind]memory.Guard{}, j.countDoubted(s)
	for _, kind := range Kinds() {
		inDoubt := j.doubted[kind] != ""
		guards[kind] = j.trust(kind, j.memory.Guards[string(kind)], doubted[kind])
		if inDoubt && j.doubted[kind] == "" {
			doubted = j.countDoubted(s)
		}
	}
	return guards
}

// countDoubted counts what is held back only because nothing shows whose it is.
func (j *Judge) countDoubted(s *inventory.Snapshot) map[Kind]int {
	n := map[Kind]int{}
	if len(j.doubted) == 0 {
		return n
	}
	for d := range j.All(s) {
		if d.Reason == OrphanGuard {
			n[d.Kind]++
		}
	}
	return n
}

// trust returns what becomes of the guard of a kind of which so many are in doubt. What a person has released is not in
// doubt any more, until it has gone. But one that comes later is: it may be the URL that is wrong now.
func (j *Judge) trust(kind Kind, g memory.Guard, doubted int) memory.Guard {
	because := j.doubted[kind]
	if because == "" {
		if g.Doubt { // a session has shown whose it is
			g = g.Release()
			g.Looked = 0
		}
		g.Doubted, g.Trusted = 0, 0
		return g
	}
	g.Doubted, g.Trusted = doubted, min(g.Trusted, doubted)
	switch {
	case doubted > 0 && doubted == g.Trusted:
		delete(j.doubted, kind)
		return g
	case doubted > 0 && !g.Closed():
		g.Since, g.Why, g.Doubt = j.now.UTC().Truncate(time.Second), because, true
	}
	return g
}

// sessionDoubted keeps a session of which Kubernetes knows nothing, where that may be the wrong Kubernetes: then it
// does not show what runs for the session or protects it. Where Kubernetes names no session at all, a record that is
// old enough is evidence of its own: CSM's documents, and people, delete Jobs and ConfigMaps and leave the session.
func (j *Judge) sessionDoubted(f *facts) *ruling {
	because := j.doubtOf(Session)
	jobs, _ := f.group.Jobs()
	cms, _ := f.group.ConfigMaps()
	if because == "" || len(jobs)+len(cms) > 0 {
		return nil
	}
	if since := cmp.Or(f.end, f.start); j.untraced && !since.IsZero() && j.now.Sub(since) >= margin.UntracedAge {
		return nil
	}
	return keep(OrphanGuard, because)
}

// DoubtMatters reports whether something would be deleted, or looks orphaned, that is not shown to be of BOS's system.
func (j *Judge) DoubtMatters(s *inventory.Snapshot) bool {
	if s.Ties.Kubernetes.Shown && s.Ties.CFS.Shown {
		return false
	}
	for d := range j.All(s) {
		tie := s.Ties.Kubernetes
		if d.Kind == CFSSession {
			tie = s.Ties.CFS
		}
		if !tie.Shown && d.Reason != OwnerCollected && (d.Verdict == Delete || d.Reason.LooksOrphaned()) {
			return true
		}
	}
	return false
}
