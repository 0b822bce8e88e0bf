package simkube

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// end deletes an object and does with its dependents what the policy says. Where the cluster lives, a
// Pod that works has its grace period, and what is deleted in the foreground waits for its Pods.
func (s *Server) end(k key, policy metav1.DeletionPropagation, graceSeconds *int64) {
	o, _ := s.head(k)
	if s.live == nil {
		s.drop(k)
		s.collect(o.meta("uid"), policy)
		return
	}
	if k.resource == "pods" {
		grace := s.live.options.Grace
		if graceSeconds != nil {
			grace = min(grace, time.Duration(*graceSeconds)*time.Second)
		}
		s.live.deletePod(k, grace)
		return
	}
	if policy == metav1.DeletePropagationForeground {
		s.collect(o.meta("uid"), policy)
		if len(s.dependents(o.meta("uid"))) > 0 {
			s.put(k, o.with(map[string]any{
				"deletionTimestamp": stamp(s.live.now), "finalizers": []any{"foregroundDeletion"},
			}))
			s.live.last[k] = true
			return
		}
	}
	s.drop(k)
	s.collect(o.meta("uid"), policy)
}

// collect does what the garbage collector does after an owner is gone.
func (s *Server) collect(uid string, policy metav1.DeletionPropagation) {
	for _, k := range s.dependents(uid) {
		o, _ := s.head(k)
		switch {
		case policy == metav1.DeletePropagationOrphan:
			o, _ = s.find(k)
			var rest any
			if left := ownersBut(o, uid); len(left) > 0 {
				rest = left
			}
			s.put(k, o.with(map[string]any{"ownerReferences": rest}))
		case s.live != nil:
			s.end(k, policy, nil)
		default:
			s.drop(k)
			s.collect(o.meta("uid"), policy)
		}
	}
}
