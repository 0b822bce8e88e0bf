package doctor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bosgc/internal/inventory"
	"bosgc/internal/kube"
)

const kubernetesRemedy = "check --kubeconfig, --context, the service account's token and the network"

func (d Doctor) checkKubernetes(ctx context.Context) Check {
	// To ask for a permission needs none.
	if _, err := d.Kube.MissingPermissions(ctx, d.Settings.Namespace, kube.SweepPermissions()[:1]); err != nil {
		return failure("kubernetes", kubernetesRemedy, "not reached at %s: %s", d.Cluster, err.Error())
	}
	return passed("kubernetes", "reached at %s", d.Cluster)
}

// checkPermissions reports each permission that is missing, and those that let whoever takes over the account do what
// no sweep does.
func (d Doctor) checkPermissions(ctx context.Context) []Check {
	swept, own := kube.SweepPermissions(), kube.StatePermissions(d.Settings.StateName, !d.Settings.DryRun)
	if d.Settings.DryRun {
		swept = slices.DeleteFunc(swept, kube.Permission.ForDeleting)
	}
	var all []Check
	for _, in := range []struct {
		namespace string
		wanted    []kube.Permission
	}{{d.Settings.Namespace, swept}, {d.Store.Namespace(), own}} {
		missing, err := d.Kube.MissingPermissions(ctx, in.namespace, in.wanted)
		if err != nil {
			return []Check{failure("permissions", kubernetesRemedy, "cannot be checked: %s", err.Error())}
		}
		for _, p := range missing {
			all = append(all, failure("permissions", fmt.Sprintf("grant the service account %q in namespace %q", p, in.namespace),
				"missing: %s in namespace %q", p, in.namespace))
		}
	}
	if len(all) == 0 {
		all = append(all, passed("permissions", "all that a sweep needs, in %q and %q", d.Settings.Namespace, d.Store.Namespace()))
	}
	return append(all, d.checkExcess(ctx)...)
}

// excess are permissions that no run of bosgc uses in the namespace that it sweeps. With some, such as to update any
// ConfigMap there, BOS's Job template among them, whoever takes over the account can have any image run.
func (d Doctor) excess() []kube.Permission {
	tooMany := []kube.Permission{
		{Resource: "secrets", Verb: "get"},
		{Resource: "secrets", Verb: "list"},
		{Resource: "pods", Verb: "create"},
		{Resource: "pods", Verb: "delete"},
		{Group: "batch", Resource: "jobs", Verb: "create"},
		{Group: "batch", Resource: "cronjobs", Verb: "update"},
		{Group: "apps", Resource: "deployments", Verb: "update"},
		{Group: "apps", Resource: "deployments", Verb: "patch"},
		{Resource: "configmaps", Verb: "update"},
		{Resource: "configmaps", Verb: "patch"},
		{Resource: "configmaps", Verb: "deletecollection"},
		{Group: "batch", Resource: "jobs", Verb: "deletecollection"},
	}
	if d.Settings.DryRun {
		tooMany = append(tooMany, kube.Permission{Group: "batch", Resource: "jobs", Verb: "delete"})
	}
	return tooMany
}

func (d Doctor) checkExcess(ctx context.Context) []Check {
	tooMany := d.excess()
	missing, err := d.Kube.MissingPermissions(ctx, d.Settings.Namespace, tooMany)
	if err != nil {
		return []Check{warning("permissions", kubernetesRemedy, "those too many cannot be checked: %s", err.Error())}
	}
	var all []Check
	for _, p := range tooMany {
		if !slices.Contains(missing, p) {
			all = append(all, warning("permissions", "withdraw it; a person's account may have it, that of sweeps should not",
				"not needed: %s in namespace %q", p, d.Settings.Namespace))
		}
	}
	return all
}

func (d Doctor) checkClock() Check {
	if doubt := d.Kube.ClockDoubt(); doubt != "" {
		return failure("clock", "compare the clocks of the nodes: chronyc tracking", "%s", doubt)
	}
	return passed("clock", "agrees with the API server's within a minute")
}

// checkNamespace looks for traces of BOS: in another namespace every session of BOS would look as if it had no objects.
func (d Doctor) checkNamespace(ctx context.Context) []Check {
	configMaps, err := d.Kube.ListConfigMaps(ctx)
	if err != nil {
		return []Check{failure("namespace", "see what the error says", "%s", err.Error())}
	}
	jobs, err := d.Kube.ListJobs(ctx)
	if err != nil {
		return []Check{failure("namespace", "see what the error says", "%s", err.Error())}
	}
	ofSessions := 0
	for _, cm := range configMaps.ConfigMaps {
		if inventory.IsSessionID(cm.Name) {
			ofSessions++
		}
	}
	if !configMaps.CA && !configMaps.JobTemplate && ofSessions+len(jobs.Jobs) == 0 {
		return []Check{failure("namespace", "set BOSGC_NAMESPACE to the namespace of BOS's Jobs, on CSM \"services\"",
			"%q has no trace of BOS", d.Settings.Namespace)}
	}
	all := []Check{passed("namespace", "%q has %d Jobs of BOS and %d ConfigMaps of sessions", d.Settings.Namespace, len(jobs.Jobs), ofSessions)}
	ttl, job, err := d.Kube.ShortestJobTTL(ctx)
	switch {
	case err != nil:
		all = append(all, warning("job TTL", "see what the error says", "unknown: %s", err.Error()))
	case job == "":
		all = append(all, passed("job TTL", "Kubernetes deletes none of BOS's Jobs by itself"))
	case ttl < d.Settings.SessionTTL.D():
		all = append(all, warning("job TTL", "look for a policy that sets ttlSecondsAfterFinished, of Kyverno for instance",
			"Kubernetes deletes Job %s %s after its end, before BOSGC_SESSION_TTL (%s)", job, ttl, d.Settings.SessionTTL))
	default:
		all = append(all, passed("job TTL", "Kubernetes deletes Job %s %s after its end", job, ttl.Round(time.Second)))
	}
	return all
}
