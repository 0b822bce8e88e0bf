package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Kinds of fault.
const (
	FaultRefuse     = "refuse"      // the connection is closed without an answer, nothing is done
	FaultHang       = "hang"        // no answer until the client leaves, nothing is done
	FaultEndless    = "endless"     // 200 and an answer without an end, nothing is done
	FaultStatus     = "status"      // Status with Body and Header, nothing is done
	FaultHTML       = "html"        // 200 and a login page, nothing is done
	FaultTruncate   = "truncate"    // the request is served, its answer breaks off in the middle
	FaultMalformed  = "malformed"   // 200 and broken JSON, nothing is done
	FaultNull       = "null"        // 200 and null, nothing is done
	FaultDelay      = "delay"       // the request is served after Delay
	FaultLoseAnswer = "lose-answer" // the request is served, its answer never arrives
	FaultReset      = "reset"       // the request is served, its answer ends in the middle with a reset of the connection
	FaultDuplicate  = "duplicate"   // the request is served, every other item of its list comes twice
	FaultReorder    = "reorder"     // the request is served, its list comes in the opposite order
	FaultStale      = "stale"       // an earlier answer to the same request; needs ServerOptions.Remember
	FaultRepeat     = "repeat"      // the page before instead of the next page of a list; needs ServerOptions.Remember
)

var faultKinds = []string{
	FaultRefuse, FaultHang, FaultEndless, FaultStatus, FaultHTML, FaultTruncate, FaultMalformed, FaultNull,
	FaultDelay, FaultLoseAnswer, FaultReset, FaultDuplicate, FaultReorder, FaultStale, FaultRepeat,
}

// Fault makes requests go wrong. Either Name is one of Switches, or Kind is a kind of fault and the other fields say to
// which requests it applies.
type Fault struct {
	Name   string            `json:"name,omitempty"`
	Kind   string            `json:"kind,omitempty"`
	System string            `json:"system,omitempty"` // bos, cfs, kube, token; empty: any
	Method string            `json:"method,omitempty"` // regular expression; empty: any
	Path   string            `json:"path,omitempty"`   // regular expression for path and query; empty: any
	Status int               `json:"status,omitempty"`
	Body   string            `json:"body,omitempty"`
	Header map[string]string `json:"header,omitempty"`
	Delay  Duration          `json:"delay,omitempty"`
	Count  int               `json:"count,omitempty"`  // number of requests; 0: all
	Skip   int               `json:"skip,omitempty"`   // number of requests that are served before
	Repeat string            `json:"repeat,omitempty"` // of an endless answer: what follows Body again and again; empty: one long text

	method, path *regexp.Regexp
}

// Duration is a time.Duration that is a text such as 250ms in JSON.
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}

// Switches are the faults with a name.
var Switches = []string{"bos-down", "cfs-down", "kube-down", "etcd-down", "list-hangs", "continue-expired"}

// ParseFault parses the name of a switch, JSON, or a kind with fields, such as
// "status=503,system=bos,path=^/v1/session$,count=2,Retry-After=1". A name that is not a field of Fault is a header.
func ParseFault(text string) (Fault, error) {
	var f Fault
	if strings.HasPrefix(text, "{") {
		err := json.Unmarshal([]byte(text), &f)
		return f, err
	}
	for i, part := range strings.Split(text, ",") {
		name, value, given := strings.Cut(part, "=")
		if i == 0 && !given {
			f.Kind = name
			for _, known := range Switches {
				if name == known {
					f.Name, f.Kind = name, ""
				}
			}
			continue
		}
		if err := f.set(name, value); err != nil {
			return f, fmt.Errorf("fault %q: %s: %w", text, name, err)
		}
	}
	return f, nil
}

func (f *Fault) set(name, value string) (err error) {
	switch name {
	case "kind":
		f.Kind = value
	case "system":
		f.System = value
	case "method":
		f.Method = value
	case "path":
		f.Path = value
	case "body":
		f.Body = value
	case "status":
		f.Kind = FaultStatus
		f.Status, err = strconv.Atoi(value)
	case "count":
		f.Count, err = strconv.Atoi(value)
	case "skip":
		f.Skip, err = strconv.Atoi(value)
	case "delay":
		if f.Kind == "" {
			f.Kind = FaultDelay
		}
		err = f.Delay.UnmarshalText([]byte(value))
	default:
		if f.Header == nil {
			f.Header = map[string]string{}
		}
		f.Header[name] = value
	}
	return err
}

func (f *Fault) compile() (err error) {
	if !slices.Contains(faultKinds, f.Kind) {
		return fmt.Errorf("unknown fault %q: expected one of %s, or one of the switches %s",
			f.Name+f.Kind, strings.Join(faultKinds, ", "), strings.Join(Switches, ", "))
	}
	if f.method, err = regexp.Compile("^(?:" + f.Method + ")$"); err != nil {
		return err
	}
	f.path, err = regexp.Compile(f.Path)
	return err
}

// faults are the faults in force.
type faults struct {
	mu     sync.Mutex
	list   []*Fault
	counts map[string]int // by kind
}

func (fs *faults) add(f Fault) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list = append(fs.list, &f)
}

func (fs *faults) clear() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list = nil
}

func (fs *faults) all() []Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	list := []Fault{}
	for _, f := range fs.list {
		list = append(list, *f)
	}
	return list
}

// match returns the first fault that applies to a request, and counts the request.
func (fs *faults) match(system string, r *http.Request) (Fault, bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for i, f := range fs.list {
		if f.System != "" && f.System != system || f.Method != "" && !f.method.MatchString(r.Method) ||
			!f.path.MatchString(r.URL.RequestURI()) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if fs.counts == nil {
			fs.counts = map[string]int{}
		}
		fs.counts[f.Kind]++
		if f.Count == 1 {
			fs.list = append(fs.list[:i:i], fs.list[i+1:]...)
		} else if f.Count > 1 {
			f.Count--
		}
		return *f, true
	}
	return Fault{}, false
}

const loginPage = `<!DOCTYPE html>
<html><head><title>Sign in to Shasta</title></head>
<body><form action="/keycloak/realms/shasta/login-actions/authenticate" method="post"></form></body></html>
`

func sendHTML(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html;charset=utf-8")
	_, _ = io.WriteString(w, loginPage)
}

// apply answers a request with a fault. Earlier answers are in memory.
func (f Fault) apply(
	w http.ResponseWriter, r *http.Request, serve http.Handler, memory *answerMemory, closed <-chan struct{},
) {
	switch f.Kind {
	case FaultRefuse:
		panic(http.ErrAbortHandler)
	case FaultHang:
		select {
		case <-r.Context().Done():
		case <-closed:
		}
		panic(http.ErrAbortHandler)
	case FaultEndless:
		f.sendEndless(w)
	case FaultStatus:
		w.Header().Set("Content-Type", "text/plain")
		for name, value := range f.Header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(f.Status)
		_, _ = io.WriteString(w, f.Body)
	case FaultHTML:
		sendHTML(w)
	case FaultMalformed, FaultNull:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, map[string]string{FaultMalformed: `{"items": [`, FaultNull: "null\n"}[f.Kind])
	case FaultDelay:
		select {
		case <-time.After(time.Duration(f.Delay)):
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		case <-closed:
			panic(http.ErrAbortHandler)
		}
		serve.ServeHTTP(w, r)
	case FaultTruncate, FaultLoseAnswer, FaultReset:
		f.breakOff(w, r, serve)
	case FaultDuplicate, FaultReorder:
		f.rearrange(w, r, serve)
	case FaultStale, FaultRepeat:
		memory.replay(f, w, r, serve)
	}
}

// bufferedAnswer is an answer that has not been sent.
type bufferedAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *bufferedAnswer) Header() http.Header { return k.header }

func (k *bufferedAnswer) WriteHeader(status int) {
	if k.status == 0 {
		k.status = status
	}
}

func (k *bufferedAnswer) Write(text []byte) (int, error) {
	k.WriteHeader(http.StatusOK)
	return k.body.Write(text)
}

// breakOff serves a request, and then sends half of the answer or nothing. Of a watch nothing comes after the header.
func (f Fault) breakOff(w http.ResponseWriter, r *http.Request, serve http.Handler) {
	if isWatch(r) {
		if flusher, ok := w.(http.Flusher); ok && f.Kind != FaultLoseAnswer {
			w.Header().Set("Content-Type", "application/json")
			flusher.Flush()
		}
		panic(http.ErrAbortHandler)
	}
	answer := &bufferedAnswer{header: http.Header{}}
	serve.ServeHTTP(answer, r)
	if f.Kind != FaultLoseAnswer && answer.body.Len() > 1 {
		for name, values := range answer.header {
			w.Header()[name] = values
		}
		w.Header().Set("Content-Length", strconv.Itoa(answer.body.Len()))
		w.WriteHeader(answer.status)
		_, _ = w.Write(answer.body.Bytes()[:answer.body.Len()/2])
		if flusher, ok := w.(http.Flusher); ok {
			flusher.Flush()
		}
	}
	if f.Kind == FaultReset {
		resetConnection(w)
	}
	panic(http.ErrAbortHandler)
}
