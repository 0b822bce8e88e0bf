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
	Garbage  int       // percent of the sessions that have expired; a few are kept as the last of their templates
	Nodes    int       // compute nodes of the machine; default 256
	Now      time.Time // all ages count back from here; zero: the time of the call
	// Foreign is the number of ConfigMaps of other services, and ForeignBytes the size of the content of each. The content
	// is made when it is asked for.
	Foreign, ForeignBytes int
}

// NewBulk makes a large world without oddities: sessions that are complete, failed or abandoned, and some that run. The
// same options make the same world. It may be served any number of times, also at once, but not with Life.
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
	b.addUnrelated()
	for i := range options.Sessions {
		// Spread evenly, so that each part of the world has the same share.
		if (i+1)*options.Garbage/100 > i*options.Garbage/100 {
			b.addExpired()
		} else {
			b.addKept()
		}
		b.encodeObjects()
	}
	b.encoded = append(b.encoded, foreignConfigMaps(options.Foreign, options.ForeignBytes, b.now)...)
	b.bulk = simkube.NewBulk(b.encoded)
	b.fillComponents()
	b.released = resolveTruth(b.sessionTruths, b.otherTruths, doubts{}, b.now)
	b.truth = b.released
	b.facts = b.collectFacts()
	return b.World, nil
}

// KubeObjects returns what a large world has in Kubernetes, each object as JSON without a resourceVersion.
func (w *World) KubeObjects() iter.Seq[KubeObject] {
	return func(yield func(KubeObject) bool) {
		w.bulk.All(func(resource, namespace, name string, text []byte) bool {
			return yield(KubeObject{resource, namespace, name, text})
		})
	}
}

// KubeObject is an object of Kubernetes.
type KubeObject struct {
	Resource, Namespace, Name string
	JSON                      []byte
}

// bulkBuilder makes a large world.
type bulkBuilder struct {
	*builder

	encoded []simkube.BulkObject
}

// addExpired adds a session that is to be deleted. Half of those that ended still have a Job, from before Kyverno
// removed them.
func (b *bulkBuilder) addExpired() {
	switch n := b.random.IntN(20); {
	case n < 1:
		b.story = "bulk-abandoned"
		start := b.ago(14*day+2*time.Hour, 60*day)
		b.newSession(start, abandoned).list().configMap(followsSession)
	case n < 2:
		b.story = "bulk-failed"
		end := b.ago(15*day, 60*day)
		start := end.Add(-2 * time.Hour)
		s := b.newSession(start, failedExpired).stopped(b.micros(end.Add(-5 * time.Second))).endedAt(end)
		s.list().configMap(followsSession).job(followsSession, jobFailed(end))
		for n := range backoffLimit + 1 {
			at := start.Add(time.Duration(n) * 20 * time.Minute)
			s.pod(at, podEnded(1, at.Add(19*time.Minute)))
		}
	case n < 11:
		b.story = "bulk-finished-with-job"
		b.addEnded(b.ago(7*day+2*time.Hour, 60*day), completedExpired, true)
	default:
		b.story = "bulk-finished"
		b.addEnded(b.ago(7*day+2*time.Hour, 60*day), completedExpired, false)
	}
}

// addKept adds a session that is kept: a young one, and now and then one that runs.
func (b *bulkBuilder) addKept() {
	if b.chance(2) {
		b.story = "bulk-running"
		start := b.ago(2*time.Minute, 90*time.Minute)
		s := b.newSession(start, running).list().configMap(ownerKept)
		s.job(running, jobActive(0)).pod(start.Add(3*time.Second), podRunning)
		return
	}
	b.story = "bulk-young"
	end := b.ago(2*time.Hour, 6*day)
	b.addEnded(end, tooYoung, b.jobStays(end))
}

// bulkTemplates is the number of session templates. They are few, so that few sessions are kept as the last of one.
const bulkTemplates = 12

func (b *bulkBuilder) newSession(start time.Time, want verdict) *sessionBuilder {
	s := b.session(start, want)
	s.template = templateNames[b.random.IntN(bulkTemplates)]
	return s
}

// addEnded adds a session that has ended, with one or two CFS sessions and, if it has its Job, one or two Pods.
func (b *bulkBuilder) addEnded(end time.Time, want verdict, withJob bool) {
	start := end.Add(-b.between(30*time.Minute, 90*time.Minute))
	stop := b.micros(end.Add(-5 * time.Second))
	s := b.newSession(start, want).stopped(stop).endedAt(stop)
	s.list().configMap(followsSession)
	for range 1 + b.random.IntN(2) {
		s.cfsSession(start.Add(b.between(time.Minute, 20*time.Minute)), followsSession)
	}
	if !withJob {
		return
	}
	s.endedAt(end).job(followsSession, jobComplete(end))
	if b.chance(30) {
		s.pod(start, podEnded(1, start.Add(10*time.Minute)))
		start = start.Add(11 * time.Minute)
	}
	s.pod(start, podEnded(0, end.Add(-2*time.Second)))
}

// encodeObjects encodes what Kubernetes has of a session.
func (b *bulkBuilder) encodeObjects() {
	for _, o := range b.objects {
		if accessor, err := meta.Accessor(o.object); err == nil {
			accessor.SetManagedFields(fieldsOf(o.resource, accessor.GetCreationTimestamp()))
		}
		b.encoded = append(b.encoded, simkube.EncodeObject(o.resource, o.object))
	}
	b.objects = nil
}

// fieldsOf returns what the API server notes about who has written an object.
func fieldsOf(resource string, at metav1.Time) []metav1.ManagedFieldsEntry {
	return []metav1.ManagedFieldsEntry{{
		Manager: "OpenAPI-Generator", Operation: metav1.ManagedFieldsOperationUpdate, Time: &at,
		APIVersion: map[string]string{"jobs": "batch/v1"}[resource],
		FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(ownedFields),
	}}
}

const ownedFields = `{"f:data":{".":{},"f:data.json":{}},"f:metadata":{"f:labels":{".":{},` +
	`"f:app.kubernetes.io/instance":{},"f:app.kubernetes.io/name":{}}}}`
