package simkube

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
)

func (q request) withKind(o object) map[string]any {
	whole := map[string]any{"kind": q.resource.kind, "apiVersion": q.version.String()}
	for field, value := range o {
		whole[field] = value
	}
	return whole
}

func partialObject(o object) map[string]any {
	return map[string]any{"kind": asPartial, "apiVersion": metaVersion, "metadata": o.metadata()}
}

// reply sends an object in the form that the client asks for.
func (s *Server) reply(q request, status int, i item) error {
	f, err := q.form()
	if err != nil {
		return err
	}
	switch {
	case f.protobuf():
		o, err := q.typed(i, f)
		if err != nil {
			return err
		}
		writeProtobuf(q.w, status, o)
	case f.as == asTable:
		o := i.whole(false)
		writeJSON(q.w, status, q.table([]object{o}, metav1.ListMeta{ResourceVersion: o.metaText("resourceVersion")}))
	case i.bulk != nil:
		q.writeText(i.appendTo(nil, q.kindFields(f), f.metadataOnly()))
	case f.metadataOnly():
		writeJSON(q.w, status, partialObject(i.object))
	default:
		writeJSON(q.w, status, q.withKind(i.object))
	}
	return nil
}

func (s *Server) get(q request) error {
	i, ok := s.findItem(q.key())
	if !ok {
		return errNotFound(q)
	}
	return s.reply(q, http.StatusOK, i)
}

// selectItems returns the objects that the path and the selectors ask for, in order.
func (s *Server) selectItems(q request) ([]item, error) {
	query := q.URL.Query()
	labelled, err := labels.Parse(query.Get("labelSelector"))
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	fielded, err := fields.ParseSelector(query.Get("fieldSelector"))
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	for _, requirement := range fielded.Requirements() {
		if !slices.Contains([]string{"metadata.name", "metadata.namespace", "status.phase"}, requirement.Field) {
			return nil, apierrors.NewBadRequest("field label not supported: " + requirement.Field)
		}
	}
	all := s.itemsOf(q.resource.plural, q.namespace)
	if labelled.Empty() && fielded.Empty() {
		return all, nil
	}
	return slices.DeleteFunc(all, func(i item) bool {
		return !labelled.Matches(labels.Set(i.labels())) || !fielded.Empty() && !fielded.Matches(i.fieldSet())
	}), nil
}

func (i item) fieldSet() fields.Set {
	o := i.whole(false)
	return fields.Set{
		"metadata.name": o.metaText("name"), "metadata.namespace": o.metaText("namespace"),
		"status.phase": o.textAt("status", "phase"),
	}
}

// token is the content of a continue token.
type token struct {
	Version int64 `json:"rv"`
	Start   int   `json:"start"`
}

func (t token) String() string {
	text, _ := json.Marshal(t)
	return base64.RawURLEncoding.EncodeToString(text)
}

// tokenLife is how long a list can be continued: etcd compacts old revisions after five minutes.
const tokenLife = 5 * time.Minute

// continueList returns the items of the list that a token continues. All pages of a list show the state at its first.
func (s *Server) continueList(text string) (token, []item, error) {
	var t token
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(raw, &t) != nil {
		return t, nil, apierrors.NewBadRequest("continue key is not valid")
	}
	begun, ok := s.snapshots[t.Version]
	if !ok || time.Since(begun.taken) > tokenLife || t.Start > len(begun.items) {
		return t, nil, errExpired()
	}
	if s.expiring.Load() > 0 {
		s.expiring.Add(-1)
		return t, nil, errExpired()
	}
	return t, begun.items, nil
}

func (s *Server) list(q request) error {
	query := q.URL.Query()
	if query.Get("watch") == "true" || query.Get("watch") == "1" {
		return s.watchList(q)
	}
	f, err := q.form()
	if err != nil {
		return err
	}
	var items []item
	var at token
	if text := query.Get("continue"); text != "" {
		at, items, err = s.continueList(text)
	} else {
		at.Version = s.version
		items, err = s.selectItems(q)
	}
	if err != nil {
		return err
	}
	page, meta := items[at.Start:], metav1.ListMeta{ResourceVersion: strconv.FormatInt(at.Version, 10)}
	limit, err := strconv.Atoi(query.Get("limit"))
	if own := s.options.PageLimit; err == nil && own > 0 && limit > own {
		limit = own
	}
	if err == nil && limit > 0 && limit < len(page) {
		page = page[:limit]
		meta.Continue = s.rememberList(at, limit, items).String()
		if query.Get("labelSelector") == "" && query.Get("fieldSelector") == "" {
			left := int64(len(items) - at.Start - limit)
			meta.RemainingItemCount = &left
		}
	}
	*q.afterUnlock = func() { q.writePage(f, page, meta) }
	return nil
}

// rememberList stores a list for its next page. Each list gets a version number of its own, so that two lists begun at
// the same moment are not mixed up.
func (s *Server) rememberList(at token, limit int, items []item) token {
	if at.Start == 0 {
		s.version++
		at.Version = s.version
		for version, old := range s.snapshots {
			if time.Since(old.taken) > tokenLife {
				delete(s.snapshots, version)
			}
		}
		s.snapshots[at.Version] = snapshot{items, time.Now()}
	}
	return token{at.Version, at.Start + limit}
}

// writePage sends a page. JSON is written piece by piece: a list without a limit may be larger than memory.
func (q request) writePage(f form, page []item, meta metav1.ListMeta) {
	switch {
	case f.protobuf():
		list, err := q.typedList(page, f, meta)
		if err != nil {
			sendError(q.w, q.Request, err)
			return
		}
		writeProtobuf(q.w, http.StatusOK, list)
	case f.as == asTable:
		objects := make([]object, 0, len(page))
		for _, i := range page {
			objects = append(objects, i.whole(false))
		}
		writeJSON(q.w, http.StatusOK, q.table(objects, meta))
	default:
		q.writeJSONPage(f, page, meta)
	}
}

func (q request) writeJSONPage(f form, page []item, meta metav1.ListMeta) {
	kind, version, each := q.resource.kind+"List", q.version.String(), ""
	if f.metadataOnly() {
		kind, version, each = asPartialList, metaVersion, q.kindFields(f)
	}
	head := map[string]any{"kind": kind, "apiVersion": version, "metadata": meta}
	text, err := json.Marshal(head)
	if err != nil {
		panic(err) // only texts and numbers
	}
	q.w.Header().Set("Content-Type", "application/json")
	text = append(text[:len(text)-1], `,"items":[`...)
	for n, i := range page {
		if n > 0 {
			text = append(text, ',')
		}
		if text = i.appendTo(text, each, f.metadataOnly()); len(text) > 1<<16 {
			if _, err := q.w.Write(text); err != nil {
				return
			}
			text = text[:0]
		}
	}
	_, _ = q.w.Write(append(text, "]}\n"...))
}

// kindFields returns the JSON of an object's kind and version, to write before its other fields.
func (q request) kindFields(f form) string {
	if f.metadataOnly() {
		return fmt.Sprintf(`"kind":%q,"apiVersion":%q,`, asPartial, metaVersion)
	}
	return fmt.Sprintf(`"kind":%q,"apiVersion":%q,`, q.resource.kind, q.version)
}

func (q request) writeText(text []byte) {
	q.w.Header().Set("Content-Type", "application/json")
	_, _ = q.w.Write(append(text, '\n'))
}
