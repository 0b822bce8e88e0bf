package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bosgc/internal/bos"
	"bosgc/internal/inventory"
	"bosgc/internal/margin"
	"bosgc/internal/state"
)

// The list is asked for only if it is estimated to have at most this share of what BOS can take.
//
// Where etcd has been read, keys are counted and values weighed in a sample, with three standard deviations on top:
// what is left to chance is small, and a tenth is left for what is added until BOS asks.
//
// Without etcd the weight of a session is guessed by the nodes in the status of some (see estimateWeight). A guess
// can be wrong by half, in both directions; the weights are chosen so that it is rather too large: 2,500 sessions of
// 600 nodes, in one phase, hung with 14 MB, and the guess for them is 31 MB; 1,500 of 60 nodes still answered, and
// the guess is 4.6 MB. A quarter is left for sessions that neither Kubernetes nor an earlier list has named. Being
// too careful costs little: a sweep without the list drains what is finished, and one of the next asks.
const (
	shareByEtcd  = 0.9
	shareByGuess = 0.75
)

// After a hang the list is known to have been too large for BOS when it was estimated at that size, and nobody knows
// by how much. On the same day it must look half as large before it is asked for again, so that a wrong guess costs
// one worker of BOS, and a few at most until the list is small enough. After that, three quarters suffice.
//
// A list that was estimated below a quarter of the limit did not hang for its size, or nothing is known of its size.
// It is left alone for a day whatever becomes of it, and then asked for once: otherwise one slow hour of BOS would
// keep the list away for ever.
const (
	shareOfHang      = 0.5
	laterShareOfHang = 0.75
	unexplainedShare = 0.25
)

const (
	// fewSessions are so few that nothing has to be weighed: even of 6,000 nodes in three phases each, about
	// 340 KB, they stay below the limit.
	fewSessions = 12
	// weighedSessions is how many sessions are weighed: a request to Kubernetes and one or two to BOS each.
	weighedSessions = 12
	// usualWeight is that of a session of which nothing can be weighed, in bytes: in the documented case of a list
	// that hung, 4,870,618 bytes were in 10,836 keys, about ten for each session.
	usualWeight = 4500
	// attributesWeight is what a session has besides its boot sets: four attributes and a status record, with their
	// keys.
	attributesWeight = 1000
	// setWeight is a boot set without its nodes; nodeWeight is what a node has besides its name in each phase.
	setWeight  = 1000
	nodeWeight = 4
)

// listSizer estimates what BOS's list would weigh.
type listSizer struct {
	*recordReader

	weight int64 // of a session in BOS's list, estimated; 0: not estimated yet
}

// unknownSize returns why nobody knows how large the list is; empty if something tells.
func (z *listSizer) unknownSize(memory state.SessionList) string {
	const so = ", so nobody knows how large it is, and one that is too large hangs BOS"
	switch {
	case memory.Sessions > 0:
		return ""
	case !z.seen.Evidence.ConfigMaps || !z.seen.Evidence.Jobs:
		return "BOS was not asked for its list: Jobs and ConfigMaps could not be read completely" + so
	case !z.caSeen && len(z.kubernetesSessions()) == 0:
		return "BOS was not asked for its list: nothing in this namespace is of BOS" + so
	}
	return ""
}

// estimate sets how many sessions there are and what their list would have etcd send.
func (z *listSizer) estimate(ctx context.Context, list *SessionList, memory state.SessionList) {
	if z.keys != nil {
		list.Sessions, list.Bytes = len(z.keys.Sessions), z.keys.Bytes
		return
	}
	known := 0
	for id := range z.kubernetesSessions() {
		// One that BOS was asked for in this run, and does not have, weighs nothing.
		if record, asked := z.known[id]; !asked || record.Presence != inventory.Absent {
			known++
		}
	}
	list.Sessions = known + memory.Unseen
	if !z.seen.Evidence.ConfigMaps || !z.seen.Evidence.Jobs {
		list.Sessions = max(list.Sessions, memory.Sessions)
	}
	if z.weight == 0 {
		z.weight = usualWeight
		if list.Sessions > fewSessions {
			z.weight = z.estimateWeight(ctx)
		}
	}
	list.Bytes = int64(list.Sessions) * z.weight
}

// estimateWeight returns the mean weight of some sessions, from old to new, in bytes. It is dominated by the lists of
// nodes that BOS keeps for each boot set, phase and category, and those BOS tells session by session.
func (z *listSizer) estimateWeight(ctx context.Context) int64 {
	cms := slices.DeleteFunc(slices.Clone(z.seen.ConfigMaps), func(cm inventory.ConfigMap) bool {
		return cm.Fault != "" || !inventory.IsSessionID(cm.Name)
	})
	slices.SortFunc(cms, func(a, b inventory.ConfigMap) int {
		return cmp.Or(a.Created.At().Compare(b.Created.At()), cmp.Compare(a.Name, b.Name))
	})
	n := min(len(cms), weighedSessions)
	var sum, count int64
	for i := range n {
		weight, silent := z.weighSession(ctx, cms[i*len(cms)/n].Name)
		// A session that hangs is one of the few after which none is asked for any more: it is the last one here.
		if silent {
			break
		}
		if weight > 0 {
			sum += weight
			count++
		}
	}
	z.countBOSRequests()
	if count == 0 {
		return usualWeight
	}
	return sum / count
}

// weighSession returns 0 for a session that cannot be weighed, for instance because it has gone. silent means that
// BOS did not answer.
func (z *listSizer) weighSession(ctx context.Context, id string) (sum int64, silent bool) {
	template, _, err := z.clients.Kube.ReadTemplate(ctx, id)
	if err != nil {
		return 0, false
	}
	for _, name := range template.BootSets {
		set, err := z.clients.BOS.BootSetStatus(ctx, id, name)
		if errors.Is(err, bos.ErrStuck) || errors.Is(err, bos.ErrSilent) {
			return 0, true
		}
		if err != nil || len(set.Phases) == 0 {
			continue
		}
		sum += setWeight
		for _, phase := range set.Phases {
			for _, category := range phase.Categories {
				for _, node := range category.Nodes {
					sum += int64(len(node)) + nodeWeight
				}
			}
		}
	}
	if sum > 0 {
		sum += attributesWeight
	}
	return sum, false
}

// hangRisk returns why the list is not to be asked for; empty if it may be.
func (l *SessionList) hangRisk(byEtcd bool, hang *state.Hang, now time.Time) string {
	share := shareByGuess
	if byEtcd {
		share = shareByEtcd
	}
	if bar := int64(share * float64(l.Limit)); l.Bytes > bar {
		return fmt.Sprintf("BOS was not asked for its list: for about %d sessions etcd would send about %s, BOS takes %s, "+
			"and asking for more hangs BOS (it is asked again below %s)",
			l.Sessions, megabytes(l.Bytes), megabytes(l.Limit), megabytes(bar))
	}
	if hang == nil || hang.Silent {
		return ""
	}
	at := hang.At.UTC().Format("2006-01-02 15:04 UTC")
	small := int64(unexplainedShare * float64(l.Limit))
	bar := int64(shareOfHang * float64(hang.Bytes))
	age := now.Sub(hang.At)
	fresh := age >= 0 && age < margin.HangMemory // a clock that was set proves nothing, and waiting for it helps nobody
	switch {
	case !fresh:
		bar = max(small, int64(laterShareOfHang*float64(hang.Bytes)))
	case hang.Bytes <= small:
		return fmt.Sprintf("BOS was not asked for its list: on %s it hung although it was taken for %s only "+
			"(it is asked again a day later)", at, megabytes(hang.Bytes))
	}
	if l.Bytes <= bar {
		return ""
	}
	return fmt.Sprintf("BOS was not asked for its list: on %s it hung when it was taken for %s, "+
		"and it is taken for %s now (it is asked again below %s)",
		at, megabytes(hang.Bytes), megabytes(l.Bytes), megabytes(bar))
}

func megabytes(n int64) string { return fmt.Sprintf("%.2f MB", float64(n)/1e6) }

// tooLarge reports whether the run goes on without the list because of its size. One that hangs although it is small
// hangs for another reason.
func (l *SessionList) tooLarge() bool {
	return l.From == FromKubernetes && float64(l.Bytes) > unexplainedShare*float64(l.Limit)
}
