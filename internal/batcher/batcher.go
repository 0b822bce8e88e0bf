// Package batcher restarts the batcher of CFS, which keeps in its memory what it is about to configure,
// without ever leaving it down: while it is, no node of the system is configured.
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
)

// annotation has how many replicas the batcher is to have. It is there from before it is scaled down until it
// is up again, so that whoever finds it knows what a run that died has left undone.
const annotation = "bosgc/batcher"

const (
	// settles bounds the wait for Pods to end or to be ready. A Pod has 30 seconds to end, which the batcher uses
	// up to the last (docs/csm.md, "The batcher"); then a node and a registry may be slow.
	settles = 5 * time.Minute
	// lookEvery is how often it is looked for that.
	lookEvery = 500 * time.Millisecond
	// mendWithin is what bringing it up again may take after a run was told to stop.
	mendWithin = 20 * time.Second
	// tries is how often a change is tried again because something else has changed, such as the status.
	tries = 10
)

// mostReplicas bounds what an annotation, which anybody may have written, can ask for. The batcher has one.
const mostReplicas = 10

// ErrDown says that the batcher could not be brought up again.
var ErrDown = errors.New("the batcher may be down, and no node is configured without it")

// errZero ends a restart that is none any more.
var errZero = errors.New("somebody has scaled the batcher to 0 meanwhile")

var errNote = errors.New("nothing says how many replicas it had")

// Batcher is the Deployment of the batcher.
type Batcher struct {
	Kube *kube.Client
	Name string
	Log  *slog.Logger
	// Say tells a person what is waited for; nil tells nobody.
	Say func(string)
}

// intent is what the annotation holds.
type intent struct {
	Replicas int32 `json:"replicas"`
	// Down comes in the same step as the 0 that it speaks of. A batcher that is at 0 without it was scaled there by
	// somebody else; one with it was not, even if the answer to that step was lost and the step seems to have failed.
	Down bool      `json:"down,omitempty"`
	Run  string    `json:"run"`
	At   time.Time `json:"at"`
}

// Restart ends the batcher and starts it again, so that it forgets what it has gathered. It does not overlap
// with itself, as a rollout would: two batchers configure a node twice. One that is scaled to
// nothing stays so. It comes back to the number of replicas that it had, also if ctx ends in between.
func (b Batcher) Restart(ctx context.Context, run string) error {
	d, err := b.read(ctx)
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
	wanted := d.Replicas
	if d, err = b.down(ctx, d, run); errors.Is(err, errZero) {
		return err
	}
	if err != nil {
		return errors.Join(err, b.up(ctx))
	}
	b.say("%s is scaled from %d to 0; waiting for the end of its Pods", b.Name, wanted)
	gone := b.wait(ctx, "the Pods of "+b.Name+" to end", func(ctx context.Context) (bool, error) {
		pods, err := b.Kube.ListDeploymentPods(ctx, d)
		return len(pods) == 0, err
	})
	// Whatever has happened: it must not stay down.
	if err := errors.Join(gone, b.up(ctx)); err != nil {
		return err
	}
	b.say("%s is scaled back to %d; waiting until it is ready", b.Name, wanted)
	return b.ready(ctx)
}

// Repair brings up a batcher that a run which died has left down, and says whether there was one.
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
	b.Log.Warn("a run has died while it restarted the batcher; bringing it up", "deployment", b.Name, "found", d.Annotations[annotation], "replicas", d.Replicas)
	if err := b.up(ctx); err != nil {
		return d, err
	}
	return b.read(ctx)
}

func (b Batcher) read(ctx context.Context) (kube.Deployment, error) {
	d, presence, err := b.Kube.GetDeployment(ctx, b.Name)
	if err == nil && presence == inventory.Absent {
		err = fmt.Errorf("there is no Deployment %q in the namespace of BOS: check BOSGC_BATCHER", b.Name)
	}
	return d, err
}

// down notes how many replicas there are to be, and only then lets there be none.
func (b Batcher) down(ctx context.Context, d kube.Deployment, run string) (kube.Deployment, error) {
	for n := 0; ; n++ {
		was := intent{Replicas: d.Replicas, Run: run, At: time.Now().UTC().Truncate(time.Second)}
		marked, err := b.Kube.ChangeDeployment(ctx, d, kube.DeploymentChange{Annotations: was.note()})
		if err == nil {
			none := int32(0)
			was.Down = true
			// It is the version that was marked: if somebody has scaled it since, the count is not true any more.
			d, err = b.Kube.ChangeDeployment(ctx, marked, kube.DeploymentChange{Replicas: &none, Annotations: was.note()})
		}
		if !errors.Is(err, kube.ErrChanged) || n >= tries {
			return d, err
		}
		if d, err = b.read(ctx); err != nil {
			return d, err
		}
		now, _ := noted(d)
		switch {
		case d.Replicas == 0 && now.Down && now.Run == run:
			return d, nil // it was carried out, and only its answer was lost
		case d.Replicas == 0:
			return d, b.forget(ctx, d)
		}
	}
}

func (i intent) note() map[string]*string {
	text, err := json.Marshal(i)
	if err != nil {
		panic(err) // plain data always marshals
	}
	note := string(text)
	return map[string]*string{annotation: &note}
}

// noted reads the annotation of a Deployment.
func noted(d kube.Deployment) (was intent, err error) {
	note := d.Annotations[annotation]
	if err := json.Unmarshal([]byte(note), &was); err != nil || was.Replicas < 1 || was.Replicas > mostReplicas {
		return intent{}, fmt.Errorf("%w: its annotation %s is %.80q", errNote, annotation, note)
	}
	return was, nil
}

// forget takes the note away: whoever has scaled the batcher to 0 meanwhile means it, and nothing must bring it up again.
func (b Batcher) forget(ctx context.Context, d kube.Deployment) error {
	for n := 0; ; n++ {
		_, err := b.Kube.ChangeDeployment(ctx, d, kube.DeploymentChange{Annotations: map[string]*string{annotation: nil}})
		if errors.Is(err, kube.ErrChanged) && n < tries { // by its status, for instance
			if d, err = b.read(ctx); err == nil {
				continue
			}
		}
		return errors.Join(errZero, err)
	}
}

// up brings the batcher back to what the annotation says, and takes the annotation away in the same step. It
// is done also after the run was told to stop.
func (b Batcher) up(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mendWithin)
	defer cancel()
	var last error
	for ctx.Err() == nil {
		if last = b.upOnce(ctx); last == nil {
			return nil
		}
		if errors.Is(last, errNote) || kube.IsForbidden(last) {
			break // trying again changes nothing
		}
		pause(ctx, lookEvery)
	}
	return fmt.Errorf("%w: %w; the next run of bosgc tries again; by hand: kubectl scale deployment %s --replicas=1, and kubectl annotate deployment %s %s-",
		ErrDown, last, b.Name, b.Name, annotation)
}

func (b Batcher) upOnce(ctx context.Context) error {
	d, err := b.read(ctx)
	if err != nil {
		return err
	}
	if d.Annotations[annotation] == "" {
		return nil
	}
	change := kube.DeploymentChange{Annotations: map[string]*string{annotation: nil}}
	if d.Replicas == 0 { // else somebody has brought it up already, and meant the number
		was, err := noted(d)
		if err != nil {
			return err
		}
		if was.Down { // else the 0 is somebody else's, who means it
			change.Replicas = &was.Replicas
		}
	}
	_, err = b.Kube.ChangeDeployment(ctx, d, change)
	return err
}

func (b Batcher) ready(ctx context.Context) error {
	return b.wait(ctx, b.Name+" to be ready", func(ctx context.Context) (bool, error) {
		d, err := b.read(ctx)
		return d.Ready, err
	})
}

// wait looks again and again. A look that fails is none: an API server that restarts is no reason to give up
// in the middle.
func (b Batcher) wait(ctx context.Context, what string, done func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, settles, fmt.Errorf("waited %s for %s", settles, what))
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
		if !pause(ctx, lookEvery) {
			return errors.Join(context.Cause(ctx), last)
		}
	}
}

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
