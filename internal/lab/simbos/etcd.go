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

// etcd is a client of a real etcd that holds BOS's keys. It accepts as much in one answer as BOS's client does.
type etcd struct {
	*clientv3.Client

	// newContext returns a context for one request. It is not that of the request to BOS: BOS goes on when its client
	// has left.
	newContext func() (context.Context, context.CancelFunc)
}

// etcdTimeout limits one request to etcd. BOS itself would wait for ever.
const etcdTimeout = time.Minute

// MoveToEtcd moves all sessions into a real etcd: attributes as text, status records as bytes that only BOS
// understands. From then on everything is read from there.
func (s *Server) MoveToEtcd(endpoint string) error {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	var err error
	s.store.etcd, err = s.store.copyToEtcd(endpoint)
	return err
}

// CopyToEtcd copies all sessions into a real etcd, for clients that read keys there. BOS still answers from memory,
// which is faster, and what is deleted in BOS stays in the copy.
func (s *Server) CopyToEtcd(endpoint string) error {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	e, err := s.store.copyToEtcd(endpoint)
	if err != nil {
		return err
	}
	return e.Close()
}

// copyToEtcd returns the etcd that it has filled. The caller holds the lock.
func (s *store) copyToEtcd(endpoint string) (*etcd, error) {
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{endpoint}, MaxCallRecvMsgSize: ListLimit, Logger: zap.NewNop(),
	})
	if err != nil {
		return nil, fmt.Errorf("connect to the lab's etcd: %w", err)
	}
	e := &etcd{client, func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(context.Background(), etcdTimeout)
	}}
	var puts []clientv3.Op
	for id, keys := range s.sessions {
		for attribute, e := range keys {
			puts = append(puts, clientv3.OpPut(key(id, attribute), string(e.encode(id, attribute))))
		}
	}
	for some := range slices.Chunk(puts, 100) { // etcd accepts 128 in a transaction, and 1.5 MB
		ctx, cancel := e.newContext()
		_, err := client.Txn(ctx).Then(some...).Commit()
		cancel()
		if err != nil {
			return e, fmt.Errorf("write to the lab's etcd: %w", err)
		}
	}
	return e, nil
}

func key(id, attribute string) string { return keyPrefix + id + "/" + attribute }

// pickle is a status record as etcd holds it.
type pickle struct {
	Start, Stop any
	Broken      bool     `json:",omitempty"`
	Named       []string `json:",omitempty"`
	Set         *BootSet `json:",omitempty"`
	Operation   string   `json:",omitempty"`
	Writer      string   `json:",omitempty"`
}

// magic begins a pickle of Python's protocol 4.
const magic = "\x80\x04"

// encode returns the value of a key, padded to its size.
func (e entry) encode(id, attribute string) []byte {
	if text, ok := e.value.(string); ok {
		return []byte(text)
	}
	var p pickle
	switch record := e.value.(type) {
	case statusRecord:
		p = pickle{Start: record.start, Stop: record.stop, Broken: record.broken, Named: record.named}
	case setRecord:
		p = pickle{
			Start: record.times.Start, Stop: record.times.Stop, Broken: record.broken,
			Set: &record.set, Operation: record.operation, Writer: record.writer,
		}
	}
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // only texts and numbers
	}
	value := append([]byte(magic), text...)
	if padding := e.size - len(key(id, attribute)) - len(value); padding > 0 {
		value = append(value, make([]byte, padding)...)
	}
	return value
}

// decode reads the value of a key. Bytes that are not a status record become a broken one.
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
	switch {
	case attribute == "status":
		e.value = statusRecord{p.Start, p.Stop, p.Broken, p.Named}
	case p.Set == nil:
		e.value = setRecord{broken: true}
	default:
		e.value = setRecord{*p.Set, p.Operation, Times{p.Start, p.Stop}, p.Writer, p.Broken}
	}
	return e
}

// loadFromEtcd replaces a session's keys by those in etcd. The caller holds the lock.
func (s *store) loadFromEtcd(id string) {
	if s.etcd == nil {
		return
	}
	ctx, cancel := s.etcd.newContext()
	defer cancel()
	answer, err := s.etcd.Get(ctx, keyPrefix+id+"/", clientv3.WithPrefix())
	if err != nil {
		log.Printf("lab: etcd: %v", err)
		return
	}
	delete(s.sessions, id)
	for _, kv := range answer.Kvs {
		attribute := strings.TrimPrefix(string(kv.Key), keyPrefix+id+"/")
		e := decode(attribute, len(kv.Key), kv.Value)
		if s.sessions[id] == nil {
			s.sessions[id] = map[string]entry{}
		}
		s.sessions[id][attribute] = e
	}
}

// saveToEtcd writes one key. The caller holds the lock.
func (s *store) saveToEtcd(id, attribute string) {
	if s.etcd == nil {
		return
	}
	ctx, cancel := s.etcd.newContext()
	defer cancel()
	value := s.sessions[id][attribute].encode(id, attribute)
	if _, err := s.etcd.Put(ctx, key(id, attribute), string(value)); err != nil {
		log.Printf("lab: etcd: %v", err)
	}
}

// deleteFromEtcd deletes one key, or those that options say.
func (s *store) deleteFromEtcd(key string, options ...clientv3.OpOption) {
	if s.etcd == nil {
		return
	}
	ctx, cancel := s.etcd.newContext()
	defer cancel()
	if _, err := s.etcd.Delete(ctx, key, options...); err != nil {
		log.Printf("lab: etcd: %v", err)
	}
}

// list reads all keys in one request. BOS's list reads the values too; with keysOnly they are left out.
func (e *etcd) list(keysOnly bool) (ids []string, err error) {
	ctx, cancel := e.newContext()
	defer cancel()
	options := []clientv3.OpOption{clientv3.WithPrefix()}
	if keysOnly {
		options = append(options, clientv3.WithKeysOnly())
	}
	answer, err := e.Get(ctx, keyPrefix, options...)
	if err != nil {
		return nil, err
	}
	for _, kv := range answer.Kvs {
		id, _, _ := strings.Cut(strings.TrimPrefix(string(kv.Key), keyPrefix), "/")
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

var errTooLarge = errors.New("larger than what gRPC carries in one answer")

// listIDs returns the IDs for a list. It fails if the keys and values are more than the database sends in one answer.
func (s *store) listIDs() ([]string, error) {
	if s.etcd != nil {
		return s.etcd.list(false)
	}
	if s.size() > ListLimit {
		return nil, errTooLarge
	}
	return s.ids(), nil
}
