package lab

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"

	"bosgc/internal/lab/simkube"
)

// memory keeps the last answer to each question, for faults that give it once more.
type memory struct {
	mu      sync.Mutex
	answers map[string]*kept
}

// of remembers what a system answers.
func (m *memory) of(serve http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			serve.ServeHTTP(w, r)
			return
		}
		answer := &kept{header: http.Header{}}
		serve.ServeHTTP(answer, r)
		if answer.status == http.StatusOK {
			m.mu.Lock()
			m.answers[question(r)], m.answers[path(r)] = answer, answer
			m.mu.Unlock()
		}
		answer.send(w)
	})
}

func question(r *http.Request) string { return r.URL.RequestURI() + " " + r.Header.Get("Accept") }

func path(r *http.Request) string { return r.URL.Path + " " + r.Header.Get("Accept") }

// answer gives what was answered before; the truth if nothing was.
func (m *memory) answer(f Fault, w http.ResponseWriter, r *http.Request, serve http.Handler) {
	key, first := question(r), false
	if f.Kind == FaultRepeat {
		query := r.URL.Query()
		key, first = path(r), query.Get("continue") == "" && query.Get("after_id") == ""
	}
	m.mu.Lock()
	answer := m.answers[key]
	m.mu.Unlock()
	if answer == nil || first || r.Method != http.MethodGet {
		serve.ServeHTTP(w, r)
		return
	}
	answer.send(w)
}

func (k *kept) send(w http.ResponseWriter) {
	for name, values := range k.header {
		w.Header()[name] = values
	}
	if k.status != 0 {
		w.WriteHeader(k.status)
	}
	_, _ = w.Write(k.body.Bytes())
}

// twist serves a request, and changes the list in its answer. What is no list goes out as it is.
func (f Fault) twist(w http.ResponseWriter, r *http.Request, serve http.Handler) {
	answer := &kept{header: http.Header{}}
	serve.ServeHTTP(answer, r)
	twisted := f.twisted
	if answer.header.Get("Content-Type") == runtime.ContentTypeProtobuf {
		twisted = f.twistedProtobuf
	}
	if text, ok := twisted(answer.body.Bytes()); ok {
		answer.body.Reset()
		answer.body.Write(text)
		answer.header.Set("Content-Length", strconv.Itoa(len(text)))
	}
	answer.send(w)
}

// twisted knows the three forms in which lists come: a bare array, and an object with items
// (Kubernetes) or sessions (CFS).
func (f Fault) twisted(text []byte) (changed []byte, ok bool) {
	var list []json.RawMessage
	if json.Unmarshal(text, &list) == nil {
		changed, err := json.Marshal(rearranged(f, list))
		return changed, err == nil && list != nil
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil {
		return nil, false
	}
	for _, name := range []string{"items", "sessions"} {
		if json.Unmarshal(fields[name], &list) != nil || list == nil {
			continue
		}
		inner, err := json.Marshal(rearranged(f, list))
		if err != nil {
			return nil, false
		}
		fields[name] = inner
		changed, err := json.Marshal(fields)
		return changed, err == nil
	}
	return nil, false
}

func (f Fault) twistedProtobuf(text []byte) (changed []byte, ok bool) {
	return simkube.RearrangeList(text, func(list []runtime.Object) []runtime.Object { return rearranged(f, list) })
}

func rearranged[T any](f Fault, list []T) []T {
	if f.Kind == FaultReorder {
		slices.Reverse(list)
		return list
	}
	twice := slices.Clone(list)
	for i := 0; i < len(list); i += 2 {
		twice = append(twice, list[i])
	}
	return twice
}

// reset ends a connection as a crashed peer or a firewall does, and not as one that closes it.
func reset(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if encrypted, ok := connection.(*tls.Conn); ok {
		_ = encrypted.NetConn().(lingerer).SetLinger(0)
		_ = encrypted.NetConn().Close()
		return
	}
	_ = connection.(lingerer).SetLinger(0)
	_ = connection.Close()
}
