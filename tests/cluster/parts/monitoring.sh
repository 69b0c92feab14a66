# shellcheck shell=bash
# Prometheus: every pod annotated prometheus.io/scrape: "true" is scraped at its prometheus.io/port.

start_prometheus() {
  cat >"$run/prometheus.yaml" <<Y
global: {scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 2s}
scrape_configs:
- job_name: pods
  kubernetes_sd_configs: [{role: pod, kubeconfig_file: $kubeconfig}]
  relabel_configs:
  - {source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scrape], regex: "true", action: keep}
  - source_labels: [__address__, __meta_kubernetes_pod_annotation_prometheus_io_port]
    regex: '([^:]+)(?::\d+)?;(\d+)'
    replacement: '\$1:\$2'
    target_label: __address__
  - {source_labels: [__meta_kubernetes_namespace], target_label: namespace}
  - {source_labels: [__meta_kubernetes_pod_name], target_label: pod}
Y
  start prometheus prometheus --config.file "$run/prometheus.yaml" --storage.tsdb.path "$run/prometheus" \
    --web.listen-address $node_ip:9090
}
