package config

import (
	"maps"
	"slices"
	"testing"
)

func TestAdoptPrefersTheEnvironment(t *testing.T) {
	environ := []string{"BOSGC_FAILED_TTL=30d", "BOSGC_CFS_TTL="}
	c, err := Load(environ)
	if err != nil {
		t.Fatal(err)
	}
	scheduled, err := Load([]string{
		"BOSGC_SESSION_TTL=60d", "BOSGC_FAILED_TTL=90d", "BOSGC_KEEP_TEMPLATES=golden-*,base", "BOSGC_MAX_DELETES=7", "BOSGC_CFS_TTL=70d",
	})
	if err != nil {
		t.Fatal(err)
	}
	adopted, own, err := c.Adopt(scheduled.RecordedByName(), environ)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"BOSGC_SESSION_TTL", "BOSGC_KEEP_TEMPLATES", "BOSGC_CFS_TTL", "BOSGC_MAX_DELETES"}
	if !slices.Equal(adopted, want) {
		t.Errorf("adopted %q, want %q", adopted, want)
	}
	if !slices.Equal(own, []Difference{{"BOSGC_FAILED_TTL", "30d", "90d"}}) {
		t.Errorf("differences %q", own)
	}
	settings := scheduled.RecordedByName()
	settings["BOSGC_FAILED_TTL"] = "30d"
	if got := c.RecordedByName(); !maps.Equal(got, settings) {
		t.Errorf("settings are %q, want %q", got, settings)
	}
}

func TestAdoptTakesNothingFromABadRecord(t *testing.T) {
	for name, recorded := range map[string]map[string]string{
		"bad value":    {"BOSGC_KEEP_LAST": "9", "BOSGC_SESSION_TTL": "soon"},
		"out of range": {"BOSGC_KEEP_LAST": "9", "BOSGC_MAX_ORPHAN_PERCENT": "300"},
		"unknown":      {"BOSGC_KEEP_LAST": "9", "BOSGC_KEEP_NODES": "x1"},
		"no policy":    {"BOSGC_KEEP_LAST": "9", "BOSGC_BOS_URL": "http://elsewhere"},
	} {
		c, _ := Load(nil)
		before := c.RecordedByName()
		if _, _, err := c.Adopt(recorded, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
		if !maps.Equal(c.RecordedByName(), before) || c.BOSURL != "http://cray-bos" {
			t.Errorf("%s: settings were taken over", name)
		}
	}
}
