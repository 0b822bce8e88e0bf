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

// jobTemplate is a ConfigMap that the chart of a BOS with v1 installs.
const jobTemplate = "boa-job-template"

// addUnrelated adds objects that have nothing to do with BOS, some of which look as if they had: a plan must never list
// them.
func (b *builder) addUnrelated() {
	old := b.ago(100*day, 400*day)
	for _, name := range []string{
		"cray-configmap-ca-public-key", jobTemplate, "cray-bos-config", "cray-cfs-options", "kube-root-ca.crt",
		"istio-ca-root-cert", "cray-ims-v2-job-templates", "hms-discovery", "cray-power-control-config",
	} {
		if name != jobTemplate || b.Profile.BOSv1 {
			b.addForeignConfigMap(name, old)
		}
	}
	for range 4 + b.Options.Sessions/10 {
		at := b.ago(day, 90*day)
		b.addForeignConfigMap("cray-ims-"+b.uuid()+"-"+pick(b, "service", "env"), at)
		b.addPlainJob("cfs-"+b.uuid(), at, plainPodSpec("inventory"))
		b.addForeignConfigMap("site-"+b.uuid(), at)
		b.addForeignConfigMap(b.uuid()[:14]+"1"+b.uuid()[15:], at) // not a UUID of version 4
	}
	b.addPlainJob("cray-ims-"+b.uuid()+"-create", b.ago(day, 20*day), plainPodSpec("fetch-recipe"))
	b.addOtherNamespace()
	for _, name := range []string{"hms-discovery", "cray-dns-unbound-manager"} {
		spec := plainPodSpec(name)
		spec.Volumes = []corev1.Volume{configMapVolume("config", "hms-discovery")}
		b.addCronJob(name, spec)
	}
	b.addDeployment("cray-cfs-batcher", 1)
	b.addDeployment("cray-bos", 3)
	b.addPod("cray-bos-6d8c7b4d5f-x2k9p", plainPodSpec("cray-bos"))
	b.addPod("cray-cfs-api-db-0", plainPodSpec("cray-cfs-api-db"))
}

// addOtherNamespace adds what would be BOS's if it were in BOS's namespace.
func (b *builder) addOtherNamespace() {
	cm := &corev1.ConfigMap{
		ObjectMeta: b.meta(b.uuid(), b.ago(30*day, 60*day)), Data: map[string]string{"data.json": `{"boot_sets": {}}`},
	}
	cm.Namespace = "user"
	b.addObject("configmaps", cm)
}

func (b *builder) addForeignConfigMap(name string, created time.Time) {
	b.addObject("configmaps", &corev1.ConfigMap{
		ObjectMeta: b.meta(name, created), Data: map[string]string{"settings": "none"},
	})
}

func plainPodSpec(container string) corev1.PodSpec {
	return corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever,
		Containers:    []corev1.Container{{Name: container, Image: "artifactory.algol60.net/csm-docker/stable/" + container}},
	}
}

// addPlainJob adds a finished Job that has nothing to do with BOS.
func (b *builder) addPlainJob(name string, created time.Time, spec corev1.PodSpec) {
	job := &batchv1.Job{
		ObjectMeta: b.meta(name, created),
		Spec:       batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: spec}},
		Status:     batchv1.JobStatus{StartTime: metaTime(created)},
	}
	jobComplete(created.Add(time.Minute))(job)
	b.addObject("jobs", job)
}

func (b *builder) addCronJob(name string, spec corev1.PodSpec) {
	b.addObject("cronjobs", &batchv1.CronJob{
		ObjectMeta: b.meta(name, b.ago(100*day, 400*day)),
		Spec: batchv1.CronJobSpec{
			Schedule: "*/3 * * * *", ConcurrencyPolicy: batchv1.ForbidConcurrent,
			JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: spec}}},
		},
	})
}

func (b *builder) addDeployment(name string, replicas int32) {
	labels := map[string]string{"app.kubernetes.io/name": name, "app.kubernetes.io/instance": name}
	meta := b.meta(name, b.ago(100*day, 400*day))
	meta.Labels, meta.Generation = labels, 1
	b.addObject("deployments", &appsv1.Deployment{
		ObjectMeta: meta,
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: plainPodSpec(name)},
		},
		Status: appsv1.DeploymentStatus{
			ObservedGeneration: 1, Replicas: replicas, UpdatedReplicas: replicas,
			ReadyReplicas: replicas, AvailableReplicas: replicas,
		},
	})
}

func (b *builder) addPod(name string, spec corev1.PodSpec) {
	pod := &corev1.Pod{ObjectMeta: b.meta(name, b.ago(day, 30*day)), Spec: spec}
	pod.Status.Phase, pod.Status.StartTime = corev1.PodRunning, metaTime(pod.CreationTimestamp.Time)
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: spec.Containers[0].Name, Ready: true,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: pod.CreationTimestamp}},
	}}
	b.addObject("pods", pod)
}

// useConfigMap adds a Pod, Job or CronJob of another service that uses a ConfigMap.
func (b *builder) useConfigMap(configMap string) {
	pick(b, b.addPodUsing, b.addJobUsing, b.addCronJobUsing)(configMap)
}

func (b *builder) addPodUsing(configMap string) {
	b.addPod("site-check-"+b.uuid()[:5], b.specUsing(configMap))
}

func (b *builder) addJobUsing(configMap string) {
	b.addPlainJob("site-check-"+b.uuid()[:5], b.ago(day, 20*day), b.specUsing(configMap))
}

func (b *builder) addCronJobUsing(configMap string) {
	b.addCronJob("site-check-"+b.uuid()[:5], b.specUsing(configMap))
}

// specUsing returns the spec of a Pod that refers to a ConfigMap in one of the possible ways.
func (b *builder) specUsing(name string) corev1.PodSpec {
	spec := plainPodSpec("site-check")
	reference := corev1.LocalObjectReference{Name: name}
	fromConfigMap := corev1.EnvFromSource{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: reference}}
	container := &spec.Containers[0]
	switch b.random.IntN(5) {
	case 0:
		spec.Volumes = []corev1.Volume{configMapVolume("template", name)}
	case 1:
		projection := corev1.VolumeProjection{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: reference}}
		spec.Volumes = []corev1.Volume{{Name: "all", VolumeSource: corev1.VolumeSource{
			Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{projection}},
		}}}
	case 2:
		container.EnvFrom = []corev1.EnvFromSource{fromConfigMap}
	case 3:
		container.Env = []corev1.EnvVar{{Name: "TEMPLATE", ValueFrom: &corev1.EnvVarSource{
			ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: reference, Key: "data.json"},
		}}}
	default:
		first := *container
		first.Name = "prepare"
		first.EnvFrom = []corev1.EnvFromSource{fromConfigMap}
		spec.InitContainers = []corev1.Container{first}
	}
	return spec
}

// fillComponents adds every node to CFS, in the state in which the last CFS session left it.
func (b *builder) fillComponents() {
	last := map[string]simcfs.Session{}
	for _, c := range b.cfs {
		for _, node := range splitLimit(c.Limit) {
			last[node] = c
		}
	}
	setBy := b.lastSetBy()
	for _, node := range b.nodes {
		component := simcfs.Component{ID: node, Enabled: true, Status: "unconfigured"}
		if id := setBy[node]; id != "" { // somebody has unset what it had set, and the tag stays
			component.Tags = map[string]string{"bos_session": id}
		}
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

// lastSetBy returns for each node the session that BOS has and that booted or configured it last.
func (b *builder) lastSetBy() map[string]string {
	setBy, at := map[string]string{}, map[string]time.Time{}
	for _, s := range b.sessionBuilders {
		if !s.listed || s.ghost || s.operation == "shutdown" || s.disabled {
			continue
		}
		for _, set := range s.sets {
			for _, node := range set.Nodes {
				if s.start.After(at[node]) {
					setBy[node], at[node] = s.id, s.start
				}
			}
		}
	}
	return setBy
}
