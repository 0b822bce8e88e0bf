{{/*
What bosgc may do in Kubernetes, a Role and its binding for each entry. Roles and never a
ClusterRole: it has business in these namespaces and in no other.
*/}}
{{- define "bosgc.roles" -}}
{{- $dryRun := .Values.config.dryRun -}}
- name: {{ include "bosgc.fullname" . }}
  namespace: {{ .Values.config.namespace }}
  rules:
    - apiGroups: [batch]
      resources: [jobs]
      verbs: [{{ if not $dryRun }}get, {{ end }}list{{ if not $dryRun }}, delete{{ end }}]
    - apiGroups: [batch]
      resources: [cronjobs]
      verbs: [list]
    - apiGroups: [""]
      resources: [configmaps]
      verbs: [get, list{{ if not $dryRun }}, delete{{ end }}]
    - apiGroups: [""]
      resources: [pods]
      verbs: [list]
    {{- if and .Values.cancel.enabled (not $dryRun) }}
    - apiGroups: [apps]
      resources: [deployments]
      resourceNames: [{{ .Values.config.batcher }}]
      verbs: [get, patch]
    {{- end }}
{{- end -}}
