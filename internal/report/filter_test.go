package report

import (
	"strings"
	"testing"

	"bosgc/gc"
	"bosgc/policy"
)

func TestFilterShowsWhatItSays(t *testing.T) {
	objects := []gc.Object{
		{
			Kind: policy.Job, Name: "old", Verdict: policy.Delete, Reason: policy.OwnerCollected,
			Template: "golden-1", EndedAt: before(20 * day),
		},
		{
			Kind: policy.Job, Name: "young", Verdict: policy.Keep, Reason: policy.TooYoung,
			Template: "compute", EndedAt: before(3 * day),
		},
		{
			Kind: policy.ConfigMap, Name: "made", Verdict: policy.Delete, Reason: policy.Orphaned,
			StartedAt: before(30 * day),
		},
		{Kind: policy.CFSSession, Name: "timeless", Verdict: policy.Unknown, Reason: policy.BadData},
	}
	for _, tt := range []struct{ filter, want string }{
		{"", "old young made timeless"},
		{"kind=Job", "old young"},
		{"kind=job", "old young"},
		{"kind=Job kind=CFSSession", "old young timeless"},
		{"kind=Job verdict=delete", "old"},
		{"verdict=unknown", "timeless"},
		{"reason=too-young", "young"},
		{"template=golden-*", "old"},
		{"template=*", "old young made timeless"},
		{"age>14d", "old made"},
		{"age<14d", "young"},
		{"age>2d age<25d", "old young"},
		{"age>20d", "made"},
		{"kind=Job verdict=delete age>14d", "old"},
		{"kind=Session", ""},
	} {
		f, err := ParseFilter(strings.Fields(tt.filter))
		if err != nil {
			t.Errorf("%s: %v", tt.filter, err)
		}
		var got []string
		for _, o := range objects {
			if f.matches(o, judged) {
				got = append(got, o.Name)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%q shows %q, want %q", tt.filter, got, tt.want)
		}
	}
}

func TestFilterNamesWhatItKnows(t *testing.T) {
	for filter, want := range map[string]string{
		"Job":              "expected kind=",
		"colour=red":       `there is no key "colour"; expected kind=`,
		"kind=Pod":         `there is no kind "Pod"; expected one of Session, Job, ConfigMap, CFSSession`,
		"verdict=goes":     "expected one of delete, unknown, keep",
		"reason=old":       "cfs-expired, requested, evidence-incomplete",
		"kind>Job":         "kind is compared by \">\"; expected =",
		"age=7d":           "expected age> or age<",
		"age>7":            "has no unit",
		"age>":             "is empty",
		"template=[":       "is no glob",
		"template=":        "is no glob",
		"verdict = delete": "",
	} {
		_, err := ParseFilter([]string{filter})
		if want == "" {
			if err != nil {
				t.Errorf("%q: %v", filter, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--filter") {
			t.Errorf("%q: %v, want %q", filter, err, want)
		}
	}
	_, err := ParseFilter([]string{"a=b", "kind=x"})
	if err == nil || !strings.Contains(err.Error(), "a=b") || !strings.Contains(err.Error(), "kind=x") {
		t.Errorf("not all mistakes are named at once: %v", err)
	}
}
