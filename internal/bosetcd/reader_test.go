package bosetcd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
)

// server answers range requests as etcd does, and can be told to fail. test/rescue uses a real etcd.
type server struct {
	etcdserverpb.UnimplementedKVServer

	mu       sync.Mutex // guards the fields below
	keys     map[string]string
	revision int64
	oldest   int64 // revision that is not compacted
	requests []*etcdserverpb.RangeRequest
	counted  int                          // keys, over all requests
	before   func(s *server, n int) error // called with mu held before each request, with its number from 1
	lose     int                          // number of keys to leave out of each keys-only page
}

func (s *server) Range(_ context.Context, r *etcdserverpb.RangeRequest) (*etcdserverpb.RangeResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	if s.before != nil {
		if err := s.before(s, len(s.requests)); err != nil {
			return nil, err
		}
	}
	if r.Revision != 0 && r.Revision < s.oldest {
		return nil, rpctypes.ErrGRPCCompacted
	}
	answer := &etcdserverpb.RangeResponse{Header: &etcdserverpb.ResponseHeader{Revision: s.revision}}
	var keys []string
	for key := range s.keys {
		if key >= string(r.Key) && key < string(r.RangeEnd) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	answer.Count = int64(len(keys))
	s.counted += len(keys)
	if r.Limit > 0 && int64(len(keys)) > r.Limit {
		keys, answer.More = keys[:r.Limit], true
	}
	if r.KeysOnly && s.lose < len(keys) {
		keys = append(keys[:0:0], keys[s.lose:]...)
	}
	for _, key := range keys {
		kv := &mvccpb.KeyValue{Key: []byte(key)}
		if !r.KeysOnly {
			kv.Value = []byte(s.keys[key])
		}
		answer.Kvs = append(answer.Kvs, kv)
	}
	return answer, nil
}

func serve(t *testing.T, s *server) *Reader {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	etcdserverpb.RegisterKVServer(server, s)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	r := New(Options{Endpoints: []string{"http://" + listener.Addr().String()}, Timeout: 2 * time.Second})
	r.pageKeys = 7
	return r
}

func id(n int) string { return fmt.Sprintf("%08d-2c3b-4f5e-8a9b-0123456789ab", n) }

// filled returns a server with that many sessions of five keys, and with keys beside the prefix of sessions.
func filled(sessions int) *server {
	s := &server{
		keys: map[string]string{
			"/sessionTemplate/x": strings.Repeat("x", 1<<20), "/session": "no", "/sessionz/y": "no",
		},
		revision: 10, oldest: 1,
	}
	for n := range sessions {
		for _, attribute := range []string{"job", "operation", "status_link", "status"} {
			s.keys[sessionPrefix+id(n)+"/"+attribute] = "1234567890"
		}
		s.keys[sessionPrefix+id(n)+"/status/compute"] = strings.Repeat("n", 1000)
	}
	return s
}

func TestAllSessionsInPages(t *testing.T) {
	s := filled(30)
	s.keys[sessionPrefix+"st3-"+id(1)+"/job"] = ""          // an ID of an older form
	s.keys[sessionPrefix+id(99)+"/status/compute"] = "left" // a ghost
	found, err := serve(t, s).Read(t.Context())
	if err != nil || len(found.Sessions) != 32 || !slices.IsSorted(found.Sessions) || found.Count != 152 {
		t.Fatalf("%d sessions, %d keys, error %v", len(found.Sessions), found.Count, err)
	}
	exact := int64(0)
	for key, value := range s.keys {
		if strings.HasPrefix(key, sessionPrefix) {
			exact += int64(len(key)+len(value)) + keyOverhead
		}
	}
	if found.Bytes != exact {
		t.Errorf("%d bytes, want exactly %d: the values of all sessions are read", found.Bytes, exact)
	}
	if found.Requests != len(s.requests) || found.Requests != 22+15+32 { // all sections but one are empty
		t.Errorf("%d requests, counted %d", len(s.requests), found.Requests)
	}
	for i, r := range s.requests {
		if r.Serializable || i > 0 && r.Revision != s.revision || i < 22+15 && (!r.KeysOnly || r.Limit != 7) {
			t.Errorf("request %d: %+v", i, r)
		}
	}
}

// For each page etcd counts all keys of the requested range again. The cost of reading must grow with the number of
// keys and not with its square.
func TestManyKeysAreReadInSections(t *testing.T) {
	s := &server{keys: map[string]string{}, revision: 10, oldest: 1}
	for n := range 800 {
		for _, attribute := range []string{"job", "operation"} {
			s.keys[fmt.Sprintf("%s%08x-2c3b-4f5e-8a9b-0123456789ab/%s", sessionPrefix, uint32(n)*2654435769, attribute)] = ""
		}
	}
	found, err := serve(t, s).Read(t.Context())
	if err != nil || len(found.Sessions) != 800 || found.Count != 1600 {
		t.Fatalf("%d sessions of 800, %d keys, error %v", len(found.Sessions), found.Count, err)
	}
	// In one section, 1,600 keys in pages of 7, each key would be counted 114 times on average.
	if each := s.counted / 1600; each > 12 {
		t.Errorf("each key was counted %d times", each)
	}
}

// The values of many sessions are not all read, and their estimated size is too large rather than too small.
func TestValuesOfManySessionsAreEstimated(t *testing.T) {
	s := filled(2000)
	r := serve(t, s)
	r.pageKeys = pageKeys
	found, err := r.Read(t.Context())
	attributes := "/job/operation/status_link/status/status/compute"
	even := int64(2000*(5*(keyOverhead+len(sessionPrefix)+36)+len(attributes)) + 2000*1040)
	if err != nil || found.Bytes != even || found.Requests != 5+sampleSize {
		t.Errorf("%d bytes, want %d; %d requests; error %v", found.Bytes, even, found.Requests, err)
	}
	draw := rand.New(rand.NewPCG(1, 2))
	for _, n := range draw.Perm(2000)[:200] { // a tenth of the sessions have many nodes
		s.keys[sessionPrefix+id(n)+"/status/compute"] = strings.Repeat("n", 50_000)
	}
	exact := even + 200*49_000
	found, err = r.Read(t.Context())
	if err != nil || found.Bytes < exact || found.Bytes > 6*exact {
		t.Errorf("%d bytes, want between %d and six times that; error %v", found.Bytes, exact, err)
	}
}

func TestCompactionWhileReading(t *testing.T) {
	s := filled(10)
	s.before = func(s *server, n int) error {
		if n == 3 { // a session is created and another one deleted, and then etcd compacts
			for key := range s.keys {
				if strings.HasPrefix(key, sessionPrefix+id(0)) {
					delete(s.keys, key)
				}
			}
			s.keys[sessionPrefix+id(50)+"/job"] = ""
			s.revision, s.oldest = 20, 20
		}
		return nil
	}
	found, err := serve(t, s).Read(t.Context())
	want := []string{id(50)}
	for n := range 9 {
		want = append(want, id(n+1))
	}
	slices.Sort(want)
	if err != nil || !slices.Equal(found.Sessions, want) || found.Count != 46 {
		t.Errorf("%v, %d keys, error %v", found.Sessions, found.Count, err)
	}
	s.before = func(s *server, _ int) error { // etcd compacts before each request
		s.revision++
		s.oldest = s.revision
		return nil
	}
	found, err = serve(t, s).Read(t.Context())
	if !errors.Is(err, rpctypes.ErrCompacted) || found.Sessions != nil {
		t.Errorf("%v, error %v", found.Sessions, err)
	}
}

// An incomplete answer is an error and not a shorter list.
func TestReadIsCompleteOrAnError(t *testing.T) {
	for name, harm := range map[string]func(*server){
		"keys are missing":      func(s *server) { s.lose = 1 },
		"a page cannot be read": func(s *server) { s.before = failingFrom(4) },
		"values cannot be read": func(s *server) { s.before = failingFrom(10) },
		"nothing can be read":   func(s *server) { s.before = failingFrom(1) },
	} {
		t.Run(name, func(t *testing.T) {
			s := filled(10)
			harm(s)
			found, err := serve(t, s).Read(t.Context())
			if err == nil || found.Sessions != nil || !strings.Contains(err.Error(), "BOSGC_BOS_ETCD_ENDPOINTS") {
				t.Errorf("%v, error %v", found.Sessions, err)
			}
		})
	}
}

func failingFrom(first int) func(*server, int) error {
	return func(_ *server, n int) error {
		if n >= first {
			return rpctypes.ErrGRPCPermissionDenied
		}
		return nil
	}
}

func TestSilentEtcdIsNotWaitedFor(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() // it accepts connections and never answers
	r := New(Options{Endpoints: []string{"http://" + listener.Addr().String()}, Timeout: 300 * time.Millisecond})
	begun := time.Now()
	_, err = r.Read(t.Context())
	took := time.Since(begun)
	if err == nil || !strings.Contains(err.Error(), "no answer within 300ms") || took > 10*time.Second {
		t.Errorf("%v after %s", err, took)
	}
}

func TestUnusableFiles(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for setting, o := range map[string]Options{
		"BOSGC_BOS_ETCD_PASSWORD_FILE": {Endpoints: []string{"http://127.0.0.1:1"}, User: "root", PasswordFile: empty},
		"BOSGC_BOS_ETCD_CA_FILE":       {Endpoints: []string{"https://127.0.0.1:1"}, CAFile: empty},
		"BOSGC_BOS_ETCD_CERT_FILE":     {Endpoints: []string{"https://127.0.0.1:1"}, CertFile: empty, KeyFile: empty},
	} {
		o.Timeout = time.Second
		if _, err := New(o).Read(t.Context()); err == nil || !strings.Contains(err.Error(), setting) {
			t.Errorf("%s: %v", setting, err)
		}
	}
}
