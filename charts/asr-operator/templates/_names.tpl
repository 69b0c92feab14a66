{{/* Release name and chart name, once. */}}
{{- define "asr-operator.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What tells the operator's pod from all others; it cannot change over upgrades. */}}
{{- define "asr-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "asr-operator.labels" -}}
{{ include "asr-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* What the operator needs to ask Prometheus: secrets and the like, as files; nothing without a URL. */}}
{{- define "asr-operator.prometheusMounts" -}}
{{- $given := .Values.prometheus -}}
{{- if and $given.url (or $given.tokenSecret.name $given.passwordSecret.name $given.caConfigMap.name $given.queries) -}}
volumeMounts:
  {{- range $part, $wanted := dict "token" $given.tokenSecret.name "password" $given.passwordSecret.name "ca" $given.caConfigMap.name "queries" $given.queries }}
  {{- if $wanted }}
  - name: prometheus-{{ $part }}
    mountPath: /etc/asr-operator/prometheus/{{ $part }}
    readOnly: true
  {{- end }}
  {{- end }}
{{- end -}}
{{- end }}

{{- define "asr-operator.prometheusVolumes" -}}
{{- $given := .Values.prometheus -}}
{{- if and $given.url (or $given.tokenSecret.name $given.passwordSecret.name $given.caConfigMap.name $given.queries) -}}
volumes:
  {{- with $given.tokenSecret.name }}
  - name: prometheus-token
    secret:
      secretName: {{ . }}
  {{- end }}
  {{- with $given.passwordSecret.name }}
  - name: prometheus-password
    secret:
      secretName: {{ . }}
  {{- end }}
  {{- with $given.caConfigMap.name }}
  - name: prometheus-ca
    configMap:
      name: {{ . }}
  {{- end }}
  {{- if $given.queries }}
  - name: prometheus-queries
    configMap:
      name: {{ include "asr-operator.fullname" . }}-queries
  {{- end }}
{{- end -}}
{{- end }}
