package cli

import (
	"cmp"
	"fmt"
	"log/slog"

	"bosgc/gc"
	"bosgc/internal/bos"
	"bosgc/internal/bosetcd"
	"bosgc/internal/cfs"
	"bosgc/internal/config"
	"bosgc/internal/kube"
	"bosgc/internal/metrics"
	"bosgc/internal/transport"
)

// connection is the way to all that a command talks to.
type connection struct {
	systems gc.Systems
	cluster string      // where the API server is
	own     *kube.Store // the namespace with the state, the lock and the journal
	release *kube.Store // the namespace of the Pod that this runs in, where its CronJob is
}

// connect makes the clients. Nothing is sent yet; an error is one of configuration.
func (a *app) connect(c config.Config, m *metrics.Metrics, log *slog.Logger) (*connection, error) {
	restConfig, err := kube.Config(a.kubeconfig, a.context)
	if err != nil {
		return nil, err
	}
	kubeClient, err := kube.New(restConfig, kube.Options{
		Namespace:      c.Namespace,
		Concurrency:    c.KubeConcurrency,
		RequestTimeout: c.RequestTimeout.D(),
		ListTimeout:    c.ListTimeout.D(),
		Observe:        m.RequestObserver("kube"),
		Now:            a.now,
	})
	if err != nil {
		return nil, err
	}
	options := transport.Options{
		CAFile:         c.CAFile,
		TokenURL:       c.TokenURL,
		ClientID:       c.ClientID,
		ClientSecret:   string(c.ClientSecret),
		RequestTimeout: c.RequestTimeout.D(),
		UserAgent:      "bosgc/" + Version,
		Log:            log,
	}
	options.Concurrency, options.Observe = c.BOSConcurrency, m.RequestObserver("bos")
	toBOS, err := transport.New(c.BOSURL, options)
	if err != nil {
		return nil, fmt.Errorf("BOSGC_BOS_URL: %w", err)
	}
	options.Concurrency, options.Observe = c.CFSConcurrency, m.RequestObserver("cfs")
	toCFS, err := transport.New(c.CFSURL, options)
	if err != nil {
		return nil, fmt.Errorf("BOSGC_CFS_URL: %w", err)
	}
	systems := gc.Systems{
		BOS:             bos.New(toBOS, c.ListTimeout.D()),
		CFS:             cfs.New(toCFS, c.ListTimeout.D()),
		Kube:            kubeClient,
		Keys:            etcd(c),
		Log:             log,
		Watch:           a.watch(),
		BOSConcurrency:  c.BOSConcurrency,
		CFSConcurrency:  c.CFSConcurrency,
		KubeConcurrency: c.KubeConcurrency,
		Timings:         a.view.timings,
	}
	// Outside a Pod the swept namespace, and not the one that a kubeconfig happens to be set to:
	// a lock that is somewhere else keeps nobody out.
	home := cmp.Or(kube.PodNamespace(restConfig), c.Namespace)
	return &connection{
		systems: systems,
		cluster: restConfig.Host,
		own:     kubeClient.Store(cmp.Or(c.StateNamespace, home)),
		release: kubeClient.Store(home),
	}, nil
}

// etcd gives the way to BOS's own database; nil if there is none.
func etcd(c config.Config) *bosetcd.Reader {
	if len(c.EtcdEndpoints) == 0 {
		return nil
	}
	return bosetcd.New(bosetcd.Options{
		Endpoints: c.EtcdEndpoints, CAFile: c.EtcdCAFile, CertFile: c.EtcdCertFile, KeyFile: c.EtcdKeyFile,
		User: c.EtcdUser, PasswordFile: c.EtcdPasswordFile, Timeout: c.RequestTimeout.D(),
	})
}
