package simkube

import (
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
)

// Forms in which a client can ask for an object.
const (
	formWhole   = ""
	formPartial = "PartialObjectMetadata"
	formList    = "PartialObjectMetadataList"
	formTable   = "Table"
)

// form is the first form of the Accept header that this server speaks.
func (q request) form() (string, error) {
	accept := q.Header.Get("Accept")
	if accept == "" {
		return formWhole, nil
	}
	for part := range strings.SplitSeq(accept, ",") {
		kind, parameters, err := mime.ParseMediaType(strings.TrimSpace(part))
		if err != nil || kind != "application/json" && kind != "*/*" && kind != "application/*" {
			continue
		}
		as := parameters["as"]
		if as == "" || parameters["g"] == metav1.GroupName && slices.Contains([]string{formPartial, formList, formTable}, as) {
			return as, nil
		}
	}
	return "", &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusNotAcceptable, Reason: metav1.StatusReasonNotAcceptable,
		Message: "only the following media types are accepted: application/json",
	}}
}

func (q request) typed(o object) map[string]any {
	whole := map[string]any{"kind": q.resource.kind, "apiVersion": q.version.String()}
	for field, value := range o {
		whole[field] = value
	}
	return whole
}

func partial(o object) map[string]any {
	return map[string]any{"kind": formPartial, "apiVersion": "meta.k8s.io/v1", "metadata": o.metadata()}
}

// reply gives one object in the form that was asked for.
func (s *Server) reply(q request, status int, o object) error {
	form, err := q.form()
	if err != nil {
		return err
	}
	switch form {
	case formPartial:
		write(q.w, status, partial(o))
	case formTable:
		write(q.w, status, q.table([]object{o}, metav1.ListMeta{ResourceVersion: o.meta("resourceVersion")}))
	default:
		write(q.w, status, q.typed(o))
	}
	return nil
}

func (s *Server) get(q request) error {
	o, ok := s.objects[q.key()]
	if !ok {
		return errNotFound(q)
	}
	return s.reply(q, http.StatusOK, o)
}

// selected returns the objects that the path and the selectors ask for, in order.
func (s *Server) selected(q request) ([]object, error) {
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
	var keys []key
	for k, o := range s.objects {
		if k.resource != q.resource.plural || q.namespace != "" && k.namespace != q.namespace {
			continue
		}
		status, _ := o["status"].(map[string]any)
		phase, _ := status["phase"].(string)
		set := fields.Set{"metadata.name": k.name, "metadata.namespace": k.namespace, "status.phase": phase}
		if labelled.Matches(labels.Set(o.labels())) && fielded.Matches(set) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, key.compare)
	items := make([]object, 0, len(keys))
	for _, k := range keys {
		items = append(items, s.objects[k])
	}
	return items, nil
}

// token is what a continue token holds: the list that was begun, and how far it got.
type token struct {
	Version int64 `json:"rv"`
	Start   int   `json:"start"`
}

func (t token) String() string {
	text, _ := json.Marshal(t)
	return base64.RawURLEncoding.EncodeToString(text)
}

// tokenLife is how long a list can be continued, as long as etcd keeps old revisions.
const tokenLife = 5 * time.Minute

// resume finds the list that a token continues: pages of one list all show the state at
// its first page.
func (s *Server) resume(text string) (token, []object, error) {
	var t token
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(raw, &t) != nil {
		return t, nil, apierrors.NewBadRequest("continue key is not valid")
	}
	begun, ok := s.snapshots[t.Version]
	if !ok || time.Since(begun.taken) > tokenLife || t.Start > len(begun.items) {
		return t, nil, errExpired()
	}
	if s.expire.Load() > 0 {
		s.expire.Add(-1)
		return t, nil, errExpired()
	}
	return t, begun.items, nil
}

func (s *Server) list(q request) error {
	query := q.URL.Query()
	if query.Get("watch") == "true" {
		return errMethod(q)
	}
	form, err := q.form()
	if err != nil {
		return err
	}
	var items []object
	var at token
	if text := query.Get("continue"); text != "" {
		at, items, err = s.resume(text)
	} else {
		at.Version = s.version
		items, err = s.selected(q)
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
		meta.Continue = s.keep(at, limit, items).String()
		if query.Get("labelSelector") == "" && query.Get("fieldSelector") == "" {
			left := int64(len(items) - at.Start - limit)
			meta.RemainingItemCount = &left
		}
	}
	write(q.w, http.StatusOK, q.pageIn(form, page, meta))
	return nil
}

// keep remembers a list for its next page. Lists get version numbers of their own, so that
// two lists begun at the same moment are not mixed up.
func (s *Server) keep(at token, limit int, items []object) token {
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

func (q request) pageIn(form string, page []object, meta metav1.ListMeta) any {
	items := make([]any, 0, len(page))
	switch form {
	case formTable:
		return q.table(page, meta)
	case formList, formPartial:
		for _, o := range page {
			items = append(items, partial(o))
		}
		return map[string]any{"kind": formList, "apiVersion": "meta.k8s.io/v1", "metadata": meta, "items": items}
	}
	for _, o := range page {
		items = append(items, map[string]any(o))
	}
	return map[string]any{
		"kind": q.resource.kind + "List", "apiVersion": q.version.String(), "metadata": meta, "items": items,
	}
}
