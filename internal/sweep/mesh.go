package sweep

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"bosgc/internal/transport"
)

const (
	// meshPatience is how long the mesh proxy may take to start. Kubernetes starts the containers of a Pod at the same
	// time, and until the proxy is ready every request is refused, which must not be taken for an outage.
	meshPatience = time.Minute
	// meshPollInterval is the time between two looks for the proxy.
	meshPollInterval = 250 * time.Millisecond
	// meshQuitTimeout bounds the request that tells it to end.
	meshQuitTimeout = 5 * time.Second
)

// meshClient speaks to the mesh proxy, which sends nobody elsewhere.
var meshClient = &http.Client{CheckRedirect: transport.RefuseRedirect}

// waitForMesh waits until the Pod's mesh proxy is ready, if there is one to be told to quit: both are served by the
// same agent. Where none comes, the run begins without it.
func waitForMesh(ctx context.Context, quitURL string, patience time.Duration, log *slog.Logger) {
	if quitURL == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, meshReadyURL(quitURL), http.NoBody)
	if err != nil {
		return // the settings have been checked
	}
	poll := time.NewTicker(meshPollInterval)
	defer poll.Stop()
	for {
		response, err := meshClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			log.Warn("the mesh proxy is not ready; going on without it", "setting", "BOSGC_MESH_QUIT_URL", "waited", patience.String())
			return
		}
	}
}

// meshReadyURL returns the URL of the proxy's readiness check.
func meshReadyURL(quitURL string) string {
	return strings.TrimSuffix(quitURL, "/quitquitquit") + "/healthz/ready"
}

// QuitMesh asks the Pod's mesh proxy to end, so that the Job can. Where there is none, or the system ends it by itself,
// nobody answers, and that is fine.
func QuitMesh(quitURL string, log *slog.Logger) {
	if quitURL == "" {
		return
	}
	// A context of its own: the proxy must also be asked after the run was told to stop.
	ctx, cancel := context.WithTimeout(context.Background(), meshQuitTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, quitURL, http.NoBody)
	if err == nil {
		var response *http.Response
		if response, err = meshClient.Do(request); err == nil {
			err = response.Body.Close()
		}
	}
	if err != nil {
		log.Warn("the mesh proxy was not told to quit", "setting", "BOSGC_MESH_QUIT_URL", "error", err.Error())
	}
}
