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
)

// key is where an object lies. Versions of one resource share their objects.
type key struct{ resource, namespace, name string }

func (k key) compare(other key) int {
	return cmp.Or(cmp.Compare(k.namespace, other.namespace), cmp.Compare(k.name, other.name))
}

// object is one object as JSON, without apiVersion and kind. It is never changed once it is
// in the store: a change puts another one in its place, so that lists may go on in peace.
type object map[string]any

func (o object) metadata() map[string]any {
	m, _ := o["metadata"].(map[string]any)
	return m
}

func (o object) meta(field string) string {
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

// with returns a copy with some metadata set; a nil value removes the field.
func (o object) with(fields map[string]any) object {
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

// Add puts an object built from the API's Go types into the store, as resource says, such
// as "pods". Name, namespace, creation time and UID are taken as they are.
func (s *Server) Add(resource string, o runtime.Object) {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // a Go type of the API that is no JSON: a mistake in the caller's code
	}
	var content object
	if err := json.Unmarshal(text, &content); err != nil {
		panic(err)
	}
	delete(content, "kind")
	delete(content, "apiVersion")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(key{resource, content.meta("namespace"), content.meta("name")}, content)
}

// Remove takes an object out of the store, behind the back of the API.
func (s *Server) Remove(resource, namespace, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(key{resource, namespace, name})
}

// Has says whether an object exists.
func (s *Server) Has(resource, namespace, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.item(key{resource, namespace, name})
	return ok
}

// Label gives the value of an object's label; empty if it has none.
func (s *Server) Label(resource, namespace, name, label string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.item(key{resource, namespace, name})
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
	for _, i := range s.items(resource, namespace) {
		names = append(names, i.name())
	}
	return names
}

// put stores an object under the next resource version and returns what it stored.
func (s *Server) put(k key, o object) object {
	s.version++
	fields := map[string]any{"resourceVersion": strconv.FormatInt(s.version, 10), "name": k.name}
	if k.namespace != "" {
		fields["namespace"] = k.namespace
	}
	if o.meta("uid") == "" {
		fields["uid"] = uuid.NewString()
	}
	if o.meta("creationTimestamp") == "" {
		fields["creationTimestamp"] = s.options.Now().UTC().Format(time.RFC3339)
	}
	o = o.with(fields)
	s.disown(k)
	s.stock.leave(k)
	s.objects[k] = o
	for _, uid := range ownerUIDs(o) {
		if s.owned[uid] == nil {
			s.owned[uid] = map[key]bool{}
		}
		s.owned[uid][k] = true
	}
	return o
}

func (s *Server) drop(k key) {
	if s.stock.leave(k) {
		s.version++
	} else if _, ok := s.objects[k]; ok {
		s.version++
		s.disown(k)
		delete(s.objects, k)
	}
}

// disown takes an object out of the index by owner.
func (s *Server) disown(k key) {
	for _, uid := range ownerUIDs(s.objects[k]) {
		delete(s.owned[uid], k)
	}
}

// dependents returns the keys of all objects that name an owner by this UID.
func (s *Server) dependents(uid string) []key {
	keys := slices.AppendSeq(s.stock.dependents(uid), maps.Keys(s.owned[uid]))
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

func ownersBut(o object, uid string) []any {
	var rest []any
	for _, owner := range owners(o) {
		if reference, _ := owner.(map[string]any); reference["uid"] != uid {
			rest = append(rest, owner)
		}
	}
	return rest
}

func (q request) key() key { return key{q.resource.plural, q.namespace, q.name} }
