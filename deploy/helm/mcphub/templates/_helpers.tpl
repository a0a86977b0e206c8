{{- define "mcphub.name" -}}
{{- printf "%s-%s" .Release.Name "mcphub" | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "mcphub.selector" -}}
app.kubernetes.io/name: mcphub
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "mcphub.labels" -}}
{{ include "mcphub.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "mcphub.publicUrl" -}}
{{- if .Values.publicUrl -}}
{{ .Values.publicUrl }}
{{- else if .Values.ingress.enabled -}}
{{ ternary "https" "http" (ne .Values.ingress.tlsSecret "") }}://{{ .Values.ingress.host }}
{{- end -}}
{{- end -}}
