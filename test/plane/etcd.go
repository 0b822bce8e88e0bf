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

// Etcd is an etcd that runs by itself, with nothing in it.
type Etcd struct {
	URL string // of its clients

	log string
}

// StartEtcd brings one up and stops it when the test ends; flags come after its own. Where it cannot run, see Start.
func StartEtcd(t testing.TB, flags ...string) *Etcd {
	t.Helper()
	bin := Binaries(t, "")
	dir := scratch(t)
	script, err := mortal(dir, bin, "etcd")
	if err != nil {
		t.Fatal(err)
	}
	client, peer := freeAddress(t), freeAddress(t)
	e := &Etcd{URL: "http://" + client, log: filepath.Join(dir, "etcd.log")}
	log, err := os.Create(e.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.CommandContext(context.Background(), script, append([]string{
		"--data-dir=" + filepath.Join(dir, "data"), "--unsafe-no-fsync",
		"--listen-client-urls=" + e.URL, "--advertise-client-urls=" + e.URL,
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
		_ = cmd.Process.Kill() // its data is thrown away next
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
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.URL+"/health", http.NoBody)
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
	defer listener.Close()
	return listener.Addr().String()
}
