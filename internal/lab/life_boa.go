package lab

import (
	"maps"
	"slices"
	"time"

	"bosgc/internal/lab/simbos"
)

// agent is one process of BOA at work on a session, or what stands in for it in BOS v2. All that it
// knows dies with it; a second one for the same session begins again.
type agent struct {
	life *Life
	run  *run
	pod  string // empty for one of BOS v2

	over   bool
	step   int
	began  time.Time                    // of the step; zero before
	look   time.Time                    // again
	where  map[string]map[string]string // phase, node: category
	failed map[string]bool
}

// steps are what BOA does for each operation. It sets the configuration after nodes went down and
// before they come up.
func (a *agent) steps() []string {
	switch a.run.spec.Operation {
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
	if a.where == nil {
		a.where, a.failed = map[string]map[string]string{}, map[string]bool{}
		for _, phase := range simbos.Phases(a.run.spec.Operation) {
			a.where[phase] = map[string]string{}
			a.move(phase, "not_started", a.run.nodes()...)
		}
		a.write()
	}
	for !a.over && !now.Before(a.look) {
		if a.began.IsZero() {
			a.began = now
			a.enter(now)
		}
		if !a.done(now) {
			a.look = now.Add(a.life.options.Poll)
			return
		}
		a.began, a.step = time.Time{}, a.step+1
		if a.step == len(a.steps()) {
			a.end(now)
		}
	}
}

// move puts nodes into a category of a phase, and says whether that is new.
func (a *agent) move(phase, category string, nodes ...string) (moved bool) {
	for _, node := range nodes {
		moved = moved || a.where[phase][node] != category
		a.where[phase][node] = category
		a.failed[node] = a.failed[node] || category == "failed"
	}
	return moved
}

// sound are the nodes that have not failed yet.
func (a *agent) sound() []string {
	return slices.DeleteFunc(a.run.nodes(), func(node string) bool { return a.failed[node] })
}

func (a *agent) enter(now time.Time) {
	l, o := a.life, a.life.options
	switch step := a.steps()[a.step]; step {
	case "shutdown":
		for _, node := range a.run.nodes() {
			delete(l.boots, node)
		}
		a.move(step, "in_progress", a.run.nodes()...)
	case "stage":
		if a.run.configures() {
			l.cfs.Claim(a.run.nodes(), a.run.spec.Configuration, a.run.id, a.run.spec.Operation == "configure")
		}
		return
	case "boot":
		for _, node := range a.run.nodes() {
			if o.BootFails != nil && o.BootFails(node) {
				continue
			}
			l.boots[node] = now.Add(o.Boot)
			if o.Late != nil {
				l.boots[node] = l.boots[node].Add(o.Late(node))
			}
		}
		a.move(step, "in_progress", a.run.nodes()...)
	case "configure":
		if !a.run.configures() {
			return
		}
		a.move(step, "in_progress", a.sound()...)
	}
	a.write()
}

// done says whether a step is over. Whatever has changed is written first.
func (a *agent) done(now time.Time) bool {
	l, o, step := a.life, a.life.options, a.steps()[a.step]
	if step == "stage" || step == "configure" && !a.run.configures() {
		return true
	}
	if step == "shutdown" {
		if now.Sub(a.began) < o.Shutdown {
			return false
		}
		a.move(step, "succeeded", a.run.nodes()...)
		a.write()
		return true
	}
	wait := o.BootWait
	if step == "configure" {
		wait = o.ConfigureWait
	}
	moved, waiting := false, false
	for node, category := range maps.All(a.where[step]) {
		if category != "in_progress" {
			continue
		}
		next := category
		switch {
		case step == "boot" && !l.up[node].Before(a.began):
			next = "succeeded"
		case step == "configure":
			next = a.configured(node)
		}
		if next == category && now.Sub(a.began) >= wait {
			next = "failed"
		}
		waiting = waiting || next == category
		moved = a.move(step, next, node) || moved
	}
	if moved {
		a.write()
	}
	return !waiting
}

// configured is what BOA makes of what CFS says of a node. A node that has neither a configuration nor
// wants one is a failure.
func (a *agent) configured(node string) string {
	component, _ := a.life.cfs.Component(node)
	switch component.Status {
	case "configured":
		return "succeeded"
	case "pending":
		return "in_progress"
	}
	return "failed"
}

// write writes where the nodes are. Whether the session is still there BOA does not ask.
func (a *agent) write() {
	if a.run.spec.V2 {
		return
	}
	for _, set := range a.run.spec.Sets {
		set.Progress = simbos.Progress{}
		for phase, nodes := range a.where {
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
		a.life.bos.WriteProgress(a.run.id, a.run.spec.Operation, set, a.run.text)
	}
}

func (a *agent) end(now time.Time) {
	a.over = true
	if a.run.spec.V2 {
		a.life.bos.AddV2(a.run.v2(now.UTC().Format(cfsForm), "complete"))
		return
	}
	a.life.bos.WriteStop(a.run.id, a.run.text, stopText(a.life.b.micros(now)))
}
