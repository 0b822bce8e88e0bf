package cli

import (
	"fmt"
	"log/slog"

	"bosgc/bos"
	"bosgc/cfs"
	"bosgc/config"
	"bosgc/gc"
	"bosgc/kube"
	"bosgc/metrics"
	"bosgc/transport"
)

// connect makes the three clients. Nothing is sent yet; an error is one of configuration.
func (a *app) connect(c config.Config, m *metrics.Metrics, log *slog.Logger) (systems gc.Systems, cluster string, err error) {
	restConfig, err := kube.Config(a.kubeconfig, a.context)
	if err != nil {
		return systems, "", err
	}
	kubeClient, err := kube.New(restConfig, kube.Options{
		Namespace:      c.Namespace,
		Concurrency:    c.KubeConcurrency,
		RequestTimeout: c.RequestTimeout.D(),
		ListTimeout:    c.ListTimeout.D(),
		Observe:        m.Request("kube"),
	})
	if err != nil {
		return systems, "", err
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
	options.Concurrency, options.Observe = c.BOSConcurrency, m.Request("bos")
	toBOS, err := transport.New(c.BOSURL, options)
	if err != nil {
		return systems, "", fmt.Errorf("BOSGC_BOS_URL: %w", err)
	}
	options.Concurrency, options.Observe = c.CFSConcurrency, m.Request("cfs")
	toCFS, err := transport.New(c.CFSURL, options)
	if err != nil {
		return systems, "", fmt.Errorf("BOSGC_CFS_URL: %w", err)
	}
	return gc.Systems{
		BOS:             bos.New(toBOS, c.ListTimeout.D()),
		CFS:             cfs.New(toCFS, c.ListTimeout.D()),
		Kube:            kubeClient,
		Log:             log,
		BOSConcurrency:  c.BOSConcurrency,
		KubeConcurrency: c.KubeConcurrency,
	}, restConfig.Host, nil
}
