package config

import (
	"fmt"
	"slices"
	"strings"

	"bosgc/internal/outfile"
	"bosgc/policy"
)

// Problem is one setting that cannot be used.
type Problem struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Why   string `json:"why"` // what is wrong, what was expected, what to do
}

// Problems holds everything that is wrong with the settings, in the order of their names.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, 0, len(p)+1)
	lines = append(lines, fmt.Sprintf("%d of the settings cannot be used:", len(p)))
	names := Names()
	for _, problem := range p {
		what := fmt.Sprintf("%s=%q", problem.Name, problem.Value)
		if !slices.Contains(names, problem.Name) {
			what = problem.Name // an unknown variable, whose value may be a secret
		}
		lines = append(lines, fmt.Sprintf("  %s %s", what, problem.Why))
	}
	return strings.Join(lines, "\n")
}

func (p *Problems) addIf(wrong bool, name, value, why string) {
	if wrong {
		*p = append(*p, Problem{name, value, why})
	}
}

// contradictions returns the settings that are each valid, and make no sense together.
func (c Config) contradictions(values map[string]string) Problems {
	p := append(c.clientProblems(), c.etcdProblems()...)
	for _, limit := range []struct {
		name string
		age  Age
	}{
		{"BOSGC_REQUEST_TIMEOUT", c.RequestTimeout},
		{"BOSGC_LIST_TIMEOUT", c.ListTimeout},
	} {
		// A deadline that is shorter than the defaults is fine: it ends what takes longer.
		p.addIf(values[limit.name] != "" && limit.age > c.Deadline, limit.name, values[limit.name],
			fmt.Sprintf("is longer than the whole run may take (BOSGC_DEADLINE, %s); "+
				"expected less, at best a tenth of it", c.Deadline))
	}
	p.addIf(c.CFSLink == policy.LinkInferred && c.CFS == policy.CFSOff, "BOSGC_CFS_LINK", string(c.CFSLink),
		"says which links to CFS sessions are acted on, and BOSGC_CFS=off acts on none; "+
			"expected BOSGC_CFS=linked or old, or no BOSGC_CFS_LINK")
	if err := outfile.Check(c.Textfile); c.Textfile != "" && c.Textfile != c.JournalDir && err != nil {
		p.addIf(true, "BOSGC_TEXTFILE", c.Textfile, "cannot be written: "+err.Error())
	}
	p.addIf(c.Textfile != "" && c.Textfile == c.JournalDir, "BOSGC_TEXTFILE", c.Textfile,
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
			p.addIf(s.value != "", s.name, s.value,
				"is set, but BOSGC_BOS_ETCD_ENDPOINTS is empty; expected where etcd is, or none of its settings")
		}
		return p
	}
	https := 0
	for _, endpoint := range c.EtcdEndpoints {
		if strings.HasPrefix(endpoint, "https://") {
			https++
		}
	}
	// etcd's client decides by the first endpoint whether it uses TLS for all.
	p.addIf(https != 0 && https != len(c.EtcdEndpoints),
		"BOSGC_BOS_ETCD_ENDPOINTS", strings.Join(c.EtcdEndpoints, ","),
		"are of one etcd, some with TLS and some without; expected all with https:// or all with http://")
	const needsTLS = "is for TLS, and BOSGC_BOS_ETCD_ENDPOINTS has http://; expected https://, or no certificates"
	p.addIf(c.EtcdCAFile != "" && https == 0, "BOSGC_BOS_ETCD_CA_FILE", c.EtcdCAFile, needsTLS)
	p.addIf(c.EtcdCertFile != "" && https == 0, "BOSGC_BOS_ETCD_CERT_FILE", c.EtcdCertFile, needsTLS)
	p.addIf((c.EtcdCertFile == "") != (c.EtcdKeyFile == ""), "BOSGC_BOS_ETCD_KEY_FILE", c.EtcdKeyFile,
		"and BOSGC_BOS_ETCD_CERT_FILE belong together; expected both or neither")
	p.addIf((c.EtcdUser == "") != (c.EtcdPasswordFile == ""), "BOSGC_BOS_ETCD_PASSWORD_FILE", c.EtcdPasswordFile,
		"and BOSGC_BOS_ETCD_USER belong together; expected both or neither")
	return p
}

func (c Config) clientProblems() Problems {
	var p Problems
	anySecret := c.ClientSecret != "" || c.ClientSecretFile != ""
	p.addIf(c.ClientSecret != "" && c.ClientSecretFile != "", "BOSGC_CLIENT_SECRET_FILE", c.ClientSecretFile,
		"is set, and so is BOSGC_CLIENT_SECRET; expected only one of them")
	p.addIf(c.TokenURL != "" && c.ClientID == "", "BOSGC_CLIENT_ID", "",
		"is empty, but BOSGC_TOKEN_URL is set; expected the name of the client, such as admin-client")
	p.addIf(c.TokenURL != "" && !anySecret, "BOSGC_CLIENT_SECRET", "",
		"is empty, but BOSGC_TOKEN_URL is set; expected the client's secret here or in BOSGC_CLIENT_SECRET_FILE")
	p.addIf(c.TokenURL == "" && (c.ClientID != "" || anySecret), "BOSGC_TOKEN_URL", "",
		"is empty, but a client is named; expected the token endpoint, or no BOSGC_CLIENT_... at all")
	return p
}
