// Package cli has one file for each command: flags in, exit code out, no logic.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bosgc/gc"
	"bosgc/internal/config"
	"bosgc/internal/progress"
	"bosgc/internal/report"
	"bosgc/internal/sweep"
)

const help = `bosgc removes what finished boot sessions of BOS v1 leave behind on an HPE Cray
CSM system: Kubernetes Jobs and ConfigMaps, sessions in BOS, and CFS sessions. It
never touches what still runs, and keeps whatever it cannot judge.

"bosgc plan" shows what would go and why. "bosgc sweep" does it. "bosgc plan --save
FILE" and "bosgc apply FILE" do the same with a person in between. Everything is
tuned by environment variables: "bosgc config" lists them.

Exit codes:
  0  done (also when work is left for the next sweep by BOSGC_MAX_DELETES)
  1  the run failed as a whole, or was stopped before its end
  2  bad configuration or usage; nothing was contacted
  3  finished, but some objects failed
  4  too many objects look orphaned; none of those was deleted
  5  another run holds the lock
  6  a source could not be read completely; what depends on it was left alone`

// app is what commands share: where they read from and write to.
type app struct {
	environ []string
	stdin   io.Reader // nil: that of the process
	stdout  io.Writer
	stderr  io.Writer
	now     func() time.Time

	output      string
	quiet       bool // --quiet
	view        view
	kubeconfig  string
	context     string
	namespace   string // --namespace, which stands for BOSGC_NAMESPACE
	ownSettings bool   // --own-settings
	program     string // what it was called as
}

// Run runs one command and gives its exit code.
func Run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	return runAt(ctx, time.Now, args, environ, stdout, stderr)
}

// RunAs is Run for a binary that may have been linked as kubectl-bosgc: help then says "kubectl bosgc", which is how
// kubectl calls it.
func RunAs(ctx context.Context, program string, args, environ []string, stdout, stderr io.Writer) int {
	return (&app{program: program, environ: environ, stdout: stdout, stderr: stderr, now: time.Now}).run(ctx, args)
}

func runAt(ctx context.Context, now func() time.Time, args, environ []string, stdout, stderr io.Writer) int {
	return (&app{environ: environ, stdout: stdout, stderr: stderr, now: now}).run(ctx, args)
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	// The first signal ends the run cleanly; with the handler gone, a second one ends it at once.
	ctx, end := untilSignal(ctx, a.sayInterrupted)
	defer end()

	err := root.ExecuteContext(ctx)
	var exit *sweep.Error
	switch {
	case err == nil:
		return gc.ExitDone
	case errors.As(err, &exit):
	default: // cobra's own errors are about flags and arguments
		exit = &sweep.Error{Code: gc.ExitUsage, Err: fmt.Errorf("%w\nRun \"%s --help\" for what there is", err, root.DisplayName())}
	}
	if exit.Err != nil {
		a.complain(exit)
	}
	return exit.Code
}

// failure is the document of a command that came to no result.
type failure struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"` // Error
	ExitCode   int             `json:"exitCode"`
	Error      string          `json:"error"`
	Problems   config.Problems `json:"problems,omitempty"` // with the settings
}

// complain says on stderr what went wrong, and on stdout if a program is listening there: it
// has been promised one document, whatever happens.
func (a *app) complain(exit *sweep.Error) {
	// Line by line: an error may hold what a server has said, and that must not reach a terminal as
	// anything but text.
	for line := range strings.Lines("bosgc: " + exit.Error()) {
		fmt.Fprintln(a.stderr, report.Clean(strings.TrimSuffix(line, "\n")))
	}
	if !a.wantsDocument() {
		return
	}
	f := failure{APIVersion: gc.APIVersion, Kind: "Error", ExitCode: exit.Code, Error: exit.Err.Error()}
	_ = errors.As(exit.Err, &f.Problems)
	_ = a.writeDocument(f) // there is nowhere left to complain about it
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "bosgc",
		Short:         "A garbage collector for what BOS v1 leaves behind",
		Long:          help,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if a.namespace == "" && cmd.Flags().Changed("namespace") {
				return errors.New("--namespace is empty; expected the namespace of BOA's Jobs, or no --namespace")
			}
			a.environ = a.environment()
			if err := a.checkOutput(cmd); err != nil {
				return err
			}
			a.showProgress()
			return nil
		},
	}
	flags := root.PersistentFlags()
	flags.StringVarP(&a.output, "output", "o", "table", "what results are written as: table, wide (a table with more columns), json, yaml or name (one kind/name a line)")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "print no progress and no hints, and of a plan or report only the counts and what went wrong")
	flags.StringVar(&a.kubeconfig, "kubeconfig", "", "file that says how to reach Kubernetes (default: $KUBECONFIG, or the Pod's service account)")
	flags.StringVar(&a.context, "context", "", "context of the kubeconfig to use")
	flags.StringVarP(&a.namespace, "namespace", "n", "", "namespace of BOA's Jobs and ConfigMaps, instead of BOSGC_NAMESPACE")
	flags.BoolVar(&a.ownSettings, "own-settings", false, "judge by the settings of this environment, not by those of the scheduled sweeps")
	root.AddCommand(a.plan(), a.apply(), a.explain(), a.sweep(), a.serve(), a.exporter(), a.clean(), a.restore(), a.journal(), a.guard(), a.doctor(), a.config(), a.version(), a.man())
	a.completes(root)
	a.asPlugin(root)
	return root
}

// load reads the settings; a bad one ends the command before anything is contacted.
func (a *app) load() (config.Config, *slog.Logger, error) {
	settings, err := a.settings()
	if err != nil {
		return settings, nil, &sweep.Error{Code: gc.ExitUsage, Err: err}
	}
	log := a.logger(settings)
	for _, name := range settings.PlainCredentials() {
		log.Warn("a credential is sent without encryption, and whoever sees the traffic can take it; expected https://", "setting", name)
	}
	return settings, log, nil
}

// newRun begins a run with the settings from the environment.
func (a *app) newRun() (*sweep.Run, error) {
	settings, log, err := a.load()
	if err != nil {
		return nil, err
	}
	return sweep.New(a.runOptions(), settings, log)
}

func (a *app) runOptions() sweep.Options {
	return sweep.Options{
		Version: Version, Commit: Commit, Kubeconfig: a.kubeconfig, Context: a.context, Now: a.now, Watch: a.watch(),
		Environ: a.environ, OwnSettings: a.ownSettings, Say: a.say,
		Timings: a.view.timings, AskEverySession: a.view.html != "" || a.view.filter.ByTemplate(),
	}
}

// say tells a person one line on stderr that nothing depends on.
func (a *app) say(text string) {
	if !a.quiet {
		fmt.Fprintln(a.stderr, report.Clean(text))
	}
}

// quitMesh asks the Pod's mesh proxy to end. It looks into the environment by itself, because it is also wanted when
// the settings could not be read.
func (a *app) quitMesh() {
	settings, _ := config.Load(nil)
	sweep.QuitMesh(a.variable("BOSGC_MESH_QUIT_URL"), a.logger(settings))
}

// showProgress has a line of progress shown, unless stderr is no terminal that can rewrite a line, or a program reads
// the result.
func (a *app) showProgress() {
	if f, ok := a.stderr.(*os.File); ok && !a.structured() && !a.quiet && isTerminal(f) && a.variable("TERM") != "dumb" {
		a.stderr = progress.NewTerminal(f)
	}
}

// watch returns what is told of progress; nil where nobody watches, so that the log is told.
func (a *app) watch() func(progress.Update) {
	if t, ok := a.stderr.(*progress.Terminal); ok {
		return t.Show
	}
	return nil
}

func (a *app) logger(settings config.Config) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(settings.LogLevel)) // config has checked it
	if isTerminal(a.stderr) && a.variable("BOSGC_LOG_LEVEL") == "" {
		level = slog.LevelWarn
	}
	options := &slog.HandlerOptions{Level: level}
	if settings.LogFormat == "text" || settings.LogFormat == "" && isTerminal(a.stderr) {
		return slog.New(slog.NewTextHandler(a.stderr, options))
	}
	return slog.New(slog.NewJSONHandler(report.JSONLines{To: a.stderr}, options))
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if t, is := w.(*progress.Terminal); is {
		f, ok = t.File(), true
	}
	return ok && term.IsTerminal(int(f.Fd()))
}

// colour follows the habit of no-color.org.
func (a *app) colour() bool {
	return a.variable("NO_COLOR") == "" && a.variable("TERM") != "dumb" && isTerminal(a.stdout)
}

func (a *app) variable(name string) string {
	for _, line := range a.environ {
		if value, is := strings.CutPrefix(line, name+"="); is {
			return value
		}
	}
	return ""
}

// written makes an error of writing to stdout one of the run, and not of usage.
func written(err error) error {
	if err == nil {
		return nil
	}
	return &sweep.Error{Code: gc.ExitFailed, Err: fmt.Errorf("write the result: %w", err)}
}

// show writes a plan or report to stdout: exactly one document, or a table; and the page, if one is wanted. That
// it cannot be written keeps nobody from seeing the result.
func (a *app) show(d gc.Document) error {
	d.Timings = a.view.timings.Phases()
	page := a.view.page(d)
	if err := cmp.Or(a.writeObjects(d), page); err != nil {
		return err
	}
	return exitWith(d.ExitCode)
}

// exitWith ends a command with an exit code where everything has been said already.
func exitWith(code int) error {
	if code == gc.ExitDone {
		return nil
	}
	return &sweep.Error{Code: code}
}
