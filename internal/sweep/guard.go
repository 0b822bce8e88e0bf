package sweep

import (
	"context"
	"fmt"

	"bosgc/gc"
	"bosgc/internal/margin"
	"bosgc/internal/state"
	"bosgc/policy"
)

// Guards returns the kinds of which the orphan guard holds back what looks orphaned.
func (r *Run) Guards(ctx context.Context) ([]gc.Guard, error) {
	ctx, cancel := context.WithTimeout(ctx, margin.StateTimeout)
	defer cancel()
	remembered, err := r.State().Read(ctx)
	if err != nil {
		return nil, &Error{gc.ExitFailed, err}
	}
	return closedGuards(remembered), nil
}

func closedGuards(s state.State) []gc.Guard {
	guards := []gc.Guard{}
	for _, kind := range policy.Kinds() {
		if g := s.Guards[string(kind)]; g.Closed() {
			guards = append(guards, gc.Guard{Kind: kind, Guard: g})
		}
	}
	return guards
}

// ReleaseGuard ends that the orphan guard holds back a kind, and returns what it was; nil if it did not. It takes the
// lease: a sweep that is under way would write over it.
func (r *Run) ReleaseGuard(ctx context.Context, kind policy.Kind) (released *gc.Guard, err error) {
	r.Settings.DryRun = false // nothing is deleted, and without the lease nothing can be written
	defer r.releaseLease(ctx)
	ctx, missing, err := r.acquireLease(ctx)
	if err == nil && missing != nil {
		err = failed("nothing was released: %w", missing)
	}
	if err != nil {
		return nil, err
	}
	if _, err := r.Guards(ctx); err != nil {
		return nil, err // a state that cannot be understood would be set aside
	}
	ctx, cancel := context.WithTimeout(ctx, margin.StateTimeout)
	defer cancel()
	err = r.State().UpdateOutsideRun(ctx, func(s *state.State) {
		released = nil
		if g := s.Guards[string(kind)]; g.Closed() {
			released = &gc.Guard{Kind: kind, Guard: g}
			s.Guards[string(kind)] = g.Release()
		}
	})
	if err != nil {
		return nil, &Error{gc.ExitFailed, fmt.Errorf("nothing was released: %w", err)}
	}
	return released, nil
}
