package lab

import (
	"fmt"
	"iter"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"bosgc/internal/lab/simkube"
)

// BulkOptions say which large world to make.
type BulkOptions struct {
	CSM      string
	Seed     uint64
	Sessions int
	Garbage  int       // how many of hundred are to go; a few of them stay, as the newest of their templates
	Nodes    int       // compute nodes of the machine; 0 is 256
	Now      time.Time // all ages are counted back from here; zero is the time of the call
	// Foreign is how many ConfigMaps there are that are nobody's business, and ForeignBytes how large the
	// content of each is. It is made up only when it is asked for.
	Foreign, ForeignBytes int
}

// NewBulk makes a large world of what ordinary life leaves behind, and of nothing odd: sessions that came to
// their end, failed or were abandoned, and some that run. The same options make the same world. It may be served
// any number of times, one after the other or at once, and never lives.
func NewBulk(options BulkOptions) (*World, error) {
	profile, err := profileOf(options.CSM)
	if err != nil {
		return nil, err
	}
	if !profile.BOSv1 {
		return nil, fmt.Errorf("CSM %s has no BOS v1, and so no sessions to fill a world with", profile.CSM)
	}
	if options.Nodes <= 0 {
		options.Nodes = 256
	}
	if options.Now.IsZero() {
		options.Now = time.Now()
	}
	b := &bulkBuilder{builder: newBuilder(&World{Profile: profile, Options: Options{
		CSM: options.CSM, Seed: options.Seed, Sessions: options.Sessions, Nodes: options.Nodes, Now: options.Now,
	}})}
	b.landscape()
	for i := range options.Sessions {
		// Spread evenly, so that each part of the world has its share.
		if (i+1)*options.Garbage/100 > i*options.Garbage/100 {
			b.garbage()
		} else {
			b.living()
		}
		b.encodeObjects()
	}
	b.encoded = append(b.encoded, foreignOnes(options.Foreign, options.ForeignBytes, b.now)...)
	b.bulk = simkube.NewBulk(b.encoded)
	b.fillComponents()
	b.truth = settle(b.families, b.alone)
	b.facts = b.factsOf()
	return b.World, nil
}

// KubeObjects gives what a large world has in Kubernetes, each object as JSON without a resourceVersion.
func (w *World) KubeObjects() iter.Seq[KubeObject] {
	return func(yield func(KubeObject) bool) {
		w.bulk.All(func(resource, namespace, name string, text []byte) bool {
			return yield(KubeObject{resource, namespace, name, text})
		})
	}
}

// KubeObject is one object of Kubernetes.
type KubeObject struct {
	Resource, Namespace, Name string
	JSON                      []byte
}

// bulk makes a large world.
type bulkBuilder struct {
	*builder

	encoded []simkube.BulkObject
}

// garbage is a session that goes. Half of those that ended have a Job still, from before there was a Kyverno
// to remove it.
func (b *bulkBuilder) garbage() {
	switch n := b.random.IntN(20); {
	case n < 1:
		b.story = "bulk-abandoned"
		start := b.ago(14*day+2*time.Hour, 60*day)
		b.member(start, abandoned).list().configMap(withOwner)
	case n < 2:
		b.story = "bulk-failed"
		end := b.ago(15*day, 60*day)
		start := end.Add(-2 * time.Hour)
		s := b.member(start, failedExpired).stopped(b.micros(end.Add(-5 * time.Second))).endedAt(end)
		s.list().configMap(withOwner).job(withOwner, jobFailed(end))
		for n := range backoffLimit + 1 {
			at := start.Add(time.Duration(n) * 20 * time.Minute)
			s.pod(at, podEnded(1, at.Add(19*time.Minute)))
		}
	case n < 11:
		b.story = "bulk-finished-with-job"
		b.ended(b.ago(7*day+2*time.Hour, 60*day), completedExpired, true)
	default:
		b.story = "bulk-finished"
		b.ended(b.ago(7*day+2*time.Hour, 60*day), completedExpired, false)
	}
}

// living is a session that stays: a young one, and now and then one that runs.
func (b *bulkBuilder) living() {
	if b.chance(2) {
		b.story = "bulk-running"
		start := b.ago(2*time.Minute, 90*time.Minute)
		b.member(start, running).list().configMap(ownerKept).job(running, jobActive(0)).pod(start.Add(3*time.Second), podRunning)
		return
	}
	b.story = "bulk-young"
	end := b.ago(2*time.Hour, 6*day)
	b.ended(end, tooYoung, b.jobStays(end))
}

// bulkTemplates is how many session templates there are. They are few, so that few are the newest of one.
const bulkTemplates = 12

func (b *bulkBuilder) member(start time.Time, head verdict) *saga {
	s := b.session(start, head)
	s.template = templateNames[b.random.IntN(bulkTemplates)]
	return s
}

// ended is a session that came to its end, with one or two CFS sessions, and with one or two Pods as long as its Job
// is there.
func (b *bulkBuilder) ended(end time.Time, head verdict, withJob bool) {
	start := end.Add(-b.between(30*time.Minute, 90*time.Minute))
	stop := b.micros(end.Add(-5 * time.Second))
	s := b.member(start, head).stopped(stop).endedAt(stop)
	s.list().configMap(withOwner)
	for range 1 + b.random.IntN(2) {
		s.cfsSession(start.Add(b.between(time.Minute, 20*time.Minute)), withOwner)
	}
	if !withJob {
		return
	}
	s.endedAt(end).job(withOwner, jobComplete(end))
	if b.chance(30) {
		s.pod(start, podEnded(1, start.Add(10*time.Minute)))
		start = start.Add(11 * time.Minute)
	}
	s.pod(start, podEnded(0, end.Add(-2*time.Second)))
}

// shelve turns what Kubernetes has of a session into text.
func (b *bulkBuilder) encodeObjects() {
	for _, o := range b.objects {
		if accessor, err := meta.Accessor(o.object); err == nil {
			accessor.SetManagedFields(fieldsOf(o.resource, accessor.GetCreationTimestamp()))
		}
		b.encoded = append(b.encoded, simkube.EncodeObject(o.resource, o.object))
	}
	b.objects = nil
}

// fieldsOf is what the API server notes of who has written an object.
func fieldsOf(resource string, at metav1.Time) []metav1.ManagedFieldsEntry {
	return []metav1.ManagedFieldsEntry{{
		Manager: "OpenAPI-Generator", Operation: metav1.ManagedFieldsOperationUpdate, Time: &at,
		APIVersion: map[string]string{"jobs": "batch/v1"}[resource], FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(ownedFields),
	}}
}

const ownedFields = `{"f:data":{".":{},"f:data.json":{}},"f:metadata":{"f:labels":{".":{},"f:app.kubernetes.io/instance":{},"f:app.kubernetes.io/name":{}}}}`
