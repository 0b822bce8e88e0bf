package cli

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"bosgc/internal/report"
	"bosgc/policy"
)

func (a *app) explain() *cobra.Command {
	return &cobra.Command{
		Use:   "explain OBJECT",
		Short: "Say everything known about one object: evidence, verdict, and what would change it",
		Long: `Say everything known about one object: what it is and what belongs to it, the
verdict, every rule that keeps it, when it may go, and what would change that.
Everything is read as by "bosgc plan"; nothing is changed.

OBJECT is session/ID, job/NAME, configmap/NAME or cfs/NAME; an ID alone is a
session. Kinds are also written as in JSON documents: CFSSession/NAME.`,
		Example: `  bosgc explain 5a2f1c1e-3b9d-4c55-9e39-0f6d6c1b7a10
  bosgc explain job/boa-5a2f1c1e-3b9d-4c55-9e39-0f6d6c1b7a10`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, name, err := parseObject(args[0])
			if err != nil {
				return err
			}
			defer a.quitMesh()
			run, err := a.newRun()
			if err != nil {
				return err
			}
			e, err := run.Explain(cmd.Context(), kind, name)
			if err != nil {
				return err
			}
			if err := a.writeResult(e, func() string { return report.Explanation(e) }); err != nil {
				return err
			}
			return exitWith(e.ExitCode)
		},
	}
}

// parseObject reads KIND/NAME, or the ID of a session.
func parseObject(text string) (kind policy.Kind, name string, err error) {
	word, name, found := strings.Cut(text, "/")
	if !found {
		word, name = "session", text
	}
	const expected = "expected session/ID, job/NAME, configmap/NAME or cfs/NAME"
	// The longest name that Kubernetes gives; BOS and CFS know none that is longer.
	if name == "" || len(name) > 253 || strings.ContainsFunc(name, func(r rune) bool { return r == '/' || unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		return "", "", fmt.Errorf("%.300q names no object; %s", text, expected)
	}
	kind, known := parseKind(word)
	if !known {
		return "", "", fmt.Errorf("%.80q is no kind of object that bosgc judges; %s", word, expected)
	}
	return kind, name, nil
}

// parseKind returns the kind that a person means by a word, as kubectl and JSON documents have them.
func parseKind(word string) (policy.Kind, bool) {
	switch strings.ToLower(word) {
	case "session", "sessions":
		return policy.Session, true
	case "job", "jobs", "job.batch", "jobs.batch":
		return policy.Job, true
	case "configmap", "configmaps", "cm":
		return policy.ConfigMap, true
	case "cfs", "cfssession", "cfssessions":
		return policy.CFSSession, true
	}
	return "", false
}
