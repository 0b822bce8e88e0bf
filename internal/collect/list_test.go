package collect

import (
	"testing"
	"time"

	"bosgc/internal/bos"
	"bosgc/internal/state"
)

func TestWhenTheListIsAskedFor(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	const mib = 1 << 20
	hang := func(ago time.Duration, bytes int64) *state.Hang { return &state.Hang{At: now.Add(-ago), Bytes: bytes} }
	for _, tt := range []struct {
		name  string
		bytes int64
		etcd  bool
		hang  *state.Hang
		want  bool
	}{
		{"nothing is there", 0, false, nil, true},
		{"three quarters of the limit", 3 * mib, false, nil, true},
		{"more than that, guessed", 3*mib + 1, false, nil, false},
		{"more than that, as etcd says", 3*mib + 1, true, nil, true},
		{"nine tenths, as etcd says", 4 * mib * 9 / 10, true, nil, true},
		{"more than nine tenths", 4*mib*9/10 + 1, true, nil, false},
		{"it has just hung", 2 * mib, false, hang(time.Hour, 2*mib), false},
		{"half of what has just hung", mib, false, hang(time.Hour, 2*mib), true},
		{"a little more than half", mib + 1, false, hang(time.Hour, 2*mib), false},
		{"three quarters of it a day later", 3 * mib / 2, false, hang(24*time.Hour, 2*mib), true},
		{"more than that", 3*mib/2 + 1, false, hang(24*time.Hour, 2*mib), false},
		{"a small one that hung waits for a day", 1000, false, hang(23*time.Hour, mib), false},
		{"and is asked for then", mib, false, hang(24*time.Hour, 5000), true},
		{"but not if it has grown", mib + 1, false, hang(24*time.Hour, 5000), false},
		{"a hang in the future is not waited for", 3 * mib / 2, false, hang(-time.Hour, 2*mib), true},
		{"the limit counts whatever was remembered", 3*mib + 1, false, hang(48*time.Hour, 100*mib), false},
		{"etcd's word does not outweigh a hang", 2 * mib, true, hang(time.Hour, 2*mib), false},
		{"silence says nothing about the list", 3 * mib, false, &state.Hang{At: now, Bytes: 1, Silent: true}, true},
	} {
		l := &SessionList{Bytes: tt.bytes, Limit: bos.MaxList}
		if why := l.hangRisk(tt.etcd, tt.hang, now); (why == "") != tt.want {
			t.Errorf("%s: %q", tt.name, why)
		}
	}
}

func TestWhatIsRememberedOfTheList(t *testing.T) {
	hang := &state.Hang{At: time.Unix(1, 0), Bytes: 5}
	before := state.SessionList{Sessions: 100, Unseen: 10, Hang: hang}
	gone := []string{"a", "b"}
	unseen := map[string]bool{"b": true, "c": true}
	for _, tt := range []struct {
		name string
		list *SessionList
		want state.SessionList
	}{
		{"nothing was read", nil, before},
		{"no list, and nothing instead", &SessionList{}, before},
		{"the list was answered", &SessionList{From: FromBOS, Sessions: 50, unseen: unseen}, state.SessionList{Sessions: 48, Unseen: 1}},
		{"etcd was read", &SessionList{From: FromEtcd, Sessions: 50, unseen: unseen}, state.SessionList{Sessions: 48, Unseen: 1, Hang: hang}},
		{"without either", &SessionList{From: FromKubernetes, Sessions: 50}, state.SessionList{Sessions: 48, Unseen: 10, Hang: hang}},
		{"it hung once more", &SessionList{From: FromKubernetes, Sessions: 50, hang: &state.Hang{Bytes: 3}}, state.SessionList{Sessions: 48, Unseen: 10, Hang: &state.Hang{Bytes: 3}}},
		{"silence", &SessionList{hang: &state.Hang{Silent: true}}, state.SessionList{Sessions: 98, Unseen: 10, Hang: &state.Hang{Silent: true}}},
		{"more has gone than there was", &SessionList{From: FromBOS, Sessions: 1}, state.SessionList{}},
	} {
		got := tt.list.Remember(before, gone)
		same := got.Hang == tt.want.Hang || got.Hang != nil && tt.want.Hang != nil && *got.Hang == *tt.want.Hang
		if got.Hang, tt.want.Hang = nil, nil; got != tt.want || !same {
			t.Errorf("%s: %+v, want %+v; the hang is right: %v", tt.name, got, tt.want, same)
		}
	}
}

// A clock that is set while everything is read makes ages of two clocks.
func TestAClockThatIsSet(t *testing.T) {
	for shown, doubted := range map[time.Duration]bool{
		5 * time.Minute: false, 5*time.Minute + 30*time.Second: false, 4 * time.Minute: false,
		7 * time.Minute: true, 3 * time.Minute: true, -30 * 24 * time.Hour: true, 30 * 24 * time.Hour: true,
	} {
		if got := clockStep(shown, 5*time.Minute); (got != "") != doubted {
			t.Errorf("the clock went on by %s in five minutes: %q", shown, got)
		}
	}
}
