package docs

import (
	"slices"
	"strings"
	"testing"
)

// TestWhatIsWrongIsNoticed checks pages that say something wrong.
func TestWhatIsWrongIsNoticed(t *testing.T) {
	k := knowledge(t)
	console := func(lines ...string) string { return "```console\n" + strings.Join(lines, "\n") + "\n```\n" }
	notRun := func(command string) string {
		return "<!-- not run: needs a CSM system -->\n```sh\n" + command + "\n```\n"
	}
	for _, tt := range []struct{ name, text, want string }{
		{"a command that there is not", "Run `bosgc purge` now.", `bosgc has no command "purge"`},
		{"over two lines", "Run `bosgc\npurge` now.", `bosgc has no command "purge"`},
		{"a flag that there is not", "Run `bosgc plan --force`.", "bosgc plan has no flag --force"},
		{"a flag of another command", "Run `bosgc plan --max-deletes 3`.", "bosgc plan has no flag --max-deletes"},
		{"a short one", "Run `bosgc -x plan`.", "bosgc has no flag -x"},
		{"in what is not run", notRun("kubectl exec deployment/bosgc -- bosgc sweep --every"), "bosgc sweep has no flag --every"},
		{"as a plugin", notRun("kubectl bosgc sweep --every"), "bosgc sweep has no flag --every"},
		{"with a setting", notRun("BOSGC_CFS=off bosgc sweep --every"), "bosgc sweep has no flag --every"},
		{"with a file of settings", notRun("env $(cat lab.env) bosgc sweep --every"), "bosgc sweep has no flag --every"},
		{"on a further line", notRun("bosgc sweep \\\n  --every"), "bosgc sweep has no flag --every"},
		{"a setting that there is not", "Set `BOSGC_SESION_TTL`.", "no setting BOSGC_SESION_TTL"},
		{"in what is not run", notRun("export BOSGC_SESION_TTL=3d"), "no setting BOSGC_SESION_TTL"},
		{"a value of the chart", "`config.sesionTTL` is one", "the chart has no value config.sesionTTL"},
		{"set", "`helm install bosgc deploy/helm/bosgc --set config.dryRum=true`", "the chart has no value config.dryRum"},
		{"a make target", "`make tests`", "no make target tests"},
		{"with a variable", "`make soak M=2`", "the Makefile knows no M"},
		{"in what is not run", notRun("make tests"), "no make target tests"},
		{"a block that says not what it is", "```\nbosgc plan\n```", `of the language ""`},
		{"of a language of its own", "```shell\nbosgc plan\n```", `of the language "shell"`},
		{"an indented one", "Run\n\n    bosgc plan\n", "only indented"},
		{"without an end", "```sh\nbosgc plan\n", "no end"},
		{"a reason of its own", "<!-- not run: no time -->\n```sh\nx\n```", `"no time" is no reason`},
		{"a reason for nothing", "<!-- not run: takes minutes -->\nText.", "expected a block"},
		{"a reason for a text", "<!-- not run: takes minutes -->\n```text\nx\n```", "no block of commands"},
		{"a file elsewhere", "```yaml ../x\nx\n```", "no file"},
		{"a link to nothing", "[x](nothing.md)", "links to nothing.md"},
		{"a link to no heading", "[x](tour.md#nothing)", "no heading"},
		{"a changed line", console("$ printf 'a\\nb\\nc\\n'", "a", "B", "c"), "shown is\n\ta\n\tB"},
		{"a line too many", console("$ printf 'a\\nb\\n'", "a"), "goes on with\n\tb"},
		{"a line too few", console("$ echo a", "a", "b"), "shown is"},
		{"a changed line after those left out", console("$ printf 'a\\nb\\nc\\n'", "a", "...", "d"), "shown is\n\td"},
		{"and between", console("$ seq 9", "1", "...", "5", "7", "...", "9"), "shown is\n\t5\n\t7"},
		{"a number", console("$ echo '68 to delete'", "67 to delete"), "shown is"},
		{"an age that is more than one older", console("$ echo '9 days ago'", "7 days ago"), "shown is"},
		{"younger", console("$ echo '9 days ago'", "10 days ago"), "shown is"},
		{"another ID", console("$ echo 11111111-2222-4333-8444-555555555555", "11111111-2222-4333-8444-555555555556"), "shown is"},
		{"what fails", "```sh\ntrue\nfalse\ntrue\n```", "false: exit code 1"},
		{"what fails and is compared", console("$ echo a; false", "a"), "false: exit code 1"},
		{"what is not there", "```sh\nbosgc-purge\n```", "exit code 127"},
		{"what is no command", "```sh\nif true\n```", "exit code"},
		{"what ends the shell", "```sh\nexit 0\n```", "the shell ended"},
		{"what nobody has typed", console("bosgc"), "nobody has typed"},
		{"what shows nothing at all", console("$ seq 9", "..."), "nothing of it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := parse("docs/wrong.md", tt.text)
			k.check(p)
			checkLinks(t, p)
			problems := p.problems
			if len(problems) == 0 {
				problems = follow(t, emptyDesk(t), p, p.steps()).problems
			}
			if all := strings.Join(problems, "\n"); !strings.Contains(all, tt.want) {
				t.Errorf("%q; expected %q", all, tt.want)
			}
		})
	}
}

// TestWhatIsRightIsNot checks a page that differs only in what has to differ.
func TestWhatIsRightIsNot(t *testing.T) {
	p := parse("docs/right.md", strings.Join([]string{
		"Run `bosgc plan -o wide`, `bosgc -n services sweep --max-deletes N`, `make soak N=9`, `BOSGC_BOS_ETCD_…`, `config.maxDeletes: 3`.",
		"", "<!-- not run: takes minutes -->", "```sh", "false", "```",
		"", "```text file", "x", "```", "", "1. A list:", "", "   ```console",
		"   $ cat file", "   x",
		"   $ A=1", "   $ echo $A; cd /", "   1", "   $ pwd", "   /",
		"   $ for i in 1 2; do", "   >   echo $i", "   > done", "   1", "   2",
		"   $ echo 20271122t184433z-deec3502 2027-11-22T18:44:33Z, 127.0.0.1:9, 9 days ago, 3 Jan; seq 9",
		"   20261122t184433z-deec3501 2026-11-22T18:44:33.1Z, 127.0.0.1:41245, 8 days ago, 22 Nov 15:04", "   ...", "   4", "   5", "   ...", "   8", "   9",
		"   $ echo 'bosgc: no'; false", "   bosgc: no", "   ```",
	}, "\n"))
	k := knowledge(t)
	k.check(p)
	r := follow(t, emptyDesk(t), p, p.steps())
	if problems := slices.Concat(p.problems, r.problems); len(problems) > 0 {
		t.Error(strings.Join(problems, "\n"))
	}
	if len(r.notRun) != 1 {
		t.Errorf("not run: %q", r.notRun)
	}
}

// emptyDesk returns a desk with nothing on it.
func emptyDesk(t *testing.T) *desk { return &desk{dir: t.TempDir()} }
