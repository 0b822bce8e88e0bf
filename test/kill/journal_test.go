package kill

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"

	"bosgc/internal/journal"
)

// recorded checks that both journals have everything that is gone, as it was.
func (s *site) recorded(now map[string]bool) {
	s.t.Helper()
	inCluster, onDisk := map[string]journal.Entry{}, map[string]journal.Entry{}
	runs, err := journal.Runs(s.t.Context(), s.store, "bosgc")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range runs {
		entries, err := journal.Read(s.t.Context(), s.store, "bosgc", r.Run)
		if err != nil {
			s.t.Errorf("the journal of %s: %v", r.Run, err)
		}
		for _, e := range entries {
			inCluster[e.Kind+" "+e.Name] = e
		}
	}
	files, err := filepath.Glob(filepath.Join(s.dir, "*.jsonl"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			s.t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			var e journal.Entry
			if err := json.Unmarshal(line, &e); err == nil { // otherwise its object still exists
				onDisk[e.Kind+" "+e.Name] = e
			}
		}
	}
	for o := range s.begin {
		if now[o] {
			continue
		}
		for where, entries := range map[string]map[string]journal.Entry{"in the cluster": inCluster, "on the disk": onDisk} {
			e, ok := entries[o]
			switch {
			case !ok:
				s.t.Errorf("%s is gone, and not in the journal %s", o, where)
			case len(e.Object) == 0:
				s.t.Errorf("the journal %s has no content of %s", where, o)
			case e.Kind == "ConfigMap":
				s.sameConfigMap(o, e)
			}
		}
	}
}

func (s *site) sameConfigMap(name string, e journal.Entry) {
	var got corev1.ConfigMap
	if err := json.Unmarshal(e.Object, &got); err != nil {
		s.t.Errorf("%s: the journal has %.200s, %v", name, e.Object, err)
		return
	}
	for _, k := range s.objects {
		if was, _ := k.object.(*corev1.ConfigMap); k.name == name && (got.Data["data.json"] != was.Data["data.json"] || got.UID != was.UID) {
			s.t.Errorf("%s: the journal has %.200s", name, e.Object)
		}
	}
}
