package cli

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"bosgc/gc"
	"bosgc/internal/report"
)

// outputs are what a result can be written as.
var outputs = []string{"table", "wide", "json", "yaml", "name"}

// withNames are the commands whose result is a list of objects, which "-o name" can name.
var withNames = []string{"plan", "sweep", "apply", "clean", "explain", "restore", "journal"}

func (a *app) checkOutput(cmd *cobra.Command) error {
	if !slices.Contains(outputs, a.output) {
		return fmt.Errorf("--output is %q; expected table, wide, json, yaml or name", a.output)
	}
	if a.output == "name" && !slices.Contains(withNames, cmd.Name()) {
		return fmt.Errorf("--output is name, and %q lists no objects; expected table, wide, json or yaml", cmd.CommandPath())
	}
	return nil
}

// structured reports whether a program reads stdout.
func (a *app) structured() bool { return a.wantsDocument() || a.output == "name" }

// wantsDocument reports whether stdout has to be one document whatever happens. Names are of what is done: where
// nothing is, there are none.
func (a *app) wantsDocument() bool { return a.output == "json" || a.output == "yaml" }

// writeDocument writes a result for a program, in whole.
func (a *app) writeDocument(document any) error {
	switch a.output {
	case "yaml":
		return written(report.YAML(a.stdout, document))
	case "name":
		return written(report.Names(a.stdout, document))
	default:
		return written(report.JSON(a.stdout, document))
	}
}

// writeResult writes a result as a document for programs, or as text for people.
func (a *app) writeResult(document any, text func() string) error {
	if a.structured() {
		return a.writeDocument(document)
	}
	_, err := io.WriteString(a.stdout, text())
	return written(err)
}

// writeObjects writes a plan or report. A filter chooses what is shown of it in every form.
func (a *app) writeObjects(d gc.Document) error {
	if a.structured() {
		d.Objects = a.view.filter.Select(d.Objects, d.CreatedAt)
		return a.writeDocument(d)
	}
	return written(report.Table(a.stdout, d, report.View{
		Colour: a.colour(), Wide: a.output == "wide", All: a.view.all, Quiet: a.quiet, Filter: a.view.filter,
	}))
}
