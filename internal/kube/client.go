// Package kube reads and deletes the Jobs, Pods and ConfigMaps of one namespace, and stores
// bosgc's own objects in another. It is client-go's typed clientset and its metadata client with
// what a program that deletes needs on top: every request has a deadline, every delete names
// exactly one object, a list is complete or an error, and an answer that is not the API
// server's own never counts.
package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	typedbatchv1 "k8s.io/client-go/kubernetes/typed/batch/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"bosgc/internal/transport"
)

var (
	// ErrChanged is returned for a write to an object that is no longer the one that was read.
	ErrChanged = errors.New("changed since it was judged")
	// ErrLost is returned for a delete that was sent and not answered by the API server: it may
	// have been carried out.
	ErrLost = errors.New("it is not known whether this was carried out")
)

// Options configure a Client.
type Options struct {
	Namespace      string
	Concurrency    int           // requests under way at once
	RequestTimeout time.Duration // for one request, with all its tries
	ListTimeout    time.Duration // for one list, with all its pages

	// Observe is called for every request with its status (0 if there was no answer) and the
	// time until the header of the answer. It may be called from several goroutines at once.
	Observe func(method string, status int, took time.Duration)
	// Now is this machine's clock; time.Now if it is nil.
	Now func() time.Time
}

// Client reads and deletes objects of one namespace.
type Client struct {
	typed     kubernetes.Interface
	metadata  metadata.Interface
	transport http.RoundTripper
	options   Options
	slots     chan struct{}
	clock     *clock
}

// The client library must not write to stderr, past bosgc's log and its format: what it has to
// say is in the errors that it returns too. Its logger is global to the process and may be set
// only while nobody uses it.
func init() { klog.SetLogger(logr.Discard()) }

// New returns a client. The configuration is copied.
func New(config *rest.Config, options Options) (*Client, error) {
	config = rest.CopyConfig(config)
	// The client library's rate limit is for controllers that never end. Here the number of
	// requests under way is limited, and the server's own fairness does the rest.
	config.QPS = -1
	config.UserAgent = "bosgc"
	// Lists in protobuf cost the API server and bosgc least. What bosgc sends is small, and in JSON every audit log,
	// proxy and admission webhook can read it.
	config.ContentType = runtime.ContentTypeJSON
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	if options.Observe == nil {
		options.Observe = func(string, int, time.Duration) {}
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	c := &Client{options: options, slots: make(chan struct{}, options.Concurrency), clock: &clock{}}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return roundTripper{next, options, c.clock} })
	httpClient, err := rest.HTTPClientFor(config)
	if err == nil {
		c.transport = httpClient.Transport
		httpClient.CheckRedirect = transport.RefuseRedirect // its transport adds the token to any request
		c.typed, err = kubernetes.NewForConfigAndClient(config, httpClient)
	}
	if err == nil {
		c.metadata, err = metadata.NewForConfigAndClient(config, httpClient)
	}
	if err != nil {
		return nil, fmt.Errorf("set up the Kubernetes client: %w", err)
	}
	return c, nil
}

// CloseIdleConnections closes the connections that no request uses. The client library keeps its connections for as long
// as anything refers to a client; a process that makes a client for each sweep would hold those of all earlier ones.
func (c *Client) CloseIdleConnections() { utilnet.CloseIdleConnectionsFor(c.transport) }

func (c *Client) jobs() typedbatchv1.JobInterface {
	return c.typed.BatchV1().Jobs(c.options.Namespace)
}

func (c *Client) pods() typedcorev1.PodInterface {
	return c.typed.CoreV1().Pods(c.options.Namespace)
}

func (c *Client) configMaps() typedcorev1.ConfigMapInterface {
	return c.typed.CoreV1().ConfigMaps(c.options.Namespace)
}

// configMapMetadata reads ConfigMaps without their content: that can be a mebibyte each, and most
// of the ConfigMaps in the namespace are none of bosgc's business.
func (c *Client) configMapMetadata(namespace string) metadata.ResourceInterface {
	return c.metadata.Resource(corev1.SchemeGroupVersion.WithResource("configmaps")).Namespace(namespace)
}

// retries is how a request is repeated that the API server was too busy for or never received:
// while a control plane node restarts, for instance. Repeating is harmless for everything that
// this package sends: a delete names the exact object, which cannot be deleted twice.
var retries = wait.Backoff{Steps: 4, Duration: 250 * time.Millisecond, Factor: 2, Jitter: 0.5}

func isRetryable(err error) bool {
	return utilnet.IsConnectionRefused(err) || utilnet.IsConnectionReset(err) || utilnet.IsProbableEOF(err) ||
		apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err) || apierrors.IsInternalError(err)
}

// do runs one request, with its tries within RequestTimeout, as soon as fewer than Concurrency
// others are under way.
func (c *Client) do(ctx context.Context, request func(context.Context) error) error {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-c.slots }()
	return c.doAtOnce(ctx, request)
}

// doAtOnce is do without waiting for a slot. It is for the lease alone, which a busy client must
// not lose.
func (c *Client) doAtOnce(ctx context.Context, request func(context.Context) error) error {
	timeout := c.options.RequestTimeout
	tooLong := fmt.Errorf("the API server did not answer within %s: %w", timeout, context.DeadlineExceeded)
	// The deadline starts after the slot is had: time spent in our own queue must not look like a
	// silent server.
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, tooLong)
	defer cancel()
	var last error
	err := wait.ExponentialBackoffWithContext(ctx, retries, func(ctx context.Context) (bool, error) {
		last = request(ctx)
		if last == nil || !isRetryable(last) {
			return true, last
		}
		return false, nil
	})
	if ctx.Err() != nil && err != nil {
		return context.Cause(ctx)
	}
	if wait.Interrupted(err) {
		return withAdvice(last)
	}
	return withAdvice(err)
}

// fetch runs a request with do or doAtOnce and returns its answer.
func fetch[T interface{ GetResourceVersion() string }](
	ctx context.Context,
	run func(context.Context, func(context.Context) error) error,
	request func(context.Context) (T, error),
) (answer T, err error) {
	err = run(ctx, func(ctx context.Context) (err error) {
		answer, err = request(ctx)
		// The client library leaves the object empty that it returns, without an error, when the
		// answer is another kind of object: somebody else's answer would pass for an empty list.
		// Whatever the API server itself returns has a resource version.
		if err == nil && answer.GetResourceVersion() == "" {
			return fmt.Errorf("the answer is not a %T of the API server: it has no resource version", answer)
		}
		return err
	})
	return answer, err
}
