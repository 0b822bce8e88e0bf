package sweep

import (
	"context"
	"fmt"
	"net/http"

	"bosgc/internal/doctor"
)

// Doctor checks everything that a sweep needs, and changes nothing. metricsURL is where metrics should be served; empty:
// they are not asked for.
func (r *Run) Doctor(ctx context.Context, metricsURL string) []doctor.Check {
	ctx, cancel := r.WithDeadline(ctx)
	defer cancel()
	r.WaitForMesh(ctx)
	d := doctor.Doctor{
		Settings: r.Settings, Cluster: r.cluster, Kube: r.clients.Kube, BOS: r.clients.BOS, CFS: r.clients.CFS,
		Etcd: r.clients.Etcd, Store: r.own, State: r.State(), MetricsURL: metricsURL,
		AskMesh:      func(ctx context.Context) error { return askMesh(ctx, r.Settings.MeshQuitURL) },
		PollDeadline: r.Settings.RequestTimeout.D(), Now: r.options.Now,
	}
	return d.Checks(ctx)
}

// askMesh asks the mesh proxy once whether it is ready.
func askMesh(ctx context.Context, quitURL string) error {
	ctx, cancel := context.WithTimeout(ctx, meshQuitTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, meshReadyURL(quitURL), http.NoBody)
	if err != nil {
		return err
	}
	response, err := meshClient.Do(request)
	if err != nil {
		return err
	}
	if err := response.Body.Close(); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: HTTP %d, expected 200", request.URL, response.StatusCode)
	}
	return nil
}
