package lab

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Annotate sets an annotation of a Job or ConfigMap, as a person may do at any time; an empty value removes it. It
// returns false if the object is gone.
func (s *Server) Annotate(kind, name, annotation, value string) bool {
	s.locks.kube.Lock()
	defer s.locks.kube.Unlock()
	return s.Kube.Annotate(resourceOf(kind), Namespace, name, annotation, value)
}

// SetFinalizers sets the finalizers of a Job or ConfigMap; none removes them. It returns false if it is gone.
func (s *Server) SetFinalizers(kind, name string, finalizers ...string) bool {
	s.locks.kube.Lock()
	defer s.locks.kube.Unlock()
	return s.Kube.SetFinalizers(resourceOf(kind), Namespace, name, finalizers...)
}

// Recreate replaces a ConfigMap by another one with the same name and content. It returns false if it is gone.
func (s *Server) Recreate(configMap string) bool {
	s.locks.kube.Lock()
	defer s.locks.kube.Unlock()
	return s.Kube.Recreate("configmaps", Namespace, configMap)
}

func resourceOf(kind string) string {
	if kind == KindJob {
		return "jobs"
	}
	return "configmaps"
}

// StartPod adds a running Pod that works for a session, as one that a person has copied.
func (s *Server) StartPod(name, session string) {
	s.addRunningPod(name, corev1.PodSpec{Containers: []corev1.Container{{
		Name: "boa", Image: "boa", Env: []corev1.EnvVar{{Name: "SESSION_ID", Value: session}},
	}}})
}

// UseConfigMap adds a running Pod of another service that uses a ConfigMap.
func (s *Server) UseConfigMap(name, configMap string) {
	spec := plainPodSpec("site-check")
	spec.Volumes = []corev1.Volume{configMapVolume("template", configMap)}
	s.addRunningPod(name, spec)
}

func (s *Server) addRunningPod(name string, spec corev1.PodSpec) {
	s.locks.kube.Lock()
	defer s.locks.kube.Unlock()
	s.Kube.Add("pods", &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: Namespace}, Spec: spec,
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	})
}

// EndPod removes a Pod.
func (s *Server) EndPod(name string) {
	s.locks.kube.Lock()
	defer s.locks.kube.Unlock()
	s.Kube.Remove("pods", Namespace, name)
}

// RunCFS makes a CFS session running, or what it was at the start. It returns false if it is gone.
func (s *Server) RunCFS(name string, runs bool) bool {
	s.locks.cfs.Lock()
	defer s.locks.cfs.Unlock()
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
