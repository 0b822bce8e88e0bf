// Package batcher restarts the batcher of CFS, which keeps in memory what it is about to configure.
// It never leaves the batcher down: without it, no node of the system is configured.
package batcher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/kube"
	"bosgc/internal/margin"
)

// annotation holds the number of replicas that the batcher is to have. It is written before the
// batcher is scaled down and removed when it is up again, so that the next run can finish what a run
// that died has left undone.
const annotation = "bosgc/batcher"

const (
	// pollInterval is the time between two looks at the Deployment or its Pods.
	pollInterval = 500 * time.Millisecond
	// maxConflicts is how often a change is tried again after something else has changed the
	// Deployment, such as its status.
	maxConflicts = 10
)

// maxReplicas bounds what an annotation can ask for, because anybody may have written it. The
// batcher of CSM has one replica.
const maxReplicas = 10

// ErrDown is returned if the batcher could not be brought up again.
var ErrDown = errors.New("the batcher may be down, and no node is configured without it")

// errScaledToZero ends a restart: a batcher that somebody else has stopped needs none.
var errScaledToZero = errors.New("somebody has scaled the batcher to 0 meanwhile")

var errNoReplicas = errors.New("nothing says how many replicas it had")

// Batcher is the Deployment of the batcher.
type Batcher struct {
	Kube *kube.Client
	Name string
	Log  *slog.Logger
	// Say tells a person what Restart waits for; it may be nil.
	Say func(string)
}

// intent is the content of the annotation.
type intent struct {
	Replicas int32 `json:"replicas"`
	// Down is written in the same step that scales to 0. A batcher at 0 without it was scaled there
	// by somebody else. One with it was scaled by a run of bosgc, even if the answer to that step was
	// lost and the step seemed to fail.
	Down bool      `json:"down,omitempty"`
	Run  string    `json:"run"`
	At   time.Time `json:"at"`
}

// Restart stops the batcher and starts it again, so that it forgets what it has gathered. The old
// Pod and the new one never run at once, as they would in a rollout: two batchers configure a node
// twice. A batcher that is scaled to 0 stays so. Otherwise it comes back to the number of replicas
// that it had, also if ctx ends in between.
func (b Batcher) Restart(ctx context.Context, run string) error {
	d, err := b.deployment(ctx)
	if err != nil {
		return err
	}
	if d, err = b.repair(ctx, d); err != nil {
		return err
	}
	if d.Replicas == 0 {
		b.say("%s is scaled to 0, so it holds nothing, and stays so", b.Name)
		return nil
	}
	replicas := d.Replicas
	if d, err = b.scaleDown(ctx, d, run); errors.Is(err, errScaledToZero) {
		return err
	}
	if err != nil {
		return errors.Join(err, b.scaleUp(ctx))
	}
	b.say("%s is scaled from %d to 0; waiting for the end of its Pods", b.Name, replicas)
	waitErr := b.waitFor(ctx, "the Pods of "+b.Name+" to end", func(ctx context.Context) (bool, error) {
		pods, err := b.Kube.ListDeploymentPods(ctx, d)
		return len(pods) == 0, err
	})
	// Whatever has happened: it must not stay down.
	if err := errors.Join(waitErr, b.scaleUp(ctx)); err != nil {
		return err
	}
	b.say("%s is scaled back to %d; waiting until it is ready", b.Name, replicas)
	return b.waitFor(ctx, b.Name+" to be ready", func(ctx context.Context) (bool, error) {
		d, err := b.deployment(ctx)
		return d.Ready, err
	})
}

// Repair scales up a batcher that a run which died has left down. It reports whether there was one.
func (b Batcher) Repair(ctx context.Context) (repaired bool, err error) {
	d, presence, err := b.Kube.GetDeployment(ctx, b.Name)
	if err != nil || presence == inventory.Absent || d.Annotations[annotation] == "" {
		return false, err
	}
	_, err = b.repair(ctx, d)
	return err == nil, err
}

func (b Batcher) repair(ctx context.Context, d kube.Deployment) (kube.Deployment, error) {
	if d.Annotations[annotation] == "" {
		return d, nil
	}
	b.Log.Warn("a run has died while it restarted the batcher; bringing it up",
		"deployment", b.Name, "found", d.Annotations[annotation], "replicas", d.Replicas)
	if err := b.scaleUp(ctx); err != nil {
		return d, err
	}
	return b.deployment(ctx)
}

func (b Batcher) deployment(ctx context.Context) (kube.Deployment, error) {
	d, presence, err := b.Kube.GetDeployment(ctx, b.Name)
	if err == nil && presence == inventory.Absent {
		err = fmt.Errorf("there is no Deployment %q in the namespace of BOS: check BOSGC_BATCHER", b.Name)
	}
	return d, err
}

// scaleDown writes the number of replicas to the annotation, and only then scales to 0.
func (b Batcher) scaleDown(ctx context.Context, d kube.Deployment, run string) (kube.Deployment, error) {
	for n := 0; ; n++ {
		i := intent{Replicas: d.Replicas, Run: run, At: time.Now().UTC().Truncate(time.Second)}
		annotated, err := b.Kube.ChangeDeployment(ctx, d, kube.DeploymentChange{Annotations: i.annotations()})
		if err == nil {
			zero := int32(0)
			i.Down = true
			// Only that very version is changed: if somebody has scaled it since, the number in the
			// annotation is wrong.
			d, err = b.Kube.ChangeDeployment(ctx, annotated,
				kube.DeploymentChange{Replicas: &zero, Annotations: i.annotations()})
		}
		if !errors.Is(err, kube.ErrChanged) || n >= maxConflicts {
			return d, err
		}
		if d, err = b.deployment(ctx); err != nil {
			return d, err
		}
		found, _ := parseIntent(d)
		switch {
		case d.Replicas == 0 && found.Down && found.Run == run:
			return d, nil // it was carried out, and only its answer was lost
		case d.Replicas == 0:
			return d, b.abandon(ctx, d)
		}
	}
}

func (i intent) annotations() map[string]*string {
	data, err := json.Marshal(i)
	if err != nil {
		panic(err) // plain data always marshals
	}
	text := string(data)
	return map[string]*string{annotation: &text}
}

func parseIntent(d kube.Deployment) (i intent, err error) {
	text := d.Annotations[annotation]
	if err := json.Unmarshal([]byte(text), &i); err != nil || i.Replicas < 1 || i.Replicas > maxReplicas {
		return intent{}, fmt.Errorf("%w: its annotation %s is %.80q", errNoReplicas, annotation, text)
	}
	return i, nil
}

// abandon removes the annotation and returns errScaledToZero. Somebody has scaled the batcher to 0
// on purpose, so no later run may scale it up.
func (b Batcher) abandon(ctx context.Context, d kube.Deployment) error {
	for n := 0; ; n++ {
		change := kube.DeploymentChange{Annotations: map[string]*string{annotation: nil}}
		_, err := b.Kube.ChangeDeployment(ctx, d, change)
		if errors.Is(err, kube.ErrChanged) && n < maxConflicts {
			if d, err = b.deployment(ctx); err == nil {
				continue
			}
		}
		return errors.Join(errScaledToZero, err)
	}
}

// scaleUp scales the batcher to what the annotation says, and removes the annotation in the same
// step. It does so also after the run was told to stop.
func (b Batcher) scaleUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), margin.BatcherScaleUp)
	defer cancel()
	var last error
	for ctx.Err() == nil {
		if last = b.tryScaleUp(ctx); last == nil {
			return nil
		}
		if errors.Is(last, errNoReplicas) || kube.IsForbidden(last) {
			break // trying again changes nothing
		}
		pause(ctx, pollInterval)
	}
	return fmt.Errorf("%w: %w; the next run of bosgc tries again; by hand: "+
		"kubectl scale deployment %s --replicas=1, and kubectl annotate deployment %s %s-",
		ErrDown, last, b.Name, b.Name, annotation)
}

func (b Batcher) tryScaleUp(ctx context.Context) error {
	d, err := b.deployment(ctx)
	if err != nil {
		return err
	}
	if d.Annotations[annotation] == "" {
		return nil
	}
	change := kube.DeploymentChange{Annotations: map[string]*string{annotation: nil}}
	if d.Replicas == 0 { // otherwise somebody has scaled it up already, to the number they want
		i, err := parseIntent(d)
		if err != nil {
			return err
		}
		if i.Down { // otherwise somebody else has scaled it to 0, on purpose
			change.Replicas = &i.Replicas
		}
	}
	_, err = b.Kube.ChangeDeployment(ctx, d, change)
	return err
}

// waitFor polls until done returns true. An error of done does not end the wait: an API server that
// restarts is no reason to give up in the middle of a restart.
func (b Batcher) waitFor(ctx context.Context, what string, done func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, margin.PodsEnd, fmt.Errorf("waited %s for %s", margin.PodsEnd, what))
	defer cancel()
	var last error
	for {
		ok, err := done(ctx)
		if ok && err == nil {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			last = err
		}
		if !pause(ctx, pollInterval) {
			return errors.Join(context.Cause(ctx), last)
		}
	}
}

// pause reports whether d has passed; false means that ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

func (b Batcher) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	b.Log.Info(text)
	if b.Say != nil {
		b.Say(text)
	}
}
