package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"bosgc/gc"
	"bosgc/internal/man"
	"bosgc/internal/sweep"
)

const plugin = "kubectl-bosgc"

// asPlugin has help say how it was called, where kubectl called it. In a shell's completion it is still known by the
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
			for _, page := range man.Pages(cmd.Root(), Version) {
				//nolint:gosec // everybody may read a manual
				if err := os.WriteFile(filepath.Join(args[0], page.Name), []byte(page.Text), 0o644); err != nil {
					return &sweep.Error{Code: gc.ExitFailed, Err: fmt.Errorf("write a page: %w", err)}
				}
			}
			return nil
		},
	}
}
