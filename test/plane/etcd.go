package plane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Etcd is an empty etcd without a control plane.
type Etcd struct {
	URL string // for clients

	health string
	log    string
}

// EtcdTLS names the files with which an etcd serves and which its clients need.
type EtcdTLS struct{ CA, Cert, Key string }

// StartEtcd starts an etcd and stops it when the test ends. Where it cannot run, it does what Start
// does.
func StartEtcd(t testing.TB, secure *EtcdTLS) *Etcd {
	t.Helper()
	bin := Binaries(t, "")
	dir := scratch(t)
	script, err := mortal(dir, bin, "etcd")
	if err != nil {
		t.Fatal(err)
	}
	peer := freeAddress(t)
	e := &Etcd{URL: "http://" + freeAddress(t), health: "http://" + freeAddress(t), log: filepath.Join(dir, "etcd.log")}
	var flags []string
	if secure != nil {
		e.URL = "https" + e.URL[len("http"):]
		flags = []string{"--client-cert-auth", "--trusted-ca-file=" + secure.CA, "--cert-file=" + secure.Cert, "--key-file=" + secure.Key}
	}
	log, err := os.Create(e.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.CommandContext(context.Background(), script, append([]string{
		"--data-dir=" + filepath.Join(dir, "data"), "--unsafe-no-fsync",
		"--listen-client-urls=" + e.URL, "--advertise-client-urls=" + e.URL, "--listen-metrics-urls=" + e.health,
		"--listen-peer-urls=http://" + peer, "--initial-advertise-peer-urls=http://" + peer, "--initial-cluster=default=http://" + peer,
	}, flags...)...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // its data is deleted next
		<-ended
	})
	Eventually(t, 30*time.Second, func() error {
		select {
		case <-ended:
			return fmt.Errorf("etcd ended\n%s", tail(e.log))
		default:
		}
		return e.healthy(t.Context())
	})
	return e
}

func (e *Etcd) healthy(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.health+"/health", http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }() // it was only needed to find a free port
	return listener.Addr().String()
}
