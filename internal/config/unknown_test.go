package config

import (
	"strings"
	"testing"
)

func TestMisspelledSettingsAreRefused(t *testing.T) {
	tests := map[string]string{ // environment → what the error says
		"BOSGC_SESION_TTL=3d":                  "BOSGC_SESION_TTL is no setting; did you mean BOSGC_SESSION_TTL?",
		"BOSGC_KEEPLAST=5":                     "did you mean BOSGC_KEEP_LAST?",
		"BOSGC_DRYRUN=true":                    "did you mean BOSGC_DRY_RUN?",
		"BOSGC_CLIENT_SECRT=hunter2":           "did you mean BOSGC_CLIENT_SECRET?",
		"BOSGC_ORPHAN_SIGHTING=9":              "did you mean BOSGC_ORPHAN_SIGHTINGS?",
		"BOSGC_BOS_URI=http://bos":             "did you mean BOSGC_BOS_URL?",
		"BOSGC_ZZZZZZZZ=1":                     `"bosgc config" lists those that there are`,
		"BOSGC_=1":                             `"bosgc config" lists those that there are`,
		"BOSGC_SERVICE_PORT=80":                "is no setting", // Kubernetes sets a host with it
		"BOSGC_X_SERVICE_HOST=10.0.0.1":        "is no setting",
		"BOSGC_SESION_TTL=3d BOSGC_CFS=maybe":  "2 of the settings",
		"BOSGC_SESION_TTL=3d BOSGC_KEEPLAST=1": "2 of the settings",
	}
	for environment, want := range tests {
		_, err := Load(strings.Fields(environment))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q is not in: %v", environment, want, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the value of an unknown setting, which may be a secret, is shown: %v", err)
		}
	}
}

// In a namespace with a Service bosgc-exporter, Kubernetes gives these to every Pod.
func TestVariablesOfOthersAreAccepted(t *testing.T) {
	for _, environment := range []string{
		"PATH=/bin XBOSGC_NOPE=1 bosgc_nope=1 BOSGC=1",
		"BOSGC_NOPE=",
		"BOSGC_SERVICE_HOST=10.0.0.1 BOSGC_SERVICE_PORT=9090 BOSGC_PORT=tcp://10.0.0.1:9090",
		`BOSGC_EXPORTER_SERVICE_HOST=10.0.0.1 BOSGC_EXPORTER_SERVICE_PORT=9090 BOSGC_EXPORTER_SERVICE_PORT_METRICS=9090
		 BOSGC_EXPORTER_PORT=tcp://10.0.0.1:9090
		 BOSGC_EXPORTER_PORT_9090_TCP=tcp://10.0.0.1:9090 BOSGC_EXPORTER_PORT_9090_TCP_PROTO=tcp
		 BOSGC_EXPORTER_PORT_9090_TCP_PORT=9090 BOSGC_EXPORTER_PORT_9090_TCP_ADDR=10.0.0.1`,
	} {
		if _, err := Load(strings.Fields(environment)); err != nil {
			t.Errorf("%s: %v", environment, err)
		}
	}
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"TTL": "BOSGC_SESSION_TTL BOSGC_FAILED_TTL BOSGC_ABANDONED_TTL", "etcd_user": "BOSGC_BOS_ETCD_USER",
		"BOSGC_LOGLEVEL": "BOSGC_LOG_LEVEL", "": "", "x": "", "BOSGC_WHATEVER_ELSE": "",
	} {
		if got := strings.Join(Nearest(name), " "); got != want {
			t.Errorf("%q is near %q, want %q", name, got, want)
		}
	}
}
