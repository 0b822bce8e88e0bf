package simbos

import (
	"slices"
	"strings"
)

// Times are when something began and ended, each a text or nil.
type Times struct {
	Start any `json:"start_time"`
	Stop  any `json:"stop_time"`
}

// Phase is one step of an operation on a boot set, as BOA writes it.
type Phase struct {
	Name       string     `json:"name"`
	Metadata   Times      `json:"metadata"`
	Categories []Category `json:"categories"`
	// Errors are the nodes that failed, by reason; nil: BOA has sent none, and the field is missing in an answer.
	Errors map[string][]string `json:"errors"`
}

// Category holds the nodes that came equally far in a phase.
type Category struct {
	Name  string   `json:"name"`
	Nodes []string `json:"node_list"`
}

// categoryNames are the categories in the order in which BOA sends them.
var categoryNames = []string{"not_started", "succeeded", "failed", "excluded", "in_progress"}

// setRecord is the status of a boot set.
type setRecord struct {
	set       BootSet
	operation string
	times     Times
	writer    string // version of the BOS that wrote it; empty: this one
	broken    bool
}

// Phases returns the phases of an operation, in order.
func Phases(operation string) []string {
	switch operation {
	case "shutdown", "configure":
		return []string{operation}
	case "reboot":
		return []string{"shutdown", "boot", "configure"}
	}
	return []string{"boot", "configure"}
}

// size returns that of the record as etcd holds it.
func (r setRecord) size() int {
	phases := len(r.set.Phases)
	if r.set.Phases == nil {
		phases = len(Phases(r.operation))
	}
	return pickleBootSet + pickleNode*len(r.set.Nodes)*phases
}

// phases returns a copy of the phases as BOA wrote them or, if it wrote none, as the boot set says.
func (r setRecord) phases() []Phase {
	if r.set.Phases != nil {
		return slices.Clone(r.set.Phases)
	}
	var phases []Phase
	for _, name := range Phases(r.operation) {
		nodes := r.nodesByCategory(name)
		phase := Phase{Name: name, Metadata: Times{Start: r.times.Start}}
		for _, category := range categoryNames {
			phase.Categories = append(phase.Categories, Category{category, append([]string{}, nodes[category]...)})
		}
		if failed := nodes["failed"]; len(failed) > 0 {
			phase.Errors = map[string][]string{"The node did not " + name + " in time": failed}
		}
		if len(nodes["not_started"])+len(nodes["in_progress"]) == 0 {
			phase.Metadata.Stop = r.times.Stop
			if r.times.Stop == nil {
				phase.Metadata.Stop = r.times.Start // it has ended at some time
			}
		}
		phases = append(phases, phase)
	}
	return phases
}

// nodesByCategory returns the nodes of a phase: as BOA wrote them or, if it wrote none, as the boot set says. Nodes fail
// to boot, or in the only phase. The phases after that leave them out.
func (r setRecord) nodesByCategory(phase string) map[string][]string {
	if r.set.Progress != nil {
		return r.set.Progress[phase]
	}
	all := Phases(r.operation)
	failing := max(0, slices.Index(all, "boot"))
	failed, rest := r.set.Nodes[:r.set.Failed], r.set.Nodes[r.set.Failed:]
	nodes := map[string][]string{}
	switch i := slices.Index(all, phase); {
	case i == failing:
		nodes["failed"] = failed
	case i > failing:
		nodes["excluded"] = failed
	default:
		rest = r.set.Nodes
	}
	if r.times.Stop == nil {
		nodes["in_progress"] = rest
	} else {
		nodes["succeeded"] = rest
	}
	return nodes
}

// nodes returns those of a category of a phase. BOS fails where BOA has sent a phase without the category.
func (p Phase) nodes(category string) ([]string, error) {
	for _, c := range p.Categories {
		if strings.EqualFold(c.Name, category) {
			return c.Nodes, nil
		}
	}
	return nil, errInternal
}

// progress is what BOS computes from the categories each time it is asked.
type progress struct {
	complete, inProgress bool
	errorCount           int
}

func (p Phase) progress() (progress, error) {
	var counts [3]int
	for i, category := range []string{"not_started", "in_progress", "failed"} {
		nodes, err := p.nodes(category)
		if err != nil {
			return progress{}, err
		}
		counts[i] = len(nodes)
	}
	return progress{counts[0]+counts[1] == 0, counts[1] > 0, counts[2]}, nil
}

func (r setRecord) progress() (progress, error) {
	all := progress{complete: true}
	for _, phase := range r.phases() {
		p, err := phase.progress()
		if err != nil {
			return progress{}, err
		}
		all.complete = all.complete && p.complete
		all.inProgress = all.inProgress || p.inProgress
		all.errorCount += p.errorCount
	}
	return all, nil
}

// metadata returns times and progress as an answer has them: null is left out.
func (p progress) metadata(times Times) map[string]any {
	return withoutNull(map[string]any{
		"start_time": times.Start, "stop_time": times.Stop,
		"complete": p.complete, "in_progress": p.inProgress, "error_count": p.errorCount,
	})
}

func withoutNull(m map[string]any) map[string]any {
	for key, value := range m {
		if value == nil {
			delete(m, key)
		}
	}
	return m
}
