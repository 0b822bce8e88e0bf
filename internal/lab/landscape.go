package lab

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"bosgc/internal/lab/simcfs"
)

// landscape is everything on the system that is nobody's business here, though some of it
// looks near enough: it must never be listed, let alone touched.
func (b *builder) landscape() {
	old := b.ago(100*day, 400*day)
	for _, name := range []string{
		"cray-configmap-ca-public-key", "boa-job-template", "cray-bos-config", "cray-cfs-options", "kube-root-ca.crt",
		"istio-ca-root-cert", "cray-ims-v2-job-templates", "hms-discovery", "cray-power-control-config",
	} {
		b.foreignConfigMap(name, old)
	}
	for range 4 + b.Options.Sessions/10 {
		at := b.ago(day, 90*day)
		b.foreignConfigMap("cray-ims-"+b.uuid()+"-"+pick(b, "service", "env"), at)
		b.plainJob("cfs-"+b.uuid(), at, plainPod("inventory"))
		b.foreignConfigMap("site-"+b.uuid(), at)
		b.foreignConfigMap(b.uuid()[:14]+"1"+b.uuid()[15:], at) // a UUID, but not of version 4
	}
	b.plainJob("cray-ims-"+b.uuid()+"-create", b.ago(day, 20*day), plainPod("fetch-recipe"))
	b.otherNamespace()
	for _, name := range []string{"hms-discovery", "cray-dns-unbound-manager"} {
		spec := plainPod(name)
		spec.Volumes = []corev1.Volume{configMapVolume("config", "hms-discovery")}
		b.cronJob(name, spec)
	}
	b.deployment("cray-cfs-batcher", 1)
	b.deployment("cray-bos", 3)
	b.pod("cray-bos-6d8c7b4d5f-x2k9p", plainPod("cray-bos"))
	b.pod("cray-cfs-api-db-0", plainPod("cray-cfs-api-db"))
}

// otherNamespace has what would be BOS's if it were in the right place.
func (b *builder) otherNamespace() {
	cm := &corev1.ConfigMap{
		ObjectMeta: b.meta(b.uuid(), b.ago(30*day, 60*day)), Data: map[string]string{"data.json": `{"boot_sets": {}}`},
	}
	cm.Namespace = "user"
	b.add("configmaps", cm)
}

func (b *builder) foreignConfigMap(name string, created time.Time) {
	b.add("configmaps", &corev1.ConfigMap{
		ObjectMeta: b.meta(name, created), Data: map[string]string{"settings": "none"},
	})
}

func plainPod(container string) corev1.PodSpec {
	return corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever,
		Containers:    []corev1.Container{{Name: container, Image: "artifactory.algol60.net/csm-docker/stable/" + container}},
	}
}

// plainJob is a finished Job that has nothing to do with BOS.
func (b *builder) plainJob(name string, created time.Time, spec corev1.PodSpec) {
	job := &batchv1.Job{
		ObjectMeta: b.meta(name, created),
		Spec:       batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: spec}},
		Status:     batchv1.JobStatus{StartTime: stamp(created)},
	}
	jobComplete(created.Add(time.Minute))(job)
	b.add("jobs", job)
}

func (b *builder) cronJob(name string, spec corev1.PodSpec) {
	b.add("cronjobs", &batchv1.CronJob{
		ObjectMeta: b.meta(name, b.ago(100*day, 400*day)),
		Spec: batchv1.CronJobSpec{
			Schedule: "*/3 * * * *", ConcurrencyPolicy: batchv1.ForbidConcurrent,
			JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: spec}}},
		},
	})
}

func (b *builder) deployment(name string, replicas int32) {
	labels := map[string]string{"app.kubernetes.io/name": name, "app.kubernetes.io/instance": name}
	meta := b.meta(name, b.ago(100*day, 400*day))
	meta.Labels, meta.Generation = labels, 1
	b.add("deployments", &appsv1.Deployment{
		ObjectMeta: meta,
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: plainPod(name)},
		},
		Status: appsv1.DeploymentStatus{
			ObservedGeneration: 1, Replicas: replicas, UpdatedReplicas: replicas, ReadyReplicas: replicas, AvailableReplicas: replicas,
		},
	})
}

func (b *builder) pod(name string, spec corev1.PodSpec) {
	pod := &corev1.Pod{ObjectMeta: b.meta(name, b.ago(day, 30*day)), Spec: spec}
	pod.Status.Phase, pod.Status.StartTime = corev1.PodRunning, stamp(pod.CreationTimestamp.Time)
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: spec.Containers[0].Name, Ready: true,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: pod.CreationTimestamp}},
	}}
	b.add("pods", pod)
}

// mount lets something of somebody else use a ConfigMap, one way or another.
func (b *builder) mount(configMap string) {
	pick(b, b.podUsing, b.jobUsing, b.cronJobUsing)(configMap)
}

func (b *builder) podUsing(configMap string) {
	b.pod("site-check-"+b.uuid()[:5], b.using(configMap))
}

func (b *builder) jobUsing(configMap string) {
	b.plainJob("site-check-"+b.uuid()[:5], b.ago(day, 20*day), b.using(configMap))
}

func (b *builder) cronJobUsing(configMap string) {
	b.cronJob("site-check-"+b.uuid()[:5], b.using(configMap))
}

// using refers to a ConfigMap in one of the ways that a Pod can.
func (b *builder) using(name string) corev1.PodSpec {
	spec := plainPod("site-check")
	reference := corev1.LocalObjectReference{Name: name}
	container := &spec.Containers[0]
	switch b.random.IntN(5) {
	case 0:
		spec.Volumes = []corev1.Volume{configMapVolume("template", name)}
	case 1:
		spec.Volumes = []corev1.Volume{{Name: "all", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
			Sources: []corev1.VolumeProjection{{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: reference}}},
		}}}}
	case 2:
		container.EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: reference}}}
	case 3:
		container.Env = []corev1.EnvVar{{Name: "TEMPLATE", ValueFrom: &corev1.EnvVarSource{
			ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: reference, Key: "data.json"},
		}}}
	default:
		first := *container
		first.Name = "prepare"
		first.EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: reference}}}
		spec.InitContainers = []corev1.Container{first}
	}
	return spec
}

// fillComponents gives every node its state in CFS, as the sessions before left it.
func (b *builder) fillComponents() {
	last := map[string]simcfs.Session{}
	for _, c := range b.cfs {
		for _, node := range splitLimit(c.Limit) {
			last[node] = c
		}
	}
	for _, node := range b.nodes {
		component := simcfs.Component{ID: node, Enabled: true, Status: "unconfigured"}
		if c, ok := last[node]; ok {
			at, _ := c.Start.(string)
			component.Status, component.DesiredConfig, component.Tags = "configured", c.Configuration, c.Tags
			component.Layers = []simcfs.Layer{{
				CloneURL: "https://api-gw-service-nmn.local/vcs/cray/cos-config-management.git", Playbook: "site.yml",
				Commit: fmt.Sprintf("%040x", b.random.Uint64()), LastUpdated: at + "Z", SessionName: c.Name,
			}}
		}
		b.components = append(b.components, component)
	}
}
