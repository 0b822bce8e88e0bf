package simkube

import (
	"encoding/json"
	"net/http"

	authorizationv1 "k8s.io/api/authorization/v1"
)

const accessReviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

// access answers what the one user of the lab may do: everything that was not denied. What is denied is
// not enforced; faults do that.
func (s *Server) access(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path != accessReviews || r.Method != http.MethodPost {
		return false
	}
	q := request{Request: r, w: w}
	var review authorizationv1.SelfSubjectAccessReview
	if text, err := q.content(); err != nil || json.Unmarshal(text, &review) != nil || review.Spec.ResourceAttributes == nil {
		fail(w, r, unsupported("access review"))
		return true
	}
	asked := review.Spec.ResourceAttributes
	s.mu.Lock()
	review.Status.Allowed = !s.denied[asked.Verb+" "+asked.Resource]
	s.mu.Unlock()
	review.APIVersion, review.Kind = "authorization.k8s.io/v1", "SelfSubjectAccessReview"
	send(w, r, http.StatusCreated, &review)
	return true
}

// Deny makes access reviews say that the user may not use a verb on a resource.
func (s *Server) Deny(verb, resource string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied[verb+" "+resource] = true
}
