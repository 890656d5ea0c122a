{{- define "weir.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Labels of an object. Takes a list: the root, the component. */}}
{{- define "weir.labels" -}}
{{- $root := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/part-of: weir
{{ include "weir.selector" . }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Labels that pods are found by: they never change. */}}
{{- define "weir.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "weir.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "weir.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* An image's full name. Takes a list: the image's values, the tag if they have none. */}}
{{- define "weir.image" -}}
{{- $image := index . 0 -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ default (index . 1) $image.tag }}
{{- end -}}
{{- end -}}

{{/* The restricted Pod Security Standard. Takes the uid. */}}
{{- define "weir.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "weir.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{- define "weir.databaseSecret" -}}
{{- default (printf "%s-database" (include "weir.fullname" .)) .Values.database.existingSecret -}}
{{- end -}}

{{- define "weir.masterKeysSecret" -}}
{{- default (printf "%s-master-keys" (include "weir.fullname" .)) .Values.masterKeys.existingSecret -}}
{{- end -}}

{{- define "weir.tokenSecret" -}}
{{- default (printf "%s-gateway-token" (include "weir.fullname" .)) .Values.envoy.token.existingSecret -}}
{{- end -}}

{{- define "weir.postgresPassword" -}}
{{- $secret := lookup "v1" "Secret" .Release.Namespace (printf "%s-postgres" (include "weir.fullname" .)) -}}
{{- if .Values.postgres.password -}}
{{- .Values.postgres.password -}}
{{- else if $secret -}}
{{- index $secret.data "password" | b64dec -}}
{{- else -}}
{{- /* One for all templates of this run. */ -}}
{{- if not (hasKey .Release "weirPostgresPassword") -}}
{{- $_ := set .Release "weirPostgresPassword" (randAlphaNum 32) -}}
{{- end -}}
{{- .Release.weirPostgresPassword -}}
{{- end -}}
{{- end -}}

{{/* The environment of every command that reaches the database. */}}
{{- define "weir.databaseEnv" -}}
- name: WEIR_LOG
  value: {{ .Values.controlPlane.log | quote }}
- name: WEIR_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ include "weir.databaseSecret" . }}
      key: {{ .Values.database.existingSecretKey }}
- name: WEIR_MASTER_KEY_FILE
  value: /etc/weir/master-keys/{{ .Values.masterKeys.existingSecretKey }}
{{- if .Values.database.caSecret }}
- name: PGSSLROOTCERT
  value: /etc/weir/database-ca/{{ .Values.database.caSecretKey }}
{{- end }}
{{- end -}}

{{/* What that environment names, and what is mounted besides. */}}
{{- define "weir.databaseMounts" -}}
- { name: master-keys, mountPath: /etc/weir/master-keys, readOnly: true }
{{- if .Values.database.caSecret }}
- { name: database-ca, mountPath: /etc/weir/database-ca, readOnly: true }
{{- end }}
{{- with .Values.controlPlane.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "weir.databaseVolumes" -}}
- name: master-keys
  secret: { secretName: {{ include "weir.masterKeysSecret" . }}, defaultMode: 0440 }
{{- with .Values.database.caSecret }}
- name: database-ca
  secret: { secretName: {{ . }}, defaultMode: 0440 }
{{- end }}
{{- with .Values.controlPlane.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Bytes of a quantity of memory. Takes the quantity. */}}
{{- define "weir.bytes" -}}
{{- $quantity := . | toString -}}
{{- $suffix := regexFind "[A-Za-z]+$" $quantity -}}
{{- $factors := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000
  "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- if not (hasKey $factors $suffix) -}}
{{- fail (printf "%s is no quantity of memory: write bytes, or a number with Ki, Mi, Gi, Ti, k, M, G or T." $quantity) -}}
{{- end -}}
{{- mulf (trimSuffix $suffix $quantity | float64) (index $factors $suffix) | floor | int64 -}}
{{- end -}}

{{- define "weir.spread" -}}
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "weir.selector" . | nindent 6 }}
{{- end -}}

{{/* Where pods run. Takes a list: the root, the component's values, its name. */}}
{{- define "weir.placement" -}}
{{- $values := index . 1 -}}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if $values.affinity }}
affinity:
  {{- toYaml $values.affinity | nindent 2 }}
{{- else }}
topologySpreadConstraints:
  {{- include "weir.spread" (list (index . 0) (index . 2)) | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What cannot work is refused before anything is made. */}}
{{- define "weir.validate" -}}
{{- $external := .Values.externalSecrets.enabled -}}
{{- if not (or .Values.database.existingSecret .Values.database.url .Values.postgres.enabled $external) -}}
{{- fail "There is no database: name the Secret of its URL (database.existingSecret), or set postgres.enabled=true for a trial." -}}
{{- end -}}
{{- if and .Values.postgres.enabled (or .Values.database.existingSecret .Values.database.url $external) -}}
{{- fail "There are two databases: leave out either postgres.enabled or the values of `database` and externalSecrets.enabled." -}}
{{- end -}}
{{- if not (or .Values.masterKeys.existingSecret .Values.masterKeys.generate $external) -}}
{{- fail "There are no master keys: name their Secret (masterKeys.existingSecret), or set masterKeys.generate=true for a trial." -}}
{{- end -}}
{{- if and $external (not .Values.externalSecrets.secretStoreRef.name) -}}
{{- fail "externalSecrets.enabled needs the name of the store: externalSecrets.secretStoreRef.name." -}}
{{- end -}}
{{- $ownSecrets := or .Values.postgres.enabled .Values.database.url .Values.masterKeys.generate $external -}}
{{- if and (eq .Values.controlPlane.migrations "job") $ownSecrets -}}
{{- fail "controlPlane.migrations=job runs before the chart's Secrets are there: name your own (…existingSecret) in their place." -}}
{{- end -}}
{{- if and .Values.controlPlane.tls.grpcSecret .Values.envoy.enabled (not .Values.controlPlane.tls.grpcCaSecret) -}}
{{- fail "controlPlane.tls.grpcSecret needs the authority that Envoy verifies it by (ca.crt): controlPlane.tls.grpcCaSecret." -}}
{{- end -}}
{{- $needed := mul .Values.envoy.concurrency 2 .Values.controlPlane.envoyBodiesInFlightBytes -}}
{{- if and .Values.envoy.enabled (lt (int64 .Values.envoy.maxHeapBytes) (int64 $needed)) -}}
{{- fail (printf "envoy.maxHeapBytes must be at least concurrency x 2 x envoyBodiesInFlightBytes = %d." (int64 $needed)) -}}
{{- end -}}
{{- $limit := dig "limits" "memory" "" .Values.envoy.resources -}}
{{- if and .Values.envoy.enabled $limit -}}
{{- if le (include "weir.bytes" $limit | int64) (int64 .Values.envoy.maxHeapBytes) -}}
{{- fail (printf "envoy.resources.limits.memory (%v) must be above envoy.maxHeapBytes (%d): a pod beyond its limit is killed."
  $limit (int64 .Values.envoy.maxHeapBytes)) -}}
{{- end -}}
{{- end -}}
{{- range $name, $host := dict "controlPlane" .Values.controlPlane "envoy" .Values.envoy -}}
{{- if and $host.ingress.enabled (not $host.ingress.host) -}}
{{- fail (printf "%s.ingress.enabled needs %s.ingress.host." $name $name) -}}
{{- end -}}
{{- if and $host.httpRoute.enabled (not $host.httpRoute.parentRefs) -}}
{{- fail (printf "%s.httpRoute.enabled needs %s.httpRoute.parentRefs: the Gateways that it belongs to." $name $name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.masterKeys.generate (not .Values.masterKeys.existingSecret) (not $external) -}}
{{- $secret := include "weir.masterKeysSecret" . -}}
{{- if lookup "v1" "Secret" .Release.Namespace $secret -}}
{{- /* A cluster tells the kinds that it has, and `helm template` none. */ -}}
{{- else if not (.Capabilities.APIVersions.Has "v1/Secret") -}}
{{- fail "masterKeys.generate is for `helm install`: without a cluster each run makes other keys. Set masterKeys.existingSecret." -}}
{{- else if .Release.IsUpgrade -}}
{{- fail (printf "The master keys are gone: put the Secret %s back, as others cannot read the credentials that are stored." $secret) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Ingress, HTTPRoute, HorizontalPodAutoscaler and PodDisruptionBudget. Takes a list: the root, the component's values, its name, the
     port's name and number in its Service. */}}
{{- define "weir.surroundings" -}}
{{- $root := index . 0 -}}
{{- $values := index . 1 -}}
{{- $component := index . 2 -}}
{{- $name := printf "%s-%s" (include "weir.fullname" $root) $component -}}
{{- if $values.ingress.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ $name }}
  labels:
    {{- include "weir.labels" (list $root $component) | nindent 4 }}
  {{- with $values.ingress.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with $values.ingress.className }}
  ingressClassName: {{ . }}
  {{- end }}
  {{- with $values.ingress.tlsSecret }}
  tls:
  - secretName: {{ . }}
    hosts: [{{ $values.ingress.host | quote }}]
  {{- end }}
  rules:
  - host: {{ $values.ingress.host | quote }}
    http:
      paths:
      - path: /
        pathType: Prefix
        backend:
          service:
            name: {{ $name }}
            port: { name: http }
{{- end }}
{{- if $values.httpRoute.enabled }}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: {{ $name }}
  labels:
    {{- include "weir.labels" (list $root $component) | nindent 4 }}
  {{- with $values.httpRoute.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  parentRefs:
    {{- toYaml $values.httpRoute.parentRefs | nindent 4 }}
  {{- with $values.httpRoute.hostnames }}
  hostnames:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
  - matches:
    - path: { type: PathPrefix, value: / }
    {{- if eq $component "envoy" }}
    # A model may think for minutes; what is too long is for the pools' time-outs to say.
    timeouts: { request: 0s }
    {{- end }}
    backendRefs:
    - name: {{ $name }}
      port: {{ index . 3 }}
{{- end }}
{{- if $values.autoscaling.enabled }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ $name }}
  labels:
    {{- include "weir.labels" (list $root $component) | nindent 4 }}
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: {{ $name }} }
  minReplicas: {{ $values.autoscaling.minReplicas }}
  maxReplicas: {{ $values.autoscaling.maxReplicas }}
  metrics:
  - type: Resource
    resource:
      name: cpu
      target: { type: Utilization, averageUtilization: {{ $values.autoscaling.targetCpuPercent }} }
{{- end }}
{{- if $values.podDisruptionBudget.enabled }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  labels:
    {{- include "weir.labels" (list $root $component) | nindent 4 }}
spec:
  maxUnavailable: {{ $values.podDisruptionBudget.maxUnavailable }}
  selector:
    matchLabels:
      {{- include "weir.selector" (list $root $component) | nindent 6 }}
{{- end }}
{{- end -}}
