package inventory

import (
	"fmt"
	"time"

	"bosgc/internal/margin"
)

// Ties say which systems are shown to be of the same CSM as the BOS that was asked. What BOS lacks is a proof about
// nothing but its own system: with one wrong URL, context or namespace everything else looks as if it had no owner. IDs of
// sessions are random, so that one ID in two systems shows that they belong together.
type Ties struct {
	Kubernetes Tie
	CFS        Tie
	// Untraced reports that Kubernetes names no session at all, and none that BOS has is so young that it must.
	Untraced bool
}

// Tie is what shows that a system belongs to BOS. The zero value shows nothing.
type Tie struct {
	Shown bool
	Doubt string // why it is not shown, for a person
}

// TieEvidence is what ties rest on beside a snapshot.
type TieEvidence struct {
	Now time.Time
	// Grace is the age below which an object of BOS v1 shows that v1 is at work.
	Grace time.Duration
	// CA reports whether the ConfigMap with the system's CA was seen, which the namespace of BOS has.
	CA bool
	// JobTemplate reports whether the ConfigMap was seen that only the chart of a BOS with v1 installs.
	JobTemplate bool
	// SameCluster reports whether bosgc runs in a Pod of this Kubernetes and asks BOS by the name of a Service here.
	SameCluster bool
	// Components tells for each session that the tag of a component names whether BOS v2 has it; nil: they were not read.
	Components map[string]Presence
}

// FindTies looks for what the systems know of each other.
func FindTies(s *Snapshot, e TieEvidence) Ties {
	v := survey{tagged: len(e.Components)}
	for _, g := range s.Groups {
		v.add(g, e)
	}
	kube := v.kubernetes(e)
	return Ties{Kubernetes: kube, CFS: v.cfs(e, kube), Untraced: v.untraced(e)}
}

// survey counts what the systems name, and notes which two of them name the same session.
type survey struct {
	removed                  bool // BOS says that it has no v1 API any more
	unlisted                 bool // BOS's list could not be had
	listed, named, tagged    int  // sessions in BOS, in Kubernetes and in CFS
	bosKube, bosCFS, cfsKube bool
	missed                   bool   // BOS has a session that Kubernetes would name if it were the right one
	alive                    string // what shows that BOS v1 is at work
}

func (v *survey) add(g *Group, e TieEvidence) {
	v2, inComponents := e.Components[g.ID]
	inV1 := g.Listed == Present || g.Record.Presence == Present
	inCFS := IsSessionID(g.ID) && (len(g.CFS) > 0 || inComponents)
	inKube := len(g.jobs)+len(g.pods)+len(g.configMaps) > 0
	note := func(fact *bool, is bool) { *fact = *fact || is }
	note(&v.removed, g.V1 == Absent)
	note(&v.unlisted, g.Listed == Unknown)
	note(&v.bosKube, inV1 && inKube)
	note(&v.bosCFS, inCFS && (inV1 || g.V2 == Present || v2 == Present))
	note(&v.cfsKube, inCFS && inKube)
	note(&v.missed, inV1 && !inKube && mustBeNamed(g.Record, e.Now))
	count := func(n *int, is bool) {
		if is {
			*n++
		}
	}
	count(&v.listed, inV1)
	count(&v.tagged, inCFS && !inComponents)
	count(&v.named, v.addTraces(g, e))
}

// addTraces looks at the objects of BOS v1's exact shape. It reports whether there are any.
func (v *survey) addTraces(g *Group, e TieEvidence) bool {
	found := false
	trace := func(what string, created Stamp) {
		found = true
		if age := e.Now.Sub(created.At()); age < e.Grace && age > -margin.MaxClockSkew {
			v.alive = what + " was created at " + created.At().UTC().Format("2006-01-02 15:04 UTC")
		}
	}
	for _, job := range g.jobs {
		if job.Fault == "" {
			trace("Job "+job.Name, job.Created)
		}
	}
	for _, cm := range g.configMaps {
		if cm.Fault == "" {
			trace("ConfigMap "+cm.Name, cm.Created)
		}
	}
	if a := ActivityOf(g, false); a.Running != "" {
		v.alive = a.Running + " runs or may run again"
	}
	return found
}

// mustBeNamed reports whether a session is so young that Kubernetes still names it: BOS never deletes its ConfigMap. It
// does too if BOS did not say how old it is.
func mustBeNamed(r Record, now time.Time) bool {
	if r.Presence == Unknown {
		return r.Err != "" && !r.Broken
	}
	return r.Start.Known() && now.Sub(r.Start.At()) < margin.TraceLife
}

const checkPlace = "; check BOSGC_BOS_URL, BOSGC_NAMESPACE and the kubeconfig's context"

func (v *survey) kubernetes(e TieEvidence) Tie {
	const removed = "BOS says that it has no v1 API any more, and "
	switch {
	case !e.CA && !v.bosKube:
		return Tie{Doubt: "not even the ConfigMap with the system's CA is in this namespace" + checkPlace}
	case v.removed && v.alive != "":
		return Tie{Doubt: removed + v.alive + checkPlace}
	case v.removed && e.JobTemplate:
		return Tie{Doubt: removed + "the ConfigMap boa-job-template, which comes with v1, is here" + checkPlace}
	case v.removed && e.SameCluster, v.bosKube, v.bosCFS && v.cfsKube:
		return Tie{Shown: true}
	// The BOS of any system that has no v1 says the same. Another one's Kubernetes does not show what is protected.
	case v.removed:
		return Tie{Doubt: removed + "no session that CFS names is known to it and to this Kubernetes" + checkPlace}
	case v.listed == 0:
		return Tie{Doubt: fmt.Sprintf("Kubernetes names %d sessions, and BOS lists no session at all: was its database "+
			"wiped or restored, or is it another system's"+checkPlace, v.named)}
	case v.named == 0:
		return Tie{Doubt: fmt.Sprintf("BOS has %d sessions, and none of them has a Job or ConfigMap in this namespace"+
			checkPlace, v.listed)}
	}
	return Tie{Doubt: fmt.Sprintf("BOS has %d sessions and Kubernetes names %d, and none of them is the same"+checkPlace,
		v.listed, v.named)}
}

// untraced reports whether it contradicts nothing that Kubernetes names no session.
func (v *survey) untraced(e TieEvidence) bool { return e.CA && !v.removed && v.named == 0 && !v.missed }

// cfs takes a CFS that names no session at all for the right one: then no session has ever used it, whichever it is. While
// BOS does not say what it has, it is enough that Kubernetes and CFS know each other: nothing is concluded then from what
// BOS lacks. Where Kubernetes and BOS contradict each other, what they say of a CFS session is worth nothing.
func (v *survey) cfs(e TieEvidence, kube Tie) Tie {
	if !kube.Shown && !v.untraced(e) && !v.unlisted {
		return kube
	}
	if v.bosCFS || v.cfsKube && (v.bosKube || v.unlisted) || v.tagged == 0 && e.Components != nil {
		return Tie{Shown: true}
	}
	return Tie{Doubt: fmt.Sprintf("CFS names %d sessions, and BOS knows none of them; check BOSGC_CFS_URL and "+
		"BOSGC_BOS_URL", v.tagged)}
}
