package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"bosgc/internal/config"
	"bosgc/internal/kube"
)

// preflight asks before anything else whether the permissions suffice. Without one to read,
// the source that needs it is incomplete, and the run goes on; without one to delete, a
// sweep would take half of what belongs together, and without those for lock and journal it may
// not begin.
func preflight(ctx context.Context, to *connection, r *oneRun) error {
	settings, log := r.settings, r.log
	swept, state := slices.Concat(kube.SweepPermissions(), r.besides), kube.StatePermissions(!settings.DryRun)
	if settings.DryRun {
		swept = slices.DeleteFunc(kube.SweepPermissions(), kube.Permission.ForDeleting)
	}
	if !r.reported {
		state = nil // it works without, only with nothing counted as seen before
	}
	var refused []string
	for _, in := range []struct {
		namespace string
		wanted    []kube.Permission
		needed    func(kube.Permission) bool
	}{
		{settings.Namespace, swept, func(p kube.Permission) bool { return p.ForDeleting() || slices.Contains(r.besides, p) }},
		{to.own.Namespace(), state, func(kube.Permission) bool { return true }},
	} {
		missing, err := to.systems.Kube.MissingPermissions(ctx, in.namespace, in.wanted)
		if err != nil {
			// The lists that follow will say so better, and each for itself.
			log.Warn("permissions could not be checked", "error", err.Error())
			return nil
		}
		for _, p := range missing {
			log.Error("a permission is missing", "permission", p.String(), "namespace", in.namespace)
			if !settings.DryRun && in.needed(p) {
				refused = append(refused, fmt.Sprintf("%s in namespace %q", p, in.namespace))
			}
		}
	}
	if len(refused) > 0 {
		return fmt.Errorf("not permitted: %s; nothing was deleted: grant it, or set BOSGC_DRY_RUN=true to look only", strings.Join(refused, ", "))
	}
	return nil
}

// meshPatience is how long the mesh proxy may take to start. Kubernetes starts the containers
// of a Pod at the same time, and until the proxy is there every request is refused, which
// must not be taken for an outage.
const meshPatience = time.Minute

// waitForMesh waits until the Pod's mesh proxy is ready, if there is one to be told to quit:
// both are served by the same agent. Where none comes, the run begins without it.
func waitForMesh(ctx context.Context, quitURL string, patience time.Duration, log *slog.Logger) {
	if quitURL == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(quitURL, "/quitquitquit")+"/healthz/ready", http.NoBody)
	if err != nil {
		return // the settings have been checked
	}
	again := time.NewTicker(250 * time.Millisecond)
	defer again.Stop()
	for {
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			log.Warn("the mesh proxy is not ready; going on without it", "setting", "BOSGC_MESH_QUIT_URL", "waited", patience.String())
			return
		}
	}
}

// quitMesh asks the Pod's mesh proxy to end, so that the Job can. Where there is none, or
// the system ends it by itself, nobody answers, and that is fine. It looks into the
// environment by itself, because it is also wanted when the settings could not be read.
func (a *app) quitMesh() {
	quitURL := ""
	for _, line := range a.environ {
		if value, ok := strings.CutPrefix(line, "BOSGC_MESH_QUIT_URL="); ok {
			quitURL = value
		}
	}
	if quitURL == "" {
		return
	}
	// A context of its own: the proxy must also be asked after the run was told to stop.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, quitURL, http.NoBody)
	if err == nil {
		var response *http.Response
		if response, err = http.DefaultClient.Do(request); err == nil {
			err = response.Body.Close()
		}
	}
	if err != nil {
		settings, _ := config.Load(nil)
		a.logger(settings).Warn("the mesh proxy was not told to quit", "setting", "BOSGC_MESH_QUIT_URL", "error", err.Error())
	}
}
