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

// Store is where the state is kept.
type Store struct {
	kube *kube.Store
	name string
}

// NewStore keeps the state in the ConfigMap <name>-state.
func NewStore(k *kube.Store, name string) *Store { return &Store{kube: k, name: name + "-state"} }

// Read gives the state; the zero one if there is none yet. The error is ErrUnreadable if it is
// there and cannot be understood.
func (s *Store) Read(ctx context.Context) (State, error) {
	_, now, err := s.read(ctx)
	return now, err
}

func (s *Store) read(ctx context.Context) (kube.StoredConfigMap, State, error) {
	kept, presence, err := s.kube.Get(ctx, s.name)
	switch {
	case err != nil:
		return kept, State{}, err
	case presence == inventory.Absent:
		return kube.StoredConfigMap{Name: s.name}, State{}, nil
	}
	now, err := decode(kept.Data)
	if err != nil {
		err = fmt.Errorf("ConfigMap %s in namespace %q: %w", s.name, s.kube.Namespace(), err)
	}
	return kept, now, err
}

// tries is how often a write is begun anew because another writer came between. With the lock
// only dry runs write beside a sweep, so that even one is rare.
const tries = 5

// Update counts a run in: change makes the next state of the present one. It is written over the
// very state that it was made of, so that two writers cannot lose what the other has counted,
// and a run that is in it already is not counted twice: that is how an answer which was lost
// on its way looks. A state that cannot be understood is set aside, and begun anew.
func (s *Store) Update(ctx context.Context, run string, change func(*State) error) (State, error) {
	var last error
	for n := range tries {
		if n > 0 && !pause(ctx, n) {
			return State{}, context.Cause(ctx)
		}
		kept, now, err := s.read(ctx)
		switch {
		case errors.Is(err, ErrUnreadable):
			if now, err = s.setAside(ctx, kept); err != nil {
				return State{}, err
			}
		case err != nil:
			return State{}, err
		case run != "" && now.Counted(run):
			return now, nil
		}
		if err := change(&now); err != nil {
			return State{}, err
		}
		if run != "" {
			now.Count(run)
		}
		if kept.Data, err = now.encode(); err != nil {
			return State{}, err
		}
		kept.Binary = nil
		if _, last = s.kube.Put(ctx, kept); last == nil {
			return now, nil
		}
		if !errors.Is(last, kube.ErrChanged) {
			return State{}, last
		}
	}
	return State{}, fmt.Errorf("others wrote the state %d times meanwhile: %w", tries, last)
}

// Note changes the state beside what runs count in.
func (s *Store) Note(ctx context.Context, change func(*State)) error {
	_, err := s.Update(ctx, "", func(now *State) error { change(now); return nil })
	return err
}

func pause(ctx context.Context, n int) bool {
	select {
	case <-time.After(time.Duration(n) * time.Duration(50+rand.IntN(100)) * time.Millisecond):
		return true
	case <-ctx.Done():
		return false
	}
}

// setAside copies a state that cannot be understood to <name>-state-unreadable, where a person
// can look at it. Only then may it be overwritten. An earlier copy is: the ones in
// between were written by nobody but bosgc.
func (s *Store) setAside(ctx context.Context, kept kube.StoredConfigMap) (State, error) {
	name := s.name + "-unreadable"
	aside, _, err := s.kube.Get(ctx, name)
	if err != nil {
		return State{}, err
	}
	aside.Name, aside.Data, aside.Binary = name, kept.Data, kept.Binary
	if _, err := s.kube.Put(ctx, aside); err != nil {
		return State{}, fmt.Errorf("set the unreadable state aside: %w", err)
	}
	return State{SetAside: time.Now().UTC().Truncate(time.Second)}, nil
}
