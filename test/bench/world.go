// Package bench measures what a sweep costs, compared with other ways to do the same and with the
// least that any sweep needs.
package bench

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bosgc/internal/lab"
)

// Size describes a world.
type Size struct {
	Sessions, Garbage     int // garbage: percentage of sessions to delete
	Foreign, ForeignBytes int // ConfigMaps of other services, and the size of each
}

// csm is the release of all worlds: the last one whose CFS does not page its lists.
const csm = "1.4"

// World is a world and what is to be deleted in it.
type World struct {
	Size
	*lab.World

	Answer []Family
}

// Family is what is deleted together: a session of BOS v1 and what it left behind. Empty fields do not
// exist.
type Family struct {
	Session, ConfigMap, Job string
	CFS                     []string
}

func newWorld(t testing.TB, size Size) *World {
	t.Helper()
	world, err := lab.NewBulk(lab.BulkOptions{
		CSM: csm, Seed: 1, Sessions: size.Sessions, Garbage: size.Garbage, Foreign: size.Foreign, ForeignBytes: size.ForeignBytes, Now: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &World{Size: size, World: world}
	families := map[string]*Family{}
	for _, fact := range world.Facts() {
		if !fact.Goes() {
			continue
		}
		f := families[fact.Session]
		if f == nil {
			f = &Family{}
			families[fact.Session] = f
		}
		switch fact.Kind {
		case lab.KindSession:
			f.Session = fact.Name
		case lab.KindConfigMap:
			f.ConfigMap = fact.Name
		case lab.KindJob:
			f.Job = fact.Name
		case lab.KindCFSSession:
			f.CFS = append(f.CFS, fact.Name)
		}
	}
	for _, f := range families {
		slices.Sort(f.CFS)
		w.Answer = append(w.Answer, *f)
	}
	slices.SortFunc(w.Answer, func(a, b Family) int { return cmp.Compare(a.Session, b.Session) })
	return w
}

// answerFile writes the objects to delete to a file, for contenders that do not judge.
func answerFile(t testing.TB, families []Family) string {
	t.Helper()
	text, err := json.Marshal(families)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "answer.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// counted returns the number of objects of each kind in these families.
func counted(families []Family) map[string]int {
	n := map[string]int{}
	for _, f := range families {
		for kind, name := range map[string]string{lab.KindSession: f.Session, lab.KindConfigMap: f.ConfigMap, lab.KindJob: f.Job} {
			if name != "" {
				n[kind]++
			}
		}
		n[lab.KindCFSSession] += len(f.CFS)
	}
	return n
}

// check compares what is left with the truth: everything that is to be deleted is gone, and nothing
// else.
func (w *World) check(t testing.TB, left map[string]bool, gone []Family) {
	t.Helper()
	goes := map[string]bool{}
	for _, f := range gone {
		for _, key := range append([]string{lab.KindSession + f.Session, lab.KindConfigMap + f.ConfigMap, lab.KindJob + f.Job}, prefixed(lab.KindCFSSession, f.CFS)...) {
			goes[key] = true
		}
	}
	wrong := 0
	for _, o := range w.Truth() {
		if key := o.Kind + o.Name; goes[key] == left[key] {
			if wrong++; wrong <= 5 {
				t.Errorf("%s %s: it is there: %v, it should be: %v", o.Kind, o.Name, left[key], !goes[key])
			}
		}
	}
	if wrong > 5 {
		t.Errorf("and %d more", wrong-5)
	}
}

func prefixed(kind string, names []string) []string {
	keys := make([]string, 0, len(names))
	for _, name := range names {
		keys = append(keys, kind+name)
	}
	return keys
}

func (s Size) String() string {
	return fmt.Sprintf("%s sessions, %d %% garbage, %s foreign ConfigMaps of %d KiB", grouped(s.Sessions), s.Garbage, grouped(s.Foreign), s.ForeignBytes>>10)
}
