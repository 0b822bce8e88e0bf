package lab

import (
	"time"

	"bosgc/internal/lab/simcfs"
)

func (h *historian) schedule(at time.Time, do func()) { h.events = append(h.events, event{at, do}) }

// plan draws what happens in these days.
func (h *historian) plan() {
	for h.planned < h.options.Sessions {
		at := h.begin.Add(h.between(0, h.now.Sub(h.begin)-5*time.Minute))
		switch n := h.random.IntN(100); {
		case n < 45:
			h.planSession(at, h.drawSpec(40))
		case n < 70:
			h.planNeighbours(at)
		case n < 85:
			h.planRepeat(at)
		case n < 93:
			h.planTakeover(at)
		default:
			spec := h.drawSpec(40)
			spec.V2 = h.Profile.BOSv2
			h.planSession(at, spec)
		}
	}
	for range oneIn(h.options.Sessions, 6) {
		h.planHandSetConfiguration()
		h.planImageBuild()
	}
}

// drawSpec draws a session of at most this many nodes.
func (h *historian) drawSpec(most int) SessionSpec {
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

// planSession plans a session, and now and then that its BOA is killed, or that its record is deleted after its end or
// while it runs.
func (h *historian) planSession(at time.Time, spec SessionSpec) {
	if at.After(h.now.Add(-time.Minute)) {
		return
	}
	h.planned++
	spec.ID = h.uuid()
	h.schedule(at, func() { h.life.start(spec) })
	bos := h.life.bos
	switch n := h.random.IntN(100); {
	case n < 6 && !spec.V2:
		h.schedule(at.Add(h.between(time.Minute, 12*time.Minute)), func() {
			if h.life.agents[spec.ID] != nil {
				delete(h.life.agents, spec.ID)
				h.killed[spec.ID] = true
			}
		})
	case n < 16:
		h.schedule(at.Add(h.between(3*time.Hour, 30*time.Hour)), func() {
			bos.Remove(spec.ID)
			bos.RemoveV2(spec.ID)
		})
	case n < 18 && !spec.V2:
		h.schedule(at.Add(h.between(time.Minute, 6*time.Minute)), func() { bos.Remove(spec.ID) })
	}
	if h.chance(25) {
		h.planOwnCFSSession(at, spec)
	}
	if spec.Operation == "configure" && h.chance(60) {
		h.planJoiningNode(at, spec)
	}
}

// planOwnCFSSession plans a person's own CFS session on nodes of a session that is under way.
func (h *historian) planOwnCFSSession(at time.Time, spec SessionSpec) {
	nodes := spec.Nodes[:1+h.random.IntN(len(spec.Nodes))]
	configuration := spec.Configuration
	if h.chance(50) {
		configuration = h.configuration()
	}
	name := pick(h.builder, "fix-ntp-", "rerun-", "example-", "batcher-test-") + h.uuid()[:8]
	at = at.Add(h.between(0, 40*time.Minute))
	h.schedule(at, func() {
		h.life.cfs.Run(simcfs.Session{
			Name: name, Configuration: configuration, Limit: join(nodes), Definition: "dynamic",
		}, h.life.now)
	})
}

// planJoiningNode plans that a person sets the same configuration for another node at about the same time.
func (h *historian) planJoiningNode(at time.Time, spec SessionSpec) {
	node := h.nodes[h.random.IntN(len(h.nodes))]
	h.schedule(at.Add(h.between(0, 20*time.Second)), func() { h.life.cfs.SetByHand(node, spec.Configuration, true) })
}

// planNeighbours plans sessions of the same time and configuration on adjacent nodes, of BOS v1 and v2: the batcher
// puts their nodes into the same batches.
func (h *historian) planNeighbours(at time.Time) {
	spec := h.drawSpec(60)
	for n := 2 + h.random.IntN(2); n > 0 && len(spec.Nodes) > 0; n-- {
		part := spec
		part.Nodes = spec.Nodes[:(len(spec.Nodes)+n-1)/n]
		spec.Nodes = spec.Nodes[len(part.Nodes):]
		part.Template = h.template()
		part.V2 = spec.V2 || h.Profile.BOSv2 && h.chance(30)
		h.planSession(at.Add(h.between(0, 40*time.Second)), part)
	}
}

// planRepeat plans two sessions on the same nodes, one after the other.
func (h *historian) planRepeat(at time.Time) {
	spec := h.drawSpec(30)
	h.planSession(at, spec)
	if h.chance(50) {
		spec.Configuration = h.configuration()
	}
	spec.Operation = pick(h.builder, "boot", "reboot", "configure")
	spec.V2 = spec.V2 || h.Profile.BOSv2 && h.chance(20)
	h.planSession(at.Add(h.between(40*time.Minute, 5*time.Hour)), spec)
}

// planTakeover plans a session that loses half of its nodes to another one while it is under way.
func (h *historian) planTakeover(at time.Time) {
	spec := h.drawSpec(30)
	h.planSession(at, spec)
	spec.Nodes = spec.Nodes[len(spec.Nodes)/2:]
	if h.chance(70) {
		spec.Configuration = h.configuration()
	}
	h.planSession(at.Add(h.between(2*time.Minute, 15*time.Minute)), spec)
}

// planHandSetConfiguration plans that a person sets another desired configuration of a few nodes. Half of these people
// remove the tag of the last session from the nodes; the others leave a tag that is no longer true.
func (h *historian) planHandSetConfiguration() {
	spec, untag := h.drawSpec(5), h.chance(50)
	h.schedule(h.begin.Add(h.between(day, h.now.Sub(h.begin))), func() {
		for _, node := range spec.Nodes {
			if component, _ := h.life.cfs.Component(node); component.DesiredConfig != spec.Configuration {
				h.life.cfs.SetByHand(node, spec.Configuration, untag)
			}
		}
	})
}

// planImageBuild plans an image build, which has nothing to do with nodes.
func (h *historian) planImageBuild() {
	name, configuration := "sat-bootprep-"+h.uuid()[:8], h.configuration()
	h.schedule(h.begin.Add(h.between(0, h.now.Sub(h.begin))), func() {
		h.life.cfs.Run(simcfs.Session{
			Name: name, Configuration: configuration, Definition: "image", Groups: []string{"Compute"},
		}, h.life.now)
	})
}
