package lab

import (
	"cmp"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Request is one request that a system received.
type Request struct {
	N      int       `json:"n"` // counted over all systems from 1
	Time   time.Time `json:"time"`
	System string    `json:"system"` // bos, cfs, kube, token
	Method string    `json:"method"`
	Path   string    `json:"path"`
	Query  string    `json:"query,omitempty"`
	Status int       `json:"status"` // 0: no answer, or none yet
}

// Count is the number of requests of one kind.
type Count struct {
	System string `json:"system"`
	Method string `json:"method"`
	Path   string `json:"path"`
	Count  int    `json:"count"`
}

type requestLog struct {
	mu   sync.Mutex
	list []*Request
}

func (l *requestLog) begin(system string, r *http.Request) *Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	request := &Request{
		N: len(l.list) + 1, Time: time.Now(), System: system, Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery,
	}
	l.list = append(l.list, request)
	return request
}

func (l *requestLog) end(request *Request, status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	request.Status = status
}

func (l *requestLog) all() []Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]Request, 0, len(l.list))
	for _, request := range l.list {
		list = append(list, *request)
	}
	return list
}

func count(requests []Request) []Count {
	type what struct{ system, method, path string }
	counts := map[what]int{}
	for _, r := range requests {
		counts[what{r.System, r.Method, r.Path}]++
	}
	list := []Count{}
	for w, n := range counts {
		list = append(list, Count{w.system, w.method, w.path, n})
	}
	slices.SortFunc(list, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.System, b.System), cmp.Compare(a.Method, b.Method), cmp.Compare(a.Path, b.Path))
	})
	return list
}

// statusRecorder records the status that is written through it.
type statusRecorder struct {
	http.ResponseWriter

	status int
}

func (s *statusRecorder) WriteHeader(status int) {
	if s.status == 0 {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusRecorder) Write(text []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	return s.ResponseWriter.Write(text)
}

// Unwrap lets http.ResponseController take the connection over.
func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// Flush implements http.Flusher.
func (s *statusRecorder) Flush() {
	if flusher, ok := s.ResponseWriter.(http.Flusher); ok {
		flusher.Flush()
	}
}
