package policy

import (
	"fmt"
	"time"

	"bosgc/internal/inventory"
)

// life is what the Jobs and Pods of a session say about whether it still runs. BOS's own
// fields "complete" and "in_progress" have no part in it: up to CSM 1.3.1 both are always
// false, also while a session runs (docs/csm.md, "Fields that lie").
type life struct {
	running  string // what is running, for a person; empty if nothing is
	unread   string // a Job that only the Pods could tell about, and they were not read
	finished time.Time
	bad      string // a Job that has finished at no known time
	failed   bool
	jobs     int // of exact shape
}

// liveness looks at everything that could still do work for a session. Jobs that were stopped can only
// if nobody else may make them work again.
func liveness(g *inventory.Group, stopped bool) life {
	var l life
	jobs, _ := g.Jobs()
	pods, podsComplete := g.Pods()
	for _, pod := range pods {
		// A Pod counts even without its Job: deleted with the Orphan policy, which is the
		// default of the API for Jobs, a Job leaves its Pods at work.
		if !pod.Over && !pod.Boa.Terminated {
			l.running = "Pod " + pod.Name
		}
	}
	for _, job := range jobs {
		if job.Fault == "" {
			l.jobs++
		}
		if stopped && job.Stopped && job.Fault == "" && podsComplete && !job.Terminal {
			continue // that none of its Pods runs was looked at above
		}
		l.job(job, pods, podsComplete)
	}
	return l
}

func podsOf(job inventory.Job, pods []inventory.Pod) []inventory.Pod {
	var own []inventory.Pod
	for _, pod := range pods {
		if pod.Job == job.Name {
			own = append(own, pod)
		}
	}
	return own
}

func (l *life) job(job inventory.Job, pods []inventory.Pod, podsComplete bool) {
	if job.Terminal {
		if job.Fault == "" {
			l.finish(job, job.Finished, job.Failed)
		}
		return
	}
	held, ok := heldByProxy(job, podsOf(job, pods))
	switch {
	case !podsComplete:
		l.unread = job.Name
	case !ok || job.Fault != "":
		l.running = "Job " + job.Name
	default:
		l.finish(job, held.Finished, held.ExitCode != 0)
	}
}

func (l *life) finish(job inventory.Job, at inventory.Stamp, failed bool) {
	if !at.Known() {
		l.bad = fmt.Sprintf("Job %s has finished at no known time (%q)", job.Name, at.Raw)
		return
	}
	if at.At().After(l.finished) {
		l.finished, l.failed = at.At(), failed
	}
}

// heldByProxy tells a Job that works from one that a mesh proxy alone keeps active (the
// system's own watcher that should end such proxies can be broken: docs/csm.md, "The mesh
// proxy"). It is true only if nothing of it can work again: every boa container has
// ended, some Pod is held up by another container, and no further Pod is to come. It gives
// the container that ended last.
func heldByProxy(job inventory.Job, pods []inventory.Pod) (last inventory.Container, ok bool) {
	if job.Suspended {
		return last, false // whoever resumes it makes it work again
	}
	held, heldFailures := 0, 0
	for _, pod := range pods {
		if !pod.Boa.Terminated {
			if pod.Over {
				continue // evicted before it could start: FailedPods counts it
			}
			return last, false
		}
		if !pod.Over && pod.OthersRun {
			held++
			if pod.Boa.ExitCode != 0 {
				heldFailures++
			}
		}
		if pod.Boa.Finished.At().After(last.Finished.At()) || last.Finished.At().IsZero() {
			last = pod.Boa
		}
	}
	if held == 0 {
		return last, false // between two tries, or its controller has not caught up
	}
	// A failure that the proxy hides is one that Kubernetes has not counted yet: once the
	// Pod ends, the next try begins unless this was the last.
	spent := heldFailures > 0 && job.FailedPods+heldFailures > job.BackoffLimit
	return last, heldFailures == 0 || spent
}

// Running says what runs for a session, for a person; empty if nothing does.
func (j *Judge) Running(g *inventory.Group) string { return j.facts(g).life.running }

func (j *Judge) running(f *facts) *ruling {
	if f.life.running == "" {
		return nil
	}
	return keep(Running, f.life.running+" still runs or may run again")
}
