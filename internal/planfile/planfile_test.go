package planfile_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"bosgc/gc"
	"bosgc/internal/inventory"
	"bosgc/internal/planfile"
	"bosgc/policy"
)

func plan() gc.Document {
	at := time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC)
	expires := at.Add(time.Hour)
	return gc.Document{
		APIVersion: gc.APIVersion, Kind: "Plan", Run: "r", CreatedAt: at, ExpiresAt: &expires, Cluster: "https://here", Namespace: "services",
		Sources: []inventory.Source{{Name: "cfs-sessions", Complete: true}},
		Objects: []gc.Object{{
			Kind: policy.CFSSession, Name: "batcher-1", Verdict: policy.Keep, Reason: policy.OwnerKept, Detail: "a<b>&\u2028", StartedAt: at.UTC().Truncate(time.Second),
			Link: &inventory.Link{CFS: "batcher-1", Score: 12},
		}},
	}
}

// What is written can be read, whatever a server has said.
func TestASavedPlanReadsAsItWasWritten(t *testing.T) {
	for _, detail := range []string{"plain", "a<b>&\u2028", "no UTF-8: \xff\xfe", "\x1b\x00\t\n", `"\`, "ü\U0001F600"} {
		d := plan()
		d.Objects[0].Detail = detail
		text, err := planfile.Encode(d, map[string]string{"BOSGC_KEEP_TEMPLATES": detail})
		if err != nil {
			t.Fatal(err)
		}
		s, err := planfile.Decode(text)
		if err != nil {
			t.Errorf("%q: %v", detail, err)
			continue
		}
		if o := s.Objects[0]; utf8.ValidString(detail) && o.Detail != detail || o.Link.Score != 12 {
			t.Errorf("%q was read as %q", detail, o.Detail)
		}
		if err := s.CheckPlace("https://here", "services", d.CreatedAt); err != nil {
			t.Error(err)
		}
		if strings.Contains(detail, "<") && !strings.Contains(string(text), "a<b>&") {
			t.Errorf("a person cannot read it: %s", text)
		}
	}
}

func TestAnEmptyPlanCanBeSaved(t *testing.T) {
	d := plan()
	d.Objects = nil
	text, err := planfile.Encode(d, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := planfile.Decode(text); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestAPlanFitsOnlyWhereAndWhenItWasMadeFor(t *testing.T) {
	d := plan()
	text, err := planfile.Encode(d, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := planfile.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		cluster, namespace string
		after              time.Duration
		fits               bool
	}{
		{"https://here", "services", 0, true},
		{"https://here", "services", time.Hour - time.Second, true},
		{"https://here", "services", time.Hour, false},
		{"https://here", "services", -30 * time.Second, true},
		{"https://here", "services", -2 * time.Minute, false},
		{"https://there", "services", 0, false},
		{"https://here", "", 0, false},
	} {
		if err := s.CheckPlace(tt.cluster, tt.namespace, d.CreatedAt.Add(tt.after)); (err == nil) != tt.fits {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

func TestTheSettingsThatDifferAreNamed(t *testing.T) {
	s := &planfile.Plan{Settings: map[string]string{"A": "1", "B": "2", "C": "3"}}
	got := s.Differences(map[string]string{"A": "1", "B": "9", "D": "4"})
	want := []planfile.Changed{{Name: "B", Then: "2", Now: "9"}, {Name: "C", Then: "3"}, {Name: "D", Now: "4"}}
	if len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("%v, want %v", got, want)
	}
}

// Whatever is in a file: it is read, or refused, and nothing else happens.
func FuzzReadSaved(f *testing.F) {
	d := plan()
	text, err := planfile.Encode(d, map[string]string{"A": "1"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"apiVersion":"bosgc/v1","kind":"Plan","checksum":{"a":null},"objects":[{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := planfile.Decode(text)
		if err != nil {
			return
		}
		for _, o := range s.Objects {
			if o.Name != "batcher-1" { // nothing but what was saved has its digests
				t.Errorf("%s was read from %s", o.Name, text)
			}
		}
		_ = s.CheckPlace("", "", time.Now())
	})
}
