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

// saga is one session while its story is being told. Each of its methods makes one thing
// that BOS, BOA or somebody else leaves behind, and notes what is true of it.
type saga struct {
	*family

	b             *builder
	operation     string
	limit         string
	configuration string
	disabled      bool // the template switches the configuration off
	sets          []simbos.BootSet
	stop          any // stop_time in its record
	jobUID        string
}

// session begins a story about a session that BOS created at the given time.
func (b *builder) session(start time.Time, head verdict) *saga {
	s := &saga{
		b:             b,
		family:        &family{id: b.uuid(), template: b.template(), head: head, start: start},
		operation:     pick(b, "boot", "boot", "reboot", "reboot", "configure", "shutdown"),
		configuration: pick(b, "cos-config-2.4", "cos-config-2.5", "uan-config", "gpu-config"),
	}
	first := b.random.IntN(len(b.nodes))
	count := min(len(b.nodes)-first, 1+b.random.IntN(cmp.Or(b.Options.SessionNodes, 16)))
	s.sets = []simbos.BootSet{{Name: "compute", Nodes: b.nodes[first : first+count]}}
	if count > 4 && b.chance(20) {
		s.sets = []simbos.BootSet{{Name: "compute", Nodes: b.nodes[first : first+count/2]}, {Name: "uan", Nodes: b.nodes[first+count/2 : first+count]}}
	}
	b.families = append(b.families, s.family)
	return s
}

func (s *saga) note(kind, name string, says verdict) {
	s.members = append(s.members, member{Object{Kind: kind, Name: name, Story: s.b.story}, says})
}

// stopped is BOA reporting that it ended.
func (s *saga) stopped(at time.Time) *saga {
	s.stop = stopText(at)
	return s
}

// endedAt is the end that counts for keeping the newest of a template.
func (s *saga) endedAt(at time.Time) *saga {
	s.end = at
	return s
}

func (s *saga) record() simbos.Session {
	return simbos.Session{
		ID: s.id, Template: s.template, Operation: s.operation,
		Start: s.b.startText(s.b.micros(s.start)), Stop: s.stop, BootSets: s.sets,
	}
}

// list puts the session into BOS, as its record is or as change makes it.
func (s *saga) list(change ...func(*simbos.Session)) *saga {
	record := s.record()
	for _, f := range change {
		f(&record)
	}
	s.listed, s.ghost = true, record.Ghost
	s.b.sessions = append(s.b.sessions, record)
	s.note(KindSession, s.id, s.head)
	return s
}

// body is the session template that BOS copies into the ConfigMap.
func (s *saga) body() string {
	sets := map[string]any{}
	for _, set := range s.sets {
		sets[set.Name] = map[string]any{
			"path": "s3://boot-images/" + s.b.uuid() + "/manifest.json", "type": "s3", "network": "nmn",
			"kernel_parameters": "console=ttyS0,115200 bad_page=panic", "node_list": set.Nodes,
			"rootfs_provider": "cpss3", "rootfs_provider_passthrough": "dvs:api-gw-service-nmn.local:300:nmn0",
		}
	}
	text, err := json.Marshal(map[string]any{
		"name": s.template, "boot_sets": sets, "enable_cfs": !s.disabled, "cfs": map[string]string{"configuration": s.configuration},
	})
	if err != nil {
		panic(err) // texts only
	}
	return string(text)
}

// configMap is the ConfigMap that BOS makes first of all.
func (s *saga) configMap(says verdict, change ...func(*corev1.ConfigMap)) *saga {
	return s.configMapAt(s.start.Add(-time.Second), says, change...)
}

func (s *saga) configMapAt(created time.Time, says verdict, change ...func(*corev1.ConfigMap)) *saga {
	cm := &corev1.ConfigMap{
		ObjectMeta: s.b.meta(s.id, created),
		Data:       map[string]string{"data.json": s.body()},
	}
	for _, f := range change {
		f(cm)
	}
	s.created = created
	s.b.add("configmaps", cm)
	s.note(KindConfigMap, s.id, says)
	return s
}

// cfsSessions are what CFS's batcher makes of the session's nodes: some complete ones that
// carry its tag, and follow it.
func (s *saga) cfsSessions() *saga {
	if s.operation == "shutdown" {
		return s
	}
	for range s.b.random.IntN(3) {
		at := s.start.Add(s.b.between(time.Minute, 20*time.Minute))
		s.cfsSession(at, withOwner)
	}
	return s
}

// cfsSession is one batch of the session's nodes, complete if change says nothing else.
func (s *saga) cfsSession(start time.Time, says verdict, change ...func(*simcfs.Session)) *saga {
	c := s.b.batch(start, s.sets[0].Nodes, s.configuration)
	c.Tags = map[string]string{"bos_session": s.id}
	for _, f := range change {
		f(&c)
	}
	s.b.cfs = append(s.b.cfs, c)
	s.note(KindCFSSession, c.Name, says)
	return s
}

func (b *builder) meta(name string, created time.Time) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: name, Namespace: Namespace, UID: b.uid(), CreationTimestamp: metav1.NewTime(created.UTC()),
	}
}
