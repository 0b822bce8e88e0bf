package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"bosgc/gc"
	"bosgc/internal/outfile"
	"bosgc/internal/page"
	"bosgc/internal/progress"
	"bosgc/internal/report"
	"bosgc/internal/sweep"
)

// view is how a plan or report is shown, besides as what.
type view struct {
	conditions []string
	filter     report.Filter
	html       string // file to write a page to; empty: none
	timed      bool
	all        bool              // what is kept is listed too
	deletes    bool              // the command acts on the whole, and a filter could be taken for a limit of it
	timings    *progress.Timings // nil: none are wanted
}

// addViewFlags gives a command the flags for how its result is shown. A mistake in them is found before anything is
// contacted: after a sweep it would be too late.
func (a *app) addViewFlags(cmd *cobra.Command, deletes func() bool) {
	flags := cmd.Flags()
	flags.StringArrayVar(&a.view.conditions, "filter", nil, "show only some objects (of bosgc plan alone): kind=Job, verdict=delete, reason=too-young, template=golden-*, age>14d, age<2d; repeatable")
	flags.StringVar(&a.view.html, "html", "", "also write a page to look at to this file")
	flags.BoolVar(&a.view.all, "all", false, "also list what is kept, object by object")
	flags.BoolVar(&a.view.timed, "timings", false, "also show where the time went, phase by phase")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		a.view.deletes = deletes()
		if a.view.timed {
			a.view.timings = new(progress.Timings)
		}
		return a.view.check()
	}
}

func (v *view) check() (err error) {
	if len(v.conditions) > 0 && v.deletes {
		return fmt.Errorf("--filter chooses only what is shown, not what is deleted, and is refused here; " +
			"use it with bosgc plan, or protect objects with bosgc/keep or BOSGC_KEEP_TEMPLATES")
	}
	if v.filter, err = report.ParseFilter(v.conditions); err != nil || v.html == "" {
		return err
	}
	if err := outfile.Check(v.html); err != nil {
		return fmt.Errorf("--html is %q: %w", v.html, err)
	}
	if info, err := os.Stat(filepath.Dir(v.html)); err != nil || !info.IsDir() {
		return fmt.Errorf("--html is %q; there is no folder %q to write it in", v.html, filepath.Dir(v.html))
	}
	return nil
}

// page writes the page, if one is wanted.
func (v *view) page(d gc.Document) error {
	if v.html == "" {
		return nil
	}
	if err := page.WriteFile(v.html, d); err != nil {
		return &sweep.Error{Code: gc.ExitFailed, Err: fmt.Errorf("--html: the page was not written: %w", err)}
	}
	return nil
}
