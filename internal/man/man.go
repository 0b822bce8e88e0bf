// Package man writes manual pages from commands: what --help says, in the form that man(1) reads.
package man

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bosgc/internal/config"
)

// Page is one manual page.
type Page struct {
	Name string // of its file, such as bosgc-plan.1
	Text string
}

// Pages makes one page for each command that help shows, the program's own first.
func Pages(root *cobra.Command, version string) []Page {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	var all []Page
	var add func(cmd *cobra.Command)
	add = func(cmd *cobra.Command) {
		all = append(all, Page{name(cmd) + ".1", page(cmd, version)})
		for _, sub := range documented(cmd) {
			add(sub)
		}
	}
	add(root)
	return all
}

func documented(cmd *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(cmd.Commands()), func(sub *cobra.Command) bool {
		return !sub.IsAvailableCommand() || sub.Name() == "help"
	})
}

// name is that of a page. kubectl's plugins are found as kubectl-bosgc, too.
func name(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

func page(cmd *cobra.Command, version string) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %q 1 \"\" %q \"bosgc\"\n", strings.ToUpper(name(cmd)), "bosgc "+version)
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", escape(name(cmd)), escape(cmd.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n%s\n", line(synopsis(cmd)))
	text, codes, found := strings.Cut(cmd.Long, "\n\nExit codes:\n")
	b.WriteString(".SH DESCRIPTION\n" + paragraphs(text))
	if found {
		b.WriteString(".SH EXIT STATUS\n" + paragraphs(codes))
	}
	if cmd.Example != "" {
		b.WriteString(".SH EXAMPLES\n" + paragraphs(cmd.Example))
	}
	options(&b, "OPTIONS", cmd.NonInheritedFlags())
	options(&b, "OPTIONS OF ALL COMMANDS", cmd.InheritedFlags())
	if !cmd.HasParent() {
		environment(&b)
	}
	seeAlso(&b, cmd)
	return b.String()
}

func synopsis(cmd *cobra.Command) string {
	if cmd.Runnable() {
		return cmd.UseLine()
	}
	return cmd.CommandPath() + " COMMAND [flags]"
}

func options(b *strings.Builder, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		names := "--" + f.Name
		if f.Shorthand != "" {
			names = "-" + f.Shorthand + ", " + names
		}
		of, usage := pflag.UnquoteUsage(f)
		if of != "" {
			names += " " + of
		}
		if f.Value.Type() == "string" && f.DefValue != "" {
			usage += fmt.Sprintf(" (default %q)", f.DefValue)
		}
		fmt.Fprintf(b, ".TP\n\\fB%s\\fR\n%s\n", escape(names), line(usage))
	})
}

func environment(b *strings.Builder) {
	b.WriteString(".SH ENVIRONMENT\nAn empty variable counts as one that is not set. \"bosgc config\" shows what they are set to.\n")
	for _, name := range config.Names() {
		e, _ := config.Explain(name, nil)
		text := e.Meaning
		if e.Default != "" {
			text += " Default: " + e.Default + "."
		}
		fmt.Fprintf(b, ".TP\n\\fB%s\\fR\n%s\n", escape(name), line(text))
	}
}

func seeAlso(b *strings.Builder, cmd *cobra.Command) {
	var names []string
	if cmd.HasParent() {
		names = append(names, name(cmd.Parent()))
	}
	for _, sub := range documented(cmd) {
		names = append(names, name(sub))
	}
	for i, name := range names {
		names[i] = "\\fB" + escape(name) + "\\fR(1)"
	}
	fmt.Fprintf(b, ".SH SEE ALSO\n%s\n", strings.Join(names, ",\n"))
}

// paragraphs keeps paragraphs apart, and lines that begin with white space as they are: examples and tables.
func paragraphs(text string) string {
	var b strings.Builder
	asIs := false
	for text := range strings.SplitSeq(strings.Trim(text, "\n"), "\n") {
		if indented := strings.HasPrefix(text, " ") || strings.HasPrefix(text, "\t"); indented != asIs && text != "" {
			asIs = indented
			b.WriteString(map[bool]string{true: ".nf\n", false: ".fi\n"}[asIs])
		}
		if text == "" {
			b.WriteString(".PP\n")
			continue
		}
		b.WriteString(line(text) + "\n")
	}
	if asIs {
		b.WriteString(".fi\n")
	}
	return b.String()
}

// line is a line of text, whatever it begins with: a dot or a quote would be a command of roff.
func line(text string) string {
	text = escape(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

// escape has dashes stay dashes that can be copied, and keeps backslashes from being commands.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n", " ").Replace(text)
}
