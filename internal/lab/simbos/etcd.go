package simbos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// etcd is a real one, which BOS keeps its keys in. Its client takes as much in one answer as BOS's does.
type etcd struct {
	*clientv3.Client

	// patient gives a context for one request. It is none of who asks BOS: BOS goes on when its client has left.
	patient func() (context.Context, context.CancelFunc)
}

// etcdPatience is how long a request of the lab's may take; BOS itself would wait for ever.
const etcdPatience = time.Minute

// KeepIn moves all sessions into a real etcd: attributes as text, status records as bytes that only BOS
// understands. From then on that is where everything is read from.
func (s *Server) KeepIn(endpoint string) error {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	var err error
	s.store.etcd, err = s.store.copyTo(endpoint)
	return err
}

// CopyTo puts a copy of all sessions into a real etcd, for who reads keys there. What BOS answers goes on
// coming from memory, which is faster; what is deleted in BOS stays in the copy.
func (s *Server) CopyTo(endpoint string) error {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	e, err := s.store.copyTo(endpoint)
	if err != nil {
		return err
	}
	return e.Close()
}

// copyTo gives the etcd that it has filled. The caller holds the lock.
func (s *store) copyTo(endpoint string) (*etcd, error) {
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{endpoint}, MaxCallRecvMsgSize: ListLimit, Logger: zap.NewNop(),
	})
	if err != nil {
		return nil, fmt.Errorf("the lab's etcd: %w", err)
	}
	e := &etcd{client, func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(context.Background(), etcdPatience)
	}}
	var puts []clientv3.Op
	for id, keys := range s.sessions {
		for attribute, e := range keys {
			puts = append(puts, clientv3.OpPut(key(id, attribute), string(e.encode(id, attribute))))
		}
	}
	for some := range slices.Chunk(puts, 100) { // etcd takes 128 in a transaction, and 1.5 MB
		ctx, cancel := e.patient()
		_, err := client.Txn(ctx).Then(some...).Commit()
		cancel()
		if err != nil {
			return e, fmt.Errorf("the lab's etcd: %w", err)
		}
	}
	return e, nil
}

func key(id, attribute string) string { return base + id + "/" + attribute }

// pickle is a status record as it lies in etcd.
type pickle struct {
	Start, Stop any
	Broken      bool     `json:",omitempty"`
	Set         *BootSet `json:",omitempty"`
	Operation   string   `json:",omitempty"`
}

// magic begins a pickle of Python's protocol 4.
const magic = "\x80\x04"

// encode gives the value of a key, as long as its size says.
func (e entry) encode(id, attribute string) []byte {
	if text, ok := e.value.(string); ok {
		return []byte(text)
	}
	var p pickle
	switch record := e.value.(type) {
	case statusRecord:
		p = pickle{Start: record.start, Stop: record.stop, Broken: record.broken}
	case setRecord:
		p = pickle{Start: record.start, Stop: record.stop, Set: &record.set, Operation: record.operation}
	}
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // plain data
	}
	value := append([]byte(magic), text...)
	if padding := e.size - len(key(id, attribute)) - len(value); padding > 0 {
		value = append(value, make([]byte, padding)...)
	}
	return value
}

// decode reads the value of a key. A record that is none can be there, and cannot be read.
func decode(attribute string, keySize int, value []byte) entry {
	e := entry{string(value), keySize + len(value)}
	text, pickled := bytes.CutPrefix(value, []byte(magic))
	if !pickled {
		return e
	}
	var p pickle
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&p); err != nil {
		p = pickle{Broken: true}
	}
	if strings.HasPrefix(attribute, "status/") && p.Set != nil {
		e.value = setRecord{set: *p.Set, operation: p.Operation, start: p.Start, stop: p.Stop}
	} else {
		e.value = statusRecord{p.Start, p.Stop, p.Broken}
	}
	return e
}

// pull brings what is known of a session up to what etcd has. The caller holds the lock.
func (s *store) pull(id string) {
	if s.etcd == nil {
		return
	}
	ctx, cancel := s.etcd.patient()
	defer cancel()
	answer, err := s.etcd.Get(ctx, base+id+"/", clientv3.WithPrefix())
	if err != nil {
		log.Printf("lab: etcd: %v", err)
		return
	}
	delete(s.sessions, id)
	for _, kv := range answer.Kvs {
		attribute := strings.TrimPrefix(string(kv.Key), base+id+"/")
		e := decode(attribute, len(kv.Key), kv.Value)
		if s.sessions[id] == nil {
			s.sessions[id] = map[string]entry{}
		}
		s.sessions[id][attribute] = e
	}
}

// push writes one key. The caller holds the lock.
func (s *store) push(id, attribute string) {
	if s.etcd == nil {
		return
	}
	ctx, cancel := s.etcd.patient()
	defer cancel()
	if _, err := s.etcd.Put(ctx, key(id, attribute), string(s.sessions[id][attribute].encode(id, attribute))); err != nil {
		log.Printf("lab: etcd: %v", err)
	}
}

// drop deletes the keys of a session.
func (s *store) drop(id string) {
	if s.etcd == nil {
		return
	}
	ctx, cancel := s.etcd.patient()
	defer cancel()
	if _, err := s.etcd.Delete(ctx, base+id+"/", clientv3.WithPrefix()); err != nil {
		log.Printf("lab: etcd: %v", err)
	}
}

// list reads everything in one piece, keys and values, as BOS's list does; keysOnly leaves out the values,
// as BOS does not.
func (e *etcd) list(keysOnly bool) (ids []string, err error) {
	ctx, cancel := e.patient()
	defer cancel()
	options := []clientv3.OpOption{clientv3.WithPrefix()}
	if keysOnly {
		options = append(options, clientv3.WithKeysOnly())
	}
	answer, err := e.Get(ctx, base, options...)
	if err != nil {
		return nil, err
	}
	for _, kv := range answer.Kvs {
		id, _, _ := strings.Cut(strings.TrimPrefix(string(kv.Key), base), "/")
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

var errTooLarge = errors.New("larger than what gRPC carries in one answer")

// listed gives what the list is made of, if the database sends it in one piece.
func (s *store) listed() ([]string, error) {
	if s.etcd != nil {
		return s.etcd.list(false)
	}
	if s.bytes() > ListLimit {
		return nil, errTooLarge
	}
	return s.ids(), nil
}
