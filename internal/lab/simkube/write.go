package simkube

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/google/uuid"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// content reads a body as JSON. client-go's typed clients send protobuf if they may.
func (q request) content() ([]byte, error) {
	text, err := io.ReadAll(q.Body)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	kind, _, _ := mime.ParseMediaType(q.Header.Get("Content-Type"))
	switch kind {
	case "", runtime.ContentTypeJSON:
		return text, nil
	case runtime.ContentTypeProtobuf:
		if len(text) == 0 {
			return nil, nil
		}
		o, _, err := protobufSerializer.Decode(text, nil, nil)
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		return json.Marshal(o)
	}
	return nil, unsupported(kind)
}

func (q request) body() (object, error) {
	text, err := q.content()
	if err != nil {
		return nil, err
	}
	var o object
	if err := json.Unmarshal(text, &o); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	delete(o, "kind")
	delete(o, "apiVersion")
	if o.metadata() == nil {
		o["metadata"] = map[string]any{}
	}
	return o, nil
}

func unsupported(kind string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusUnsupportedMediaType,
		Reason:  metav1.StatusReasonUnsupportedMediaType,
		Message: "the body of the request was in an unknown format: " + kind,
	}}
}

func (s *Server) create(q request) error {
	o, err := q.body()
	if err != nil {
		return err
	}
	if q.resource.namespaced {
		if _, ok := s.objects[key{resource: "namespaces", name: q.namespace}]; !ok {
			return apierrors.NewNotFound(namespaces, q.namespace)
		}
	}
	q.name = o.meta("name")
	if q.name == "" && o.meta("generateName") != "" {
		q.name = o.meta("generateName") + uuid.NewString()[:5]
	}
	if q.name == "" {
		return apierrors.NewBadRequest("name or generateName is required")
	}
	if _, ok := s.item(q.key()); ok {
		return apierrors.NewAlreadyExists(q.group(), q.name)
	}
	o = o.with(map[string]any{"uid": nil, "creationTimestamp": nil, "resourceVersion": nil})
	return s.reply(q, http.StatusCreated, item{object: s.store(q, o)})
}

// store puts an object, unless the request is only a try.
func (s *Server) store(q request, o object) object {
	if q.dryRun() {
		return o.with(map[string]any{"name": q.name, "uid": uuid.NewString()})
	}
	return s.put(q.key(), o)
}

func (s *Server) update(q request) error {
	o, err := q.body()
	if err != nil {
		return err
	}
	return s.replace(q, o)
}

// replace puts a new form of an existing object, if it was made from its current one.
func (s *Server) replace(q request, o object) error {
	old, ok := s.find(q.key())
	if !ok {
		return errNotFound(q)
	}
	if version := o.meta("resourceVersion"); version != "" && version != old.meta("resourceVersion") {
		return errModified(q)
	}
	if uid := o.meta("uid"); uid != "" && uid != old.meta("uid") {
		return checkPreconditions(q, &metav1.Preconditions{UID: (*types.UID)(&uid)}, old)
	}
	o = o.with(map[string]any{"uid": old.meta("uid"), "creationTimestamp": old.meta("creationTimestamp")})
	if q.resource.plural == "deployments" && !reflect.DeepEqual(old["spec"], o["spec"]) {
		o = s.rolledOut(q, old, o)
	}
	return s.reply(q, http.StatusOK, item{object: s.store(q, o)})
}

// rolledOut plays the Deployment controller, at once: the status follows the new spec. Where the
// cluster lives the controller does it, in its time.
func (s *Server) rolledOut(q request, old, o object) object {
	generation, _ := old.metadata()["generation"].(float64)
	spec, _ := o["spec"].(map[string]any)
	replicas := spec["replicas"]
	o = o.with(map[string]any{"generation": generation + 1})
	if s.live != nil && slices.Contains(s.live.options.Deployments, q.name) {
		return o
	}
	o["status"] = map[string]any{
		"observedGeneration": generation + 1, "replicas": replicas, "updatedReplicas": replicas,
		"readyReplicas": replicas, "availableReplicas": replicas,
	}
	return o
}

func (s *Server) patch(q request) error {
	kind, _, _ := mime.ParseMediaType(q.Header.Get("Content-Type"))
	if kind != string(types.MergePatchType) && kind != string(types.StrategicMergePatchType) {
		return unsupported(kind)
	}
	var patch map[string]any
	if err := json.NewDecoder(q.Body).Decode(&patch); err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	old, ok := s.find(q.key())
	if !ok {
		return errNotFound(q)
	}
	merged, _ := merge(map[string]any(old), patch).(map[string]any)
	delete(merged, "kind")
	delete(merged, "apiVersion")
	return s.replace(q, object(merged))
}

// merge is RFC 7386. It copies what it changes.
func merge(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	merged := map[string]any{}
	if old, ok := target.(map[string]any); ok {
		for name, value := range old {
			merged[name] = value
		}
	}
	for name, value := range changes {
		if value == nil {
			delete(merged, name)
		} else {
			merged[name] = merge(merged[name], value)
		}
	}
	return merged
}

func (q request) deleteOptions() (metav1.DeleteOptions, error) {
	var options metav1.DeleteOptions
	text, err := q.content()
	if err != nil {
		return options, err
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &options); err != nil {
			return options, apierrors.NewBadRequest(err.Error())
		}
	}
	query := q.URL.Query()
	if policy := metav1.DeletionPropagation(query.Get("propagationPolicy")); policy != "" {
		options.PropagationPolicy = &policy
	}
	if seconds, err := strconv.ParseInt(query.Get("gracePeriodSeconds"), 10, 64); err == nil {
		options.GracePeriodSeconds = &seconds
	}
	if query.Get("dryRun") != "" {
		options.DryRun = []string{query.Get("dryRun")}
	}
	return options, nil
}

// policy is how dependents are treated. The default for a Job of batch/v1 is to leave its
// Pods behind (docs/csm.md, "Deleting a Job").
func (q request) policy(options metav1.DeleteOptions) metav1.DeletionPropagation {
	switch {
	case options.PropagationPolicy != nil:
		return *options.PropagationPolicy
	case q.resource.plural == "jobs":
		return metav1.DeletePropagationOrphan
	}
	return metav1.DeletePropagationBackground
}

// delete removes at once what a real cluster may take a moment for: a Pod's grace period
// and the garbage collector's work are over when it answers, unless the cluster lives.
func (s *Server) delete(q request) error {
	options, err := q.deleteOptions()
	if err != nil {
		return err
	}
	o, ok := s.head(q.key())
	if !ok {
		return errNotFound(q)
	}
	if err := checkPreconditions(q, options.Preconditions, o); err != nil {
		return err
	}
	if len(options.DryRun) == 0 {
		s.end(q.key(), q.policy(options), options.GracePeriodSeconds)
	}
	send(q.w, q.Request, http.StatusOK, &metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess,
		Details: &metav1.StatusDetails{
			Name: q.name, Group: q.version.Group, Kind: q.resource.plural, UID: types.UID(o.meta("uid")),
		},
	})
	return nil
}

// deleteCollection exists for real: it is what a DELETE with an empty name becomes.
func (s *Server) deleteCollection(q request) error {
	options, err := q.deleteOptions()
	if err != nil {
		return err
	}
	items, err := s.selected(q)
	if err != nil {
		return err
	}
	for _, i := range items {
		o := i.whole(true)
		s.end(key{q.resource.plural, o.meta("namespace"), o.meta("name")}, q.policy(options), options.GracePeriodSeconds)
	}
	s.danger = append(s.danger, fmt.Sprintf("DELETE of the collection %s removed %d", q.URL.Path, len(items)))
	send(q.w, q.Request, http.StatusOK, &metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess,
	})
	return nil
}
