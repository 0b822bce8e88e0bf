package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"bosgc/gc"
	"bosgc/policy"
)

// printExit says what the exit code of a plan or report means, and what to do next.
func (p *printer) printExit(d gc.Document) {
	if d.ExitCode == gc.ExitDone {
		return
	}
	text := meaningOf(d)
	p.startParagraph()
	p.wrap(fmt.Sprintf("Exit code %d: %s", d.ExitCode, text), "")
	if d.ExitCode == gc.ExitRefused { // on lines of their own, so that they can be copied
		for _, kind := range guardedKinds(d) {
			p.printLine("    bosgc guard release %s", strings.ToLower(kindWord(kind)))
		}
	}
}

func meaningOf(d gc.Document) string {
	switch d.ExitCode {
	case gc.ExitFailed:
		text := "stopped before its end: " + cmp.Or(d.Stopped, "no reason is recorded") + ". "
		if d.Outcomes[gc.Deleted] == 0 {
			return text + "Nothing was deleted. The next run begins again; \"bosgc doctor\" checks what it needs."
		}
		return text + fmt.Sprintf("The next run goes on; \"bosgc journal %s\" shows what was deleted until then.", d.Run)
	case gc.ExitPartial:
		return "finished, but what is named above failed. The next sweep tries it again; \"bosgc explain KIND/NAME\" shows " +
			"what is known of an object."
	case gc.ExitRefused:
		return "the orphan guard holds back what looks orphaned, and none of that is deleted: " + whyGuarded(d) +
			". Find out why (docs/runbook.md, BosgcOrphanGuardRefused). If all is right, once a sweep has run:"
	case gc.ExitIncomplete:
		return "what is named above could not be read completely, and what depends on it was left alone. \"bosgc doctor\" " +
			"checks each source; the next run reads them again."
	}
	return "see \"bosgc --help\"."
}

// guardedKinds returns the kinds of which the orphan guard keeps an object.
func guardedKinds(d gc.Document) (kinds []policy.Kind) {
	guarded := map[policy.Kind]bool{}
	for _, o := range d.Objects {
		guarded[o.Kind] = guarded[o.Kind] || o.Reason == policy.OrphanGuard || o.CurrentReason == policy.OrphanGuard
	}
	for _, kind := range policy.Kinds() {
		if guarded[kind] {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// whyGuarded returns which kinds the orphan guard holds back, and why as far as that is known: once for those that share
// a reason.
func whyGuarded(d gc.Document) string {
	var parts, kinds []string
	all := guardedKinds(d)
	why := func(kind policy.Kind) string {
		i := slices.IndexFunc(d.Guards, func(g gc.Guard) bool { return g.Kind == kind })
		if i < 0 {
			return ""
		}
		return d.Guards[i].Why
	}
	for i, kind := range all {
		kinds = append(kinds, string(kind))
		if i+1 < len(all) && why(all[i+1]) == why(kind) {
			continue
		}
		part := strings.Join(kinds, ", ")
		if text := why(kind); text != "" {
			part += " (" + text + ")"
		}
		parts, kinds = append(parts, part), nil
	}
	return strings.Join(parts, ", ")
}

// kindWord is what commands call a kind.
func kindWord(kind policy.Kind) string {
	if kind == policy.CFSSession {
		return "cfs"
	}
	return string(kind)
}
