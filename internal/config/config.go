// Package config reads all settings from environment variables, so that a CronJob and a
// person tune bosgc the same way, and says of each where its value came from.
package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"sort"
	"strings"

	"github.com/caarlos0/env/v11"

	"bosgc/policy"
)

// Config is every setting. Names, defaults and meanings are fixed: users and monitoring
// rely on them. An empty variable counts as one that is not set.
type Config struct {
	BOSURL    string `env:"BOSGC_BOS_URL" envDefault:"http://cray-bos" check:"url"`
	CFSURL    string `env:"BOSGC_CFS_URL" envDefault:"http://cray-cfs-api" check:"url"`
	Namespace string `env:"BOSGC_NAMESPACE" envDefault:"services" check:"label"`

	TokenURL         string `env:"BOSGC_TOKEN_URL" check:"url"`
	ClientID         string `env:"BOSGC_CLIENT_ID"`
	ClientSecret     Secret `env:"BOSGC_CLIENT_SECRET"`
	ClientSecretFile string `env:"BOSGC_CLIENT_SECRET_FILE" check:"file"`
	CAFile           string `env:"BOSGC_CA_FILE" check:"file"`

	EtcdEndpoints    List   `env:"BOSGC_BOS_ETCD_ENDPOINTS" check:"urls"`
	EtcdCAFile       string `env:"BOSGC_BOS_ETCD_CA_FILE" check:"file"`
	EtcdCertFile     string `env:"BOSGC_BOS_ETCD_CERT_FILE" check:"file"`
	EtcdKeyFile      string `env:"BOSGC_BOS_ETCD_KEY_FILE" check:"file"`
	EtcdUser         string `env:"BOSGC_BOS_ETCD_USER"`
	EtcdPasswordFile string `env:"BOSGC_BOS_ETCD_PASSWORD_FILE" check:"file"`
	Batcher          string `env:"BOSGC_BATCHER" envDefault:"cray-cfs-batcher" check:"label"`

	SessionTTL      Age            `env:"BOSGC_SESSION_TTL" envDefault:"7d"`
	FailedTTL       Age            `env:"BOSGC_FAILED_TTL" envDefault:"14d"`
	AbandonedTTL    Age            `env:"BOSGC_ABANDONED_TTL" envDefault:"14d"`
	KeepLast        int            `env:"BOSGC_KEEP_LAST" envDefault:"1" min:"0"`
	KeepTemplates   List           `env:"BOSGC_KEEP_TEMPLATES" check:"globs"`
	OrphanGrace     Age            `env:"BOSGC_ORPHAN_GRACE" envDefault:"24h"`
	OrphanSightings int            `env:"BOSGC_ORPHAN_SIGHTINGS" envDefault:"2" min:"1"`
	CFS             policy.CFSMode `env:"BOSGC_CFS" envDefault:"old" oneof:"off linked old"`
	CFSTTL          Age            `env:"BOSGC_CFS_TTL" envDefault:"7d"`
	CFSLink         policy.CFSLink `env:"BOSGC_CFS_LINK" envDefault:"exact" oneof:"exact inferred"`

	MaxDeletes       int  `env:"BOSGC_MAX_DELETES" envDefault:"1000" min:"1"`
	MaxOrphanPercent int  `env:"BOSGC_MAX_ORPHAN_PERCENT" envDefault:"50" min:"0" max:"100"`
	DryRun           bool `env:"BOSGC_DRY_RUN" envDefault:"false"`

	BOSConcurrency  int `env:"BOSGC_BOS_CONCURRENCY" envDefault:"2" min:"1" max:"64"`
	CFSConcurrency  int `env:"BOSGC_CFS_CONCURRENCY" envDefault:"4" min:"1" max:"64"`
	KubeConcurrency int `env:"BOSGC_KUBE_CONCURRENCY" envDefault:"8" min:"1" max:"64"`
	RequestTimeout  Age `env:"BOSGC_REQUEST_TIMEOUT" envDefault:"30s" check:"positive"`
	ListTimeout     Age `env:"BOSGC_LIST_TIMEOUT" envDefault:"60s" check:"positive"`
	Deadline        Age `env:"BOSGC_DEADLINE" envDefault:"15m" check:"positive"`

	Interval       Age    `env:"BOSGC_INTERVAL" envDefault:"1h" check:"positive"`
	MetricsAddr    string `env:"BOSGC_METRICS_ADDR" envDefault:":9090"`
	MetricsLinger  Age    `env:"BOSGC_METRICS_LINGER" envDefault:"0s"`
	PushURL        string `env:"BOSGC_PUSH_URL" check:"url"`
	Textfile       string `env:"BOSGC_TEXTFILE"`
	StateNamespace string `env:"BOSGC_STATE_NAMESPACE" check:"label"`
	StateName      string `env:"BOSGC_STATE_NAME" envDefault:"bosgc" check:"label"`
	CronJob        string `env:"BOSGC_CRONJOB" check:"label"`
	JournalDir     string `env:"BOSGC_JOURNAL_DIR"`
	JournalRuns    int    `env:"BOSGC_JOURNAL_RUNS" envDefault:"20" min:"1"`

	MeshQuitURL string `env:"BOSGC_MESH_QUIT_URL" check:"url"`
	LogLevel    string `env:"BOSGC_LOG_LEVEL" envDefault:"info" oneof:"debug info warn error"`
	LogFormat   string `env:"BOSGC_LOG_FORMAT" oneof:"json text"`
}

// List is a list of texts, separated by commas. White space around them does not count, or
// everything after the first comma of "a, b" would silently mean nothing.
type List []string

// UnmarshalText reads a list from a setting.
func (l *List) UnmarshalText(text []byte) error {
	*l = nil
	for part := range strings.SplitSeq(string(text), ",") {
		if part = strings.TrimSpace(part); part != "" {
			*l = append(*l, part)
		}
	}
	return nil
}

// Secret is a text that is never shown.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "(hidden)"
}

// Problem is one setting that cannot be used.
type Problem struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Why   string `json:"why"` // what is wrong, what was expected, what to do
}

// Problems is all that is wrong with the settings, in the order of their names.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, 0, len(p)+1)
	lines = append(lines, fmt.Sprintf("%d of the settings cannot be used:", len(p)))
	for _, one := range p {
		what := fmt.Sprintf("%s=%q", one.Name, one.Value)
		if !slices.Contains(Names(), one.Name) {
			what = one.Name // it is no setting, and whatever its value is does not matter
		}
		lines = append(lines, fmt.Sprintf("  %s %s", what, one.Why))
	}
	return strings.Join(lines, "\n")
}

// Load reads the settings from an environment as os.Environ gives it. The error is
// Problems, and names everything that is wrong at once.
func Load(environ []string) (Config, error) {
	values := env.ToMap(environ)
	var c Config
	problems := parse(&c, values)
	for _, s := range c.settings(values) {
		if problems.has(s.Name) {
			continue // what could not be read needs no second complaint
		}
		if why := s.check(); why != "" {
			problems = append(problems, Problem{s.Name, s.Value, why})
		}
	}
	problems = append(problems, c.contradictions(values)...)
	problems = append(problems, strangers(values)...)
	if len(problems) > 0 {
		sort.SliceStable(problems, func(a, b int) bool { return problems[a].Name < problems[b].Name })
		return c, problems
	}
	return c, c.readSecret()
}

func parse(c *Config, values map[string]string) Problems {
	err := env.ParseWithOptions(c, env.Options{Environment: values})
	if err == nil {
		return nil
	}
	var problems Problems
	var all env.AggregateError
	if !errors.As(err, &all) {
		return Problems{{Why: err.Error()}}
	}
	for _, one := range all.Errors {
		var bad env.ParseError
		if !errors.As(one, &bad) {
			problems = append(problems, Problem{Why: one.Error()})
			continue
		}
		field, _ := reflect.TypeFor[Config]().FieldByName(bad.Name)
		name := field.Tag.Get("env")
		why := bad.Err.Error()
		switch field.Type.Kind() {
		case reflect.Int:
			why = "is no whole number; expected one such as " + field.Tag.Get("envDefault")
		case reflect.Bool:
			why = "is neither true nor false"
		}
		problems = append(problems, Problem{name, values[name], why})
	}
	return problems
}

func (p Problems) has(name string) bool {
	for _, one := range p {
		if one.Name == name {
			return true
		}
	}
	return false
}

// contradictions are settings that are each right and make no sense together.
func (c Config) contradictions(values map[string]string) Problems {
	p := append(c.clientProblems(), c.etcdProblems()...)
	problem := func(bad bool, name, value, why string) {
		if bad {
			p = append(p, Problem{name, value, why})
		}
	}
	// A short deadline alone is fine: it ends what is longer.
	for _, limit := range []struct {
		name string
		age  Age
	}{{"BOSGC_REQUEST_TIMEOUT", c.RequestTimeout}, {"BOSGC_LIST_TIMEOUT", c.ListTimeout}} {
		problem(values[limit.name] != "" && limit.age > c.Deadline, limit.name, values[limit.name],
			fmt.Sprintf("is longer than the whole run may take (BOSGC_DEADLINE, %s); expected less, at best a tenth of it", c.Deadline))
	}
	problem(c.CFSLink == policy.LinkInferred && c.CFS == policy.CFSOff, "BOSGC_CFS_LINK", string(c.CFSLink),
		"says which links to CFS sessions are acted on, and BOSGC_CFS=off acts on none; expected BOSGC_CFS=linked or old, or no BOSGC_CFS_LINK")
	problem(c.Textfile != "" && c.Textfile == c.JournalDir, "BOSGC_TEXTFILE", c.Textfile,
		"is BOSGC_JOURNAL_DIR too; expected a file here and a folder there")
	return p
}

func (c Config) etcdProblems() Problems {
	var p Problems
	if len(c.EtcdEndpoints) == 0 {
		for _, s := range []struct{ name, value string }{
			{"BOSGC_BOS_ETCD_CA_FILE", c.EtcdCAFile},
			{"BOSGC_BOS_ETCD_CERT_FILE", c.EtcdCertFile},
			{"BOSGC_BOS_ETCD_KEY_FILE", c.EtcdKeyFile},
			{"BOSGC_BOS_ETCD_USER", c.EtcdUser},
			{"BOSGC_BOS_ETCD_PASSWORD_FILE", c.EtcdPasswordFile},
		} {
			if s.value != "" {
				p = append(p, Problem{s.name, s.value, "is set, but BOSGC_BOS_ETCD_ENDPOINTS is empty; expected where etcd is, or none of its settings"})
			}
		}
		return p
	}
	https := 0
	for _, endpoint := range c.EtcdEndpoints {
		if strings.HasPrefix(endpoint, "https://") {
			https++
		}
	}
	if https != 0 && https != len(c.EtcdEndpoints) { // its client takes the first one's for all
		p = append(p, Problem{"BOSGC_BOS_ETCD_ENDPOINTS", strings.Join(c.EtcdEndpoints, ","), "are of one etcd, some with TLS and some without; expected all with https:// or all with http://"})
	}
	for _, s := range []struct{ name, value string }{{"BOSGC_BOS_ETCD_CA_FILE", c.EtcdCAFile}, {"BOSGC_BOS_ETCD_CERT_FILE", c.EtcdCertFile}} {
		if s.value != "" && https == 0 {
			p = append(p, Problem{s.name, s.value, "is for TLS, and BOSGC_BOS_ETCD_ENDPOINTS has http://; expected https://, or no certificates"})
		}
	}
	if (c.EtcdCertFile == "") != (c.EtcdKeyFile == "") {
		p = append(p, Problem{"BOSGC_BOS_ETCD_KEY_FILE", c.EtcdKeyFile, "and BOSGC_BOS_ETCD_CERT_FILE belong together; expected both or neither"})
	}
	if (c.EtcdUser == "") != (c.EtcdPasswordFile == "") {
		p = append(p, Problem{"BOSGC_BOS_ETCD_PASSWORD_FILE", c.EtcdPasswordFile, "and BOSGC_BOS_ETCD_USER belong together; expected both or neither"})
	}
	return p
}

func (c Config) clientProblems() Problems {
	var p Problems
	if c.ClientSecret != "" && c.ClientSecretFile != "" {
		p = append(p, Problem{"BOSGC_CLIENT_SECRET_FILE", c.ClientSecretFile, "is set, and so is BOSGC_CLIENT_SECRET; expected only one of them"})
	}
	if c.TokenURL != "" && c.ClientID == "" {
		p = append(p, Problem{"BOSGC_CLIENT_ID", "", "is empty, but BOSGC_TOKEN_URL is set; expected the name of the client, such as admin-client"})
	}
	if c.TokenURL != "" && c.ClientSecret == "" && c.ClientSecretFile == "" {
		p = append(p, Problem{"BOSGC_CLIENT_SECRET", "", "is empty, but BOSGC_TOKEN_URL is set; expected the client's secret here or in BOSGC_CLIENT_SECRET_FILE"})
	}
	if c.TokenURL == "" && (c.ClientID != "" || c.ClientSecret != "" || c.ClientSecretFile != "") {
		p = append(p, Problem{"BOSGC_TOKEN_URL", "", "is empty, but a client is named; expected the token endpoint, or no BOSGC_CLIENT_... at all"})
	}
	return p
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

// Policy gives the settings that the rules use.
func (c Config) Policy() policy.Settings {
	return policy.Settings{
		SessionTTL:      c.SessionTTL.D(),
		FailedTTL:       c.FailedTTL.D(),
		AbandonedTTL:    c.AbandonedTTL.D(),
		KeepLast:        c.KeepLast,
		KeepTemplates:   c.KeepTemplates,
		OrphanGrace:     c.OrphanGrace.D(),
		OrphanSightings: c.OrphanSightings, MaxOrphanPercent: c.MaxOrphanPercent,
		CFS:    c.CFS,
		CFSTTL: c.CFSTTL.D(), CFSLink: c.CFSLink,
	}
}
