// Package kube reads and deletes Jobs, Pods and ConfigMaps of one namespace, and keeps bosgc's
// own objects in another. It hides how Kubernetes lists, pages and deletes, on every release
// that CSM ran.
package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	batchv1beta1 "k8s.io/api/batch/v1beta1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// maxBody is what one answer may weigh, in bytes: a page of 500 Pods has 10 MiB at most where
// everything is well. What is more than this, or never ends, must not eat the memory.
const maxBody = 128 << 20

var (
	// ErrChanged says that an object is no longer the one that was judged.
	ErrChanged = errors.New("changed since it was judged")
	// ErrLost says that a delete was sent, and not answered by the API server: it may have been carried out.
	ErrLost = errors.New("it is not known whether this was carried out")
)

// Options say how the API server is asked.
type Options struct {
	Namespace      string
	Concurrency    int           // requests under way at once
	RequestTimeout time.Duration // one request
	ListTimeout    time.Duration // one list with all its pages

	// Observe is told of every request: its status (0 if there was no answer) and the time
	// until the answer's header. It may be called from several goroutines at once.
	Observe func(method string, status int, took time.Duration)
	// Now is this machine's clock; time.Now if it is nil.
	Now func() time.Time
}

// Client talks to one namespace.
type Client struct {
	core    coreV1
	apps    appsV1
	batch   batchV1
	beta    batchV1beta1 // CronJobs before Kubernetes 1.21
	leases  coordinationV1
	access  authorizationV1
	options Options
	slots   chan struct{}
	clock   *clock
}

// LoadConfig finds the API server: an explicit kubeconfig, $KUBECONFIG and the default file, or
// the service account of the Pod this runs in.
func LoadConfig(kubeconfig, kubeContext string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: kubeContext}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	if known := ContextNames(kubeconfig); err != nil && kubeContext != "" && len(known) > 0 && !slices.Contains(known, kubeContext) {
		return nil, fmt.Errorf("no way to the Kubernetes API: %w; expected for --context one of %s", err, strings.Join(known, ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("no way to the Kubernetes API: %w; give --kubeconfig or KUBECONFIG, or run in a Pod with a service account", err)
	}
	return config, nil
}

// PodNamespace is the namespace of the Pod this runs in; empty if the configuration is not that of
// a Pod's service account.
func PodNamespace(config *rest.Config) string {
	if config.BearerTokenFile == "" {
		return ""
	}
	// It lies beside the token in every Pod, and in no other place that a token comes from.
	text, err := os.ReadFile(filepath.Join(filepath.Dir(config.BearerTokenFile), "namespace"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// The client library must not write to stderr by itself, past the log and its form: what it has to say
// comes back as an error too. Its logger is one for the whole process, and may be set only while
// nobody uses it.
func init() { klog.SetLogger(logr.Discard()) }

// New makes a client. The configuration is copied.
func New(config *rest.Config, options Options) (*Client, error) {
	config = rest.CopyConfig(config)
	// The client's own rate limit is for controllers that never end; here the number of
	// requests under way is what is limited, and the server's own fairness does the rest.
	config.QPS = -1
	config.UserAgent = "bosgc"
	// Lists are read in the form that costs least to decode; what is sent is a few bytes of
	// JSON, which is easier to read in an audit log or a capture.
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	config.ContentType = "application/json"
	if options.Observe == nil {
		options.Observe = func(string, int, time.Duration) {}
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	clock := &clock{}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return observed{next, options, clock} })
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("set up the Kubernetes client: %w", err)
	}
	client, err := newFor(config, httpClient, options)
	if err != nil {
		return nil, err
	}
	client.clock = clock
	return client, nil
}

type observed struct {
	next    http.RoundTripper
	options Options
	clock   *clock
}

func (o observed) RoundTrip(r *http.Request) (*http.Response, error) {
	begun, sent := time.Now(), o.options.Now()
	response, err := o.next.RoundTrip(r)
	status := 0
	if err == nil {
		status = response.StatusCode
		response.Body = http.MaxBytesReader(nil, response.Body, maxBody)
		o.clock.note(response.Header, sent, o.options.Now())
	}
	o.options.Observe(r.Method, status, time.Since(begun))
	if err == nil {
		if err = genuine(response); err != nil {
			return nil, err
		}
	}
	return response, err
}

func newFor(config *rest.Config, httpClient *http.Client, options Options) (*Client, error) {
	c := &Client{options: options, slots: make(chan struct{}, options.Concurrency)}
	var errs []error
	for _, g := range []struct {
		group   *group
		version schema.GroupVersion
	}{
		{&c.core.group, corev1.SchemeGroupVersion},
		{&c.apps.group, appsv1.SchemeGroupVersion},
		{&c.batch.group, batchv1.SchemeGroupVersion},
		{&c.beta.group, batchv1beta1.SchemeGroupVersion},
		{&c.leases.group, coordinationv1.SchemeGroupVersion},
		{&c.access.group, authorizationv1.SchemeGroupVersion},
	} {
		var err error
		*g.group, err = newGroup(config, httpClient, g.version)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("set up the Kubernetes client: %w", err)
	}
	return c, nil
}

// tries is how a request is repeated that the API server was too busy for or never got: while
// a control plane node restarts, for instance. Repeating is harmless for everything that
// this package sends: a delete names the exact object, and it cannot go twice.
var tries = wait.Backoff{Steps: 4, Duration: 250 * time.Millisecond, Factor: 2, Jitter: 0.5}

func repeatable(err error) bool {
	return utilnet.IsConnectionRefused(err) || utilnet.IsConnectionReset(err) || utilnet.IsProbableEOF(err) ||
		apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err) || apierrors.IsInternalError(err)
}

// ask runs one request: not more than Concurrency at once, none longer than RequestTimeout
// with all its tries.
func (c *Client) ask(ctx context.Context, request func(context.Context) error) error {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-c.slots }()
	return c.try(ctx, request)
}

// try is ask without waiting for the turn. It is for the lock alone, which a busy client must not lose.
func (c *Client) try(ctx context.Context, request func(context.Context) error) error {
	tooLong := fmt.Errorf("the API server did not answer within %s: %w", c.options.RequestTimeout, context.DeadlineExceeded)
	ctx, cancel := context.WithTimeoutCause(ctx, c.options.RequestTimeout, tooLong)
	defer cancel()
	var last error
	err := wait.ExponentialBackoffWithContext(ctx, tries, func(ctx context.Context) (bool, error) {
		last = request(ctx)
		if last == nil || !repeatable(last) {
			return true, last
		}
		return false, nil
	})
	if ctx.Err() != nil && err != nil {
		return context.Cause(ctx)
	}
	if wait.Interrupted(err) {
		return advised(last)
	}
	return advised(err)
}

// IsForbidden says that the API server has refused because of a permission.
func IsForbidden(err error) bool { return apierrors.IsForbidden(err) }
