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

// jsonBody returns a body as JSON, whichever encoding it has.
func (q request) jsonBody() ([]byte, error) {
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

func (q request) objectBody() (object, error) {
	text, err := q.jsonBody()
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
	o, err := q.objectBody()
	if err != nil {
		return err
	}
	if q.resource.namespaced {
		if _, ok := s.objects[key{resource: "namespaces", name: q.namespace}]; !ok {
			return apierrors.NewNotFound(namespaces, q.namespace)
		}
	}
	q.name = o.metaText("name")
	if q.name == "" && o.metaText("generateName") != "" {
		q.name = o.metaText("generateName") + uuid.NewString()[:5]
	}
	if q.name == "" {
		return apierrors.NewBadRequest("name or generateName is required")
	}
	if _, ok := s.findItem(q.key()); ok {
		return apierrors.NewAlreadyExists(q.group(), q.name)
	}
	o = o.withMetadata(map[string]any{"uid": nil, "creationTimestamp": nil, "resourceVersion": nil})
	return s.reply(q, http.StatusCreated, item{object: s.storeUnlessDryRun(q, o)})
}

// storeUnlessDryRun stores an object; for a dry run it only returns what it would store.
func (s *Server) storeUnlessDryRun(q request, o object) object {
	if q.dryRun() {
		return o.withMetadata(map[string]any{"name": q.name, "uid": uuid.NewString()})
	}
	o = s.put(q.key(), o)
	if o.metaText("deletionTimestamp") != "" && !o.hasFinalizers() {
		s.remove(q.key()) // the last finalizer has gone
		s.collectDependents(o.metaText("uid"), metav1.DeletePropagationBackground)
	}
	return o
}

func (s *Server) update(q request) error {
	o, err := q.objectBody()
	if err != nil {
		return err
	}
	return s.replace(q, o)
}

// replace stores a new version of an object. A resource version or UID in it must be those of the current one.
func (s *Server) replace(q request, o object) error {
	old, ok := s.find(q.key())
	if !ok {
		return errNotFound(q)
	}
	if version := o.metaText("resourceVersion"); version != "" && version != old.metaText("resourceVersion") {
		return errModified(q)
	}
	if uid := o.metaText("uid"); uid != "" && uid != old.metaText("uid") {
		return checkPreconditions(q, &metav1.Preconditions{UID: (*types.UID)(&uid)}, old)
	}
	o = o.withMetadata(map[string]any{"uid": old.metaText("uid"), "creationTimestamp": old.metaText("creationTimestamp")})
	if q.resource.plural == "deployments" && !reflect.DeepEqual(old["spec"], o["spec"]) {
		o = s.withRollout(q, old, o)
	}
	return s.reply(q, http.StatusOK, item{object: s.storeUnlessDryRun(q, o)})
}

// withRollout plays the Deployment controller: status and Pods follow the new spec at once. Where Controllers control
// the Deployment, they do that in their time.
func (s *Server) withRollout(q request, old, o object) object {
	generation, _ := old.metadata()["generation"].(float64)
	spec, _ := o["spec"].(map[string]any)
	replicas := spec["replicas"]
	o = o.withMetadata(map[string]any{"generation": generation + 1})
	if s.controllers != nil && slices.Contains(s.controllers.options.Deployments, q.name) {
		return o
	}
	o["status"] = map[string]any{
		"observedGeneration": generation + 1, "replicas": replicas, "updatedReplicas": replicas,
		"readyReplicas": replicas, "availableReplicas": replicas,
	}
	if !q.dryRun() {
		s.replacePods(q, o)
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
	merged, _ := mergePatch(map[string]any(old), patch).(map[string]any)
	delete(merged, "kind")
	delete(merged, "apiVersion")
	return s.replace(q, object(merged))
}

// mergePatch applies a JSON merge patch (RFC 7386). It copies what it changes.
func mergePatch(target, patch any) any {
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
			merged[name] = mergePatch(merged[name], value)
		}
	}
	return merged
}

func (q request) deleteOptions() (metav1.DeleteOptions, error) {
	var options metav1.DeleteOptions
	text, err := q.jsonBody()
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

// propagationPolicy returns how dependents are treated. The default for a Job of batch/v1 leaves its Pods behind
// (docs/csm.md, "Deleting a Job").
func (q request) propagationPolicy(options metav1.DeleteOptions) metav1.DeletionPropagation {
	switch {
	case options.PropagationPolicy != nil:
		return *options.PropagationPolicy
	case q.resource.plural == "jobs":
		return metav1.DeletePropagationOrphan
	}
	return metav1.DeletePropagationBackground
}

// delete deletes an object. Without controllers, Pods' grace periods and the garbage collector's work are over when it
// answers; a real cluster may take a moment.
func (s *Server) delete(q request) error {
	options, err := q.deleteOptions()
	if err != nil {
		return err
	}
	o, ok := s.findMetadata(q.key())
	if !ok {
		return errNotFound(q)
	}
	if err := checkPreconditions(q, options.Preconditions, o); err != nil {
		return err
	}
	if len(options.DryRun) == 0 {
		s.deleteObject(q.key(), q.propagationPolicy(options), options.GracePeriodSeconds)
	}
	if o, ok := s.find(q.key()); ok && o.hasFinalizers() {
		return s.reply(q, http.StatusOK, item{object: o}) // not the Status of one that has gone
	}
	send(q.w, q.Request, http.StatusOK, &metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess,
		Details: &metav1.StatusDetails{
			Name: q.name, Group: q.version.Group, Kind: q.resource.plural, UID: types.UID(o.metaText("uid")),
		},
	})
	return nil
}

// deleteCollection is what a DELETE with an empty name becomes, on a real API server too.
func (s *Server) deleteCollection(q request) error {
	options, err := q.deleteOptions()
	if err != nil {
		return err
	}
	items, err := s.selectItems(q)
	if err != nil {
		return err
	}
	for _, i := range items {
		o := i.whole(true)
		k := key{q.resource.plural, o.metaText("namespace"), o.metaText("name")}
		s.deleteObject(k, q.propagationPolicy(options), options.GracePeriodSeconds)
	}
	s.danger = append(s.danger, fmt.Sprintf("DELETE of the collection %s removed %d", q.URL.Path, len(items)))
	send(q.w, q.Request, http.StatusOK, &metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess,
	})
	return nil
}
