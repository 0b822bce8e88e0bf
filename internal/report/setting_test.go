package report

import (
	"strings"
	"testing"

	"bosgc/internal/config"
)

func TestSetting(t *testing.T) {
	tests := map[string]struct {
		name    string
		environ []string
		want    string
	}{
		"one that is set": {"BOSGC_KEEP_TEMPLATES", []string{"BOSGC_KEEP_TEMPLATES=golden-*"}, `BOSGC_KEEP_TEMPLATES
  Sessions of templates with these names are kept, and orphaned ConfigMaps that
  name them. A pattern that matches nothing is named in the plan.

  now         golden-* (environment)
  default     empty
  accepts     a list of patterns with * ? and [...], separated by commas
  example     BOSGC_KEEP_TEMPLATES=golden-*,acceptance
  matters to  plan, sweep, serve, explain; docs/policy.md
`},
		"one that is bad": {"BOSGC_SESSION_TTL", []string{"BOSGC_SESSION_TTL=7"}, `BOSGC_SESSION_TTL
  A finished session is kept this long after it finished.

  now         "7", which cannot be used: it has no unit after 7; expected an age
              such as 36h, 7d or 1w2d12h (units s m h d w)
  default     7d
  accepts     an age: numbers with units s m h d w, and sums of them, such as
              36h or 7d12h
  example     BOSGC_SESSION_TTL=30d
  matters to  plan, sweep, serve, explain; docs/policy.md
`},
		"a secret": {"BOSGC_CLIENT_SECRET", []string{"BOSGC_CLIENT_SECRET=hunter2"}, `BOSGC_CLIENT_SECRET
  That client's secret. Better is BOSGC_CLIENT_SECRET_FILE, because everybody
  who may read the process reads its environment.

  now         (hidden) (environment)
  default     empty
  accepts     a text, which is never shown
  matters to  every command that contacts the system; docs/install.md
`},
	}
	for name, test := range tests {
		e, known := config.Explain(test.name, test.environ)
		if got := Setting(e); !known || got != test.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, test.want)
		}
	}
	e, _ := config.Explain("BOSGC_BATCHER", []string{"BOSGC_BATCHER=\x1b[31mred"})
	if strings.Contains(Setting(e), "\x1b") {
		t.Errorf("a value reaches the terminal as it is:\n%q", Setting(e))
	}
}
