package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"

	"bosgc/gc"
)

func writeManual(t *testing.T) (folder string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "new", "man1")
	if code, stdout, stderr := run(nil, "man", folder); code != gc.ExitDone || stdout+stderr != "" {
		t.Fatalf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	return folder
}

func readPage(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func allCommands(root *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{root}
	for _, cmd := range root.Commands() {
		all = append(all, allCommands(cmd)...)
	}
	return all
}

func TestEveryCommandHasAManualPage(t *testing.T) {
	folder := writeManual(t)
	commands := allCommands((&app{}).root())
	if len(commands) < 12 {
		t.Errorf("only %d commands", len(commands))
	}
	valueName := regexp.MustCompile("`([^`]*)`")
	for _, cmd := range commands {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
		page := readPage(t, filepath.Join(folder, name+".1"))
		wanted := []string{
			".SH NAME\n" + name + " - " + cmd.Short + "\n",
			".SH SYNOPSIS\n", ".SH DESCRIPTION\n", ".SH SEE ALSO\n", "namespace",
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) { // a character that means something in Markdown would change its text
			wanted = append(wanted, "\t"+valueName.ReplaceAllString(f.Usage, `\fB$1\fR`)+"\n")
		})
		for _, want := range wanted {
			if !strings.Contains(page, want) {
				t.Errorf("%s: %q is not in:\n%s", name, want, page)
			}
		}
	}
	if code, _, stderr := run(nil, "man", os.DevNull); code != gc.ExitFailed || !strings.Contains(stderr, "folder") {
		t.Errorf("into no folder: exit code %d, stderr %q", code, stderr)
	}
}

func TestManualHasWhatHelpSays(t *testing.T) {
	folder := writeManual(t)
	for name, wanted := range map[string][]string{
		"bosgc.1": {
			".SH SYNOPSIS\n\\fBbosgc COMMAND [flags]\\fP\n",
			".SH EXIT STATUS\n.EX\n  0  done (also when work is left for the next sweep by BOSGC_MAX_DELETES)\n" +
				"  1  the run failed",
			".SH ENVIRONMENT\n", ".TP\n\\fBBOSGC_SESSION_TTL\\fP\nA finished session", "Default: 7d.",
			"bosgc-completion(1)",
		},
		"bosgc-exporter.1":   {"ConfigMap <BOSGC_STATE_NAME>-state."},
		"bosgc-explain.1":    {".SH EXAMPLE\n.EX\n  bosgc explain 5a2f1c1e-", "bosgc(1)"},
		"bosgc-completion.1": {".EX\n  #!/bin/sh\n  exec kubectl bosgc __complete \"$@\"\n.EE\n"},
	} {
		page := readPage(t, filepath.Join(folder, name))
		for _, want := range wanted {
			if !strings.Contains(page, want) {
				t.Errorf("%s: %q is not in:\n%s", name, want, page)
			}
		}
	}
}

func TestManualIsTheSameOnAnyDay(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	page := readPage(t, filepath.Join(writeManual(t), "bosgc.1"))
	if !strings.Contains(page, `.TH "BOSGC" "1" "Nov 2023" "bosgc dev" "bosgc"`) || strings.Contains(page, "HISTORY") {
		t.Errorf("the page depends on the day:\n%s", page)
	}
}

func TestMarkdownKeepsText(t *testing.T) {
	const text = ".dots, *stars*, _lines_, [links](x), <b>, a\\b, golden-*\n  as it *is*\n    deeper\nthe end"
	root := &cobra.Command{Use: "boxes", Short: "Keeps boxes", Long: text + "\n\nExit codes:\n  0  kept"}
	root.AddCommand(&cobra.Command{Use: "secret", Hidden: true, Run: func(*cobra.Command, []string) {}})
	folder := t.TempDir()
	prepareManual(root)
	if err := doc.GenManTree(root, nil, folder); err != nil {
		t.Fatal(err)
	}
	const want = ".SH DESCRIPTION\n\\&.dots, *stars*, _lines_, [links](x), <b>, a\\\\b, golden-*\n\n" +
		".EX\n  as it *is*\n    deeper\n.EE\n\n.PP\nthe end\n"
	if page := readPage(t, filepath.Join(folder, "boxes.1")); !strings.Contains(page, want) {
		t.Errorf("%q is not in:\n%s", want, page)
	}
	if _, err := os.Stat(filepath.Join(folder, "boxes-secret.1")); err == nil {
		t.Error("a hidden command has a page")
	}
}

func TestGroffFindsNothingWrong(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("groff is not here")
		}
		t.Skip("NOT RUN: the pages were not set, because groff (Debian: groff-base) is not here")
	}
	pages, err := filepath.Glob(filepath.Join(writeManual(t), "*.1"))
	if err != nil || len(pages) < 12 {
		t.Fatalf("%d pages, error %v", len(pages), err)
	}
	for _, page := range pages {
		out, err := exec.CommandContext(t.Context(), groff, "-man", "-Tascii", "-ww", "-z", page).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", page, err, out)
		}
	}
}
