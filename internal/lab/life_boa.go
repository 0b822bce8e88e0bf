package lab

import (
	"maps"
	"slices"
	"time"

	"bosgc/internal/lab/simbos"
)

// agent is a process of BOA that works on a session, or its counterpart in BOS v2. Its state dies with it; a second one
// for the same session starts from the beginning.
type agent struct {
	life    *Life
	session *liveSession
	pod     string // empty for one of BOS v2

	finished   bool
	step       int
	stepBegan  time.Time                    // zero before the step
	nextPoll   time.Time                    // BOA does nothing before
	categories map[string]map[string]string // by phase and node
	failed     map[string]bool
}

// steps returns what BOA does for an operation. It sets the configuration (stage) while nodes are down.
func (a *agent) steps() []string {
	switch a.session.spec.Operation {
	case "shutdown":
		return []string{"shutdown"}
	case "configure":
		return []string{"stage", "configure"}
	case "reboot":
		return []string{"shutdown", "stage", "boot", "configure"}
	}
	return []string{"stage", "boot", "configure"}
}

func (a *agent) tick(now time.Time) {
	if a.categories == nil {
		a.categories, a.failed = map[string]map[string]string{}, map[string]bool{}
		for _, phase := range simbos.Phases(a.session.spec.Operation) {
			a.categories[phase] = map[string]string{}
			a.move(phase, "not_started", a.session.nodes()...)
		}
		a.writeProgress()
	}
	for !a.finished && !now.Before(a.nextPoll) {
		if a.stepBegan.IsZero() {
			a.stepBegan = now
			a.beginStep(now)
		}
		if !a.stepDone(now) {
			a.nextPoll = now.Add(a.life.options.Poll)
			return
		}
		a.stepBegan, a.step = time.Time{}, a.step+1
		if a.step == len(a.steps()) {
			a.finish(now)
		}
	}
}

// move puts nodes into a category of a phase, and reports whether one of them was in another.
func (a *agent) move(phase, category string, nodes ...string) (moved bool) {
	for _, node := range nodes {
		moved = moved || a.categories[phase][node] != category
		a.categories[phase][node] = category
		a.failed[node] = a.failed[node] || category == "failed"
	}
	return moved
}

// unfailedNodes returns the nodes that have not failed in any phase.
func (a *agent) unfailedNodes() []string {
	return slices.DeleteFunc(a.session.nodes(), func(node string) bool { return a.failed[node] })
}

// beginStep does what BOA does at the beginning of a step, and writes the new categories.
func (a *agent) beginStep(now time.Time) {
	l, o := a.life, a.life.options
	switch step := a.steps()[a.step]; step {
	case "shutdown":
		for _, node := range a.session.nodes() {
			delete(l.booting, node)
		}
		a.move(step, "in_progress", a.session.nodes()...)
	case "stage":
		if a.session.configures() {
			spec := a.session.spec
			l.cfs.SetBySession(a.session.nodes(), spec.Configuration, a.session.id, spec.Operation == "configure")
		}
		return
	case "boot":
		for _, node := range a.session.nodes() {
			if o.BootFails != nil && o.BootFails(node) {
				continue
			}
			l.booting[node] = now.Add(o.Boot)
			if o.Late != nil {
				l.booting[node] = l.booting[node].Add(o.Late(node))
			}
		}
		a.move(step, "in_progress", a.session.nodes()...)
	case "configure":
		if !a.session.configures() {
			return
		}
		a.move(step, "in_progress", a.unfailedNodes()...)
	}
	a.writeProgress()
}

// stepDone reports whether a step is over. It writes categories that have changed.
func (a *agent) stepDone(now time.Time) bool {
	l, o, step := a.life, a.life.options, a.steps()[a.step]
	if step == "stage" || step == "configure" && !a.session.configures() {
		return true
	}
	if step == "shutdown" {
		if now.Sub(a.stepBegan) < o.Shutdown {
			return false
		}
		a.move(step, "succeeded", a.session.nodes()...)
		a.writeProgress()
		return true
	}
	wait := o.BootWait
	if step == "configure" {
		wait = o.ConfigureWait
	}
	moved, waiting := false, false
	for node, category := range maps.All(a.categories[step]) {
		if category != "in_progress" {
			continue
		}
		next := category
		switch {
		case step == "boot" && !l.bootedAt[node].Before(a.stepBegan):
			next = "succeeded"
		case step == "configure":
			next = a.configureCategory(node)
		}
		if next == category && now.Sub(a.stepBegan) >= wait {
			next = "failed"
		}
		waiting = waiting || next == category
		moved = a.move(step, next, node) || moved
	}
	if moved {
		a.writeProgress()
	}
	return !waiting
}

// configureCategory returns the category that BOA derives from a node's status in CFS. A node without any configuration
// has failed.
func (a *agent) configureCategory(node string) string {
	component, _ := a.life.cfs.Component(node)
	switch component.Status {
	case "configured":
		return "succeeded"
	case "pending":
		return "in_progress"
	}
	return "failed"
}

// writeProgress writes the categories of all nodes. BOA does not check whether the session still exists.
func (a *agent) writeProgress() {
	if a.session.spec.V2 {
		return
	}
	for _, set := range a.session.spec.Sets {
		set.Progress = simbos.Progress{}
		for phase, nodes := range a.categories {
			categories := map[string][]string{}
			for _, node := range set.Nodes {
				categories[nodes[node]] = append(categories[nodes[node]], node)
			}
			set.Progress[phase] = categories
		}
		for _, node := range set.Nodes {
			if a.failed[node] {
				set.Failed++
			}
		}
		a.life.bos.WriteProgress(a.session.id, a.session.spec.Operation, set, a.session.text)
	}
}

func (a *agent) finish(now time.Time) {
	a.finished = true
	if a.session.spec.V2 {
		a.life.bos.AddV2(a.session.v2(now.UTC().Format(cfsForm), "complete"))
		return
	}
	a.life.bos.WriteStop(a.session.id, a.session.text, stopText(a.life.builder.micros(now)))
}
