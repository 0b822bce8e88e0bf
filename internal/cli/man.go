package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"

	"bosgc/gc"
	"bosgc/internal/config"
	"bosgc/internal/sweep"
)

const plugin = "kubectl-bosgc"

// asPlugin makes help say "kubectl bosgc" if kubectl has called the program. A shell's completion still knows it by the
// name of its file.
func (a *app) asPlugin(root *cobra.Command) {
	if strings.TrimSuffix(filepath.Base(a.program), ".exe") != plugin {
		return
	}
	root.Use = plugin
	root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl bosgc"}
	called := strings.NewReplacer(`"bosgc `, `"kubectl bosgc `, "  bosgc ", "  kubectl bosgc ")
	for _, cmd := range append(root.Commands(), root) {
		cmd.Long, cmd.Example = called.Replace(cmd.Long), called.Replace(cmd.Example)
	}
}

func (a *app) man() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages of all commands",
		Long: `Write the manual pages of all commands into a folder, which is made if it is not
there. "man -l DIR/bosgc.1" shows one; in a folder such as /usr/local/share/man/man1
they are found by name: "man bosgc-plan".`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: atMostOne(func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		}),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // everybody may read a manual
				return &sweep.Error{Code: gc.ExitFailed, Err: fmt.Errorf("make the folder for the pages: %w", err)}
			}
			prepareManual(cmd.Root())
			header := doc.GenManHeader{Section: "1", Source: "bosgc " + Version, Manual: "bosgc"}
			if err := doc.GenManTree(cmd.Root(), &header, args[0]); err != nil {
				return &sweep.Error{Code: gc.ExitFailed, Err: fmt.Errorf("write the pages: %w", err)}
			}
			return nil
		},
	}
}

// prepareManual makes the texts of all commands what cobra's generator of manual pages takes them for, which is
// Markdown, and adds sections that cobra does not know. The commands do not run after it.
func prepareManual(root *cobra.Command) {
	root.DisableAutoGenTag = true // it holds the day, and a release is the same bytes on any
	root.Use += " COMMAND"
	description, exitCodes, _ := strings.Cut(root.Long, "\n\nExit codes:\n")
	root.Long = description
	var prepare func(cmd *cobra.Command)
	prepare = func(cmd *cobra.Command) {
		cmd.Long = markdown(cmd.Long)
		for _, flags := range []*pflag.FlagSet{cmd.LocalNonPersistentFlags(), cmd.PersistentFlags()} {
			flags.VisitAll(func(f *pflag.Flag) { f.Usage = markdownEscapes.Replace(f.Usage) })
		}
		for _, sub := range cmd.Commands() {
			prepare(sub)
		}
	}
	prepare(root)
	root.Long += "\n# EXIT STATUS\n" + markdown(exitCodes) + "\n# ENVIRONMENT\n" +
		"An empty variable counts as one that is not set. \"bosgc config\" shows what they are set to.\n"
	for _, name := range config.Names() {
		e, _ := config.Explain(name, nil)
		meaning := e.Meaning
		if e.Default != "" {
			meaning += " Default: " + e.Default + "."
		}
		root.Long += fmt.Sprintf("\n**%s**\n: %s\n", name, markdown(meaning))
	}
}

// markdownEscapes leaves backquotes alone: flags have them around the name of their value.
var markdownEscapes = strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "[", `\[`, "<", `\<`)

// markdown returns a help text as Markdown. Lines that are indented are commands and tables, and stay as they are.
func markdown(text string) string {
	var b strings.Builder
	verbatim := false
	for line := range strings.Lines(text) {
		indented := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
		if indented && !verbatim {
			b.WriteByte('\n') // without a blank line before them they would belong to the paragraph
		}
		verbatim = indented
		if indented {
			b.WriteString("    " + line)
		} else {
			b.WriteString(markdownEscapes.Replace(line))
		}
	}
	return b.String()
}
