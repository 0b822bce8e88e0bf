// Package batcher restarts the batcher of CFS, which keeps in memory what it is about to configure.
// It never leaves the batcher down: without it, no node of the system is configured.
package batcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/kube"
	"bosgc/internal/margin"
	"bosgc/internal/state"
)

const (
	// pollInterval is the time between two looks at the Deployment or its Pods.
	pollInterval = 500 * time.Millisecond
	// maxConflicts is how often a change is tried again after something else has changed the
	// Deployment, such as its status.
	maxConflicts = 10
	// maxReplicas bounds what the state can ask for, because others may write it too. The batcher of CSM has one replica.
	maxReplicas = 10
)

// ErrDown is returned if the batcher could not be brought up again.
var ErrDown = errors.New("the batcher may be down, and no node is configured without it")

// errScaledToZero ends a restart: a batcher that somebody else has stopped needs none.
var errScaledToZero = errors.New("somebody has scaled the batcher to 0 meanwhile")

var errNoDeployment = errors.New("there is no Deployment")

var errNoReplicas = errors.New("the state does not say how many replicas it had")

// Batcher is the Deployment of the batcher. How many replicas it is to have is written to the state before it is scaled
// down: bosgc may scale it, and change nothing else of it.
type Batcher struct {
	Kube  *kube.Client
	State *state.Store
	Name  string
	Log   *slog.Logger
	// Say tells a person what Restart waits for; it may be nil.
	Say func(string)
}

// Restart stops the batcher and starts it again, so that it forgets what it has gathered. The old
// Pod and the new one never run at once, as they would in a rollout: two batchers configure a node
// twice. A batcher that is scaled to 0 stays so. Otherwise it comes back to the number of replicas
// that it had, also if ctx ends in between.
func (b Batcher) Restart(ctx context.Context, run string) error {
	s, err := b.scale(ctx)
	if err != nil {
		return err
	}
	if s.Replicas == 0 {
		b.say("%s is scaled to 0, so it holds nothing, and stays so", b.Name)
		return nil
	}
	replicas, err := b.scaleDown(ctx, s, run)
	switch {
	case errors.Is(err, errScaledToZero), replicas == 0: // nothing was scaled
		return err
	case err != nil:
		return errors.Join(err, b.scaleUp(ctx, replicas, false))
	}
	b.say("%s is scaled from %d to 0; waiting for the end of its Pods", b.Name, replicas)
	waitErr := b.waitFor(ctx, "the Pods of "+b.Name+" to end", func(ctx context.Context) (bool, error) {
		all, _, err := b.Kube.PodsOf(ctx, s)
		return all == 0, err
	})
	// Whatever has happened: it must not stay down.
	if err := errors.Join(waitErr, b.scaleUp(ctx, replicas, true)); err != nil {
		return err
	}
	b.say("%s is scaled back to %d; waiting until it is ready", b.Name, replicas)
	return b.waitFor(ctx, b.Name+" to be ready", b.isReady)
}

func (b Batcher) isReady(ctx context.Context) (bool, error) {
	s, err := b.scale(ctx)
	if err != nil {
		return false, err
	}
	_, ready, err := b.Kube.PodsOf(ctx, s)
	return s.Current == s.Replicas && ready == int(s.Replicas), err
}

// Repair scales up a batcher that a run which died has left down, by what that run wrote to the state. It reports
// whether there was one.
func (b Batcher) Repair(ctx context.Context, left state.Batcher) (repaired bool, err error) {
	if left == (state.Batcher{}) {
		return false, nil
	}
	b.Name = left.Deployment
	b.Log.Warn("a run has died while it restarted the batcher; bringing it up", "deployment", b.Name, "left", left)
	replicas := left.Replicas
	if replicas > maxReplicas {
		replicas = 0 // refused below, if it is needed at all
	}
	if err = b.scaleUp(ctx, replicas, true); errors.Is(err, errNoDeployment) {
		b.Log.Warn("the batcher that a run has left down is not there any more", "deployment", b.Name)
		return false, b.forget(ctx)
	}
	return err == nil, err
}

func (b Batcher) scale(ctx context.Context) (kube.Scale, error) {
	s, presence, err := b.Kube.GetScale(ctx, b.Name)
	if err == nil && presence == inventory.Absent {
		err = fmt.Errorf("%w %q in the namespace of BOS: check BOSGC_BATCHER", errNoDeployment, b.Name)
	}
	return s, err
}

// scaleDown writes the number of replicas to the state, and only then scales to 0. It returns that number; 0 means that
// nothing was scaled. With an error it may have been.
func (b Batcher) scaleDown(ctx context.Context, s kube.Scale, run string) (replicas int32, err error) {
	for n := 0; ; n++ {
		if s.Replicas > maxReplicas {
			return replicas, fmt.Errorf("%s has %d replicas, and no batcher of CSM has more than %d", b.Name, s.Replicas, maxReplicas)
		}
		left := state.Batcher{Deployment: b.Name, Replicas: s.Replicas, Run: run, At: time.Now().UTC().Truncate(time.Second)}
		if err := b.note(ctx, left); err != nil {
			return replicas, fmt.Errorf("%s was not restarted: how many replicas it has could not be written to the state: %w", b.Name, err)
		}
		// Only that very version is changed: if somebody has scaled it since, the number in the state is wrong.
		_, err := b.Kube.SetScale(ctx, s, 0)
		if err == nil {
			return s.Replicas, nil
		}
		if errors.Is(err, kube.ErrLost) {
			replicas = s.Replicas
		} else if !errors.Is(err, kube.ErrChanged) {
			return replicas, errors.Join(err, b.forget(ctx))
		}
		if n >= maxConflicts || !pause(ctx, pollInterval) {
			return replicas, err
		}
		if s, err = b.scale(ctx); err != nil {
			return replicas, err
		}
		switch {
		case s.Replicas == 0 && replicas > 0:
			return replicas, nil // it was carried out, and only its answer was lost
		case s.Replicas == 0: // on purpose, so no later run may scale it up
			return 0, errors.Join(errScaledToZero, b.forget(ctx))
		}
	}
}

// note writes to the state what the batcher is to have again.
func (b Batcher) note(ctx context.Context, left state.Batcher) error {
	ctx, cancel := context.WithTimeout(ctx, margin.StateTimeout)
	defer cancel()
	return b.State.UpdateOutsideRun(ctx, func(s *state.State) { s.Batcher = left })
}

func (b Batcher) forget(ctx context.Context) error {
	return b.note(context.WithoutCancel(ctx), state.Batcher{})
}

// scaleUp scales the batcher from 0 to what it had, and then forgets that it was down. It does so also after the run was
// told to stop. What cannot be forgotten does no harm: the next run finds the batcher up, and forgets it. Unless it is
// settled whether the step to 0 was carried out, one that is found up may still go down, and is not forgotten.
func (b Batcher) scaleUp(ctx context.Context, replicas int32, settled bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), margin.BatcherScaleUp)
	defer cancel()
	var last error
	for ctx.Err() == nil {
		var wasDown bool
		if wasDown, last = b.tryScaleUp(ctx, replicas); last == nil {
			if !wasDown && !settled {
				return nil
			}
			if err := b.forget(ctx); err != nil {
				b.Log.Warn("that the batcher is up again was not written to the state", "error", err.Error())
			}
			return nil
		}
		if errors.Is(last, errNoReplicas) || errors.Is(last, errNoDeployment) || kube.IsForbidden(last) {
			break // trying again changes nothing
		}
		pause(ctx, pollInterval)
	}
	return fmt.Errorf("%w: %w; the next run of bosgc that may scale it tries again; by hand: "+
		"kubectl scale deployment %s --replicas=1", ErrDown, last, b.Name)
}

func (b Batcher) tryScaleUp(ctx context.Context, replicas int32) (wasDown bool, err error) {
	s, err := b.scale(ctx)
	switch {
	case err != nil:
		return false, err
	case s.Replicas > 0: // somebody has scaled it up already, to the number they want
		return false, nil
	case replicas < 1:
		return true, errNoReplicas
	}
	_, err = b.Kube.SetScale(ctx, s, replicas)
	return true, err
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
