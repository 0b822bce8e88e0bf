package lab_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bosgc/internal/lab"
	"bosgc/internal/lab/simcfs"
	recordings "bosgc/internal/lab/wire"
)

// recordedCFS holds the recorded version of each release.
var recordedCFS = map[string]string{
	"1.0": "cfs-1.6.35", "1.2": "cfs-1.10.3", "1.3.1": "cfs-1.11.2", "1.4": "cfs-1.12.9", "1.5": "cfs-1.18.6",
	"1.6": "cfs-1.20.2",
}

// TestCFSAnswersAsRecorded plays every recorded exchange of every version of CFS. Beyond what wire.Compare compares, it
// holds that successful answers are the recorded ones to the letter, that errors have the recorded title, and that the
// simulated CFS then has the records that the real one had.
func TestCFSAnswersAsRecorded(t *testing.T) {
	forProfiles(t, func(t *testing.T, csm string) {
		exchanges, err := recordings.Load(recordedCFS[csm])
		if err != nil {
			t.Fatal(err)
		}
		server := start(t, lab.Options{CSM: csm, Seed: 1}, lab.ServerOptions{})
		stage := &cfsStage{CFS: server.CFS, t: t}
		stage.Empty()
		address := strings.TrimPrefix(server.URL("cfs"), "http://")
		for _, e := range exchanges {
			stage.prepare(e)
			before := server.CFS.Names()
			e.Request.Path = writeIDsOut(t, e.Request.Path)
			got, err := recordings.Play(t.Context(), address, e.Request, 5*time.Second)
			if err != nil {
				t.Fatalf("%s: %v", e.Case, err)
			}
			differences := compareCFS(e.Response, got)
			differences = append(differences, compareEffect(e, before, server.CFS)...)
			for _, difference := range differences {
				t.Errorf("%s: %s", e.Case, difference)
			}
		}
	})
}

// compareCFS returns how an answer differs from the recorded one.
func compareCFS(recorded, got recordings.Response) []string {
	if shortened, ok := recorded.Body.(map[string]any); ok && shortened["namesOnly"] != nil && got.Status == http.StatusOK {
		got.Body = onlyNames(got.Body)
	}
	differences := recordings.Compare(recorded, got)
	switch {
	case len(differences) > 0:
	case recorded.Status < 400:
		if want, have := sortLists(recorded.Body), sortLists(got.Body); !reflect.DeepEqual(want, have) {
			differences = append(differences, fmt.Sprintf("recorded %v, got %v", want, have))
		}
	default:
		want, _ := recorded.Body.(map[string]any)
		have, _ := got.Body.(map[string]any)
		if want["title"] != have["title"] {
			differences = append(differences, fmt.Sprintf("title: recorded %v, got %v", want["title"], have["title"]))
		}
	}
	return differences
}

// onlyNames returns a list of sessions as the recordings shorten it: its names, and next if it has one.
func onlyNames(body any) any {
	records, _ := body.([]any)
	shortened := map[string]any{}
	if page, ok := body.(map[string]any); ok {
		records, _ = page["sessions"].([]any)
		shortened["next"] = page["next"]
	}
	names := []any{}
	for _, record := range records {
		session, _ := record.(map[string]any)
		names = append(names, session["name"])
	}
	shortened["namesOnly"] = names
	return shortened
}

// sortLists sorts all lists in a parsed JSON value.
func sortLists(value any) any {
	switch value := value.(type) {
	case []any:
		sorted := make([]any, 0, len(value))
		for _, item := range value {
			sorted = append(sorted, sortLists(item))
		}
		slices.SortFunc(sorted, func(a, b any) int { return strings.Compare(jsonText(a), jsonText(b)) })
		return sorted
	case map[string]any:
		sorted := map[string]any{}
		for key, item := range value {
			sorted[key] = sortLists(item)
		}
		return sorted
	}
	return value
}

func jsonText(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// compareEffect returns how the records after an exchange differ from those that the real CFS then had.
func compareEffect(e recordings.Exchange, before []string, cfs *simcfs.Server) (differences []string) {
	var effect struct {
		Before, Deleted []string
		Exists          bool
		Desired         map[string]string
		DesiredAfter    map[string]string
		Record          map[string]any
		RecordAfter     map[string]any
	}
	if len(e.Effect) > 0 {
		if err := json.Unmarshal(e.Effect, &effect); err != nil {
			return []string{err.Error()}
		}
	}
	check := func(what string, recorded, got any) {
		if !reflect.DeepEqual(recorded, got) {
			differences = append(differences, fmt.Sprintf("%s: recorded %v, got %v", what, recorded, got))
		}
	}
	if effect.Before != nil {
		check("sessions before", sorted(effect.Before), before)
	}
	left := cfs.Names()
	deleted := slices.DeleteFunc(slices.Clone(before), func(name string) bool { return slices.Contains(left, name) })
	if effect.Deleted != nil || effect.Exists {
		check("deleted", sorted(effect.Deleted), sorted(deleted))
	}
	for _, desired := range []map[string]string{effect.Desired, effect.DesiredAfter} {
		if desired == nil {
			continue
		}
		got := map[string]string{}
		for _, component := range cfs.Components() {
			got[component.ID] = component.DesiredConfig
		}
		check("desired configurations", desired, got)
	}
	for _, record := range []map[string]any{effect.Record, effect.RecordAfter} {
		if record == nil {
			continue
		}
		component, _ := cfs.Component(record["id"].(string))
		check("desired configuration", either(record, "desiredConfig", "desired_config"), component.DesiredConfig)
		check("errors", either(record, "errorCount", "error_count"), float64(component.ErrorCount))
		check("enabled", record["enabled"], component.Enabled)
		tags := map[string]any{}
		for key, value := range component.Tags {
			tags[key] = value
		}
		check("tags", record["tags"], tags)
	}
	return differences
}

func either(record map[string]any, v2, v3 string) any {
	if value, ok := record[v2]; ok {
		return value
	}
	return record[v3]
}

func sorted(names []string) []string {
	return append([]string{}, slices.Sorted(slices.Values(names))...)
}

var shortenedIDs = regexp.MustCompile(`,\.\.\. \((\d+) IDs, (\d+) bytes\)$`)

// writeIDsOut writes out the IDs of components that a recorded path only counts.
func writeIDsOut(t *testing.T, path string) string {
	t.Helper()
	found := shortenedIDs.FindStringSubmatch(path)
	if found == nil {
		return path
	}
	count, _ := strconv.Atoi(found[1])
	var ids []string
	for n := range count {
		ids = append(ids, fmt.Sprintf("x%dc%ds%db%dn%d", 1000+n/512, n/64%8, n/8%8, n/4%2, n%4))
	}
	prefix, _, _ := strings.Cut(path, "x1000c0s0b0n0,")
	path = prefix + strings.Join(ids, ",")
	if strconv.Itoa(len(path)) != found[2] {
		t.Fatalf("the path has %d bytes, recorded were %s", len(path), found[2])
	}
	return path
}
