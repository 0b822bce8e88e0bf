// Package config reads all settings from environment variables, so that a CronJob and a person tune bosgc the same
// way. It checks them before anything is contacted, and knows of each what it means and where its value comes from.
package config

import (
	"cmp"
	"errors"
	"os"
	"slices"
	"strings"

	"bosgc/policy"
)

// Config holds every setting. Names, defaults and meanings are fixed: users and monitoring rely on them. An empty
// variable counts as one that is not set.
//
// Each tag has the whole name. With a prefix of its own envconfig also reads the name without it, and NAMESPACE or
// DEADLINE may well be set for another program.
type Config struct {
	BOSURL    string `envconfig:"BOSGC_BOS_URL" default:"http://cray-bos" check:"url"`
	CFSURL    string `envconfig:"BOSGC_CFS_URL" default:"http://cray-cfs-api" check:"url"`
	Namespace string `envconfig:"BOSGC_NAMESPACE" default:"services" check:"label"`

	TokenURL         string `envconfig:"BOSGC_TOKEN_URL" check:"url"`
	ClientID         string `envconfig:"BOSGC_CLIENT_ID"`
	ClientSecret     Secret `envconfig:"BOSGC_CLIENT_SECRET"`
	ClientSecretFile string `envconfig:"BOSGC_CLIENT_SECRET_FILE" check:"file"`
	CAFile           string `envconfig:"BOSGC_CA_FILE" check:"file"`

	EtcdEndpoints    List   `envconfig:"BOSGC_BOS_ETCD_ENDPOINTS" check:"urls"`
	EtcdCAFile       string `envconfig:"BOSGC_BOS_ETCD_CA_FILE" check:"file"`
	EtcdCertFile     string `envconfig:"BOSGC_BOS_ETCD_CERT_FILE" check:"file"`
	EtcdKeyFile      string `envconfig:"BOSGC_BOS_ETCD_KEY_FILE" check:"file"`
	EtcdUser         string `envconfig:"BOSGC_BOS_ETCD_USER"`
	EtcdPasswordFile string `envconfig:"BOSGC_BOS_ETCD_PASSWORD_FILE" check:"file"`
	Batcher          string `envconfig:"BOSGC_BATCHER" default:"cray-cfs-batcher" check:"label"`

	SessionTTL      Age            `envconfig:"BOSGC_SESSION_TTL" default:"7d"`
	FailedTTL       Age            `envconfig:"BOSGC_FAILED_TTL" default:"14d"`
	AbandonedTTL    Age            `envconfig:"BOSGC_ABANDONED_TTL" default:"14d"`
	KeepLast        int            `envconfig:"BOSGC_KEEP_LAST" default:"1" min:"0"`
	KeepLastFor     Age            `envconfig:"BOSGC_KEEP_LAST_FOR" default:"90d"`
	KeepTemplates   List           `envconfig:"BOSGC_KEEP_TEMPLATES" check:"globs"`
	OrphanGrace     Age            `envconfig:"BOSGC_ORPHAN_GRACE" default:"24h"`
	OrphanSightings int            `envconfig:"BOSGC_ORPHAN_SIGHTINGS" default:"2" min:"1"`
	OrphanInterval  Age            `envconfig:"BOSGC_ORPHAN_INTERVAL" default:"30m"`
	CFS             policy.CFSMode `envconfig:"BOSGC_CFS" default:"old" oneof:"off linked old"`
	CFSTTL          Age            `envconfig:"BOSGC_CFS_TTL" default:"7d"`
	CFSLink         policy.CFSLink `envconfig:"BOSGC_CFS_LINK" default:"exact" oneof:"exact inferred"`

	MaxDeletes       int  `envconfig:"BOSGC_MAX_DELETES" default:"1000" min:"1"`
	MaxOrphanPercent int  `envconfig:"BOSGC_MAX_ORPHAN_PERCENT" default:"50" min:"0" max:"100"`
	DryRun           bool `envconfig:"BOSGC_DRY_RUN" default:"false"`

	BOSConcurrency  int `envconfig:"BOSGC_BOS_CONCURRENCY" default:"2" min:"1" max:"64"`
	CFSConcurrency  int `envconfig:"BOSGC_CFS_CONCURRENCY" default:"4" min:"1" max:"64"`
	KubeConcurrency int `envconfig:"BOSGC_KUBE_CONCURRENCY" default:"8" min:"1" max:"64"`
	RequestTimeout  Age `envconfig:"BOSGC_REQUEST_TIMEOUT" default:"30s" check:"positive"`
	ListTimeout     Age `envconfig:"BOSGC_LIST_TIMEOUT" default:"60s" check:"positive"`
	Deadline        Age `envconfig:"BOSGC_DEADLINE" default:"15m" check:"positive"`

	Interval       Age    `envconfig:"BOSGC_INTERVAL" default:"1h" check:"positive"`
	MetricsAddr    string `envconfig:"BOSGC_METRICS_ADDR" default:":9090"`
	MetricsLinger  Age    `envconfig:"BOSGC_METRICS_LINGER" default:"0s"`
	PushURL        string `envconfig:"BOSGC_PUSH_URL" check:"url"`
	Textfile       string `envconfig:"BOSGC_TEXTFILE"`
	StateNamespace string `envconfig:"BOSGC_STATE_NAMESPACE" check:"label"`
	StateName      string `envconfig:"BOSGC_STATE_NAME" default:"bosgc" check:"label"`
	CronJob        string `envconfig:"BOSGC_CRONJOB" check:"label"`
	JournalDir     string `envconfig:"BOSGC_JOURNAL_DIR"`
	JournalRuns    int    `envconfig:"BOSGC_JOURNAL_RUNS" default:"20" min:"1"`

	MeshQuitURL string `envconfig:"BOSGC_MESH_QUIT_URL" check:"url"`
	LogLevel    string `envconfig:"BOSGC_LOG_LEVEL" default:"info" oneof:"debug info warn error"`
	LogFormat   string `envconfig:"BOSGC_LOG_FORMAT" oneof:"json text"`
}

// Load reads the settings from an environment as os.Environ returns it. The error is of type Problems and names
// everything that is wrong.
func Load(environ []string) (Config, error) {
	values := parseEnviron(environ)
	var c Config
	var problems Problems
	for _, f := range c.fields() {
		text := cmp.Or(values[f.name], f.defaultText)
		if why := f.decode(text); why != "" {
			problems = append(problems, Problem{f.name, text, why})
		} else if why := f.check(); why != "" {
			problems = append(problems, Problem{f.name, f.shownValue(text), why})
		}
	}
	problems = append(problems, c.contradictions(values)...)
	problems = append(problems, unknownVariables(values)...)
	if len(problems) > 0 {
		slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Name, b.Name) })
		return c, problems
	}
	return c, c.readSecret()
}

// parseEnviron returns the values of variables by their names.
func parseEnviron(environ []string) map[string]string {
	values := make(map[string]string, len(environ))
	for _, line := range environ {
		if name, value, ok := strings.Cut(line, "="); ok {
			values[name] = value
		}
	}
	return values
}

func (c *Config) readSecret() error {
	if c.ClientSecretFile == "" {
		return nil
	}
	text, err := os.ReadFile(c.ClientSecretFile)
	secret := strings.TrimSpace(string(text))
	if err == nil && secret == "" {
		err = errors.New("the file is empty")
	}
	if err != nil {
		return Problems{{"BOSGC_CLIENT_SECRET_FILE", c.ClientSecretFile, "cannot be read: " + err.Error()}}
	}
	c.ClientSecret = Secret(secret)
	return nil
}

// Policy returns the settings that the rules use.
func (c Config) Policy() policy.Settings {
	return policy.Settings{
		SessionTTL:       c.SessionTTL.D(),
		FailedTTL:        c.FailedTTL.D(),
		AbandonedTTL:     c.AbandonedTTL.D(),
		KeepLast:         c.KeepLast,
		KeepLastFor:      c.KeepLastFor.D(),
		KeepTemplates:    c.KeepTemplates,
		OrphanGrace:      c.OrphanGrace.D(),
		OrphanSightings:  c.OrphanSightings,
		OrphanInterval:   c.OrphanInterval.D(),
		MaxOrphanPercent: c.MaxOrphanPercent,
		CFS:              c.CFS,
		CFSTTL:           c.CFSTTL.D(),
		CFSLink:          c.CFSLink,
	}
}
