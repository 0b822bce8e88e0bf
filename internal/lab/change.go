package lab

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Annotate sets an annotation of a Job or ConfigMap, as a person does meanwhile; an empty value
// removes it. There is false if the object has gone.
func (s *Server) Annotate(kind, name, annotation, value string) bool {
	s.changes.kube.Lock()
	defer s.changes.kube.Unlock()
	return s.Kube.Annotate(resourceOf(kind), Namespace, name, annotation, value)
}

// Renew puts another object of the same name and content in the place of a ConfigMap.
func (s *Server) Renew(configMap string) bool {
	s.changes.kube.Lock()
	defer s.changes.kube.Unlock()
	return s.Kube.Recreate("configmaps", Namespace, configMap)
}

func resourceOf(kind string) string {
	if kind == KindJob {
		return "jobs"
	}
	return "configmaps"
}

// StartPod starts a Pod that works for a session, as a person does who copies one.
func (s *Server) StartPod(name, session string) {
	s.startPod(name, corev1.PodSpec{Containers: []corev1.Container{{
		Name: "boa", Image: "boa", Env: []corev1.EnvVar{{Name: "SESSION_ID", Value: session}},
	}}})
}

// UseConfigMap starts a Pod of somebody else that uses a ConfigMap.
func (s *Server) UseConfigMap(name, configMap string) {
	spec := plainPod("site-check")
	spec.Volumes = []corev1.Volume{configMapVolume("template", configMap)}
	s.startPod(name, spec)
}

func (s *Server) startPod(name string, spec corev1.PodSpec) {
	s.changes.kube.Lock()
	defer s.changes.kube.Unlock()
	s.Kube.Add("pods", &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: Namespace}, Spec: spec,
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	})
}

// EndPod takes a Pod away.
func (s *Server) EndPod(name string) {
	s.changes.kube.Lock()
	defer s.changes.kube.Unlock()
	s.Kube.Remove("pods", Namespace, name)
}

// RunCFS lets a CFS session run, or puts it back to what it was. There is false if it has gone.
func (s *Server) RunCFS(name string, runs bool) bool {
	s.changes.cfs.Lock()
	defer s.changes.cfs.Unlock()
	if !slices.Contains(s.CFS.Names(), name) {
		return false
	}
	for _, c := range s.World.cfs {
		if c.Name == name {
			if runs {
				cfsRunning(&c)
			}
			s.CFS.Add(c)
			return true
		}
	}
	return false
}
