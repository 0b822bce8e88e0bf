package doctor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bosgc/internal/journal"
	"bosgc/internal/margin"
	"bosgc/internal/state"
	"bosgc/internal/transport"
)

// lateAfter is when a last sweep is so long ago that somebody should look: two days, for a daily schedule.
const lateAfter = 48 * time.Hour

func (d Doctor) checkState(ctx context.Context) []Check {
	ctx, cancel := context.WithTimeout(ctx, margin.StateTimeout)
	defer cancel()
	place := fmt.Sprintf("%s-state in namespace %q", d.Settings.StateName, d.Store.Namespace())
	s, err := d.State.Read(ctx)
	if err != nil {
		return []Check{failure("state", "see docs/runbook.md, BosgcStateUnreadable", "%s", err.Error())}
	}
	all := []Check{passed("state", "readable: %s", place)}
	if !s.SetAside.IsZero() {
		all[0] = warning("state", "see docs/runbook.md, BosgcStateSetAside", "one that could not be understood was set aside on %s",
			s.SetAside.UTC().Format(time.RFC3339))
	}
	return append(all, d.checkLastSweep(s), checkList(s.List))
}

func (d Doctor) checkLastSweep(s state.State) Check {
	if s.Last == nil {
		return warning("last sweep", "wait for the schedule, or sweep by hand", "there was none yet")
	}
	ago := d.Now().Sub(s.Last.FinishedAt).Round(time.Second)
	at := s.Last.FinishedAt.UTC().Format(time.RFC3339)
	switch {
	case ago > lateAfter:
		return warning("last sweep", "see docs/runbook.md, BosgcSweepMissed", "ended at %s, %s ago", at, ago)
	case s.Last.ExitCode != 0:
		return warning("last sweep", "read its log, and bosgc --help for the exit codes", "ended at %s with exit code %d %s",
			at, s.Last.ExitCode, s.Last.Error)
	}
	return passed("last sweep", "ended well at %s", at)
}

// checkList tells what is known of BOS's list. It is not asked for: a request for a list that is too large hangs BOS.
func checkList(list state.SessionList) Check {
	switch {
	case list.Hang != nil:
		return warning("BOS's list", "see docs/rescue.md", "hung at %s, with about %.1f MB", list.Hang.At.UTC().Format(time.RFC3339),
			float64(list.Hang.Bytes)/1e6)
	case list.Sessions == 0:
		return passed("BOS's list", "its size is not known before the first sweep")
	}
	return passed("BOS's list", "had %d sessions after the last sweep", list.Sessions)
}

func (d Doctor) checkJournal(ctx context.Context) Check {
	if dir := d.Settings.JournalDir; dir != "" {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return failure("journal", "mount a volume there, or unset BOSGC_JOURNAL_DIR", "%s is not a directory", dir)
		}
	}
	if d.Settings.DryRun {
		return passed("journal", "a dry run writes none")
	}
	runs, err := journal.Runs(ctx, d.Store, d.Settings.StateName)
	if err != nil {
		return failure("journal", "without it nothing is deleted: see what the error says", "%s", err.Error())
	}
	return passed("journal", "readable; runs in it: %d", len(runs))
}

func (d Doctor) checkMetrics(ctx context.Context) []Check {
	var all []Check
	if path := d.Settings.Textfile; path != "" {
		if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
			all = append(all, failure("metrics", "mount a volume there", "%s (BOSGC_TEXTFILE) is in no directory", path))
		}
	}
	if d.MetricsURL != "" {
		if err := d.scrape(ctx); err != nil {
			all = append(all, failure("metrics", "see docs/runbook.md, BosgcMetricsMissing", "%s: %s", d.MetricsURL, err.Error()))
		} else {
			all = append(all, passed("metrics", "served at %s", d.MetricsURL))
		}
	}
	return all
}

// scrapeLimit bounds what is read of an answer.
const scrapeLimit = 4 << 20

func (d Doctor) scrape(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.PollDeadline)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.MetricsURL, http.NoBody)
	if err != nil {
		return err
	}
	client := &http.Client{CheckRedirect: transport.RefuseRedirect}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // only read
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("HTTP %d, expected 200", response.StatusCode)
	}
	lines := bufio.NewScanner(io.LimitReader(response.Body, scrapeLimit))
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "bosgc_") {
			return nil
		}
	}
	return errors.New("the answer has no metrics of bosgc")
}
