package lab

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/types"
)

// uuid draws a UUID of version 4, like BOS's session IDs.
func (b *builder) uuid() string {
	id, err := uuid.NewRandomFromReader(b.source)
	if err != nil {
		panic(err) // ChaCha8 never fails
	}
	return id.String()
}

func (b *builder) uid() types.UID { return types.UID(b.uuid()) }

// ago draws a time between two ages, in whole seconds as in Kubernetes.
//
// The ages in stories stay away from every limit of the default settings: above it by at least one hour, below it by at
// least six. Their truth holds for hours.
func (b *builder) ago(least, most time.Duration) time.Time {
	return b.now.Add(-least - b.between(0, most-least))
}

func (b *builder) between(least, most time.Duration) time.Duration {
	seconds := int64((most - least) / time.Second)
	return least + time.Duration(b.random.Int64N(max(1, seconds)))*time.Second
}

// chance returns true with a probability of n percent.
func (b *builder) chance(n int) bool { return b.random.IntN(100) < n }

func pick[T any](b *builder, from ...T) T { return from[b.random.IntN(len(from))] }

var templateNames = []string{
	"cos-sessiontemplate", "uan-boot", "compute-2023", "slingshot-test", "gpu-nodes", "cos-integration",
	"login-nodes", "benchmark", "lustre-routers", "workload-a", "workload-b", "nightly",
}

// template draws the name of a session template. Their number grows with the world, so that each has a handful of
// sessions.
func (b *builder) template() string {
	n := b.random.IntN(3 + b.Options.Sessions/12)
	name := templateNames[n%len(templateNames)]
	if n < len(templateNames) {
		return name
	}
	return fmt.Sprintf("%s-%d", name, n/len(templateNames))
}

// ownTemplate returns the name of a template that no other story uses.
func (b *builder) ownTemplate() string { return "own-" + b.uuid()[:8] }

const (
	isoForm   = "2006-01-02T15:04:05.000000Z"
	plainForm = "2006-01-02 15:04:05.000000"
	cfsForm   = "2006-01-02T15:04:05"
)

// startText returns a start_time as the server writes it: ISO with Z, without a fraction if that is zero. Some older
// records have the form of stop_time, because BOA made them.
func (b *builder) startText(t time.Time) string {
	if b.now.Sub(t) > 30*day && b.chance(20) {
		return stopText(t)
	}
	if t.Nanosecond() == 0 {
		return t.UTC().Format("2006-01-02T15:04:05Z")
	}
	return t.UTC().Format(isoForm)
}

// stopText returns a stop_time as BOA writes it: Python's str of a UTC time without a time zone.
func stopText(t time.Time) string {
	if t.Nanosecond() == 0 {
		return t.UTC().Format("2006-01-02 15:04:05")
	}
	return t.UTC().Format(plainForm)
}

// micros adds a fraction of a second, or now and then none.
func (b *builder) micros(t time.Time) time.Time {
	if b.chance(8) {
		return t
	}
	return t.Add(time.Duration(1+b.random.IntN(999998)) * time.Microsecond)
}

func cfsText(t time.Time) string { return t.UTC().Format(cfsForm) }
