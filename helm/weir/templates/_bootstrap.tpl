{{/* Envoy's bootstrap, as it is elsewhere, with a port for probes and metrics, and TLS to the control plane if that has it. */}}
{{- define "weir.bootstrap" -}}
{{- $fullname := include "weir.fullname" . -}}
{{- $controlPlane := printf "%s-control-plane.%s.svc" $fullname .Release.Namespace -}}
{{- $text := regexReplaceAll "(?m)^ *#.*\n" (.Files.Get "files/bootstrap.yaml") "" -}}
{{- range $placeholder, $value := dict
  "WEIR_GATEWAY_ADDRESS" "0.0.0.0"
  "WEIR_GATEWAY_PORT" "18080"
  "WEIR_ENVOY_ADMIN_PORT" "19000"
  "WEIR_XDS_ADDRESS" $controlPlane
  "WEIR_XDS_PORT" (.Values.controlPlane.service.grpcPort | toString)
  "WEIR_TOKEN_SDS_FILE" (printf "/etc/weir/token/%s" .Values.envoy.token.existingSecretKey)
  "WEIR_ENVOY_MAX_HEAP_BYTES" (.Values.envoy.maxHeapBytes | int64 | toString)
  "WEIR_NODE_ID" $fullname
  "WEIR_NODE_CLUSTER" (printf "%s.%s" $fullname .Release.Namespace)
-}}
{{- $text = replace (printf "${%s}" $placeholder) $value $text -}}
{{- end -}}
{{- $text = replace "\n  listeners:\n" (printf "\n  listeners:\n%s\n" (include "weir.bootstrap.health" .)) $text -}}
{{- $control := "  - name: weir_control_plane\n" -}}
{{- if .Values.controlPlane.tls.grpcSecret -}}
{{- $text = replace $control (printf "%s%s\n" $control (include "weir.bootstrap.tls" $controlPlane)) $text -}}
{{- end -}}
{{- $text = replace "\n  clusters:\n" (printf "\n  clusters:\n%s\n" (include "weir.bootstrap.admin" .)) $text -}}
{{- /* Secrets are swapped by a link of the folder, not by a change of the file. */ -}}
{{- $path := printf "path: %q" (printf "/etc/weir/token/%s" .Values.envoy.token.existingSecretKey) -}}
{{- $text = replace $path (printf "%s, watched_directory: { path: /etc/weir/token }" $path) $text -}}
{{- $text -}}
{{- end -}}

{{- define "weir.bootstrap.health" -}}
{{- `  - name: weir_health
    address: { socket_address: { address: 0.0.0.0, port_value: 18090 } }
    ignore_global_conn_limit: true
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: weir_health
          route_config:
            virtual_hosts:
            - name: health
              domains: ["*"]
              routes:
              - match: { path: /ready, headers: [{ name: ":method", string_match: { exact: GET } }] }
                route: { cluster: weir_envoy_admin }
              - match: { path: /stats/prometheus, headers: [{ name: ":method", string_match: { exact: GET } }] }
                route: { cluster: weir_envoy_admin }
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }` -}}
{{- end -}}

{{- define "weir.bootstrap.admin" -}}
{{- `  - name: weir_envoy_admin
    type: STATIC
    connect_timeout: 1s
    load_assignment:
      cluster_name: weir_envoy_admin
      endpoints:
      - lb_endpoints:
        - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 19000 } } }` -}}
{{- end -}}

{{- define "weir.bootstrap.tls" -}}
{{- printf `    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: %[1]s
        common_tls_context:
          alpn_protocols: [h2]
          validation_context:
            trusted_ca: { filename: /etc/weir/control-plane/ca.crt }
            match_typed_subject_alt_names: [{ san_type: DNS, matcher: { exact: %[1]s } }]` . -}}
{{- end -}}
