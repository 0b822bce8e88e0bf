package simkube

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// deleteObject deletes an object and treats its dependents as the policy says. With controllers, a running Pod has its
// grace period, and an object deleted in the foreground waits for its Pods.
func (s *Server) deleteObject(k key, policy metav1.DeletionPropagation, graceSeconds *int64) {
	o, _ := s.findMetadata(k)
	if o.hasFinalizers() {
		s.markDeleted(k, o)
		return
	}
	if s.controllers == nil {
		s.remove(k)
		s.collectDependents(o.metaText("uid"), policy)
		return
	}
	if k.resource == "pods" {
		grace := s.controllers.options.Grace
		if graceSeconds != nil {
			grace = min(grace, time.Duration(*graceSeconds)*time.Second)
		}
		s.controllers.deletePod(k, grace)
		return
	}
	if policy == metav1.DeletePropagationForeground {
		s.collectDependents(o.metaText("uid"), policy)
		if len(s.dependents(o.metaText("uid"))) > 0 {
			s.put(k, o.withMetadata(map[string]any{
				"deletionTimestamp": timestamp(s.controllers.now), "finalizers": []any{"foregroundDeletion"},
			}))
			s.controllers.foreground[k] = true
			return
		}
	}
	s.remove(k)
	s.collectDependents(o.metaText("uid"), policy)
}

// markDeleted does what a DELETE does to an object with finalizers: it stays, with the time of the first DELETE, until
// whoever set the finalizers has removed them. Another DELETE is accepted too, and changes nothing.
func (s *Server) markDeleted(k key, o object) {
	if o.metaText("deletionTimestamp") != "" {
		return
	}
	o, _ = s.find(k)
	s.put(k, o.withMetadata(map[string]any{
		"deletionTimestamp": timestamp(s.options.Now()), "deletionGracePeriodSeconds": 0,
	}))
}

func (o object) hasFinalizers() bool {
	finalizers, _ := o.metadata()["finalizers"].([]any)
	return len(finalizers) > 0
}

// collectDependents does what the garbage collector does once an owner is gone.
func (s *Server) collectDependents(uid string, policy metav1.DeletionPropagation) {
	for _, k := range s.dependents(uid) {
		o, _ := s.findMetadata(k)
		switch {
		case policy == metav1.DeletePropagationOrphan:
			o, _ = s.find(k)
			var rest any
			if left := ownersExcept(o, uid); len(left) > 0 {
				rest = left
			}
			s.put(k, o.withMetadata(map[string]any{"ownerReferences": rest}))
		case s.controllers != nil:
			s.deleteObject(k, policy, nil)
		default:
			s.remove(k)
			s.collectDependents(o.metaText("uid"), policy)
		}
	}
}
