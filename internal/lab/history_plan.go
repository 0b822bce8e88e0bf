package lab

import (
	"time"

	"bosgc/internal/lab/simcfs"
)

func (h *historian) on(at time.Time, do func()) { h.events = append(h.events, event{at, do}) }

// plan draws what people do in these days.
func (h *historian) plan() {
	for h.planned < h.options.Sessions {
		at := h.begin.Add(h.between(0, h.now.Sub(h.begin)-5*time.Minute))
		switch n := h.random.IntN(100); {
		case n < 45:
			h.start(at, h.draw(40))
		case n < 70:
			h.neighbours(at)
		case n < 85:
			h.again(at)
		case n < 93:
			h.takenOver(at)
		default:
			spec := h.draw(40)
			spec.V2 = h.Profile.BOSv2
			h.start(at, spec)
		}
	}
	for range share(h.options.Sessions, 6) {
		h.byHand()
		h.image()
	}
}

// draw draws a session of so many nodes at most.
func (h *historian) draw(most int) SessionSpec {
	count := min(len(h.nodes), 1+h.random.IntN(most))
	first := h.random.IntN(len(h.nodes) - count + 1)
	return SessionSpec{
		Operation: pick(h.builder, "boot", "boot", "reboot", "reboot", "reboot", "configure", "shutdown"),
		Template:  h.template(), Configuration: h.configuration(), DisableCFS: h.chance(7),
		Nodes: h.nodes[first : first+count], V2: !h.Profile.BOSv1,
	}
}

func (h *historian) configuration() string {
	return pick(h.builder, "cos-config-2.4", "cos-config-2.5", "uan-config", "gpu-config")
}

// start plans a session, and now and then what becomes of it besides: its BOA is killed, its record is
// deleted when it is over, or while it still runs.
func (h *historian) start(at time.Time, spec SessionSpec) {
	if at.After(h.now.Add(-time.Minute)) {
		return
	}
	h.planned++
	spec.ID = h.uuid()
	h.on(at, func() { h.life.start(spec) })
	bos := h.life.bos
	switch n := h.random.IntN(100); {
	case n < 6 && !spec.V2:
		h.on(at.Add(h.between(time.Minute, 12*time.Minute)), func() {
			if h.life.agents[spec.ID] != nil {
				delete(h.life.agents, spec.ID)
				h.killed[spec.ID] = true
			}
		})
	case n < 16:
		h.on(at.Add(h.between(3*time.Hour, 30*time.Hour)), func() {
			bos.Remove(spec.ID)
			bos.RemoveV2(spec.ID)
		})
	case n < 18 && !spec.V2:
		h.on(at.Add(h.between(time.Minute, 6*time.Minute)), func() { bos.Remove(spec.ID) })
	}
	if h.chance(25) {
		h.session(at, spec)
	}
	if spec.Operation == "configure" && h.chance(60) {
		h.joined(at, spec)
	}
}

// session is a person who runs a CFS session of their own on nodes of one that is under way.
func (h *historian) session(at time.Time, spec SessionSpec) {
	nodes := spec.Nodes[:1+h.random.IntN(len(spec.Nodes))]
	configuration := spec.Configuration
	if h.chance(50) {
		configuration = h.configuration()
	}
	name := pick(h.builder, "fix-ntp-", "rerun-", "example-", "batcher-test-") + h.uuid()[:8]
	at = at.Add(h.between(0, 40*time.Minute))
	h.on(at, func() {
		h.life.cfs.Run(simcfs.Session{Name: name, Configuration: configuration, Limit: join(nodes), Definition: "dynamic"}, h.life.now)
	})
}

// joined is a person who wants the same for another node at the same time.
func (h *historian) joined(at time.Time, spec SessionSpec) {
	node := h.nodes[h.random.IntN(len(h.nodes))]
	h.on(at.Add(h.between(0, 20*time.Second)), func() { h.life.cfs.SetByHand(node, spec.Configuration, true) })
}

// neighbours are sessions of the same time and configuration on nodes side by side, of BOS v1 and v2: the
// batcher puts their nodes into the same batches.
func (h *historian) neighbours(at time.Time) {
	spec := h.draw(60)
	for n := 2 + h.random.IntN(2); n > 0 && len(spec.Nodes) > 0; n-- {
		part := spec
		part.Nodes = spec.Nodes[:(len(spec.Nodes)+n-1)/n]
		spec.Nodes = spec.Nodes[len(part.Nodes):]
		part.Template = h.template()
		part.V2 = spec.V2 || h.Profile.BOSv2 && h.chance(30)
		h.start(at.Add(h.between(0, 40*time.Second)), part)
	}
}

// again are two sessions, one after the other, on the same nodes.
func (h *historian) again(at time.Time) {
	spec := h.draw(30)
	h.start(at, spec)
	if h.chance(50) {
		spec.Configuration = h.configuration()
	}
	spec.Operation = pick(h.builder, "boot", "reboot", "configure")
	spec.V2 = spec.V2 || h.Profile.BOSv2 && h.chance(20)
	h.start(at.Add(h.between(40*time.Minute, 5*time.Hour)), spec)
}

// takenOver is a session that loses some of its nodes to another one while it is under way.
func (h *historian) takenOver(at time.Time) {
	spec := h.draw(30)
	h.start(at, spec)
	spec.Nodes = spec.Nodes[len(spec.Nodes)/2:]
	if h.chance(70) {
		spec.Configuration = h.configuration()
	}
	h.start(at.Add(h.between(2*time.Minute, 15*time.Minute)), spec)
}

// byHand is a person who sets another desired configuration of a few nodes. Half of them take the tag of
// the session before off the nodes; the others leave a tag that says what is no longer true.
func (h *historian) byHand() {
	spec, untag := h.draw(5), h.chance(50)
	h.on(h.begin.Add(h.between(day, h.now.Sub(h.begin))), func() {
		for _, node := range spec.Nodes {
			if component, _ := h.life.cfs.Component(node); component.DesiredConfig != spec.Configuration {
				h.life.cfs.SetByHand(node, spec.Configuration, untag)
			}
		}
	})
}

// image is the build of an image, which has nothing to do with nodes.
func (h *historian) image() {
	name, configuration := "sat-bootprep-"+h.uuid()[:8], h.configuration()
	h.on(h.begin.Add(h.between(0, h.now.Sub(h.begin))), func() {
		h.life.cfs.Run(simcfs.Session{Name: name, Configuration: configuration, Definition: "image", Groups: []string{"Compute"}}, h.life.now)
	})
}
