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

// Shelf is a great many objects as text, in order. It is made once and never changes, so that any
// number of servers can have the same million objects, and a list is put together without encoding one
// of them.
type Shelf struct {
	items []Shelved
	owned map[string][]int // by the UID of the owner
}

// Shelved is one object of a shelf.
type Shelved struct {
	key

	Text Text
}

// Text writes an object's JSON in two parts: the fields of its metadata, without resourceVersion, and
// all its other fields but kind and apiVersion. Both without braces. The second may be long, and is
// written only if somebody asks for it.
type Text interface {
	AppendMeta(to []byte, name string) []byte
	AppendRest(to []byte, name string) []byte
	Labels() map[string]string
	// Metadata returns the same metadata as AppendMeta writes. The caller must not change what it points to.
	Metadata(name string) metav1.ObjectMeta
}

// NewShelved gives an object a place on a shelf.
func NewShelved(resource, namespace, name string, text Text) Shelved {
	return Shelved{key{resource, namespace, name}, text}
}

// Shelve encodes an object built from the API's Go types.
func Shelve(resource string, o runtime.Object) Shelved {
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
		panic(err) // a Go type of the API that is no JSON: a mistake in the caller's code
	}
	t := &written{meta: inner(parts["metadata"]), labels: meta.Labels, form: reflect.TypeOf(o), encoded: encode(o)}
	for _, owner := range meta.OwnerReferences {
		t.owners = append(t.owners, owner.UID)
	}
	delete(parts, "metadata")
	delete(parts, "kind")
	delete(parts, "apiVersion")
	rest, err := json.Marshal(parts)
	if err != nil {
		panic(err) // it was JSON before
	}
	t.rest = inner(rest)
	return Shelved{key{resource, meta.Namespace, meta.Name}, t}
}

// inner is an object's JSON without its braces.
func inner(text []byte) []byte { return slices.Clip(slices.Clone(text[1 : len(text)-1])) }

// encode returns the protobuf of an object, without any envelope.
func encode(o runtime.Object) []byte {
	marshaler, ok := o.(interface{ Marshal() ([]byte, error) })
	if !ok {
		panic(fmt.Sprintf("%T has no protobuf", o)) // a mistake in the caller's code
	}
	text, err := marshaler.Marshal()
	if err != nil {
		panic(err) // it was JSON before
	}
	return text
}

// written is the text of one object.
type written struct {
	meta, rest []byte
	labels     map[string]string
	owners     []string
	form       reflect.Type // Go type
	encoded    []byte       // protobuf
}

// Metadata decodes no more than the metadata: it is field 1 of every object of the API.
func (t *written) Metadata(string) metav1.ObjectMeta {
	var partial metav1.PartialObjectMetadata
	if err := partial.Unmarshal(t.encoded); err != nil {
		panic(err) // it was encoded here
	}
	return partial.ObjectMeta
}

// decode fills an object of the Go type that was put on the shelf. It returns false for any other, such as another
// version.
func (s *Shelved) decode(o runtime.Object) bool {
	t, ok := s.Text.(*written)
	if !ok || reflect.TypeOf(o) != t.form {
		return false
	}
	if err := o.(interface{ Unmarshal(text []byte) error }).Unmarshal(t.encoded); err != nil {
		panic(err) // it was encoded here
	}
	return true
}

func (t *written) AppendMeta(to []byte, _ string) []byte { return append(to, t.meta...) }
func (t *written) AppendRest(to []byte, _ string) []byte { return append(to, t.rest...) }
func (t *written) Labels() map[string]string             { return t.labels }

// NewShelf sorts objects onto a shelf.
func NewShelf(items []Shelved) *Shelf {
	slices.SortFunc(items, func(a, b Shelved) int { return a.before(b.key) })
	shelf := &Shelf{items: items, owned: map[string][]int{}}
	for i := range items {
		if t, ok := items[i].Text.(*written); ok {
			for _, uid := range t.owners {
				shelf.owned[uid] = append(shelf.owned[uid], i)
			}
		}
	}
	return shelf
}

func (k key) before(other key) int {
	return cmp.Or(cmp.Compare(k.resource, other.resource), k.compare(other))
}

// All gives every object as JSON, with its kind as BOS's and other services' objects have it.
func (s *Shelf) All(yield func(resource, namespace, name string, text []byte) bool) {
	kinds := map[string]string{}
	for _, r := range resources(true) {
		version := schema.GroupVersion{Group: r.group, Version: r.versions[0]}
		kinds[r.plural] = fmt.Sprintf(`{"kind":%q,"apiVersion":%q,"metadata":{`, r.kind, version.String())
	}
	for _, i := range s.items {
		text := i.Text.AppendMeta([]byte(kinds[i.resource]), i.name)
		text = append(i.Text.AppendRest(append(text, `},`...), i.name), '}')
		if !yield(i.resource, i.namespace, i.name, text) {
			return
		}
	}
}

// stock is a shelf in one server: what was changed or deleted has left it.
type stock struct {
	*Shelf

	version int64 // of the first object; the others follow
	gone    []bool
}

// Stock puts a shelf into a server that has none. Its objects are there as if each had been added. A
// server with a shelf does not live (see Control).
func (s *Server) Stock(shelf *Shelf) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stock = stock{shelf, s.version + 1, make([]bool, len(shelf.items))}
	s.version += int64(len(shelf.items))
}

// place finds an object on the shelf.
func (s stock) place(k key) (int, bool) {
	if s.Shelf == nil {
		return 0, false
	}
	i, ok := sort.Find(len(s.items), func(i int) int { return k.before(s.items[i].key) })
	return i, ok && !s.gone[i]
}

// of is where the objects of one resource and namespace are; of all namespaces if that is empty.
func (s stock) of(resource, namespace string) (from, to int) {
	if s.Shelf == nil {
		return 0, 0
	}
	last := namespace + "\x00"
	if namespace == "" {
		last = "\x7f"
	}
	from = sort.Search(len(s.items), func(i int) bool { return s.items[i].before(key{resource, namespace, ""}) >= 0 })
	to = sort.Search(len(s.items), func(i int) bool { return s.items[i].before(key{resource, last, ""}) >= 0 })
	return from, to
}

// leave takes an object off the shelf.
func (s stock) leave(k key) bool {
	i, ok := s.place(k)
	if ok {
		s.gone[i] = true
	}
	return ok
}

func (s stock) item(i int) item {
	return item{shelved: &s.items[i], version: s.version + int64(i)}
}

// dependents gives what is left of the objects that name an owner by this UID.
func (s stock) dependents(uid string) []key {
	if s.Shelf == nil {
		return nil
	}
	var keys []key
	for _, i := range s.owned[uid] {
		if !s.gone[i] {
			keys = append(keys, s.items[i].key)
		}
	}
	return keys
}

// item is one object of a list, from the shelf or not.
type item struct {
	object  object
	shelved *Shelved
	version int64
}

func (i item) appendMeta(to []byte) []byte {
	to = strconv.AppendInt(append(to, `"metadata":{"resourceVersion":"`...), i.version, 10)
	return append(i.shelved.Text.AppendMeta(append(to, `",`...), i.shelved.name), '}')
}

// appendTo writes an item, whole or its metadata alone, with some fields before the others.
func (i item) appendTo(to []byte, head string, metaOnly bool) []byte {
	to = append(append(to, '{'), head...)
	if i.shelved == nil {
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
		to = i.shelved.Text.AppendRest(append(to, ','), i.shelved.name)
	}
	return append(to, '}')
}

// whole decodes an object, or its metadata alone.
func (i item) whole(metaOnly bool) object {
	if i.shelved == nil {
		return i.object
	}
	var o object
	text := i.appendTo(nil, "", metaOnly)
	if err := json.Unmarshal(text, &o); err != nil {
		panic(fmt.Errorf("%s %s on the shelf: %w: %s", i.shelved.resource, i.shelved.name, err, text))
	}
	return o
}

func (i item) labels() map[string]string {
	if i.shelved == nil {
		return i.object.labels()
	}
	return i.shelved.Text.Labels()
}

func (i item) name() string {
	if i.shelved == nil {
		return i.object.meta("name")
	}
	return i.shelved.name
}

// find gives an object wherever it lies.
func (s *Server) find(k key) (object, bool) {
	i, ok := s.item(k)
	if !ok {
		return nil, false
	}
	return i.whole(false), true
}

// head is find, for those who need no more than the metadata.
func (s *Server) head(k key) (object, bool) {
	i, ok := s.item(k)
	if !ok {
		return nil, false
	}
	return i.whole(true), true
}

func (s *Server) item(k key) (item, bool) {
	if o, ok := s.objects[k]; ok {
		return item{object: o}, true
	}
	if i, ok := s.stock.place(k); ok {
		return s.stock.item(i), true
	}
	return item{}, false
}

// items gives all objects of a resource in order, of one namespace or of all.
func (s *Server) items(resource, namespace string) []item {
	var keys []key
	for k := range s.objects {
		if k.resource == resource && (namespace == "" || k.namespace == namespace) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, key.compare)
	from, to := s.stock.of(resource, namespace)
	items := make([]item, 0, len(keys)+to-from)
	for i := from; i < to; i++ {
		if s.stock.gone[i] {
			continue
		}
		for len(keys) > 0 && keys[0].compare(s.stock.items[i].key) < 0 {
			items, keys = append(items, item{object: s.objects[keys[0]]}), keys[1:]
		}
		items = append(items, s.stock.item(i))
	}
	for _, k := range keys {
		items = append(items, item{object: s.objects[k]})
	}
	return items
}
