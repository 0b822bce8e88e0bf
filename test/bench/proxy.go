package bench

import (
	"net"
	"sync/atomic"
	"testing"
)

// proxy passes on what it receives, unchanged, and counts what comes back.
type proxy struct {
	address string
	sent    atomic.Int64
}

func startProxy(t testing.TB, to string) *proxy {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	p := &proxy{address: listener.Addr().String()}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", to)
			if err != nil {
				_ = client.Close()
				continue
			}
			go pass(client, server, nil)
			go pass(server, client, &p.sent)
		}
	}()
	return p
}

func pass(from, to net.Conn, count *atomic.Int64) {
	defer func() {
		_ = from.Close() // the end that closes first closes both
		_ = to.Close()
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if count != nil {
			count.Add(int64(n))
		}
		if _, failed := to.Write(buffer[:n]); failed != nil || err != nil {
			return
		}
	}
}
