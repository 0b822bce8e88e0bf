package chart

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write the table of values in the chart's README")

// value is one value of the chart as values.yaml has it.
type value struct{ key, set, comment string }

// valuesDocument returns values.yaml with its comments.
func valuesDocument(t *testing.T) (document yaml.Node) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(Dir(), "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	return document
}

// values parses values.yaml: each value with the comment above it. A mapping with a comment and with
// commented keys below is a chapter, returned as a value without a setting. If only the mapping has a
// comment and none of its keys does, the mapping is the value.
func values(t *testing.T) []value {
	t.Helper()
	document := valuesDocument(t)
	var all []value
	var walk func(prefix string, n *yaml.Node)
	walk = func(prefix string, n *yaml.Node) {
		for i := 0; i < len(n.Content); i += 2 {
			key, v := n.Content[i], n.Content[i+1]
			comment := strings.ReplaceAll(strings.TrimPrefix(strings.ReplaceAll(key.HeadComment, "\n# ", "\n"), "# "), "\n", " ")
			name := prefix + key.Value
			explained := func(n *yaml.Node) bool { return n.HeadComment != "" }
			if v.Kind == yaml.MappingNode && len(v.Content) > 0 && (comment == "" || slices.ContainsFunc(v.Content, explained)) {
				if comment != "" {
					all = append(all, value{key: name, comment: comment})
				}
				walk(name+".", v)
				continue
			}
			if comment == "" {
				t.Errorf("%s has no comment", name)
			}
			set := v.Value
			if v.Kind != yaml.ScalarNode {
				v.Style = yaml.FlowStyle
				flow, err := yaml.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				set = strings.TrimSpace(string(flow))
			}
			all = append(all, value{name, set, comment})
		}
	}
	walk("", document.Content[0])
	return all
}

const marker = "<!-- The table below is made from values.yaml by \"make docs-chart\". -->\n"

func TestREADME(t *testing.T) {
	file := filepath.Join(Dir(), "README.md")
	now, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, _, ok := strings.Cut(string(now), marker)
	if !ok {
		t.Fatalf("%s has no line %s", file, marker)
	}
	var b strings.Builder
	b.WriteString(head + marker + "\n| value | set to | meaning |\n|---|---|---|\n")
	for _, v := range values(t) {
		set := ""
		if v.set != "" {
			set = "`" + v.set + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", v.key, set, strings.ReplaceAll(v.comment, "|", `\|`))
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if b.String() != string(now) {
		t.Error("the table of values in the chart's README is not that of values.yaml; run: make docs-chart")
	}
}
