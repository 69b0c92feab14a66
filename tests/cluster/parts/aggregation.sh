# shellcheck shell=bash
# APIs that other programs serve through the API server: resource metrics by metrics-server, for kubectl top and the
# HorizontalPodAutoscaler, and on request external metrics by KEDA. The programs run beside the control plane, as admin.

start_metrics_server() {
  start_api metrics-server 4443 metrics.k8s.io metrics-server --kubeconfig "$kubeconfig" \
    --metric-resolution 10s --kubelet-request-timeout 5s \
    --kubelet-certificate-authority "$run/pki/ca.crt" --kubelet-preferred-address-types InternalIP
}

keda() {
  is_up || fail "the cluster is down: $here/cluster up"
  build_module keda
  if runs keda-operator && runs keda-adapter; then
    say "KEDA runs already"
    return
  fi
  step "start KEDA" start_keda
}

start_keda() { # the two trust each other by certificates of the same authority
  local certificates=$run/pki/keda module
  local environment=(env KUBECONFIG="$kubeconfig" POD_NAMESPACE=kube-system KEDA_CLUSTER_OBJECT_NAMESPACE=kube-system WATCH_NAMESPACE=)
  make_certificate keda /CN=keda subjectAltName=DNS:localhost
  mkdir -p "$certificates"
  cp "$run/pki/keda.crt" "$certificates/tls.crt"
  cp "$run/pki/keda.key" "$certificates/tls.key"
  cp "$run/pki/ca.crt" "$certificates/ca.crt"
  module=$(cd "$here/modules/keda" && GOWORK=off go list -m -f '{{.Dir}}' github.com/kedacore/keda/v2)
  kubectl --kubeconfig "$kubeconfig" apply --server-side -f "$module/config/crd/bases"
  start keda-operator "${environment[@]}" keda-operator --cert-dir "$certificates" --zap-encoder console \
    --metrics-bind-address 0 --health-probe-bind-address 0
  start_api keda-adapter 4444 external.metrics.k8s.io "${environment[@]}" keda-adapter --cert-dir "$certificates" \
    --metrics-service-address localhost:9666 --port 9667 --lister-kubeconfig "$kubeconfig"
}

start_api() { # name port group command...: start a server of version v1beta1 of an API group, and tell the API server of it
  local service=$1 port=$2 group=$3
  shift 3
  make_certificate "$service" "/CN=$service" "subjectAltName=DNS:$service.kube-system.svc"
  start "$service" "$@" --bind-address "$node_ip" --secure-port "$port" \
    --tls-cert-file "$run/pki/$service.crt" --tls-private-key-file "$run/pki/$service.key" \
    --authentication-kubeconfig "$kubeconfig" --authorization-kubeconfig "$kubeconfig"
  kubectl --kubeconfig "$kubeconfig" apply -f <(api_service "$service" "$port" "$group")
  until_true 60 kubectl --kubeconfig "$kubeconfig" wait --for=condition=Available "apiservice/v1beta1.$group" --timeout=1s
}

api_service() { # name port group: by way of a Service without pods, because the API server asks for one
  cat <<Y
apiVersion: v1
kind: Service
metadata: {name: $1, namespace: kube-system}
spec: {ports: [{port: 443, targetPort: $2}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: $1, namespace: kube-system, labels: {kubernetes.io/service-name: $1}}
addressType: IPv4
ports: [{port: $2}]
endpoints: [{addresses: [$node_ip]}]
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.$3}
spec:
  service: {name: $1, namespace: kube-system}
  group: $3
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  caBundle: $(base64 -w 0 "$run/pki/ca.crt")
Y
}
