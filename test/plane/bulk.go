package plane

import (
	"iter"
	"path"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Stored is an object as etcd stores it.
type Stored struct {
	Resource, Namespace, Name string
	JSON                      []byte
}

// PutAll is like Put, for a great many objects.
func (p *Plane) PutAll(t testing.TB, objects iter.Seq[Stored]) {
	t.Helper()
	client := p.etcdClient(t)
	defer func() { _ = client.Close() }() // all that can fail is reported by the transactions
	var puts []clientv3.Op
	size := 0
	flush := func() {
		if len(puts) == 0 {
			return
		}
		if _, err := client.Txn(t.Context()).Then(puts...).Commit(); err != nil {
			t.Fatal(err)
		}
		puts, size = nil, 0
	}
	for o := range objects {
		if len(puts) == 100 || size+len(o.JSON) > 1<<20 { // etcd accepts 128 operations and 1.5 MB in a transaction
			flush()
		}
		puts = append(puts, clientv3.OpPut(path.Join("/registry", o.Resource, o.Namespace, o.Name), string(o.JSON)))
		size += len(o.JSON)
	}
	flush()
}

// Wipe removes all objects of a resource whose names have the prefix.
func (p *Plane) Wipe(t testing.TB, resource, namespace, prefix string) {
	t.Helper()
	client := p.etcdClient(t)
	defer func() { _ = client.Close() }() // all that can fail is reported by the transactions
	if _, err := client.Delete(t.Context(), path.Join("/registry", resource, namespace)+"/"+prefix, clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
}

func (p *Plane) etcdClient(t testing.TB) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{p.etcdURL}})
	if err != nil {
		t.Fatal(err)
	}
	return client
}
