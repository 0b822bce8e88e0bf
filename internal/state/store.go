package state

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/kube"
)

// Store reads and writes the state in a ConfigMap.
type Store struct {
	kube *kube.Store
	name string
}

// NewStore returns the Store whose ConfigMap is <name>-state.
func NewStore(k *kube.Store, name string) *Store { return &Store{kube: k, name: name + "-state"} }

// Read returns the state, or the zero State if there is none yet. The error is ErrUnreadable if the
// ConfigMap exists but cannot be understood.
func (s *Store) Read(ctx context.Context) (State, error) {
	_, current, err := s.read(ctx)
	return current, err
}

// ReadBatcher returns what the state says of a batcher that is down, also if the rest of it cannot be understood.
func (s *Store) ReadBatcher(ctx context.Context) (Batcher, error) {
	configMap, _, err := s.kube.Get(ctx, s.name)
	if err != nil {
		return Batcher{}, err
	}
	return decodeBatcher(configMap.Data)
}

func (s *Store) read(ctx context.Context) (kube.StoredConfigMap, State, error) {
	configMap, presence, err := s.kube.Get(ctx, s.name)
	switch {
	case err != nil:
		return configMap, State{}, err
	case presence == inventory.Absent:
		return kube.StoredConfigMap{Name: s.name}, State{}, nil
	}
	current, err := decode(configMap.Data)
	if err != nil {
		err = fmt.Errorf("ConfigMap %s in namespace %q: %w", s.name, s.kube.Namespace(), err)
	}
	return configMap, current, err
}

// maxTries is how often a write starts again because another writer came in between. Only dry runs
// write beside a sweep, which holds the lock, so even one such conflict is rare.
const maxTries = 5

// Update counts a run in: change turns the current state into the next one. The result replaces
// exactly the state that it was made of, so two writers cannot lose what the other has counted. A run
// that the state already has is not counted twice: this happens when the answer to a write was lost.
// A state that cannot be understood is set aside, and an empty one takes its place.
func (s *Store) Update(ctx context.Context, run string, change func(*State) error) (State, error) {
	var last error
	for n := range maxTries {
		if n > 0 && !pause(ctx, n) {
			return State{}, context.Cause(ctx)
		}
		configMap, current, err := s.read(ctx)
		switch {
		case errors.Is(err, ErrUnreadable):
			if current, err = s.setAside(ctx, configMap); err != nil {
				return State{}, err
			}
		case err != nil:
			return State{}, err
		case run != "" && current.Counted(run):
			return current, nil
		}
		if err := change(&current); err != nil {
			return State{}, err
		}
		if run != "" {
			current.MarkCounted(run)
		}
		if configMap.Data, err = current.encode(); err != nil {
			return State{}, err
		}
		configMap.Binary = nil
		if _, last = s.kube.Put(ctx, configMap); last == nil {
			return current, nil
		}
		if !errors.Is(last, kube.ErrChanged) {
			return State{}, last
		}
	}
	return State{}, fmt.Errorf("others wrote the state %d times meanwhile: %w", maxTries, last)
}

// UpdateOutsideRun is like Update, but does not count a run in.
func (s *Store) UpdateOutsideRun(ctx context.Context, change func(*State)) error {
	_, err := s.Update(ctx, "", func(current *State) error {
		change(current)
		return nil
	})
	return err
}

// pause waits before try n. It reports whether ctx still lives.
func pause(ctx context.Context, n int) bool {
	select {
	case <-time.After(time.Duration(n) * time.Duration(50+rand.IntN(100)) * time.Millisecond):
		return true
	case <-ctx.Done():
		return false
	}
}

// setAside copies a state that cannot be understood to <name>-state-unreadable, where a person can
// look at it; only then may the original be overwritten. An earlier copy is overwritten: whatever
// came after it was written by bosgc itself.
func (s *Store) setAside(ctx context.Context, unreadable kube.StoredConfigMap) (State, error) {
	name := s.name + "-unreadable"
	aside, _, err := s.kube.Get(ctx, name)
	if err != nil {
		return State{}, err
	}
	aside.Name, aside.Data, aside.Binary = name, unreadable.Data, unreadable.Binary
	if _, err := s.kube.Put(ctx, aside); err != nil {
		return State{}, fmt.Errorf("set the unreadable state aside: %w", err)
	}
	left, err := decodeBatcher(unreadable.Data)
	if err != nil {
		left = Batcher{} // a person has to look what there was
	}
	return State{SetAside: time.Now().UTC().Truncate(time.Second), Batcher: left}, nil
}
