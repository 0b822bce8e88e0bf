package lab

import (
	"net"
	"sync/atomic"
)

// traffic counts the bytes on all connections of one system.
type traffic struct{ received, sent atomic.Int64 }

// countTraffic returns a listener that counts the bytes on its connections.
func (s *Server) countTraffic(system string, listener net.Listener) net.Listener {
	if s.traffic[system] == nil {
		s.traffic[system] = &traffic{}
	}
	return countedListener{listener, s.traffic[system]}
}

// Traffic returns how many bytes a system (bos, cfs, kube, gateway or lab) has received and sent on its connections,
// with headers and TLS.
func (s *Server) Traffic(system string) (received, sent int64) {
	t := s.traffic[system]
	if t == nil {
		return 0, 0
	}
	return t.received.Load(), t.sent.Load()
}

type countedListener struct {
	net.Listener

	traffic *traffic
}

func (l countedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return countedConn{conn, l.traffic}, nil
}

type countedConn struct {
	net.Conn

	traffic *traffic
}

func (c countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.traffic.received.Add(int64(n))
	return n, err
}

func (c countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.traffic.sent.Add(int64(n))
	return n, err
}

// lingerer is a TCP connection that can be reset.
type lingerer interface{ SetLinger(seconds int) error }

func (c countedConn) SetLinger(seconds int) error { return c.Conn.(lingerer).SetLinger(seconds) }
