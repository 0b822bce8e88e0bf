package lab

import (
	"cmp"
	"encoding/json"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"bosgc/internal/lab/simbos"
	"bosgc/internal/lab/simcfs"
)

// sessionBuilder builds what exists of one session. Each method adds an object that BOS, BOA or a person leaves behind,
// and notes what is true of it.
type sessionBuilder struct {
	*sessionTruth

	b             *builder
	limit         string
	configuration string
	disabled      bool // the template disables the configuration
	sets          []simbos.BootSet
	stop          any // stop_time in its record
	jobUID        string
}

// session begins a session that BOS created at the given time. want is what a plan must say about it.
func (b *builder) session(start time.Time, want verdict) *sessionBuilder {
	s := &sessionBuilder{
		b: b,
		sessionTruth: &sessionTruth{
			id: b.uuid(), template: b.template(), verdict: want, start: start,
			operation: pick(b, "boot", "boot", "reboot", "reboot", "configure", "shutdown"),
		},
		configuration: pick(b, "cos-config-2.4", "cos-config-2.5", "uan-config", "gpu-config"),
	}
	first := b.random.IntN(len(b.nodes))
	count := min(len(b.nodes)-first, 1+b.random.IntN(cmp.Or(b.Options.SessionNodes, 16)))
	s.sets = []simbos.BootSet{{Name: "compute", Nodes: b.nodes[first : first+count]}}
	if count > 4 && b.chance(20) {
		nodes := b.nodes[first : first+count]
		s.sets = []simbos.BootSet{{Name: "compute", Nodes: nodes[:count/2]}, {Name: "uan", Nodes: nodes[count/2:]}}
	}
	b.sessionTruths = append(b.sessionTruths, s.sessionTruth)
	b.sessionBuilders = append(b.sessionBuilders, s)
	return s
}

// expect notes what a plan must say about an object.
func (s *sessionBuilder) expect(kind, name string, want verdict) {
	s.objects = append(s.objects, objectTruth{Object{Kind: kind, Name: name, Story: s.b.story}, want})
}

// stopped sets stop_time, as BOA does at its end.
func (s *sessionBuilder) stopped(at time.Time) *sessionBuilder {
	s.stop = stopText(at)
	return s
}

// withoutTemplate has BOS delete the session's template, which no other session may have.
func (s *sessionBuilder) withoutTemplate() {
	s.templateGone = true
	if s.b.gone == nil {
		s.b.gone = map[string]bool{}
	}
	s.b.gone[s.template] = true
}

// endedAt sets the end by which the last session of a template is found.
func (s *sessionBuilder) endedAt(at time.Time) *sessionBuilder {
	s.end = at
	return s
}

func (s *sessionBuilder) record() simbos.Session {
	return simbos.Session{
		ID: s.id, Template: s.template, Operation: s.operation,
		Start: s.b.startText(s.b.micros(s.start)), Stop: s.stop, BootSets: s.sets,
	}
}

// list adds the session's record to BOS, after changes to it.
func (s *sessionBuilder) list(change ...func(*simbos.Session)) *sessionBuilder {
	record := s.record()
	for _, f := range change {
		f(&record)
	}
	s.listed, s.ghost = true, record.Ghost
	s.b.sessions = append(s.b.sessions, record)
	s.expect(KindSession, s.id, s.verdict)
	return s
}

// templateBody returns the session template that BOS copies into the ConfigMap.
func (s *sessionBuilder) templateBody() string {
	sets := map[string]any{}
	for _, set := range s.sets {
		sets[set.Name] = map[string]any{
			"path": "s3://boot-images/" + s.b.uuid() + "/manifest.json", "type": "s3", "network": "nmn",
			"kernel_parameters": "console=ttyS0,115200 bad_page=panic", "node_list": set.Nodes,
			"rootfs_provider": "cpss3", "rootfs_provider_passthrough": "dvs:api-gw-service-nmn.local:300:nmn0",
		}
	}
	text, err := json.Marshal(map[string]any{
		"name": s.template, "boot_sets": sets, "enable_cfs": !s.disabled,
		"cfs": map[string]string{"configuration": s.configuration},
	})
	if err != nil {
		panic(err) // only texts
	}
	return string(text)
}

// configMap adds the ConfigMap, which BOS creates first.
func (s *sessionBuilder) configMap(want verdict, change ...func(*corev1.ConfigMap)) *sessionBuilder {
	return s.configMapAt(s.start.Add(-time.Second), want, change...)
}

func (s *sessionBuilder) configMapAt(
	created time.Time, want verdict, change ...func(*corev1.ConfigMap),
) *sessionBuilder {
	cm := &corev1.ConfigMap{
		ObjectMeta: s.b.meta(s.id, created),
		Data:       map[string]string{"data.json": s.templateBody()},
	}
	for _, f := range change {
		f(cm)
	}
	s.created = created
	s.b.addObject("configmaps", cm)
	s.expect(KindConfigMap, s.id, want)
	return s
}

// cfsSessions adds what CFS's batcher created for the session's nodes: up to two complete CFS sessions with its tag.
func (s *sessionBuilder) cfsSessions() *sessionBuilder {
	if s.operation == "shutdown" {
		return s
	}
	for range s.b.random.IntN(3) {
		at := s.start.Add(s.b.between(time.Minute, 20*time.Minute))
		s.cfsSession(at, followsSession)
	}
	return s
}

// cfsSession adds a complete CFS session for the session's nodes, after changes to it.
func (s *sessionBuilder) cfsSession(start time.Time, want verdict, change ...func(*simcfs.Session)) *sessionBuilder {
	c := s.b.newBatch(start, s.sets[0].Nodes, s.configuration)
	c.Tags = map[string]string{"bos_session": s.id}
	for _, f := range change {
		f(&c)
	}
	s.b.cfs = append(s.b.cfs, c)
	s.expect(KindCFSSession, c.Name, want)
	return s
}

func (b *builder) meta(name string, created time.Time) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: name, Namespace: Namespace, UID: b.uid(), CreationTimestamp: metav1.NewTime(created.UTC()),
	}
}
