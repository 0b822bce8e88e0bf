package sweep

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"

	"bosgc/internal/bos"
	"bosgc/internal/bosetcd"
	"bosgc/internal/cfs"
	"bosgc/internal/collect"
	"bosgc/internal/config"
	"bosgc/internal/kube"
	"bosgc/internal/kubeconfig"
	"bosgc/internal/progress"
	"bosgc/internal/transport"
)

// connect makes the clients of a run.
func (r *Run) connect() error {
	c := r.Settings
	restConfig, err := kubeconfig.Load(r.options.Kubeconfig, r.options.Context)
	if err != nil {
		return err
	}
	kubeClient, err := kube.New(restConfig, kube.Options{
		Namespace:      c.Namespace,
		Concurrency:    c.KubeConcurrency,
		RequestTimeout: c.RequestTimeout.D(),
		ListTimeout:    c.ListTimeout.D(),
		Observe:        r.metrics.RequestObserver("kube"),
		Now:            r.options.Now,
	})
	if err != nil {
		return err
	}
	options := transport.Options{
		CAFile:         c.CAFile,
		TokenURL:       c.TokenURL,
		ClientID:       c.ClientID,
		ClientSecret:   string(c.ClientSecret),
		RequestTimeout: c.RequestTimeout.D(),
		UserAgent:      "bosgc/" + r.options.Version,
		Log:            r.Log,
	}
	options.Concurrency, options.Observe = c.BOSConcurrency, r.metrics.RequestObserver("bos")
	toBOS, err := transport.New(c.BOSURL, options)
	if err != nil {
		return fmt.Errorf("BOSGC_BOS_URL: %w", err)
	}
	options.Concurrency, options.Observe = c.CFSConcurrency, r.metrics.RequestObserver("cfs")
	toCFS, err := transport.New(c.CFSURL, options)
	if err != nil {
		return fmt.Errorf("BOSGC_CFS_URL: %w", err)
	}
	r.clients = collect.Clients{
		Reporter:        progress.Reporter{Log: r.Log, Watch: r.options.Watch, Timings: r.options.Timings},
		BOS:             bos.New(toBOS, c.ListTimeout.D()),
		CFS:             cfs.New(toCFS, c.ListTimeout.D()),
		Kube:            kubeClient,
		Etcd:            etcdReader(c),
		SameCluster:     kubeconfig.IsOwnCluster(restConfig) && namesService(c.BOSURL, c.Namespace),
		BOSConcurrency:  c.BOSConcurrency,
		CFSConcurrency:  c.CFSConcurrency,
		KubeConcurrency: c.KubeConcurrency,
	}
	// Outside a Pod the swept namespace, and not the one that a kubeconfig happens to be set to: a lease in another
	// namespace keeps nobody out.
	home := cmp.Or(kubeconfig.PodNamespace(restConfig), c.Namespace)
	r.cluster = restConfig.Host
	r.own = kubeClient.Store(cmp.Or(c.StateNamespace, home))
	r.release = kubeClient.Store(home)
	r.clients.State = r.State()
	return nil
}

// namesService reports whether a URL's host can only be a Service of the cluster that the Pod runs in: cray-bos,
// cray-bos.NAMESPACE, or the same with svc or svc.cluster.local.
func namesService(address, namespace string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Hostname() == "localhost" || strings.Contains(u.Hostname(), ":") {
		return false
	}
	_, domain, qualified := strings.Cut(u.Hostname(), ".")
	return !qualified || domain == namespace || strings.HasSuffix(domain, ".svc") ||
		strings.HasSuffix(domain, ".svc.cluster.local")
}

// etcdReader returns the reader of BOS's own database; nil if it is not to be read.
func etcdReader(c config.Config) *bosetcd.Reader {
	if len(c.EtcdEndpoints) == 0 {
		return nil
	}
	return bosetcd.New(bosetcd.Options{
		Endpoints: c.EtcdEndpoints, CAFile: c.EtcdCAFile, CertFile: c.EtcdCertFile, KeyFile: c.EtcdKeyFile,
		User: c.EtcdUser, PasswordFile: c.EtcdPasswordFile, Timeout: c.RequestTimeout.D(),
	})
}
