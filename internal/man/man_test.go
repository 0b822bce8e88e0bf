package man

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func program() *cobra.Command {
	root := &cobra.Command{Use: "boxes", Short: "Keeps boxes", Long: "It keeps them.\n\nExit codes:\n  0  kept\n  1  lost"}
	root.PersistentFlags().StringP("output", "o", "table", "what is written")
	open := &cobra.Command{
		Use: "open BOX", Short: "Open a box - gently", Long: ".dots and\n'quotes' begin lines, and C:\\boxes has a backslash.\n\n  as it\n    is\n\nThe end.",
		Example: "  boxes open 1", Run: func(*cobra.Command, []string) {},
	}
	open.Flags().Bool("force", false, "open it with a `TOOL`")
	hidden := &cobra.Command{Use: "secret", Hidden: true, Run: func(*cobra.Command, []string) {}}
	root.AddCommand(open, hidden)
	return root
}

func TestPages(t *testing.T) {
	texts := map[string]string{}
	for _, p := range Pages(program(), "v1") {
		texts[p.Name] = p.Text
	}
	for name, wanted := range map[string][]string{
		"boxes.1":                 {".TH \"BOXES\" 1 \"\" \"bosgc v1\"", ".SH EXIT STATUS\n.nf\n  0  kept\n  1  lost\n.fi\n", "BOSGC_SESSION_TTL", "boxes\\-open\\fR(1)"},
		"boxes-open.1":            {"\\&.dots and\n\\&'quotes' begin", "C:\\eboxes", ".nf\n  as it\n    is\n.PP\n.fi\nThe end.", ".SH EXAMPLES", "\\-\\-force TOOL", "\\-o, \\-\\-output string", "boxes\\fR(1)", "open a box"},
		"boxes-completion-bash.1": {".SH NAME"},
	} {
		for _, want := range wanted {
			if !strings.Contains(strings.ToLower(texts[name]), strings.ToLower(want)) {
				t.Errorf("%s: %q is not in:\n%s", name, want, texts[name])
			}
		}
	}
	if _, there := texts["boxes-secret.1"]; there {
		t.Error("a hidden command has a page")
	}
}

func TestRoffFindsNothingWrong(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("groff is not here")
		}
		t.Skip("NOT RUN: the pages were not set, because groff (Debian: groff-base) is not here")
	}
	for _, p := range Pages(program(), "v1") {
		cmd := exec.CommandContext(t.Context(), groff, "-man", "-Tascii", "-ww", "-z")
		cmd.Stdin = strings.NewReader(p.Text)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", p.Name, err, out)
		}
	}
}
