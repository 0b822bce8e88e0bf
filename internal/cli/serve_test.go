package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bosgc/gc"
	"bosgc/internal/lab"
)

// freeAddress returns a loopback address on which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	// A random loopback address: the port on 127.0.0.1 could be given to another test's server before it is used.
	host := netip.AddrFrom4([4]byte{127, byte(1 + rand.IntN(250)), byte(rand.IntN(250)), byte(1 + rand.IntN(250))})
	l, err := net.Listen("tcp", netip.AddrPortFrom(host, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func fetch(url string) (string, error) {
	response, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", response.StatusCode)
	}
	return string(text), err
}

// eventually repeats check until it returns nil.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	deadline := time.After(time.Minute) // also with the race detector on a busy machine
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			t.Fatal(err)
		}
	}
}

func TestLiveServeSweepsAgainAndAgain(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 60}, lab.ServerOptions{})
	want := s.stays()
	goes := 0
	for _, o := range s.World.Truth() {
		if o.Goes() {
			goes++
		}
	}
	address := freeAddress(t)
	environ := append(slices.Clone(s.environ), "BOSGC_METRICS_ADDR="+address, "BOSGC_INTERVAL=1s", fmt.Sprintf("BOSGC_MAX_DELETES=%d", goes/2+1))
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var stdout, stderr bytes.Buffer
	var code int
	var ended sync.WaitGroup
	ended.Go(func() {
		code = Run(ctx, []string{"serve", "--kubeconfig", s.Kubeconfig()}, environ, &stdout, &stderr)
	})
	metric := func(series string) func() error {
		return func() error {
			text, err := fetch("http://" + address + "/metrics")
			if err == nil && !strings.Contains(text, series+"\n") {
				err = fmt.Errorf("no %q in\n%s", series, text)
			}
			return err
		}
	}
	// The first sweep reaches its limit. The second one, which starts by itself, deletes the rest.
	eventually(t, metric(`bosgc_last_exit_code{installation="services.bosgc"} 0`))
	eventually(t, func() error {
		if got, left := len(s.exist()), len(want); got != left {
			return fmt.Errorf("%d objects, %d should be left", got, left)
		}
		return nil
	})
	s.same("after some sweeps", s.exist(), want)
	eventually(t, metric(`bosgc_objects{installation="services.bosgc",kind="Session",reason="completed-expired",verdict="delete"} 0`))
	if err := metric(`bosgc_bos_list_ok{installation="services.bosgc"} 1`)(); err != nil {
		t.Error(err)
	}
	if _, err := fetch("http://" + address + "/healthz"); err != nil {
		t.Errorf("/healthz: %v", err)
	}

	// A failed sweep does not end serve.
	if err := s.AddFault(lab.Fault{Name: "bos-down"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, metric(`bosgc_last_exit_code{installation="services.bosgc"} 6`))
	s.ClearFaults()
	eventually(t, metric(`bosgc_last_exit_code{installation="services.bosgc"} 0`))

	stop()
	ended.Wait()
	if code != gc.ExitDone || stdout.Len() > 0 {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout.String(), stderr.String())
	}
	if _, err := fetch("http://" + address + "/healthz"); err == nil {
		t.Error("it still serves")
	}
}

func TestServeSaysWhereItCannotListen(t *testing.T) {
	t.Parallel()
	s := start(t, lab.Options{CSM: "1.4", Sessions: 5}, lab.ServerOptions{})
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	code, _, stderr := s.run([]string{"serve"}, "BOSGC_METRICS_ADDR="+taken.Addr().String())
	if code != gc.ExitFailed || !strings.Contains(stderr, "BOSGC_METRICS_ADDR") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
}

// Nobody sees a table of what serve does, so that its log has to tell.
func TestServeLogsWhatASweepFoundAndWhyNot(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault   string
		environ []string
		want    []string
		absent  string
	}{
		"a dry run": {
			"",
			[]string{"BOSGC_DRY_RUN=true", "BOSGC_LOG_LEVEL=debug"},
			[]string{`"msg":"dry run ended"`, `"wouldDelete":`, `"Session completed-expired":`, `"msg":"would delete"`},
			"could not be read completely",
		},
		"a source is away": {
			"cfs-down",
			[]string{"BOSGC_LOG_LEVEL=info"},
			[]string{"could not be read completely", `"source":"cfs-sessions"`, `"error":"`, `"msg":"sweep ended"`},
			"dry run",
		},
		"the guard has refused": {
			"",
			[]string{"BOSGC_LOG_LEVEL=info", "BOSGC_MAX_ORPHAN_PERCENT=0"},
			[]string{"the orphan guard holds back", `"why":"`},
			"dry run",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, lab.Options{CSM: "1.4", Sessions: 60}, lab.ServerOptions{})
			if tt.fault != "" {
				if err := s.AddFault(lab.Fault{Name: tt.fault}); err != nil {
					t.Fatal(err)
				}
			}
			address := freeAddress(t)
			ctx, stop := context.WithCancel(context.Background())
			defer stop()
			var stderr string
			var ended sync.WaitGroup
			ended.Go(func() {
				environ := append([]string{"BOSGC_METRICS_ADDR=" + address, "BOSGC_INTERVAL=1h"}, tt.environ...)
				_, _, stderr = s.runContext(ctx, []string{"serve"}, environ...)
			})
			eventually(t, func() error {
				text, err := fetch("http://" + address + "/metrics")
				if err == nil && strings.Contains(text, `bosgc_last_sweep_timestamp_seconds{installation="services.bosgc"} 0`) {
					err = fmt.Errorf("no sweep yet")
				}
				return err
			})
			stop()
			ended.Wait()
			for _, want := range tt.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("%q is not in the log:\n%s", want, stderr)
				}
			}
			if strings.Contains(stderr, tt.absent) {
				t.Errorf("%q is in the log:\n%s", tt.absent, stderr)
			}
		})
	}
}
