package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/push"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// Outgoing is what a process that ends gives away. Where the totals are not whole, counters are left
// out: those of one run alone would look as if all had begun anew.
func Outgoing(from prometheus.Gatherer, whole bool) prometheus.Gatherer {
	return without(from, func(f *dto.MetricFamily) bool { return !whole && f.GetType() != dto.MetricType_GAUGE })
}

func without(from prometheus.Gatherer, left func(*dto.MetricFamily) bool) prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := from.Gather()
		return slices.DeleteFunc(families, left), err
	})
}

// Push sends metrics to a Pushgateway, or to what takes its form, in the group of the job bosgc
// and the given instance. The group is the same for all runs of a release: one for each run
// would stay there for ever.
//
// It replaces metric by metric (POST, not PUT), so that what is left out keeps its value, such as
// the time of the last success where a sweep failed.
func Push(ctx context.Context, url, instance string, from prometheus.Gatherer, succeeded bool) error {
	chosen := without(from, func(f *dto.MetricFamily) bool {
		return !succeeded && f.GetName() == "bosgc_last_success_timestamp_seconds"
	})
	// As text: VictoriaMetrics, which CSM 1.6 has, takes this form alone.
	return push.New(url, "bosgc").Grouping("instance", instance).Gatherer(chosen).
		Format(expfmt.NewFormat(expfmt.TypeTextPlain)).Client(pushClient{}).AddContext(ctx)
}

// pushClient makes of VictoriaMetrics' answer the one that a Pushgateway gives.
type pushClient struct{}

func (pushClient) Do(r *http.Request) (*http.Response, error) {
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusNoContent {
		response.StatusCode = http.StatusOK
	}
	// Of an error page, that much is enough for the log.
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(response.Body, 1024), response.Body}
	return response, nil
}

// WriteTextfile writes metrics for node_exporter's textfile collector: to another file first, which
// then takes the place of the old one, so that a collector never reads half of it.
// A file system that hangs is not waited for.
func WriteTextfile(ctx context.Context, path string, from prometheus.Gatherer) error {
	written := make(chan error, 1)
	go func() { written <- prometheus.WriteToTextfile(path, from) }()
	select {
	case err := <-written:
		return err
	case <-ctx.Done():
		return fmt.Errorf("write %s: %w", path, context.Cause(ctx))
	}
}

// Server shows metrics over HTTP, at /metrics, and at /healthz that it is there.
type Server struct {
	listener net.Listener
	http     *http.Server
	scraped  chan struct{}
	failed   chan error
}

// Listen serves metrics at an address until it is closed.
func Listen(ctx context.Context, address string, from prometheus.Gatherer) (*Server, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve metrics at BOSGC_METRICS_ADDR=%q: %w", address, err)
	}
	s := &Server{listener: listener, scraped: make(chan struct{}), failed: make(chan error, 1)}
	var once sync.Once
	show := promhttp.HandlerFor(from, promhttp.HandlerOpts{MaxRequestsInFlight: 8})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		answer := &answered{ResponseWriter: w}
		show.ServeHTTP(answer, r)
		if r.Method == http.MethodGet && answer.ok() {
			once.Do(func() { close(s.scraped) })
		}
	})
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 5 * time.Minute}
	go func() {
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("serve metrics: %w", err)
		}
	}()
	return s, nil
}

// answered notes what became of an answer. A scraper that left in the middle has seen nothing.
type answered struct {
	http.ResponseWriter
	status int
	err    error
}

func (a *answered) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

func (a *answered) Write(text []byte) (int, error) {
	n, err := a.ResponseWriter.Write(text)
	a.err = errors.Join(a.err, err)
	return n, err
}

func (a *answered) ok() bool { return a.err == nil && (a.status == 0 || a.status == http.StatusOK) }

// Address is where it serves.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Scraped is closed once the metrics have been read.
func (s *Server) Scraped() <-chan struct{} { return s.scraped }

// Failed says that nothing is served any more.
func (s *Server) Failed() <-chan error { return s.failed }

// Close lets a scrape that is under way come to its end.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return fmt.Errorf("stop serving metrics: %w", err)
	}
	return nil
}
