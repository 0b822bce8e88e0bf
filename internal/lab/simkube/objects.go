package simkube

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
)

// key identifies an object. Versions of a resource share their objects.
type key struct{ resource, namespace, name string }

func (k key) compare(other key) int {
	return cmp.Or(cmp.Compare(k.namespace, other.namespace), cmp.Compare(k.name, other.name))
}

// object is an object as JSON, without apiVersion and kind. It is never changed once it is in the store: a change
// replaces it, so that pages of a list can be written without the lock.
type object map[string]any

func (o object) metadata() map[string]any {
	m, _ := o["metadata"].(map[string]any)
	return m
}

func (o object) metaText(field string) string {
	text, _ := o.metadata()[field].(string)
	return text
}

func (o object) labels() map[string]string {
	raw, _ := o.metadata()["labels"].(map[string]any)
	labels := map[string]string{}
	for name, value := range raw {
		labels[name], _ = value.(string)
	}
	return labels
}

// withMetadata returns a copy with some fields of its metadata set. A nil value removes the field.
func (o object) withMetadata(fields map[string]any) object {
	changed := maps.Clone(o)
	metadata := maps.Clone(o.metadata())
	if metadata == nil {
		metadata = map[string]any{}
	}
	for field, value := range fields {
		if value == nil {
			delete(metadata, field)
		} else {
			metadata[field] = value
		}
	}
	changed["metadata"] = metadata
	return changed
}

// Add puts an object of the API's Go types into the store of a resource such as "pods". It keeps the name, namespace,
// creation time and UID that the object has.
func (s *Server) Add(resource string, o runtime.Object) {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // a type of the API that cannot be JSON: a mistake of the caller
	}
	var content object
	if err := json.Unmarshal(text, &content); err != nil {
		panic(err)
	}
	delete(content, "kind")
	delete(content, "apiVersion")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(key{resource, content.metaText("namespace"), content.metaText("name")}, content)
}

// Remove removes an object without going through the API.
func (s *Server) Remove(resource, namespace, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(key{resource, namespace, name})
}

// Has reports whether an object exists.
func (s *Server) Has(resource, namespace, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.findItem(key{resource, namespace, name})
	return ok
}

// Label returns the value of an object's label; empty if it has none.
func (s *Server) Label(resource, namespace, name, label string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.findItem(key{resource, namespace, name})
	if !ok {
		return ""
	}
	return i.labels()[label]
}

// Names returns the names of the objects of one resource in a namespace, sorted.
func (s *Server) Names(resource, namespace string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, i := range s.itemsOf(resource, namespace) {
		names = append(names, i.name())
	}
	return names
}

// put stores an object with the next resource version, and returns what it stored.
func (s *Server) put(k key, o object) object {
	s.version++
	fields := map[string]any{"resourceVersion": strconv.FormatInt(s.version, 10), "name": k.name}
	if k.namespace != "" {
		fields["namespace"] = k.namespace
	}
	if o.metaText("uid") == "" {
		fields["uid"] = uuid.NewString()
	}
	if o.metaText("creationTimestamp") == "" {
		fields["creationTimestamp"] = s.options.Now().UTC().Format(time.RFC3339)
	}
	o = o.withMetadata(fields)
	kind := watch.Added
	if _, exists := s.findItem(k); exists {
		kind = watch.Modified
	}
	s.log.add(change{k, kind, item{object: o}, s.version})
	s.unindexOwners(k)
	s.bulk.remove(k)
	s.objects[k] = o
	for _, uid := range ownerUIDs(o) {
		if s.owned[uid] == nil {
			s.owned[uid] = map[key]bool{}
		}
		s.owned[uid][k] = true
	}
	return o
}

func (s *Server) remove(k key) {
	if i, exists := s.findItem(k); exists {
		s.log.add(change{k, watch.Deleted, i, s.version + 1})
	}
	if s.bulk.remove(k) {
		s.version++
	} else if _, ok := s.objects[k]; ok {
		s.version++
		s.unindexOwners(k)
		delete(s.objects, k)
	}
}

// unindexOwners removes an object from the index by owner.
func (s *Server) unindexOwners(k key) {
	for _, uid := range ownerUIDs(s.objects[k]) {
		delete(s.owned[uid], k)
	}
}

// dependents returns the keys of all objects with an owner of this UID, in order.
func (s *Server) dependents(uid string) []key {
	keys := slices.AppendSeq(s.bulk.dependents(uid), maps.Keys(s.owned[uid]))
	slices.SortFunc(keys, key.compare)
	return keys
}

func ownerUIDs(o object) []string {
	var uids []string
	for _, owner := range owners(o) {
		reference, _ := owner.(map[string]any)
		uid, _ := reference["uid"].(string)
		uids = append(uids, uid)
	}
	return uids
}

func owners(o object) []any {
	list, _ := o.metadata()["ownerReferences"].([]any)
	return list
}

func ownersExcept(o object, uid string) []any {
	var rest []any
	for _, owner := range owners(o) {
		if reference, _ := owner.(map[string]any); reference["uid"] != uid {
			rest = append(rest, owner)
		}
	}
	return rest
}

func (q request) key() key { return key{q.resource.plural, q.namespace, q.name} }
