package lab

import (
	"maps"
	"time"

	"github.com/google/uuid"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"bosgc/internal/lab/simbos"
)

// doubts say what nothing in a world shows to be of the same system as BOS, so that nothing of it may be deleted for
// what BOS lacks until a person says so.
type doubts struct {
	kube, cfs bool
	// unnamed reports that CFS names no session that shows whose it is, and where BOS v1 has been removed whose Kubernetes.
	unnamed bool
	// untraced reports that Kubernetes names no session at all, and that BOS has none of the last week.
	untraced bool
}

// findDoubts counts which two systems name the same session. It is the lab's own witness of what
// docs/policy.md says under "One system".
func (b *builder) findDoubts() doubts {
	named, exact, atWork := b.namedByKubernetes()
	inBOS, recent := map[string]bool{}, false
	for _, s := range b.sessions {
		inBOS[s.ID] = true
		recent = recent || b.isRecent(s) && !named[s.ID]
	}
	bosKube := anyOf(inBOS, named)
	for _, s := range b.v2 {
		inBOS[s.Name] = true
	}
	tagged := b.namedByCFS()
	bosCFS, cfsKube := anyOf(inBOS, tagged), anyOf(tagged, named)
	if !b.Profile.BOSv1 {
		// bosgc is not in a Pod of this cluster.
		unnamed := !bosCFS || !cfsKube
		return doubts{kube: atWork || unnamed, cfs: atWork || unnamed, unnamed: unnamed}
	}
	d := doubts{kube: !bosKube && (!bosCFS || !cfsKube), untraced: len(exact) == 0 && !recent}
	d.unnamed = len(tagged) > 0 && !bosCFS && (!bosKube || !cfsKube)
	d.cfs = d.kube && !d.untraced || d.unnamed
	return d
}

func (b *builder) namedByCFS() map[string]bool {
	tagged := map[string]bool{}
	for _, c := range b.cfs {
		tagged[c.Tags["bos_session"]] = true
	}
	for _, c := range b.components {
		tagged[c.Tags["bos_session"]] = true
	}
	maps.DeleteFunc(tagged, func(id string, _ bool) bool { return !isUUID4(id) })
	return tagged
}

// isRecent reports whether BOS says of a session that it started within a week.
func (b *builder) isRecent(s simbos.Session) bool {
	if s.Ghost || s.Broken || s.NoStatus {
		return false
	}
	text, _ := s.Start.(string)
	for _, form := range []string{isoForm, "2006-01-02T15:04:05Z", plainForm, "2006-01-02 15:04:05"} {
		if at, err := time.Parse(form, text); err == nil {
			return b.now.Sub(at) < 7*day
		}
	}
	return false
}

// namedByKubernetes returns the sessions that anything in Kubernetes names, those with an object of BOS's exact shape,
// and whether any such object shows that BOS v1 is at work.
func (b *builder) namedByKubernetes() (named, exact map[string]bool, atWork bool) {
	named, exact = map[string]bool{}, map[string]bool{}
	note := func(id string, meta metav1.ObjectMeta, shape bool) {
		if id == "" || meta.Namespace != Namespace {
			return
		}
		named[id] = true
		if shape {
			exact[id] = true
			age := b.now.Sub(meta.CreationTimestamp.Time)
			atWork = atWork || age < day && age > -time.Minute
		}
	}
	for _, o := range b.objects {
		switch o := o.object.(type) {
		case *corev1.ConfigMap:
			if isUUID4(o.Name) {
				note(o.Name, o.ObjectMeta, len(o.Labels)+len(o.OwnerReferences) == 0)
			}
		case *batchv1.Job:
			spec := o.Spec.Template.Spec
			mounts := len(spec.Volumes) > 0 && spec.Volumes[0].Name == "boot-session"
			note(sessionVariable(spec), o.ObjectMeta, mounts && len(o.OwnerReferences) == 0 && o.Name[:4] == "boa-")
		case *corev1.Pod:
			note(sessionVariable(o.Spec), o.ObjectMeta, false)
		}
	}
	for _, s := range b.sessionTruths {
		atWork = atWork || s.verdict == running
	}
	return named, exact, atWork
}

func sessionVariable(spec corev1.PodSpec) string {
	for _, c := range spec.Containers {
		for _, env := range c.Env {
			if c.Name == "boa" && env.Name == "SESSION_ID" {
				return env.Value
			}
		}
	}
	return ""
}

func isUUID4(text string) bool {
	id, err := uuid.Parse(text)
	return err == nil && id.Version() == 4 && id.String() == text
}

func anyOf(a, b map[string]bool) bool {
	for id := range a {
		if b[id] {
			return true
		}
	}
	return false
}

// apply returns what becomes of an object of a session that nothing shows to be of BOS's system.
func (d doubts) apply(s *sessionTruth, now time.Time) {
	traced := false
	for _, o := range s.objects {
		traced = traced || o.object.Kind == KindJob || o.object.Kind == KindConfigMap
	}
	deleted := s.verdict.action == verdictDelete || s.verdict == awaitingConfirmation
	since := s.end
	if since.IsZero() {
		since = s.start
	}
	old := d.untraced && s.verdict != ghost && now.Sub(since) >= 30*day
	switch {
	case !d.kube, !deleted, s.listed && (traced || old):
	default:
		s.verdict = orphanGuard
	}
}

// applyTo does the same for one object.
func (d doubts) applyTo(o objectTruth) objectTruth {
	held := map[string]bool{KindCFSSession: d.cfs, KindConfigMap: d.kube, KindJob: d.kube}[o.object.Kind]
	switch o.verdict {
	case awaitingConfirmation, cfsExpired, completedExpired, failedExpired:
		if held {
			o.verdict = orphanGuard
		}
	}
	return o
}
