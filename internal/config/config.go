// Package config reads all settings from environment variables, so that a CronJob and a
// person tune bosgc the same way, and says of each where its value came from.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/kelseyhightower/envconfig"

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
	KeepTemplates   List           `envconfig:"BOSGC_KEEP_TEMPLATES" check:"globs"`
	OrphanGrace     Age            `envconfig:"BOSGC_ORPHAN_GRACE" default:"24h"`
	OrphanSightings int            `envconfig:"BOSGC_ORPHAN_SIGHTINGS" default:"2" min:"1"`
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

// List is a list of texts, separated by commas. White space around them does not count, or
// everything after the first comma of "a, b" would silently mean nothing.
type List []string

// Decode reads a list for envconfig.
func (l *List) Decode(text string) error {
	*l = nil
	for part := range strings.SplitSeq(text, ",") {
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
	values := parseEnviron(environ)
	var c Config
	problems := c.decode(values)
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

// decode reads all settings and returns those that cannot be read.
func (c *Config) decode(values map[string]string) Problems {
	var problems Problems
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		field, tag := v.Field(i), v.Type().Field(i).Tag
		name, byDefault := tag.Get("envconfig"), tag.Get("default")
		text := cmp.Or(values[name], byDefault)
		err := decodeField(field, text)
		if field.Kind() == reflect.Int && err == nil {
			err = checkDecimal(field.Int(), text)
		}
		if err == nil {
			continue
		}
		why := err.Error()
		switch field.Kind() {
		case reflect.Int:
			why = "is no whole number; expected one such as " + byDefault
		case reflect.Bool:
			why = "is neither true nor false"
		}
		problems = append(problems, Problem{name, values[name], why})
	}
	return problems
}

// decodeField has envconfig read one setting. On its own envconfig reads the environment of the process, and stops at
// the first mistake. Here an environment is a list, so that tests run several bosgc at once, and all mistakes are
// reported together. So envconfig is given a struct of this field alone, where the value is the default of a variable
// that no environment has: the name of one ends before its first "=".
func decodeField(field reflect.Value, text string) error {
	spec := reflect.New(reflect.StructOf([]reflect.StructField{{
		Name: "Value", Type: field.Type(), Tag: reflect.StructTag(fmt.Sprintf(`envconfig:"=" default:%q`, text)),
	}}))
	err := envconfig.Process("", spec.Interface())
	if bad, ok := errors.AsType[*envconfig.ParseError](err); ok {
		return bad.Err // the rest of its text is about the struct
	}
	field.Set(spec.Elem().Field(0))
	return err
}

// checkDecimal refuses what envconfig takes for a number and a person may not mean: to it 010 is 8.
func checkDecimal(n int64, text string) error {
	if decimal, err := strconv.ParseInt(text, 10, 32); err != nil || decimal != n {
		return strconv.ErrSyntax
	}
	return nil
}

// parseEnviron returns the values of variables that are listed as os.Environ does.
func parseEnviron(environ []string) map[string]string {
	values := make(map[string]string, len(environ))
	for _, line := range environ {
		if name, value, ok := strings.Cut(line, "="); ok {
			values[name] = value
		}
	}
	return values
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
