package lab

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/types"
)

// uuid draws a random UUID of version 4, as BOS's own session IDs are.
func (b *builder) uuid() string {
	id, err := uuid.NewRandomFromReader(b.source)
	if err != nil {
		panic(err) // a generator never runs dry
	}
	return id.String()
}

func (b *builder) uid() types.UID { return types.UID(b.uuid()) }

// ago draws a moment between two ages, to the second, as Kubernetes keeps time.
//
// Stories keep their ages away from every limit of the default settings: above it by an
// hour at least, below it by six, so that their truth holds for hours.
func (b *builder) ago(least, most time.Duration) time.Time {
	return b.now.Add(-least - b.between(0, most-least))
}

func (b *builder) between(least, most time.Duration) time.Duration {
	seconds := int64((most - least) / time.Second)
	return least + time.Duration(b.random.Int64N(max(1, seconds)))*time.Second
}

// chance is true n times out of hundred.
func (b *builder) chance(n int) bool { return b.random.IntN(100) < n }

func pick[T any](b *builder, from ...T) T { return from[b.random.IntN(len(from))] }

var templateNames = []string{
	"cos-sessiontemplate", "uan-boot", "compute-2023", "slingshot-test", "gpu-nodes", "cos-integration",
	"login-nodes", "benchmark", "lustre-routers", "workload-a", "workload-b", "nightly",
}

// template draws the name of a session template. There are so many that each has a handful
// of sessions, whatever the size of the world.
func (b *builder) template() string {
	n := b.random.IntN(3 + b.Options.Sessions/12)
	name := templateNames[n%len(templateNames)]
	if n < len(templateNames) {
		return name
	}
	return fmt.Sprintf("%s-%d", name, n/len(templateNames))
}

// ownTemplate is a template that no other story uses.
func (b *builder) ownTemplate() string { return "own-" + b.uuid()[:8] }

const (
	isoForm   = "2006-01-02T15:04:05.000000Z"
	plainForm = "2006-01-02 15:04:05.000000"
	cfsForm   = "2006-01-02T15:04:05"
)

// startText is a start_time as the server writes it: ISO with Z, without a fraction if that
// is zero. Records that BOA made have the plain form of stop_time instead.
func (b *builder) startText(t time.Time) string {
	if b.now.Sub(t) > 30*day && b.chance(20) {
		return stopText(t)
	}
	if t.Nanosecond() == 0 {
		return t.UTC().Format("2006-01-02T15:04:05Z")
	}
	return t.UTC().Format(isoForm)
}

// stopText is a stop_time as BOA writes it: what Python makes of a local time that is UTC.
func stopText(t time.Time) string {
	if t.Nanosecond() == 0 {
		return t.UTC().Format("2006-01-02 15:04:05")
	}
	return t.UTC().Format(plainForm)
}

// micros adds a fraction of a second, now and then none at all.
func (b *builder) micros(t time.Time) time.Time {
	if b.chance(8) {
		return t
	}
	return t.Add(time.Duration(1+b.random.IntN(999998)) * time.Microsecond)
}

func cfsText(t time.Time) string { return t.UTC().Format(cfsForm) }
