{{/*
What bosgc may do in Kubernetes, a Role and its binding for each entry. Roles and never a
ClusterRole: it has business in these namespaces and in no other. "account" has the Role; empty is
the account that sweeps.
*/}}
{{- define "bosgc.roles" -}}
{{- $dryRun := .Values.config.dryRun -}}
- name: {{ include "bosgc.fullname" . }}
  namespace: {{ .Values.config.namespace }}
  rules:
    - apiGroups: [batch]
      resources: [jobs]
      verbs: [{{ if not $dryRun }}get, {{ end }}list{{ if not $dryRun }}, watch{{ if .Values.cancel.enabled }}, patch{{ end }}, delete{{ end }}]
    - apiGroups: [batch]
      resources: [cronjobs]
      verbs: [list{{ if not $dryRun }}, watch{{ end }}]
    - apiGroups: [""]
      resources: [configmaps]
      verbs: [get, list{{ if not $dryRun }}, delete{{ end }}]
    - apiGroups: [""]
      resources: [pods]
      verbs: [list{{ if not $dryRun }}, watch{{ end }}]
    {{- if and .Values.cancel.enabled (not $dryRun) }}
    - apiGroups: [apps]
      resources: [deployments/scale]
      resourceNames: [{{ .Values.config.batcher }}]
      verbs: [get, update]
    {{- end }}
- name: {{ include "bosgc.fullname" . }}-state
  namespace: {{ include "bosgc.stateNamespace" . }}
  rules:
    # Not by name: a permission to create has none, and the ConfigMaps of journals bear the ID of their run. Those are
    # never changed.
    - apiGroups: [""]
      resources: [configmaps]
      verbs: [{{ if not $dryRun }}get, list, {{ end }}create{{ if not $dryRun }}, delete{{ end }}]
    - apiGroups: [""]
      resources: [configmaps]
      resourceNames: [{{ .Values.config.stateName }}-state, {{ .Values.config.stateName }}-state-unreadable]
      verbs: [{{ if $dryRun }}get, {{ end }}update]
    {{- if not $dryRun }}
    - apiGroups: [coordination.k8s.io]
      resources: [leases]
      verbs: [create]
    - apiGroups: [coordination.k8s.io]
      resources: [leases]
      resourceNames: [{{ .Values.config.stateName | quote }}]
      verbs: [get, update]
    {{- end }}
{{- with include "bosgc.cronJob" . }}
- name: {{ include "bosgc.fullname" $ }}-events
  namespace: {{ $.Release.Namespace }}
  rules:
    - apiGroups: [batch]
      resources: [cronjobs]
      resourceNames: [{{ . | quote }}]
      verbs: [get]
    - apiGroups: [""]
      resources: [events]
      verbs: [create]
{{- end }}
{{- if include "bosgc.exporter" . }}
- name: {{ include "bosgc.exporterName" . }}
  namespace: {{ include "bosgc.stateNamespace" . }}
  account: {{ include "bosgc.exporterName" . }}
  component: exporter
  rules:
    - apiGroups: [""]
      resources: [configmaps]
      resourceNames: [{{ .Values.config.stateName }}-state]
      verbs: [get]
{{- end }}
{{- end -}}
