package docs

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"bosgc/internal/cli"
	"bosgc/internal/config"
)

// known is what commands can name.
type known struct {
	help     map[string]string // of each command of bosgc; "" is bosgc itself
	settings []string
	values   map[string]any // of the chart
	makefile string
}

// ownVariables begin like settings but are none: builds and tests use them.
var ownVariables = []string{"BOSGC_BREAK"}

func knowledge(t testing.TB) known {
	t.Helper()
	k := known{help: map[string]string{"": help("")}}
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z]+) +[A-Z]`).FindAllStringSubmatch(k.help[""], -1) {
		k.help[m[1]] = help(m[1])
	}
	if len(k.help) < 10 {
		t.Fatalf("the help of bosgc names only %d commands:\n%s", len(k.help), k.help[""])
	}
	c, err := config.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range c.Settings(nil) {
		k.settings = append(k.settings, s.Name)
	}
	text, err := os.ReadFile(filepath.Join(root(t), "deploy", "helm", "bosgc", "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &k.values); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"Makefile", "test/controlplane/build.sh"} {
		text, err := os.ReadFile(filepath.Join(root(t), filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		k.makefile += string(text)
	}
	return k
}

func help(command string) string {
	var out bytes.Buffer
	args := append(strings.Fields(command), "--help")
	cli.Run(context.Background(), args, nil, &out, &out)
	return out.String()
}

var (
	continued = regexp.MustCompile(`\\\n\s*`)
	// ends separates simple commands, also from one that runs in a Pod, after " -- ".
	ends   = regexp.MustCompile(`\n|;|&&?|\|\|?|\$\(|[()]| -- `)
	prefix = regexp.MustCompile(`^(env|sudo|time|exec|then|do|if|until|while|!|\$|[A-Za-z_]+=\S*)$`)
)

// simple returns the simple commands of a text, as words. Quoted text that looks like the end of a
// command cuts it short: that loses words, but adds none.
func simple(text string) [][]string {
	text = continued.ReplaceAllString(text, " ")
	var all [][]string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, " # ")
		for _, one := range ends.Split(line, -1) {
			words := strings.Fields(one)
			for len(words) > 0 && prefix.MatchString(words[0]) {
				words = words[1:]
			}
			if len(words) > 1 && words[0] == "kubectl" && words[1] == "bosgc" {
				words = words[1:]
			}
			if len(words) > 0 {
				all = append(all, words)
			}
		}
	}
	return all
}

// checkCommands fails for names in commands that do not exist.
func (k *known) checkCommands(p *page, line int, text string) {
	for _, words := range simple(text) {
		switch filepath.Base(words[0]) {
		case "bosgc":
			k.checkProgram(p, line, words[1:])
		case "make":
			k.checkMake(p, line, words[1:])
		case "helm":
			k.checkHelm(p, line, words[1:])
		}
	}
}

var option = regexp.MustCompile(`^(--[a-z][a-z-]*|-[a-z])\b`)

func (k *known) checkProgram(p *page, line int, words []string) {
	command, found := "", false
	for i, word := range words {
		if found = regexp.MustCompile(`^[a-z]+$`).MatchString(word) && (i == 0 || !option.MatchString(words[i-1])); found {
			command = word
			break
		}
	}
	text, is := k.help[command]
	if !is {
		p.complain(line, "bosgc has no command %q", command)
		return
	}
	for _, word := range words {
		name := option.FindString(word)
		if name != "" && !regexp.MustCompile(`(?m)^ +(-\w, )?`+regexp.QuoteMeta(name)+`\b`).MatchString(text) {
			p.complain(line, "%s has no flag %s", strings.TrimSpace("bosgc "+command), name)
		}
	}
}

func (k *known) checkMake(p *page, line int, words []string) {
	for _, word := range words {
		name, _, variable := strings.Cut(word, "=")
		switch {
		case variable:
			if !regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `\b`).MatchString(k.makefile) {
				p.complain(line, "the Makefile knows no %s", name)
			}
		case regexp.MustCompile(`^[a-z][a-z0-9./-]*$`).MatchString(name):
			// bin/helm and the like share one rule.
			if !regexp.MustCompile(`(?m)^([a-z0-9./ -]+ )?` + regexp.QuoteMeta(name) + `( [a-z0-9./ -]+)?:`).MatchString(k.makefile) {
				p.complain(line, "there is no make target %s", name)
			}
		}
	}
}

func (k *known) checkHelm(p *page, line int, words []string) {
	for i, word := range words {
		if word != "--set" && word != "--set-string" || i+1 == len(words) {
			continue
		}
		for _, setting := range strings.Split(strings.Trim(words[i+1], `'"`), ",") {
			path, _, _ := strings.Cut(setting, "=")
			if !k.value(path) {
				p.complain(line, "the chart has no value %s", path)
			}
		}
	}
}

// value reports whether the chart has a value of this path.
func (k *known) value(path string) bool {
	var at any = k.values
	for _, name := range strings.Split(path, ".") {
		folder, is := at.(map[string]any)
		if !is || len(folder) == 0 && at != nil {
			return is // a map that users fill
		}
		if at, is = folder[name]; !is {
			return false
		}
	}
	return true
}

var variable = regexp.MustCompile(`\bBOSGC_[A-Z0-9_]*`)

func (k *known) checkSettings(p *page, line int, text string) {
	for _, name := range variable.FindAllString(text, -1) {
		is := slices.Contains(k.settings, name) || slices.Contains(ownVariables, name) ||
			strings.HasSuffix(name, "_") && slices.ContainsFunc(k.settings, func(s string) bool { return strings.HasPrefix(s, name) })
		if !is {
			p.complain(line, "there is no setting %s", name)
		}
	}
}

var chartValue = regexp.MustCompile(`^(image|cronjob|deployment|service|exporter|monitoring|config|clientSecret|bosEtcd|cancel|istio|networkPolicy|serviceAccount|resources)\.([A-Za-z.]+[A-Za-z])(:.*)?$`)

// check fails for everything on the page that does not exist.
func (k *known) check(p *page) {
	for _, s := range p.spans {
		k.checkCommands(p, s.line, s.text)
		k.checkSettings(p, s.line, s.text)
		if m := chartValue.FindStringSubmatch(s.text); m != nil && !k.value(m[1]+"."+m[2]) {
			p.complain(s.line, "the chart has no value %s.%s", m[1], m[2])
		}
	}
	for _, s := range p.steps() {
		k.checkCommands(p, s.line, s.typed)
		if s.notRun != "" || s.file != "" { // typing it shows that
			k.checkSettings(p, s.line, s.typed)
		}
	}
}

// link is a link to a file of the project.
var link = regexp.MustCompile(`\]\(([^)#: ]*)(#[^) ]+)?\)`)

// checkLinks fails for links whose target does not exist.
func checkLinks(t testing.TB, p *page) {
	t.Helper()
	for i, line := range p.lines {
		for _, m := range link.FindAllStringSubmatch(line, -1) {
			file := filepath.Join(root(t), filepath.Dir(p.name), filepath.FromSlash(m[1]))
			if m[1] == "" {
				file = filepath.Join(root(t), p.name)
			}
			if strings.HasPrefix(filepath.Base(file), "performance") {
				continue // the benchmark writes it
			}
			text, err := os.ReadFile(file)
			if info, statErr := os.Stat(file); statErr == nil && info.IsDir() {
				err = nil
			}
			if err != nil {
				p.complain(i+1, "links to %s, which is not there", m[1])
				continue
			}
			if m[2] != "" && strings.HasSuffix(file, ".md") && !slices.Contains(anchors(string(text)), m[2]) {
				p.complain(i+1, "links to %s%s, which is no heading", m[1], m[2])
			}
		}
	}
}

// anchors returns the anchors of the headings of a page, as GitHub makes them.
func anchors(text string) []string {
	var all []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, "#"+strings.ReplaceAll(name, " ", "-"))
	}
	return all
}
