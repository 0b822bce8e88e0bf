package lab

import (
	"cmp"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"

	"bosgc/internal/lab/simkube"
)

// answerMemory stores the last answer to each request, for the faults stale and repeat.
type answerMemory struct {
	mu      sync.Mutex
	answers map[string]*bufferedAnswer
}

// recording returns a handler that stores the answers of another one.
func (m *answerMemory) recording(serve http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || isWatch(r) {
			serve.ServeHTTP(w, r)
			return
		}
		answer := &bufferedAnswer{header: http.Header{}}
		serve.ServeHTTP(answer, r)
		if answer.status == http.StatusOK {
			m.mu.Lock()
			m.answers[requestKey(r)], m.answers[pathKey(r)] = answer, answer
			m.mu.Unlock()
		}
		answer.send(w)
	})
}

// isWatch reports whether a request is for a watch of Kubernetes, whose answer does not end.
func isWatch(r *http.Request) bool { return r.URL.Query().Get("watch") == "true" }

func requestKey(r *http.Request) string { return r.URL.RequestURI() + " " + r.Header.Get("Accept") }

func pathKey(r *http.Request) string { return r.URL.Path + " " + r.Header.Get("Accept") }

// replay sends the answer that the fault asks for. If there is none it serves the request.
func (m *answerMemory) replay(f Fault, w http.ResponseWriter, r *http.Request, serve http.Handler) {
	key, first := requestKey(r), false
	if f.Kind == FaultRepeat {
		query := r.URL.Query()
		key, first = pathKey(r), query.Get("continue") == "" && query.Get("after_id") == ""
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

func (k *bufferedAnswer) send(w http.ResponseWriter) {
	for name, values := range k.header {
		w.Header()[name] = values
	}
	if k.status != 0 {
		w.WriteHeader(k.status)
	}
	_, _ = w.Write(k.body.Bytes())
}

// rearrange serves a request, and changes the list in its answer. It sends any other answer unchanged.
func (f Fault) rearrange(w http.ResponseWriter, r *http.Request, serve http.Handler) {
	if isWatch(r) {
		serve.ServeHTTP(w, r)
		return
	}
	answer := &bufferedAnswer{header: http.Header{}}
	serve.ServeHTTP(answer, r)
	twisted := f.rearrangeJSON
	if answer.header.Get("Content-Type") == runtime.ContentTypeProtobuf {
		twisted = f.rearrangeProtobuf
	}
	if text, ok := twisted(answer.body.Bytes()); ok {
		answer.body.Reset()
		answer.body.Write(text)
		answer.header.Set("Content-Length", strconv.Itoa(len(text)))
	}
	answer.send(w)
}

// rearrangeJSON changes a list: an array, or an object with items (Kubernetes) or sessions (CFS). It returns false for
// anything else.
func (f Fault) rearrangeJSON(text []byte) (changed []byte, ok bool) {
	var list []json.RawMessage
	if json.Unmarshal(text, &list) == nil {
		changed, err := json.Marshal(rearrangedItems(f, list))
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
		inner, err := json.Marshal(rearrangedItems(f, list))
		if err != nil {
			return nil, false
		}
		fields[name] = inner
		changed, err := json.Marshal(fields)
		return changed, err == nil
	}
	return nil, false
}

func (f Fault) rearrangeProtobuf(text []byte) (changed []byte, ok bool) {
	return simkube.RearrangeList(text, func(list []runtime.Object) []runtime.Object { return rearrangedItems(f, list) })
}

func rearrangedItems[T any](f Fault, list []T) []T {
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

// resetConnection ends a connection with a TCP reset, as a crashed peer or a firewall does.
func resetConnection(w http.ResponseWriter) {
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

// sendEndless sends an answer without an end.
func (f Fault) sendEndless(w http.ResponseWriter) {
	body, repeat := cmp.Or(f.Body, `["`), cmp.Or(f.Repeat, "a")
	w.Header().Set("Content-Type", "application/json")
	_, err := io.WriteString(w, body)
	for part := strings.Repeat(repeat, 1<<16/len(repeat)); err == nil; {
		_, err = io.WriteString(w, part)
	}
}
