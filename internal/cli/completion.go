package cli

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"bosgc/internal/config"
	"bosgc/internal/inventory"
	"bosgc/internal/kube"
	"bosgc/internal/kubeconfig"
	"bosgc/internal/sweep"
)

// completionPatience is how long a person waits at the TAB key.
const completionPatience = 2 * time.Second

const completionHelp = `Write what a shell needs to complete commands and flags at the TAB key, and what the
system has: sessions for "bosgc clean" and "bosgc explain", runs for "bosgc restore",
namespaces and contexts. For bash, which needs its package bash-completion:

  source <(bosgc completion bash)

The help of each shell's own command says how to have it in every new shell. As
"kubectl bosgc" it is completed where an executable file kubectl_complete-bosgc is in
the PATH, with this in it:

  #!/bin/sh
  exec kubectl bosgc __complete "$@"`

// completes has the shell complete what only the system knows. It reads and changes nothing, and whatever goes
// wrong is silent: an error would be written into the line that somebody is typing.
func (a *app) completes(root *cobra.Command) {
	root.SetOut(a.stdout) // the command takes its output over when it is made
	root.InitDefaultCompletionCmd()
	values := func(words ...string) cobra.CompletionFunc {
		return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
	}
	for flag, complete := range map[string]cobra.CompletionFunc{
		"output": values(outputs...),
		"context": func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return kubeconfig.ContextNames(a.kubeconfig), cobra.ShellCompDirectiveNoFileComp
		},
		"namespace": a.known(func(ctx context.Context, run *sweep.Run, _ string) []string {
			names, _ := run.Kube().NamespaceNames(ctx)
			return names
		}),
	} {
		_ = root.RegisterFlagCompletionFunc(flag, complete) // it fails for a flag that is not there, which a test would see
	}
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "clean":
			cmd.ValidArgsFunction = a.known(knownSessions)
		case "explain":
			cmd.ValidArgsFunction = atMostOne(a.completeObject)
		case "restore", "journal":
			cmd.ValidArgsFunction = atMostOne(a.known(completeRun))
		case "completion":
			cmd.Short = "Write what a shell needs to complete commands, sessions and runs at the TAB key"
			cmd.Long = completionHelp
		case "apply": // its argument is a file, which is what shells complete by themselves
		default:
			if cmd.ValidArgsFunction == nil {
				cmd.ValidArgsFunction = cobra.NoFileCompletions
			}
		}
	}
}

func atMostOne(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(cmd, args, begun)
	}
}

// known completes from what Kubernetes has, leaving out what stands in the line already.
func (a *app) known(names func(ctx context.Context, run *sweep.Run, begun string) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionPatience)
		defer cancel()
		settings, err := config.Load(a.environment())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		run, err := sweep.New(a.runOptions(), settings, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var found []string
		for _, name := range names(ctx, run, begun) {
			if strings.HasPrefix(name, begun) && !slices.Contains(args, name) && printable(name) {
				found = append(found, name)
			}
		}
		slices.Sort(found)
		return slices.Compact(found), cobra.ShellCompDirectiveNoFileComp
	}
}

// printable keeps out what a shell would take for more than a name.
func printable(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-._/", r)
	})
}

// knownSessions names the sessions that have left something in Kubernetes. BOS itself is not asked: it has few workers,
// and no time for people who are only typing.
func knownSessions(ctx context.Context, run *sweep.Run, _ string) []string {
	var ids []string
	for _, name := range append(jobs(ctx, run.Kube()), configMaps(ctx, run.Kube())...) {
		if id := strings.TrimPrefix(name, "boa-"); inventory.IsSessionID(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func jobs(ctx context.Context, k *kube.Client) []string {
	list, err := k.ListJobs(ctx)
	if err != nil {
		return nil
	}
	var names []string
	for _, job := range list.Jobs {
		names = append(names, job.Name)
	}
	return names
}

func configMaps(ctx context.Context, k *kube.Client) []string {
	list, err := k.ListConfigMaps(ctx)
	if err != nil {
		return nil
	}
	var names []string
	for _, cm := range list.ConfigMaps {
		names = append(names, cm.Name)
	}
	return names
}

// completeObject completes a kind, or the name of an object of a kind; without a kind, a session.
func (a *app) completeObject(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	kinds := []string{"session/", "job/", "configmap/", "cfs/"}
	if !strings.Contains(begun, "/") {
		found := slices.DeleteFunc(kinds, func(kind string) bool { return !strings.HasPrefix(kind, begun) })
		if len(found) > 0 && begun != "" {
			return found, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
		}
		ids, how := a.known(knownSessions)(cmd, args, begun)
		return append(found, ids...), how | map[bool]cobra.ShellCompDirective{true: cobra.ShellCompDirectiveNoSpace}[len(found) > 0]
	}
	return a.known(func(ctx context.Context, run *sweep.Run, begun string) []string {
		word, _, _ := strings.Cut(begun, "/")
		var names []string
		switch strings.ToLower(word) {
		case "session":
			names = knownSessions(ctx, run, begun)
		case "job":
			names = jobs(ctx, run.Kube())
		case "configmap":
			names = configMaps(ctx, run.Kube())
		}
		for i := range names {
			names[i] = word + "/" + names[i]
		}
		return names
	})(cmd, args, begun)
}

// completeRun gives the runs of the journal that a restore without flags would find.
func completeRun(ctx context.Context, run *sweep.Run, _ string) []string {
	all, err := run.Journals(ctx)
	if err != nil {
		return nil
	}
	var names []string
	for _, r := range all {
		names = append(names, r.Run)
	}
	return names
}
