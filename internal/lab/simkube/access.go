package simkube

import (
	"encoding/json"
	"net/http"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
)

const accessReviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

// serveAccessReview says that the user may do everything that was not denied. Denials are not enforced: a fault has to
// do that.
func (s *Server) serveAccessReview(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path != accessReviews || r.Method != http.MethodPost {
		return false
	}
	q := request{Request: r, w: w}
	var review authorizationv1.SelfSubjectAccessReview
	text, err := q.jsonBody()
	if err != nil || json.Unmarshal(text, &review) != nil || review.Spec.ResourceAttributes == nil {
		sendError(w, r, unsupported("access review"))
		return true
	}
	attributes := review.Spec.ResourceAttributes
	resource := strings.TrimSuffix(attributes.Resource+"/"+attributes.Subresource, "/")
	s.mu.Lock()
	review.Status.Allowed = !s.denied[attributes.Verb+" "+resource]
	s.mu.Unlock()
	review.APIVersion, review.Kind = "authorization.k8s.io/v1", "SelfSubjectAccessReview"
	send(w, r, http.StatusCreated, &review)
	return true
}

// Deny makes access reviews say that the user may not use verb on resource. It does not refuse such requests.
func (s *Server) Deny(verb, resource string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied[verb+" "+resource] = true
}
