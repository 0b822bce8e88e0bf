package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParseAge(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"36h": 36 * time.Hour, "7d12h": 7*day + 12*time.Hour, "1w": 7 * day, "90s": 90 * time.Second,
		"0s": 0, "1w2d3h4m5s": 9*day + 3*time.Hour + 4*time.Minute + 5*time.Second, "5m": 5 * time.Minute,
	} {
		if got, err := ParseAge(text); err != nil || got.D() != want {
			t.Errorf("ParseAge(%q) = %v, %v; want %v", text, got.D(), err, want)
		}
	}
	for _, text := range []string{
		"", "7", "7x", "d", "seven", "1h30", "-1d", "1.5h", "1d1d", "99999999999999999999d", "400000w", "1 d", "7D",
	} {
		if got, err := ParseAge(text); err == nil {
			t.Errorf("ParseAge(%q) = %v; want an error", text, got.D())
		}
	}
}

func FuzzParseAge(f *testing.F) {
	for _, s := range []string{"7d12h", "7", "1w1w", "9223372036s", "15250w", "0s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		age, err := ParseAge(text)
		if err == nil && age < 0 {
			t.Fatalf("%q became %v", text, age.D())
		}
		if err == nil {
			if reread, err := ParseAge(age.String()); err != nil || reread != age {
				t.Fatalf("%q is written %q and read back as %v, %v", text, age, reread, err)
			}
		}
	})
}

func TestDefaults(t *testing.T) {
	c, err := Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"BOSGC_BOS_URL":            "http://cray-bos",
		"BOSGC_CFS_URL":            "http://cray-cfs-api",
		"BOSGC_NAMESPACE":          "services",
		"BOSGC_SESSION_TTL":        "7d",
		"BOSGC_FAILED_TTL":         "14d",
		"BOSGC_ABANDONED_TTL":      "14d",
		"BOSGC_KEEP_LAST":          "1",
		"BOSGC_KEEP_LAST_FOR":      "90d",
		"BOSGC_ORPHAN_GRACE":       "24h",
		"BOSGC_ORPHAN_SIGHTINGS":   "2",
		"BOSGC_ORPHAN_INTERVAL":    "30m",
		"BOSGC_CFS":                "old",
		"BOSGC_CFS_TTL":            "7d",
		"BOSGC_CFS_LINK":           "exact",
		"BOSGC_MAX_DELETES":        "1000",
		"BOSGC_MAX_ORPHAN_PERCENT": "50",
		"BOSGC_DRY_RUN":            "false",
		"BOSGC_BOS_CONCURRENCY":    "2",
		"BOSGC_CFS_CONCURRENCY":    "4",
		"BOSGC_KUBE_CONCURRENCY":   "8",
		"BOSGC_REQUEST_TIMEOUT":    "30s",
		"BOSGC_LIST_TIMEOUT":       "60s",
		"BOSGC_DEADLINE":           "15m",
		"BOSGC_INTERVAL":           "1h",
		"BOSGC_METRICS_ADDR":       ":9090",
		"BOSGC_METRICS_LINGER":     "0s",
		"BOSGC_STATE_NAME":         "bosgc",
		"BOSGC_JOURNAL_RUNS":       "20",
		"BOSGC_LOG_LEVEL":          "info",
		"BOSGC_BATCHER":            "cray-cfs-batcher",
	}
	for _, s := range c.Settings(nil) {
		if s.Value != want[s.Name] {
			t.Errorf("%s is %q by default, want %q", s.Name, s.Value, want[s.Name])
		}
		if s.Origin != "default" {
			t.Errorf("%s comes from %q", s.Name, s.Origin)
		}
		delete(want, s.Name)
	}
	for name := range want {
		t.Errorf("there is no %s", name)
	}
}

func TestAllProblemsAreNamedAtOnce(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		environment string
		want        []string // in the error
	}{
		{
			"BOSGC_SESSION_TTL=7 BOSGC_CFS=maybe",
			[]string{`BOSGC_SESSION_TTL="7"`, "36h", `BOSGC_CFS="maybe"`, "off, linked, old", "2 of the settings"},
		},
		{"BOSGC_KEEP_LAST=-1", []string{`BOSGC_KEEP_LAST="-1"`, "at least 0"}},
		{"BOSGC_MAX_DELETES=0", []string{"at least 1"}},
		{"BOSGC_MAX_ORPHAN_PERCENT=101", []string{"at most 100"}},
		{"BOSGC_BOS_CONCURRENCY=many", []string{"whole number"}},
		{"BOSGC_KEEP_LAST=010", []string{`BOSGC_KEEP_LAST="010"`, "whole number"}},
		{"BOSGC_MAX_DELETES=0x10", []string{"whole number"}},
		{"BOSGC_MAX_DELETES=1_000", []string{"whole number"}},
		{"BOSGC_MAX_DELETES=3000000000", []string{"whole number"}},
		{"BOSGC_DRY_RUN=ja", []string{"neither true nor false"}},
		{"BOSGC_BOS_URL=cray-bos", []string{`BOSGC_BOS_URL="cray-bos"`, "http://"}},
		{"BOSGC_CFS_URL=ftp://cray-cfs-api", []string{"http://"}},
		{"BOSGC_CFS_URL=http://u:hunter2@cray", []string{"user or password", `"(hidden)@cray"`}},
		{"BOSGC_TOKEN_URL=https://a/t?secret=hunter2", []string{"has a query", `"https://a/t?(hidden)"`}},
		{"BOSGC_BOS_ETCD_ENDPOINTS=https://root:hunter2@etcd:2379", []string{"user or password"}},
		{"BOSGC_BOS_ETCD_ENDPOINTS=https://etcd:2379?secret=hunter2", []string{"has a query", "?(hidden)"}},
		{"BOSGC_BOS_ETCD_ENDPOINTS=etcd:2379", []string{"is not complete"}},
		{"BOSGC_NAMESPACE=Services", []string{"lower-case"}},
		{`BOSGC_KEEP_TEMPLATES="golden-*"`, []string{`"\""`, "matches nothing", "without quotes"}},
		{"BOSGC_KEEP_TEMPLATES='golden-*'", []string{`"'"`, "matches nothing"}},
		{"BOSGC_KEEP_TEMPLATES=a-*;b-*", []string{`";"`, "separated by commas"}},
		{"BOSGC_KEEP_TEMPLATES=a-*|b-*", []string{`"|"`}},
		{"BOSGC_KEEP_TEMPLATES=^golden", []string{`"^"`}},
		{"BOSGC_KEEP_TEMPLATES=golden$", []string{`"$"`}},
		{"BOSGC_KEEP_TEMPLATES=ok,[", []string{`"["`, "malformed"}},
		{"BOSGC_CA_FILE=/does/not/exist", []string{"cannot be read"}},
		{"BOSGC_DEADLINE=0s", []string{"is zero"}},
		{"BOSGC_LOG_LEVEL=loud", []string{"debug, info, warn, error"}},
		{"BOSGC_TOKEN_URL=https://api/token", []string{"BOSGC_CLIENT_ID", "BOSGC_CLIENT_SECRET"}},
		{"BOSGC_CLIENT_ID=admin-client", []string{"BOSGC_TOKEN_URL"}},
		{
			"BOSGC_REQUEST_TIMEOUT=5m BOSGC_DEADLINE=2m",
			[]string{`BOSGC_REQUEST_TIMEOUT="5m"`, "BOSGC_DEADLINE", "2m"},
		},
		{"BOSGC_LIST_TIMEOUT=1h", []string{`BOSGC_LIST_TIMEOUT="1h"`, "15m"}},
		{"BOSGC_CFS=off BOSGC_CFS_LINK=inferred", []string{`BOSGC_CFS_LINK="inferred"`, "BOSGC_CFS=off"}},
		{"BOSGC_TEXTFILE=/tmp BOSGC_JOURNAL_DIR=/tmp", []string{"a file here and a folder there"}},
		{"BOSGC_TEXTFILE=/dev/null", []string{"a device is there", "a regular or a new file"}},
		{"BOSGC_BOS_ETCD_USER=root", []string{"BOSGC_BOS_ETCD_ENDPOINTS"}},
		{
			"BOSGC_BOS_ETCD_ENDPOINTS=https://etcd:2379 BOSGC_BOS_ETCD_CERT_FILE=" + empty,
			[]string{"BOSGC_BOS_ETCD_KEY_FILE", "belong together"},
		},
		{
			"BOSGC_BOS_ETCD_ENDPOINTS=https://etcd:2379 BOSGC_BOS_ETCD_PASSWORD_FILE=" + empty,
			[]string{"BOSGC_BOS_ETCD_USER", "belong together"},
		},
		{"BOSGC_CLIENT_SECRET=hunter2 BOSGC_CLIENT_SECRET_FILE=" + empty, []string{"only one of them"}},
		{
			"BOSGC_TOKEN_URL=https://a/t BOSGC_CLIENT_ID=a BOSGC_CLIENT_SECRET_FILE=" + empty,
			[]string{"the file is empty"},
		},
	}
	for _, test := range tests {
		_, err := Load(strings.Fields(test.environment))
		if _, ok := errors.AsType[Problems](err); !ok {
			t.Errorf("%s: error %v, want problems", test.environment, err)
			continue
		}
		for _, text := range test.want {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %q is not in:\n%v", test.environment, text, err)
			}
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error shows a secret:\n%v", test.environment, err)
		}
	}
}

// Whoever sets only a short deadline means that it ends what would take longer.
func TestDefaultsContradictNothing(t *testing.T) {
	for _, environ := range [][]string{
		nil,
		{"BOSGC_DEADLINE=1s"},
		{"BOSGC_CFS=off"},
		{"BOSGC_REQUEST_TIMEOUT=1s", "BOSGC_DEADLINE=1s"},
	} {
		if _, err := Load(environ); err != nil {
			t.Errorf("%v: %v", environ, err)
		}
	}
}

func TestSecretIsReadFromItsFileAndNeverShown(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load([]string{"BOSGC_TOKEN_URL=https://a/t", "BOSGC_CLIENT_ID=a", "BOSGC_CLIENT_SECRET_FILE=" + file})
	if err != nil || string(c.ClientSecret) != "hunter2" {
		t.Fatalf("secret is %q, error %v", string(c.ClientSecret), err)
	}
	for _, s := range c.Settings(nil) {
		if strings.Contains(s.Value, "hunter2") {
			t.Errorf("%s shows the secret", s.Name)
		}
	}
}

func TestOrigin(t *testing.T) {
	environ := []string{"BOSGC_SESSION_TTL=1w", "BOSGC_CFS=", "BOSGC_BATCHER=other", "BOSGC_INTERVAL=1h"}
	c, err := Load(environ)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range c.Settings(environ) {
		switch s.Name {
		case "BOSGC_SESSION_TTL":
			if s.Value != "1w" || s.Origin != "environment" {
				t.Errorf("%+v", s)
			}
		case "BOSGC_CFS": // empty counts as not set
			if s.Value != "old" || s.Origin != "default" {
				t.Errorf("%+v", s)
			}
		}
	}
}

func TestListsAreTrimmed(t *testing.T) {
	c, err := Load([]string{"BOSGC_KEEP_TEMPLATES= golden-* , x,,y "})
	if err != nil || strings.Join(c.KeepTemplates, "|") != "golden-*|x|y" {
		t.Errorf("%q, error %v", c.KeepTemplates, err)
	}
	if _, err := Load([]string{"BOSGC_KEEP_TEMPLATES=a b"}); err == nil {
		t.Error("a pattern with white space in it is accepted: it can never match")
	}
}

// A value reaches envconfig in the tag of a struct, which has a syntax of its own.
func TestAnyTextIsReadAsItStands(t *testing.T) {
	for _, text := range []string{
		`a"b`, `a\`, "`", "a\nb\t", "\xff\xfe", `x" default:"y`, " a ", "ä%q", "=", "$HOME",
	} {
		c, err := Load([]string{"BOSGC_TEXTFILE=" + text})
		if err != nil || c.Textfile != text {
			t.Errorf("%q is read as %q, error %v", text, c.Textfile, err)
		}
	}
}

// An environment is what Load is given and nothing else: neither that of the process, nor a name without BOSGC_.
func TestOnlyTheGivenEnvironmentIsRead(t *testing.T) {
	t.Setenv("BOSGC_NAMESPACE", "other")
	t.Setenv("NAMESPACE", "other")
	c, err := Load([]string{"NAMESPACE=other", "BOSGC_CRONJOB"})
	if err != nil || c.Namespace != "services" {
		t.Errorf("the namespace is %q, error %v", c.Namespace, err)
	}
}
