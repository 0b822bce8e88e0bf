package simkube

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
)

// serveScale serves the scale of a Deployment: an object of its own kind with the Deployment's version, of which only
// the number of replicas can be written.
func (s *Server) serveScale(q request) error {
	deployment, ok := s.find(q.key())
	if !ok {
		return errNotFound(q)
	}
	as := q
	as.version, as.resource.kind = autoscalingv1.SchemeGroupVersion, "Scale"
	var wanted object
	switch q.Method {
	case http.MethodGet:
		return s.reply(as, http.StatusOK, item{object: scaleOf(deployment)})
	case http.MethodPut:
		var err error
		if wanted, err = q.objectBody(); err != nil {
			return err
		}
	case http.MethodPatch:
		var patch map[string]any
		if err := json.NewDecoder(q.Body).Decode(&patch); err != nil {
			return apierrors.NewBadRequest(err.Error())
		}
		merged, _ := mergePatch(map[string]any(scaleOf(deployment)), patch).(map[string]any)
		wanted = merged
	default:
		return errMethod(q)
	}
	if version := wanted.metaText("resourceVersion"); version != "" && version != deployment.metaText("resourceVersion") {
		return errModified(q)
	}
	spec := maps.Clone(deployment["spec"].(map[string]any))
	spec["replicas"] = float64(wanted.intAt("spec", "replicas"))
	scaled := maps.Clone(deployment)
	scaled["spec"] = spec
	scaled = s.storeUnlessDryRun(q, s.withRollout(q, deployment, scaled))
	return s.reply(as, http.StatusOK, item{object: scaleOf(scaled)})
}

func scaleOf(deployment object) object {
	metadata := map[string]any{}
	for _, field := range []string{"name", "namespace", "uid", "resourceVersion", "creationTimestamp"} {
		metadata[field] = deployment.metadata()[field]
	}
	selector := labels.Set{}
	wanted, _ := deployment.lookup("spec", "selector", "matchLabels").(map[string]any)
	for name, value := range wanted {
		selector[name], _ = value.(string)
	}
	return object{
		"metadata": metadata,
		"spec":     map[string]any{"replicas": deployment.lookup("spec", "replicas")},
		"status": map[string]any{
			"replicas": float64(deployment.intAt("status", "replicas")), "selector": selector.String(),
		},
	}
}

// replacePods ends the Pods of a Deployment and starts new ones, all at once.
func (s *Server) replacePods(q request, deployment object) {
	hash := templateHash(deployment)
	for _, k := range s.podsOf(q.namespace, deployment) {
		s.remove(k)
	}
	for n := range deployment.intAt("spec", "replicas") {
		name := fmt.Sprintf("%s-%s-%d", q.name, hash, n)
		s.put(key{"pods", q.namespace, name}, object{
			"metadata": map[string]any{"labels": podLabels(deployment, hash)},
			"spec":     podTemplate(deployment)["spec"],
			"status": map[string]any{
				"phase": "Running", "conditions": []any{map[string]any{"type": "Ready", "status": "True"}},
			},
		})
	}
}

// podsOf finds Pods by a Deployment's selector.
func (s *Server) podsOf(namespace string, deployment object) []key {
	wanted, _ := deployment.lookup("spec", "selector", "matchLabels").(map[string]any)
	return slices.DeleteFunc(s.keysOf("pods"), func(k key) bool {
		has := s.objects[k].labels()
		fits := k.namespace == namespace && len(wanted) > 0
		for name, value := range wanted {
			fits = fits && has[name] == value
		}
		return !fits
	})
}
