package simkube

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Bulk is a large number of encoded objects, in order. It never changes, so that any number of servers can have the
// same million objects, and list them without encoding each.
type Bulk struct {
	items []BulkObject
	owned map[string][]int // dependents by the UID of their owner
}

// BulkObject is one object of a Bulk.
type BulkObject struct {
	key

	Content Content
}

// Content is what is in an object of a given name. Objects may share it. All its JSON is without enclosing braces.
type Content interface {
	// AppendMeta appends the fields of the metadata but resourceVersion.
	AppendMeta(to []byte, name string) []byte
	// AppendRest appends all other fields but kind and apiVersion. They may be long, and are made only when asked for.
	AppendRest(to []byte, name string) []byte
	Labels() map[string]string
	// Metadata returns the metadata that AppendMeta appends. The caller must not change what it points to.
	Metadata(name string) metav1.ObjectMeta
}

// NewBulkObject returns an object with this content.
func NewBulkObject(resource, namespace, name string, content Content) BulkObject {
	return BulkObject{key{resource, namespace, name}, content}
}

// EncodeObject encodes an object of the API's Go types.
func EncodeObject(resource string, o runtime.Object) BulkObject {
	var parts map[string]json.RawMessage
	var meta struct {
		Name, Namespace string
		Labels          map[string]string
		OwnerReferences []struct{ UID string }
	}
	text, err := json.Marshal(o)
	if err == nil {
		err = json.Unmarshal(text, &parts)
	}
	if err == nil {
		err = json.Unmarshal(parts["metadata"], &meta)
	}
	if err != nil {
		panic(err) // a type of the API that cannot be JSON: a mistake of the caller
	}
	encoded := &encodedObject{
		meta: withoutBraces(parts["metadata"]), labels: meta.Labels, goType: reflect.TypeOf(o), protobuf: marshalProtobuf(o),
	}
	for _, owner := range meta.OwnerReferences {
		encoded.owners = append(encoded.owners, owner.UID)
	}
	delete(parts, "metadata")
	delete(parts, "kind")
	delete(parts, "apiVersion")
	rest, err := json.Marshal(parts)
	if err != nil {
		panic(err) // it was JSON before
	}
	encoded.rest = withoutBraces(rest)
	return BulkObject{key{resource, meta.Namespace, meta.Name}, encoded}
}

func withoutBraces(text []byte) []byte { return slices.Clip(slices.Clone(text[1 : len(text)-1])) }

// marshalProtobuf returns the message of an object, without the envelope that names its kind.
func marshalProtobuf(o runtime.Object) []byte {
	marshaler, ok := o.(interface{ Marshal() ([]byte, error) })
	if !ok {
		panic(fmt.Sprintf("%T has no protobuf", o)) // a mistake of the caller
	}
	text, err := marshaler.Marshal()
	if err != nil {
		panic(err) // it was JSON before
	}
	return text
}

// encodedObject is the content of a single object.
type encodedObject struct {
	meta, rest []byte // JSON
	labels     map[string]string
	owners     []string // UIDs
	goType     reflect.Type
	protobuf   []byte
}

// Metadata decodes the metadata alone: it is field 1 of every object of the API.
func (t *encodedObject) Metadata(string) metav1.ObjectMeta {
	var partial metav1.PartialObjectMetadata
	if err := partial.Unmarshal(t.protobuf); err != nil {
		panic(err) // it was encoded here
	}
	return partial.ObjectMeta
}

// decode fills an object of the Go type that was encoded. It returns false for any other type, such as that of another
// version.
func (s *BulkObject) decode(o runtime.Object) bool {
	t, ok := s.Content.(*encodedObject)
	if !ok || reflect.TypeOf(o) != t.goType {
		return false
	}
	if err := o.(interface{ Unmarshal(text []byte) error }).Unmarshal(t.protobuf); err != nil {
		panic(err) // it was encoded here
	}
	return true
}

func (t *encodedObject) AppendMeta(to []byte, _ string) []byte { return append(to, t.meta...) }
func (t *encodedObject) AppendRest(to []byte, _ string) []byte { return append(to, t.rest...) }
func (t *encodedObject) Labels() map[string]string             { return t.labels }

// NewBulk sorts objects into a Bulk.
func NewBulk(items []BulkObject) *Bulk {
	slices.SortFunc(items, func(a, b BulkObject) int { return a.compareAll(b.key) })
	bulk := &Bulk{items: items, owned: map[string][]int{}}
	for i := range items {
		if t, ok := items[i].Content.(*encodedObject); ok {
			for _, uid := range t.owners {
				bulk.owned[uid] = append(bulk.owned[uid], i)
			}
		}
	}
	return bulk
}

func (k key) compareAll(other key) int {
	return cmp.Or(cmp.Compare(k.resource, other.resource), k.compare(other))
}

// All yields every object as JSON, with the kind and version that a client would send to create it.
func (s *Bulk) All(yield func(resource, namespace, name string, text []byte) bool) {
	kinds := map[string]string{}
	for _, r := range resources(true) {
		version := schema.GroupVersion{Group: r.group, Version: r.versions[0]}
		kinds[r.plural] = fmt.Sprintf(`{"kind":%q,"apiVersion":%q,"metadata":{`, r.kind, version.String())
	}
	for _, i := range s.items {
		text := i.Content.AppendMeta([]byte(kinds[i.resource]), i.name)
		text = append(i.Content.AppendRest(append(text, `},`...), i.name), '}')
		if !yield(i.resource, i.namespace, i.name, text) {
			return
		}
	}
}

// bulkView is a Bulk in one server. What the server changes or deletes is removed from the view.
type bulkView struct {
	*Bulk

	version int64 // resource version of the first object; the others follow
	removed []bool
}

// AddBulk adds the objects of a Bulk to a server that has none. Such a server must not get Controllers: they do not
// know these objects.
func (s *Server) AddBulk(bulk *Bulk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bulk = bulkView{bulk, s.version + 1, make([]bool, len(bulk.items))}
	s.version += int64(len(bulk.items))
}

// index returns where an object is. It returns false if it is not in the view.
func (s bulkView) index(k key) (int, bool) {
	if s.Bulk == nil {
		return 0, false
	}
	i, ok := sort.Find(len(s.items), func(i int) int { return k.compareAll(s.items[i].key) })
	return i, ok && !s.removed[i]
}

// rangeOf returns where the objects of a resource and namespace are; those of all namespaces if it is empty.
func (s bulkView) rangeOf(resource, namespace string) (from, to int) {
	if s.Bulk == nil {
		return 0, 0
	}
	last := namespace + "\x00"
	if namespace == "" {
		last = "\x7f"
	}
	from = sort.Search(len(s.items), func(i int) bool { return s.items[i].compareAll(key{resource, namespace, ""}) >= 0 })
	to = sort.Search(len(s.items), func(i int) bool { return s.items[i].compareAll(key{resource, last, ""}) >= 0 })
	return from, to
}

// remove removes an object from the view. It returns false if it is not there.
func (s bulkView) remove(k key) bool {
	i, ok := s.index(k)
	if ok {
		s.removed[i] = true
	}
	return ok
}

func (s bulkView) item(i int) item {
	return item{bulk: &s.items[i], version: s.version + int64(i)}
}

// dependents returns the keys of the objects with an owner of this UID.
func (s bulkView) dependents(uid string) []key {
	if s.Bulk == nil {
		return nil
	}
	var keys []key
	for _, i := range s.owned[uid] {
		if !s.removed[i] {
			keys = append(keys, s.items[i].key)
		}
	}
	return keys
}

// item is an object of a list: either object or bulk is set.
type item struct {
	object  object
	bulk    *BulkObject
	version int64
}

func (i item) appendMeta(to []byte) []byte {
	to = strconv.AppendInt(append(to, `"metadata":{"resourceVersion":"`...), i.version, 10)
	return append(i.bulk.Content.AppendMeta(append(to, `",`...), i.bulk.name), '}')
}

// appendTo appends an item as JSON, whole or its metadata alone, with the fields in head before the others.
func (i item) appendTo(to []byte, head string, metaOnly bool) []byte {
	to = append(append(to, '{'), head...)
	if i.bulk == nil {
		whole := map[string]any(i.object)
		if metaOnly {
			whole = map[string]any{"metadata": i.object.metadata()}
		}
		text, err := json.Marshal(whole)
		if err != nil {
			panic(err) // it was JSON before
		}
		return append(to, text[1:]...)
	}
	to = i.appendMeta(to)
	if !metaOnly {
		to = i.bulk.Content.AppendRest(append(to, ','), i.bulk.name)
	}
	return append(to, '}')
}

// whole returns the object of an item, or its metadata alone.
func (i item) whole(metaOnly bool) object {
	if i.bulk == nil {
		return i.object
	}
	var o object
	text := i.appendTo(nil, "", metaOnly)
	if err := json.Unmarshal(text, &o); err != nil {
		panic(fmt.Errorf("content of %s %s: %w: %s", i.bulk.resource, i.bulk.name, err, text))
	}
	return o
}

func (i item) labels() map[string]string {
	if i.bulk == nil {
		return i.object.labels()
	}
	return i.bulk.Content.Labels()
}

func (i item) name() string {
	if i.bulk == nil {
		return i.object.metaText("name")
	}
	return i.bulk.name
}

// find returns an object.
func (s *Server) find(k key) (object, bool) {
	i, ok := s.findItem(k)
	if !ok {
		return nil, false
	}
	return i.whole(false), true
}

// findMetadata is find for an object's metadata alone, which is faster for an object of a Bulk.
func (s *Server) findMetadata(k key) (object, bool) {
	i, ok := s.findItem(k)
	if !ok {
		return nil, false
	}
	return i.whole(true), true
}

func (s *Server) findItem(k key) (item, bool) {
	if o, ok := s.objects[k]; ok {
		return item{object: o}, true
	}
	if i, ok := s.bulk.index(k); ok {
		return s.bulk.item(i), true
	}
	return item{}, false
}

// itemsOf returns all objects of a resource in order, of one namespace or, if it is empty, of all.
func (s *Server) itemsOf(resource, namespace string) []item {
	var keys []key
	for k := range s.objects {
		if k.resource == resource && (namespace == "" || k.namespace == namespace) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, key.compare)
	from, to := s.bulk.rangeOf(resource, namespace)
	items := make([]item, 0, len(keys)+to-from)
	for i := from; i < to; i++ {
		if s.bulk.removed[i] {
			continue
		}
		for len(keys) > 0 && keys[0].compare(s.bulk.items[i].key) < 0 {
			items, keys = append(items, item{object: s.objects[keys[0]]}), keys[1:]
		}
		items = append(items, s.bulk.item(i))
	}
	for _, k := range keys {
		items = append(items, item{object: s.objects[k]})
	}
	return items
}
