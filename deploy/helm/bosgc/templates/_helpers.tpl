{{- define "bosgc.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/*
At most 52 characters: a CronJob's name gets 11 more in its Jobs. A release's name may have dots and begin with a digit; a
Service's may not.
*/}}
{{- define "bosgc.fullname" -}}
{{- $name := include "bosgc.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- $name = .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- $name = .Release.Name -}}
{{- else -}}
{{- $name = printf "%s-%s" .Release.Name $name -}}
{{- end -}}
{{- if regexMatch "^[0-9]" $name -}}
{{- $name = printf "%s-%s" .Chart.Name .Release.Name -}}
{{- end -}}
{{- $name | replace "." "-" | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "bosgc.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "bosgc.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is empty; with serviceAccount.create=false it names the one to use" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* A part with a dot or a port in front of the first slash is a registry, as for every engine. */}}
{{- define "bosgc.image" -}}
{{- $repository := .Values.image.repository -}}
{{- with (.Values.global | default dict).imageRegistry -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) (regexReplaceAll "^(localhost|[^/]*[.:][^/]*)/" $repository "") -}}
{{- end -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/*
What never changes in the life of a release: a Deployment's selector cannot. To be called with
(list . "sweeper") or (list . "exporter"): without the component, a Service would send requests to
the other's Pods, and a policy would hold for them.
*/}}
{{- define "bosgc.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "bosgc.name" $root | quote }}
app.kubernetes.io/instance: {{ $root.Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/*
The metadata of an object, to be called with (dict "root" . "labels" … "annotations" …).
"namespace" is that of the release unless given, "name" that of the release's objects, and
"component" the sweeper.
*/}}
{{- define "bosgc.metadata" -}}
{{- $labels := dict "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63) "app.kubernetes.io/version" (.root.Chart.AppVersion | replace "+" "_" | trunc 63) "app.kubernetes.io/managed-by" .root.Release.Service -}}
metadata:
  name: {{ default (include "bosgc.fullname" .root) (get . "name") }}
  namespace: {{ default .root.Release.Namespace (get . "namespace") }}
  labels:
    {{- merge (include "bosgc.selectorLabels" (list .root (default "sweeper" (get . "component"))) | fromYaml) $labels (default (dict) (get . "labels")) (default (dict) .root.Values.commonLabels) | toYaml | nindent 4 }}
  {{- with merge (dict) (default (dict) (get . "annotations")) (default (dict) .root.Values.commonAnnotations) }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* An age such as 7d12h in seconds. */}}
{{- define "bosgc.seconds" -}}
{{- $units := dict "s" 1 "m" 60 "h" 3600 "d" 86400 "w" 604800 -}}
{{- $sum := 0 -}}
{{- range regexFindAll "[0-9]+[smhdw]" . -1 -}}
{{- $sum = add $sum (mul (regexFind "[0-9]+" . | atoi) (get $units (regexFind "[smhdw]" .))) -}}
{{- end -}}
{{- $sum -}}
{{- end -}}

{{- define "bosgc.cronJobVersion" -}}
{{- if .Values.cronjob.apiVersion -}}
{{- .Values.cronjob.apiVersion -}}
{{- else if or (.Capabilities.APIVersions.Has "batch/v1/CronJob") (semverCompare ">=1.21.0-0" .Capabilities.KubeVersion.Version) -}}
batch/v1
{{- else -}}
batch/v1beta1
{{- end -}}
{{- end -}}

{{- define "bosgc.metricsPort" -}}
{{- regexFind "[0-9]+$" .Values.config.metricsAddr -}}
{{- end -}}

{{- define "bosgc.stateNamespace" -}}
{{- default .Release.Namespace .Values.config.stateNamespace -}}
{{- end -}}

{{/* The CronJob on which Events are noted; empty is none. */}}
{{- define "bosgc.cronJob" -}}
{{- default (ternary (include "bosgc.fullname" .) "" (eq .Values.mode "cronjob")) .Values.config.cronjob -}}
{{- end -}}

{{/* The settings as JSON: config, and what follows from the rest where config does not say. */}}
{{- define "bosgc.settings" -}}
{{- /* Its permissions are there, and it must not look for its state elsewhere. */ -}}
{{- $settings := dict "stateNamespace" (include "bosgc.stateNamespace" .) -}}
{{- with include "bosgc.cronJob" . -}}
{{- $_ := set $settings "cronjob" . -}}
{{- end -}}
{{- /* From another namespace the names of Services alone lead nowhere. */ -}}
{{- if ne .Values.config.namespace .Release.Namespace -}}
{{- $_ := set $settings "bosURL" (printf "http://cray-bos.%s" .Values.config.namespace) -}}
{{- $_ := set $settings "cfsURL" (printf "http://cray-cfs-api.%s" .Values.config.namespace) -}}
{{- end -}}
{{- if .Values.clientSecret.name -}}
{{- $_ := set $settings "clientSecretFile" (printf "/etc/bosgc/client/%s" .Values.clientSecret.key) -}}
{{- end -}}
{{- range $key, $setting := dict "ca" "bosEtcdCAFile" "cert" "bosEtcdCertFile" "key" "bosEtcdKeyFile" "password" "bosEtcdPasswordFile" -}}
{{- if and $.Values.bosEtcd.secret (get $.Values.bosEtcd $key) -}}
{{- $_ := set $settings $setting (printf "/etc/bosgc/etcd/%s" (get $.Values.bosEtcd $key)) -}}
{{- end -}}
{{- end -}}
{{- if .Values.ca.configMap -}}
{{- $_ := set $settings "caFile" (printf "/etc/bosgc/ca/%s" .Values.ca.key) -}}
{{- end -}}
{{- /* Not for serve: a Pod that restarts its container would be left without its proxy. */ -}}
{{- if and .Values.istio.inject (eq .Values.mode "cronjob") -}}
{{- $_ := set $settings "meshQuitURL" "http://127.0.0.1:15020/quitquitquit" -}}
{{- end -}}
{{- /* Of what has a value in values.yaml, the program's own defaults: written, they would overrule envFrom. */ -}}
{{- $program := dict "namespace" "services" "batcher" "cray-cfs-batcher" "dryRun" "false" "deadline" "15m" "metricsAddr" ":9090" "metricsLinger" "0s" "stateName" "bosgc" -}}
{{- range $key, $value := .Values.config -}}
{{- if kindIs "slice" $value -}}
{{- $value = join "," $value -}}
{{- else if kindIs "float64" $value -}}
{{- $value = int64 $value -}}{{/* or a million would be 1e+06 */}}
{{- end -}}
{{- if not (has (toString $value) (list "" "<nil>" (get $program $key))) -}}
{{- $_ := set $settings $key (toString $value) -}}
{{- end -}}
{{- end -}}
{{- toJson $settings -}}
{{- end -}}

{{/*
extraEnv, if it repeats no variable. Kubernetes takes two of the same name, and the merge of the next
upgrade then drops both: a retention of 60 days would become the default of 7.
*/}}
{{- define "bosgc.extraEnv" -}}
{{- $written := dict -}}
{{- range $key, $value := include "bosgc.settings" . | fromJson -}}
{{- $_ := set $written (printf "BOSGC_%s" (snakecase $key | upper)) $key -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if not (hasKey $written .name) -}}
{{- $_ := set $written .name "" -}}
{{- else if get $written .name -}}
{{- fail (printf "extraEnv sets %s, which the chart sets, too; expected it once: set config.%s instead" .name (get $written .name)) -}}
{{- else -}}
{{- fail (printf "extraEnv sets %s twice; expected it once" .name) -}}
{{- end -}}
{{- end -}}
{{- with .Values.extraEnv -}}
{{- toYaml . -}}
{{- end -}}
{{- end -}}

{{- define "bosgc.env" -}}
{{- range $key, $value := . }}
- name: BOSGC_{{ snakecase $key | upper }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* The metadata of a Pod, to be called with (dict "root" . "component" … "labels" … "annotations" …). */}}
{{- define "bosgc.podMetadata" -}}
{{- $inject := toString .root.Values.istio.inject -}}
{{- $labels := dict "sidecar.istio.io/inject" $inject -}}
{{- $annotations := dict "sidecar.istio.io/inject" $inject -}}{{/* before Istio 1.10 there is no label */}}
{{- if .root.Values.istio.inject -}}
{{- $_ := set $annotations "proxy.istio.io/config" "holdApplicationUntilProxyStarts: true" -}}
{{- end -}}
labels:
  {{- merge (include "bosgc.selectorLabels" (list .root .component) | fromYaml) $labels (default (dict) (get . "labels")) (default (dict) .root.Values.podLabels) (default (dict) .root.Values.commonLabels) | toYaml | nindent 2 }}
annotations:
  {{- merge $annotations (default (dict) (get . "annotations")) (default (dict) .root.Values.podAnnotations) | toYaml | nindent 2 }}
{{- end -}}

{{/* What all Pods have in common: what they may, and where they run. */}}
{{- define "bosgc.podSpec" -}}
automountServiceAccountToken: true
enableServiceLinks: false
{{- $context := deepCopy .Values.podSecurityContext }}
{{- /* CSM's Pod Security Policies allow no seccomp profile, and refuse a Pod that names one (docs/csm.md, "Pod Security Policies"). */}}
{{- if not (or (hasKey $context "seccompProfile") (.Capabilities.APIVersions.Has "policy/v1beta1/PodSecurityPolicy")) }}
{{- $_ := set $context "seccompProfile" (dict "type" "RuntimeDefault") }}
{{- else if not (get $context "seccompProfile") }}
{{- $_ := unset $context "seccompProfile" }}
{{- end }}
securityContext:
  {{- toYaml $context | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What all containers have in common. */}}
{{- define "bosgc.container" -}}
image: {{ include "bosgc.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
ports:
  - name: metrics
    containerPort: {{ include "bosgc.metricsPort" . }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
{{- end -}}

{{/* The Pod that sweeps: that of the CronJob, and that of mode serve. */}}
{{- define "bosgc.podTemplate" -}}
{{- $cronjob := eq .Values.mode "cronjob" -}}
{{- $labels := dict -}}
{{- if $cronjob -}}
{{- $_ := set $labels "cronjob-name" (include "bosgc.fullname" .) -}}
{{- end -}}
metadata:
  {{- include "bosgc.podMetadata" (dict "root" . "component" "sweeper" "labels" $labels) | nindent 2 }}
spec:
  serviceAccountName: {{ include "bosgc.serviceAccountName" . }}
  {{- include "bosgc.podSpec" . | nindent 2 }}
  restartPolicy: {{ ternary "Never" "Always" $cronjob }}
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  containers:
    - name: bosgc
      {{- include "bosgc.container" . | nindent 6 }}
      args: [{{ ternary "sweep" "serve" $cronjob }}]
      env:
        {{- include "bosgc.env" (include "bosgc.settings" . | fromJson) | trim | nindent 8 }}
        {{- with include "bosgc.extraEnv" . }}
        {{- . | nindent 8 }}
        {{- end }}
      {{- with .Values.envFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- if not $cronjob }}
      readinessProbe:
        httpGet:
          path: /healthz
          port: metrics
      {{- end }}
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- if or .Values.clientSecret.name .Values.bosEtcd.secret .Values.ca.configMap .Values.extraVolumeMounts }}
      volumeMounts:
        {{- if .Values.clientSecret.name }}
        - name: client
          mountPath: /etc/bosgc/client
          readOnly: true
        {{- end }}
        {{- if .Values.bosEtcd.secret }}
        - name: etcd
          mountPath: /etc/bosgc/etcd
          readOnly: true
        {{- end }}
        {{- if .Values.ca.configMap }}
        - name: ca
          mountPath: /etc/bosgc/ca
          readOnly: true
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
  {{- /* Optional: a Pod that waits for a volume says nothing, bosgc says which file it cannot read. */}}
  {{- if or .Values.clientSecret.name .Values.bosEtcd.secret .Values.ca.configMap .Values.extraVolumes }}
  volumes:
    {{- if .Values.clientSecret.name }}
    - name: client
      secret:
        secretName: {{ .Values.clientSecret.name }}
        defaultMode: 0440
        optional: true
        items:
          - key: {{ .Values.clientSecret.key }}
            path: {{ .Values.clientSecret.key }}
    {{- end }}
    {{- if .Values.bosEtcd.secret }}
    - name: etcd
      secret:
        secretName: {{ .Values.bosEtcd.secret }}
        defaultMode: 0440
        optional: true
    {{- end }}
    {{- if .Values.ca.configMap }}
    - name: ca
      configMap:
        name: {{ .Values.ca.configMap }}
        optional: true
        items:
          - key: {{ .Values.ca.key }}
            path: {{ .Values.ca.key }}
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
{{- end -}}

{{/* Whether there is an exporter. A process that stays shows its metrics itself. */}}
{{- define "bosgc.exporter" -}}
{{- if and .Values.exporter.enabled (eq .Values.mode "cronjob") }}true{{ end -}}
{{- end -}}

{{- define "bosgc.exporterName" -}}
{{- include "bosgc.fullname" . }}-exporter
{{- end -}}
