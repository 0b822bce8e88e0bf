package metrics

import (
	"cmp"
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

	"bosgc/internal/outfile"
	"bosgc/internal/transport"
)

// ForExport returns what a process that ends hands over. Without complete totals it has no counters:
// those of one run alone would look as if all had been reset.
func ForExport(from prometheus.Gatherer, complete bool) prometheus.Gatherer {
	return without(from, func(f *dto.MetricFamily) bool { return !complete && f.GetType() != dto.MetricType_GAUGE })
}

func without(from prometheus.Gatherer, drop func(*dto.MetricFamily) bool) prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := from.Gather()
		return slices.DeleteFunc(families, drop), err
	})
}

// Labelled returns metrics with the label installation, in the form <state's namespace>.<state's name>. Of several
// installations at one Prometheus nothing else tells the metrics apart whichever way they come.
func Labelled(from prometheus.Gatherer, installation string) prometheus.Gatherer {
	name := "installation"
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := from.Gather()
		all := make([]*dto.MetricFamily, 0, len(families))
		for _, f := range families {
			labelled := &dto.MetricFamily{Name: f.Name, Help: f.Help, Type: f.Type, Unit: f.Unit}
			for _, m := range f.GetMetric() {
				labels := append(slices.Clone(m.GetLabel()), &dto.LabelPair{Name: &name, Value: &installation})
				slices.SortFunc(labels, func(a, b *dto.LabelPair) int { return cmp.Compare(a.GetName(), b.GetName()) })
				labelled.Metric = append(labelled.Metric, &dto.Metric{
					Label: labels, Gauge: m.Gauge, Counter: m.Counter, Histogram: m.Histogram,
				})
			}
			all = append(all, labelled)
		}
		return all, err
	})
}

// Push sends metrics to a Pushgateway, or to a server with the same API, in the group of the job bosgc
// and the given instance. All runs of a release share one group: a group for each run would stay there
// for ever.
//
// It replaces metric by metric (POST, not PUT), so that a metric that is left out keeps its value, such
// as the time of the last success after a sweep that failed.
func Push(ctx context.Context, url, instance string, from prometheus.Gatherer, succeeded bool) error {
	chosen := without(from, func(f *dto.MetricFamily) bool {
		return !succeeded && f.GetName() == "bosgc_last_success_timestamp_seconds"
	})
	// As text, because VictoriaMetrics, which CSM 1.6 has, takes no other format.
	return push.New(url, "bosgc").Grouping("instance", instance).Gatherer(chosen).
		Format(expfmt.NewFormat(expfmt.TypeTextPlain)).Client(pushClient{}).AddContext(ctx)
}

// pushClient turns the answer of VictoriaMetrics, 204, into that of a Pushgateway. It follows no redirect, whose target
// would answer 200 to anything, and uses each connection once: a POST that meets a connection which the other side has
// closed meanwhile fails and is not repeated.
type pushClient struct{}

func (pushClient) Do(r *http.Request) (*http.Response, error) {
	client := http.Client{CheckRedirect: transport.RefuseRedirect}
	r.Close = true
	response, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusNoContent {
		response.StatusCode = http.StatusOK
	}
	// The beginning of an error page is enough for the log.
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(response.Body, 1024), response.Body}
	return response, nil
}

// WriteTextfile writes metrics for node_exporter's textfile collector, which runs as another user and never reads half
// of the file. A file system that hangs does not hang the process longer than ctx.
func WriteTextfile(ctx context.Context, path string, from prometheus.Gatherer) error {
	written := make(chan error, 1)
	go func() {
		written <- outfile.Replace(path, 0o644, func(w io.Writer) error {
			families, err := from.Gather()
			for _, f := range families {
				if err == nil {
					_, err = expfmt.MetricFamilyToText(w, f)
				}
			}
			return err
		})
	}()
	select {
	case err := <-written:
		if err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("write %s: %w", path, context.Cause(ctx))
	}
}

// Server serves metrics over HTTP at /metrics, and pages if there are any. It answers /healthz as long as it runs.
type Server struct {
	listener net.Listener
	http     *http.Server
	scraped  chan struct{}
	failed   chan error
}

// Listen serves metrics at an address until Close, and pages by their paths.
func Listen(
	ctx context.Context, address string, from prometheus.Gatherer, pages map[string]http.Handler,
) (*Server, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve metrics at BOSGC_METRICS_ADDR=%q: %w", address, err)
	}
	s := &Server{listener: listener, scraped: make(chan struct{}), failed: make(chan error, 1)}
	s.http = &http.Server{
		Handler: s.handler(from, pages), ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: 5 * time.Minute,
	}
	go func() {
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("serve metrics: %w", err)
		}
	}()
	return s, nil
}

func (s *Server) handler(from prometheus.Gatherer, pages map[string]http.Handler) http.Handler {
	var once sync.Once
	metrics := promhttp.HandlerFor(from, promhttp.HandlerOpts{MaxRequestsInFlight: 8})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		recorder := &responseRecorder{ResponseWriter: w}
		metrics.ServeHTTP(recorder, r)
		if r.Method == http.MethodGet && recorder.ok() {
			once.Do(func() { close(s.scraped) })
		}
	})
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	for path, page := range pages {
		mux.Handle("GET "+path, page)
	}
	return mux
}

// responseRecorder records whether an answer was written completely: a scraper that left in the middle
// has seen nothing.
type responseRecorder struct {
	http.ResponseWriter
	status int
	err    error
}

func (r *responseRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *responseRecorder) Write(text []byte) (int, error) {
	n, err := r.ResponseWriter.Write(text)
	r.err = errors.Join(r.err, err)
	return n, err
}

func (r *responseRecorder) ok() bool {
	return r.err == nil && (r.status == 0 || r.status == http.StatusOK)
}

// Address returns the address that it listens on.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Scraped returns a channel that is closed once the metrics have been read completely.
func (s *Server) Scraped() <-chan struct{} { return s.scraped }

// Failed returns a channel that receives an error if the server has stopped by itself.
func (s *Server) Failed() <-chan error { return s.failed }

// Close stops the server. A scrape that is under way has 5 seconds to end.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return fmt.Errorf("stop serving metrics: %w", err)
	}
	return nil
}
