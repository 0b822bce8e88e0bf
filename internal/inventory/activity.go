package inventory

import (
	"fmt"
	"time"
)

// Activity is what the Jobs and Pods of a session say about whether it still runs. BOS's own
// fields "complete" and "in_progress" have no part in it: up to CSM 1.3.1 both are always
// false, also while a session runs (docs/csm.md, "Fields that lie").
type Activity struct {
	Running   string    // what is running, for a person; empty if nothing is
	Hanging   *Pod      // was deleted and has not ended; nil if there is none
	Unread    string    // a Job that only its Pods could tell about, and they were not read
	Finished  time.Time // when the last Job finished
	Failed    bool      // that Job has failed
	BadEnd    string    // says which Job has finished at no known time; empty if none has
	ExactJobs int       // Jobs of exact shape
}

// ActivityOf looks at everything that could still do work for a session. A stopped Job could be started again by
// whoever stopped it, unless that was bosgc, in the course of cancelling the session.
func ActivityOf(g *Group, cancelled bool) Activity {
	var a Activity
	jobs, _ := g.Jobs()
	pods, podsComplete := g.Pods()
	for _, pod := range pods {
		// A Pod counts even without its Job: deleted with the Orphan policy, which is the
		// default of the API for Jobs, a Job leaves its Pods at work.
		if !pod.Over && !pod.Boa.Terminated {
			a.Running = "Pod " + pod.Name
			if pod.Deleted.Known() {
				a.Hanging = &pod
			}
		}
	}
	for _, job := range jobs {
		if job.Fault == "" {
			a.ExactJobs++
		}
		if cancelled && job.Stopped && job.Fault == "" && podsComplete && !job.Terminal {
			continue // the loop above has seen whether one of its Pods runs
		}
		a.addJob(job, pods, podsComplete)
	}
	return a
}

func podsOf(job Job, pods []Pod) []Pod {
	var own []Pod
	for _, pod := range pods {
		if pod.Job == job.Name {
			own = append(own, pod)
		}
	}
	return own
}

func (a *Activity) addJob(job Job, pods []Pod, podsComplete bool) {
	if job.Terminal {
		if job.Fault == "" {
			a.addEnd(job, job.Finished, job.Failed)
		}
		return
	}
	boa, held := heldByProxy(job, podsOf(job, pods))
	switch {
	case !podsComplete:
		a.Unread = job.Name
	case !held || job.Fault != "":
		a.Running = "Job " + job.Name
	default:
		a.addEnd(job, boa.Finished, boa.ExitCode != 0)
	}
}

func (a *Activity) addEnd(job Job, at Stamp, failed bool) {
	if !at.Known() {
		a.BadEnd = fmt.Sprintf("Job %s has finished at no known time (%q)", job.Name, at.Raw)
		return
	}
	if at.At().After(a.Finished) {
		a.Finished, a.Failed = at.At(), failed
	}
}

// heldByProxy tells a Job that works from one that a mesh proxy alone keeps active (the
// system's own watcher that should end such proxies can be broken: docs/csm.md, "The mesh
// proxy"). It returns true only if nothing of the Job can work again: every boa container has
// ended, some Pod is held up by another container, and no further Pod will come. It returns
// the container that ended last.
func heldByProxy(job Job, pods []Pod) (last Container, ok bool) {
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
	// So is a success: a Job that is to have more of them starts the next Pod.
	enough := job.SucceededPods+held-heldFailures >= job.Completions
	return last, heldFailures == 0 && enough || spent
}
