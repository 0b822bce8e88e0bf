package sweep

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bosgc/internal/kube"
)

// checkPermissions asks before anything else whether the permissions suffice. Without one to read, the source that
// needs it is incomplete, and the run goes on; without one to delete, a sweep would take half of what belongs together,
// and without those for lease and journal it may not begin.
func (r *Run) checkPermissions(ctx context.Context) error {
	dryRun := r.Settings.DryRun
	swept, own := slices.Concat(kube.SweepPermissions(), r.extra), kube.StatePermissions(r.Settings.StateName, !dryRun)
	if dryRun {
		swept = slices.DeleteFunc(kube.SweepPermissions(), kube.Permission.ForDeleting)
	}
	if !r.usesState {
		own = nil // it works without, only with nothing counted as seen before
	}
	var refused []string
	for _, in := range []struct {
		namespace string
		wanted    []kube.Permission
		needed    func(kube.Permission) bool
	}{
		{r.Settings.Namespace, swept, func(p kube.Permission) bool { return p.ForDeleting() || slices.Contains(r.extra, p) }},
		{r.own.Namespace(), own, func(kube.Permission) bool { return true }},
	} {
		missing, err := r.clients.Kube.MissingPermissions(ctx, in.namespace, in.wanted)
		if err != nil {
			// The lists that follow will report it better, and each for itself.
			r.Log.Warn("permissions could not be checked", "error", err.Error())
			return nil
		}
		for _, p := range missing {
			r.Log.Error("a permission is missing", "permission", p.String(), "namespace", in.namespace)
			if !dryRun && in.needed(p) {
				refused = append(refused, fmt.Sprintf("%s in namespace %q", p, in.namespace))
			}
		}
	}
	if len(refused) > 0 {
		return fmt.Errorf("not permitted: %s; nothing was deleted: grant it, or set BOSGC_DRY_RUN=true to look only",
			strings.Join(refused, ", "))
	}
	return nil
}
