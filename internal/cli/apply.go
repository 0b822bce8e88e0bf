package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"bosgc/gc"
	"bosgc/internal/config"
	"bosgc/internal/report"
)

func (a *app) apply() *cobra.Command {
	maxDeletes := 0
	cmd := &cobra.Command{
		Use:   "apply FILE",
		Short: "Carry out a plan that was saved: those objects and no others",
		Long: `Carry out a plan that "bosgc plan --save FILE" has written: those objects and no
others. Everything is read again and each object judged again. One that has changed,
or that the rules and settings of now would keep, is skipped and says why.

A plan is refused as a whole, with exit code 2 and before anything is contacted, if
it has expired, is for another cluster or namespace, or was changed by hand. With
BOSGC_DRY_RUN=true it is shown what would be done.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("max-deletes") && maxDeletes < 1 {
				return fmt.Errorf("--max-deletes is %d; expected at least 1", maxDeletes)
			}
			defer a.quitMesh()
			settings, log, err := a.load()
			if err != nil {
				return err
			}
			if maxDeletes > 0 {
				settings.MaxDeletes = maxDeletes
			}
			r := a.begin(settings, log)
			if r.saved, err = readSaved(args[0]); err != nil {
				return &exitError{gc.ExitUsage, fmt.Errorf("%s: %w", args[0], err)}
			}
			d, err := a.applySaved(cmd.Context(), r, args[0])
			if err != nil {
				return err
			}
			return a.show(d)
		},
	}
	cmd.Flags().IntVar(&maxDeletes, "max-deletes", 0, "objects to delete at most in this run (default: BOSGC_MAX_DELETES)")
	a.viewed(cmd)
	return cmd
}

func (a *app) applySaved(ctx context.Context, r *oneRun, file string) (gc.Document, error) {
	to, err := a.connect(r.settings, r.metrics, r.log)
	if err == nil {
		if why := r.saved.Fits(to.cluster, r.settings.Namespace, r.begun); why != nil {
			err = fmt.Errorf("%s cannot be applied: %w", file, why)
		}
	}
	if err != nil {
		return gc.Document{}, &exitError{gc.ExitUsage, err}
	}
	for _, c := range r.saved.Differ(judging(r.settings)) {
		r.log.Warn("a setting differs from the one that the plan was made with; what goes has to go by both", "setting", c.Name, "then", c.Then, "now", c.Now)
	}
	r.reported = !r.settings.DryRun
	d, err := a.connected(ctx, r, to)
	if err == nil && !r.settings.DryRun {
		// Only the totals of all runs. It is no sweep: it must not hide that those have stopped, it says nothing of
		// what a sweep would leave, and no orphan is confirmed by applying a plan twice.
		r.count(ctx, to, d)
	}
	r.unlock(ctx)
	return d, err
}

// judging gives the settings that decide about objects, by their names and as a person writes them.
func judging(c config.Config) map[string]string {
	return map[string]string{
		"BOSGC_SESSION_TTL":        c.SessionTTL.String(),
		"BOSGC_FAILED_TTL":         c.FailedTTL.String(),
		"BOSGC_ABANDONED_TTL":      c.AbandonedTTL.String(),
		"BOSGC_KEEP_LAST":          strconv.Itoa(c.KeepLast),
		"BOSGC_KEEP_TEMPLATES":     strings.Join(c.KeepTemplates, ","),
		"BOSGC_ORPHAN_GRACE":       c.OrphanGrace.String(),
		"BOSGC_ORPHAN_SIGHTINGS":   strconv.Itoa(c.OrphanSightings),
		"BOSGC_MAX_ORPHAN_PERCENT": strconv.Itoa(c.MaxOrphanPercent),
		"BOSGC_CFS":                string(c.CFS),
		"BOSGC_CFS_TTL":            c.CFSTTL.String(),
		"BOSGC_CFS_LINK":           string(c.CFSLink),
	}
}

// readSaved reads no more of a file than a plan can have.
func readSaved(file string) (*gc.Saved, error) {
	const expected = "; expected a plan, as made with: bosgc plan --save FILE"
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("%w%s", cause(err), expected)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, gc.MaxSaved+1))
	if err != nil {
		return nil, fmt.Errorf("%w%s", cause(err), expected)
	}
	return gc.ReadSaved(text)
}

// cause takes the name of the file out of an error, where it has been said.
func cause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// save writes a plan for apply.
func (a *app) save(file string, d gc.Document, settings config.Config) error {
	text, err := d.Save(judging(settings))
	if err == nil {
		err = writeWhole(file, text)
	}
	if err != nil {
		return &exitError{gc.ExitFailed, fmt.Errorf("the plan was not saved to %s: %w", file, cause(err))}
	}
	fmt.Fprintf(a.stderr, "Saved to %s; until %s: bosgc apply %s\n", report.Clean(file), d.ExpiresAt.Format("2006-01-02 15:04 UTC"), report.Clean(file))
	return nil
}

// writeWhole puts a file in its place when all of it is written: half a plan would be refused, but the one from
// before would be gone.
func writeWhole(file string, text []byte) error {
	if there, err := os.Stat(file); err == nil && !there.Mode().IsRegular() {
		return errors.New("it is there and is no file; expected the name of a file")
	}
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // it is not there any more once it was renamed
	if _, err = f.Write(text); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
