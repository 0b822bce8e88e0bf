package simkube

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/watch"
)

const (
	// eventsKept is how many changes a watch can look back. A real API server keeps those of some minutes.
	eventsKept = 10_000
	// watchLife is how long a watch lasts that asks for no time; a real one lasts 30 to 60 minutes.
	watchLife = 30 * time.Minute
)

// change is one change of an object.
type change struct {
	key     key
	kind    watch.EventType
	item    item // after the change or, for a deleted object, before it
	version int64
}

// changeLog holds the last changes, and those who wait for the next one.
type changeLog struct {
	changes  []change
	dropped  int64         // version of the last change that is not in it any more
	bookmark time.Duration // between two bookmarks
	more     chan struct{} // closed with the next change
	ended    chan struct{} // closed when all watches are to end
}

func newChangeLog(version int64) changeLog {
	return changeLog{dropped: version, bookmark: time.Minute, more: make(chan struct{}), ended: make(chan struct{})}
}

// add notes a change. The caller holds the lock of the server, as for all that follows.
func (l *changeLog) add(c change) {
	l.changes = append(l.changes, c)
	if len(l.changes) >= 2*eventsKept {
		l.drop(len(l.changes) - eventsKept)
	}
	close(l.more)
	l.more = make(chan struct{})
}

func (l *changeLog) drop(n int) {
	l.dropped = l.changes[n-1].version
	l.changes = slices.Delete(l.changes, 0, n)
}

// since returns the changes after a version. It returns false if some of them are not in the log any more.
func (l *changeLog) since(version int64) ([]change, bool) {
	i, _ := slices.BinarySearchFunc(l.changes, version+1, func(c change, v int64) int { return int(c.version - v) })
	return slices.Clone(l.changes[i:]), version >= l.dropped
}

// EndWatches ends the connections of all watches, as an API server that is restarted does.
func (s *Server) EndWatches() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.log.ended)
	s.log.ended = make(chan struct{})
}

// ForgetChanges drops all changes so far, as a compaction of etcd does: a watch that begins before them is expired.
func (s *Server) ForgetChanges() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.log.changes); n > 0 {
		s.log.drop(n)
	}
}

// SetBookmarks sets how often a watch that wants bookmarks gets one.
func (s *Server) SetBookmarks(every time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log.bookmark = every
}

// watchList begins a watch. The lock is free again when it writes.
func (s *Server) watchList(q request) error {
	query := q.URL.Query()
	f, err := q.form()
	if err != nil {
		return err
	}
	w := &watcher{
		request: q, form: f, bookmark: s.log.bookmark, bookmarks: query.Get("allowWatchBookmarks") == "true",
		ended: s.log.ended, // from now on: it may be closed before the first change is waited for
	}
	if w.labels, err = labels.Parse(query.Get("labelSelector")); err == nil {
		w.fields, err = fields.ParseSelector(query.Get("fieldSelector"))
	}
	if err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	w.life = watchLife
	if seconds, err := strconv.Atoi(query.Get("timeoutSeconds")); err == nil && seconds > 0 {
		w.life = time.Duration(seconds) * time.Second
	}
	w.version, _ = strconv.ParseInt(query.Get("resourceVersion"), 10, 64)
	if w.version == 0 { // what exists comes first
		items, err := s.selectItems(q)
		if err != nil {
			return err
		}
		for _, i := range items {
			w.first = append(w.first, change{kind: watch.Added, item: i})
		}
		w.version = s.version
	}
	*q.afterUnlock = func() { w.serve(s) }
	return nil
}

// watcher is one watch.
type watcher struct {
	request request
	form    form
	labels  labels.Selector
	fields  fields.Selector
	life    time.Duration
	first   []change
	version int64 // up to which it has been served
	ended   <-chan struct{}

	bookmarks bool
	bookmark  time.Duration
}

func (w *watcher) serve(s *Server) {
	contentType := runtime.ContentTypeJSON
	if w.form.protobuf() {
		contentType = runtime.ContentTypeProtobuf + ";stream=watch"
	}
	w.request.w.Header().Set("Content-Type", contentType)
	w.request.w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w.request.w).Flush() // the client waits for the header
	w.send(w.first)
	end, tick := time.NewTimer(w.life), time.NewTicker(w.bookmark)
	defer end.Stop()
	defer tick.Stop()
	for {
		s.mu.Lock()
		changes, complete := s.log.since(w.version)
		version, more := s.version, s.log.more
		s.mu.Unlock()
		if !complete {
			expired := apierrors.NewResourceExpired("too old resource version: " + strconv.FormatInt(w.version, 10))
			expired.ErrStatus.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
			w.write(watch.Error, &expired.ErrStatus)
			return
		}
		if !w.send(changes) {
			return
		}
		w.version = version
		select {
		case <-more:
		case <-tick.C:
			w.sendBookmark()
		case <-end.C:
			w.sendBookmark()
			return
		case <-w.ended:
			return
		case <-w.request.Context().Done():
			return
		}
	}
}

// send writes the changes that the watch asks for. It returns false if one cannot be written.
func (w *watcher) send(changes []change) bool {
	for _, c := range changes {
		// What exists at the beginning has been selected already, and has no key.
		if c.key != (key{}) && !w.wants(c) {
			continue
		}
		o, err := w.request.typed(c.item, w.form)
		if err != nil {
			return false
		}
		if accessor, ok := o.(metav1.Object); ok && c.kind == watch.Deleted {
			accessor.SetResourceVersion(strconv.FormatInt(c.version, 10))
		}
		w.write(c.kind, o)
	}
	return true
}

func (w *watcher) wants(c change) bool {
	q := w.request
	return c.key.resource == q.resource.plural && (q.namespace == "" || c.key.namespace == q.namespace) &&
		w.labels.Matches(labels.Set(c.item.labels())) && (w.fields.Empty() || w.fields.Matches(c.item.fieldSet()))
}

// sendBookmark tells up to which version there has been nothing else.
func (w *watcher) sendBookmark() {
	if !w.bookmarks {
		return
	}
	kind := w.request.version.WithKind(w.request.resource.kind)
	var o runtime.Object = &metav1.PartialObjectMetadata{}
	if !w.form.metadataOnly() {
		var err error
		if o, err = apiTypes.New(kind); err != nil {
			return
		}
		o.GetObjectKind().SetGroupVersionKind(kind)
	}
	if accessor, ok := o.(metav1.Object); ok {
		accessor.SetResourceVersion(strconv.FormatInt(w.version, 10))
	}
	w.write(watch.Bookmark, o)
}

func (w *watcher) write(kind watch.EventType, o runtime.Object) {
	out := w.request.w
	if w.form.protobuf() {
		raw, err := runtime.Encode(protobufSerializer, o)
		if err != nil {
			return
		}
		event := &metav1.WatchEvent{Type: string(kind), Object: runtime.RawExtension{Raw: raw}}
		frames := protobuf.LengthDelimitedFramer.NewFrameWriter(out)
		_ = protobuf.NewRawSerializer(apiTypes, apiTypes).Encode(event, frames)
	} else {
		_ = json.NewEncoder(out).Encode(map[string]any{"type": kind, "object": o})
	}
	_ = http.NewResponseController(out).Flush()
}
