{{/* The component whose Service has metrics; empty is none. */}}
{{- define "bosgc.served" -}}
{{- if eq .Values.mode "serve" }}sweeper{{ else if include "bosgc.exporter" . }}exporter{{ end -}}
{{- end -}}

{{/* How a Service is scraped, which ServiceMonitor and VMServiceScrape write alike. To be called with (list . "the key below monitoring"). */}}
{{- define "bosgc.serviceScrape" -}}
{{- $root := index . 0 -}}
{{- $key := index . 1 -}}
{{- $component := include "bosgc.served" $root -}}
{{- if not $component -}}
{{- fail (printf "monitoring.%s.enabled is true; expected exporter.enabled to be true, too, or mode serve: nothing else has a Service with metrics" $key) -}}
{{- end -}}
selector:
  matchLabels:
    {{- include "bosgc.selectorLabels" (list $root $component) | nindent 4 }}
endpoints:
  - port: metrics
    path: /metrics
    {{- include "bosgc.scrapeTimes" (index $root.Values.monitoring $key) | nindent 4 }}
    {{- include "bosgc.relabelings" (list $root $key) | nindent 4 }}
{{- include "bosgc.monitored" $root }}
{{- end -}}

{{/* Where what is scraped is, for a monitor that is elsewhere. */}}
{{- define "bosgc.monitored" -}}
{{- if not (has .Values.monitoring.namespace (list nil "" .Release.Namespace)) }}
namespaceSelector:
  matchNames: [{{ .Release.Namespace }}]
{{- end -}}
{{- end -}}

{{/* What an endpoint does with labels, which the operators call by different names. */}}
{{- define "bosgc.relabelings" -}}
{{- $key := index . 1 -}}
{{- $monitor := index (index . 0).Values.monitoring $key -}}
{{- $vm := eq $key "vmServiceScrape" -}}
{{- with $monitor.honorLabels }}
honorLabels: true
{{- end }}
{{- with $monitor.relabelings }}
{{ ternary "relabelConfigs" "relabelings" $vm }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $monitor.metricRelabelings }}
{{ ternary "metricRelabelConfigs" "metricRelabelings" $vm }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "bosgc.scrapeTimes" -}}
{{- with .interval }}
interval: {{ . }}
{{- end }}
{{- with .scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- end -}}

{{/*
The groups of alerts in files/alerts.yaml. They do not go through tpl: what is in double braces
there is meant for Prometheus.
*/}}
{{- define "bosgc.ruleGroups" -}}
{{- $rules := .Values.monitoring.rules -}}
{{- $text := .Files.Get "files/alerts.yaml" -}}
{{- $sessionsFor := $rules.sessionsFor | default (printf "%ds" (add 1800 (div (include "bosgc.seconds" $rules.missedAfter | int64) 2))) -}}
{{- $text = replace "@sessionsFor@" (include "bosgc.seconds" $sessionsFor) $text -}}
{{- range $key := list "missedAfter" "eligibleAfter" "orphanAge" "orphansFor" -}}
{{- $text = replace (printf "@%s@" $key) (include "bosgc.seconds" (get $rules $key)) $text -}}
{{- end -}}
{{- $numbers := list "sessionsWarning" "sessionsCritical" "listDays" "listPercent" "orphansAbove" "orphansGrown" -}}
{{- range $key := concat $numbers (list "failedSweeps" "incompleteSweeps" "listSweeps" "deleteSweeps" "orphanSweeps" "clockSweeps" "backlogSweeps") -}}
{{- $text = replace (printf "@%s@" $key) (get $rules $key | int64 | toString) $text -}}
{{- end -}}
{{- $names := dict "namespace" .Release.Namespace "fullname" (include "bosgc.fullname" .) "stateName" .Values.config.stateName -}}
{{- $_ := set $names "stateNamespace" (include "bosgc.stateNamespace" .) -}}
{{- $_ := set $names "installation" (printf "%s.%s" $names.stateNamespace .Values.config.stateName) -}}
{{- range $key, $name := $names -}}
{{- $text = replace (printf "@%s@" $key) $name $text -}}
{{- end -}}
{{- $text = replace "@runbook@" (default "none" $rules.runbookURL) $text -}}
{{- with regexFind "@[a-zA-Z]+@" $text -}}
{{- fail (printf "files/alerts.yaml: nothing is known to put in the place of %s" .) -}}
{{- end -}}
{{- $file := fromYaml $text -}}
{{- if not $file.groups -}}
{{- fail (printf "files/alerts.yaml: no groups of rules: %s" (default "the file is missing or empty" $file.Error)) -}}
{{- end -}}
{{- range $file.groups -}}
{{- range .rules -}}
{{- if and .alert .annotations (not $rules.runbookURL) -}}{{/* the first step is in the description */}}
{{- $_ := unset .annotations "runbook_url" -}}
{{- end -}}
{{- if and .alert $rules.labels -}}{{/* on a recording rule they would change what it records */}}
{{- $_ := set . "labels" (merge (default (dict) .labels) $rules.labels) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $file.groups -}}
{{- end -}}
