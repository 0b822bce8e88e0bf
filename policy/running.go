package policy

import (
	"fmt"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/margin"
)

// activity is what the Jobs and Pods of a session say about whether it still runs. BOS's own
// fields "complete" and "in_progress" have no part in it: up to CSM 1.3.1 both are always
// false, also while a session runs (docs/csm.md, "Fields that lie").
type activity struct {
	running   string         // what is running, for a person; empty if nothing is
	hanging   *inventory.Pod // was deleted and has not ended; nil if there is none
	unread    string         // a Job that only its Pods could tell about, and they were not read
	finished  time.Time      // when the last Job finished
	failed    bool           // that Job has failed
	badEnd    string         // says which Job has finished at no known time; empty if none has
	exactJobs int            // Jobs of exact shape
}

// activityOf looks at everything that could still do work for a session. A stopped Job could be started again by
// whoever stopped it, unless that was bosgc, in the course of cancelling the session.
func activityOf(g *inventory.Group, cancelled bool) activity {
	var a activity
	jobs, _ := g.Jobs()
	pods, podsComplete := g.Pods()
	for _, pod := range pods {
		// A Pod counts even without its Job: deleted with the Orphan policy, which is the
		// default of the API for Jobs, a Job leaves its Pods at work.
		if !pod.Over && !pod.Boa.Terminated {
			a.running = "Pod " + pod.Name
			if pod.Deleted.Known() {
				a.hanging = &pod
			}
		}
	}
	for _, job := range jobs {
		if job.Fault == "" {
			a.exactJobs++
		}
		if cancelled && job.Stopped && job.Fault == "" && podsComplete && !job.Terminal {
			continue // the loop above has seen whether one of its Pods runs
		}
		a.addJob(job, pods, podsComplete)
	}
	return a
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

func (a *activity) addJob(job inventory.Job, pods []inventory.Pod, podsComplete bool) {
	if job.Terminal {
		if job.Fault == "" {
			a.addEnd(job, job.Finished, job.Failed)
		}
		return
	}
	boa, held := heldByProxy(job, podsOf(job, pods))
	switch {
	case !podsComplete:
		a.unread = job.Name
	case !held || job.Fault != "":
		a.running = "Job " + job.Name
	default:
		a.addEnd(job, boa.Finished, boa.ExitCode != 0)
	}
}

func (a *activity) addEnd(job inventory.Job, at inventory.Stamp, failed bool) {
	if !at.Known() {
		a.badEnd = fmt.Sprintf("Job %s has finished at no known time (%q)", job.Name, at.Raw)
		return
	}
	if at.At().After(a.finished) {
		a.finished, a.failed = at.At(), failed
	}
}

// heldByProxy tells a Job that works from one that a mesh proxy alone keeps active (the
// system's own watcher that should end such proxies can be broken: docs/csm.md, "The mesh
// proxy"). It returns true only if nothing of the Job can work again: every boa container has
// ended, some Pod is held up by another container, and no further Pod will come. It returns
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

// Running says what runs for a session, for a person; it returns the empty string if nothing does.
func (j *Judge) Running(g *inventory.Group) string { return j.facts(g).activity.running }

func (j *Judge) running(f *facts) *ruling {
	if f.activity.running == "" {
		return nil
	}
	text := f.activity.running + " still runs or may run again"
	if pod := f.activity.hanging; pod != nil && j.now.Sub(pod.Deleted.At()) > margin.PodHangs {
		text += fmt.Sprintf("; Pod %s has been Terminating since %s: if its node is lost and will not come back, "+
			"kubectl delete pod %s --force", pod.Name, pod.Deleted.At().Format(time.RFC3339), pod.Name)
	}
	return keep(Running, text)
}
