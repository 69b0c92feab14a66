# shellcheck shell=bash
# Certificates, etcd, and the control plane: API server with an audit log, controllers, scheduler.

make_certificates() {
  local ca=$run/pki/ca
  openssl req -x509 "${new_key[@]}" -days 365 -subj /CN=asr-cluster-ca -keyout "$ca.key" -out "$ca.crt"
  openssl ecparam -name prime256v1 -genkey -noout -out "$run/pki/service-accounts.key"
  openssl ec -in "$run/pki/service-accounts.key" -pubout -out "$run/pki/service-accounts.pub"
  make_certificate apiserver /CN=kube-apiserver \
    "subjectAltName=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,IP:$node_ip,IP:${service_range%.0/16}.1"
  make_certificate aggregator /CN=aggregator
  make_certificate kubelet /CN=node-1 "subjectAltName=IP:$node_ip"
  make_user admin /O=system:masters/CN=admin
  make_user node /O=system:nodes/CN=system:node:node-1
  make_user controllers /CN=system:kube-controller-manager
  make_user scheduler /CN=system:kube-scheduler
  make_user proxy /CN=system:kube-proxy
}

new_key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)

make_certificate() { # name subject [extensions]
  local file=$run/pki/$1
  openssl req "${new_key[@]}" -subj "$2" -keyout "$file.key" -out "$file.csr"
  openssl x509 -req -in "$file.csr" -CA "$run/pki/ca.crt" -CAkey "$run/pki/ca.key" -CAcreateserial -days 365 \
    -out "$file.crt" -extfile <(echo "${3:-basicConstraints=CA:FALSE}")
}

make_user() { # name subject: a client certificate and a kubeconfig that holds it
  make_certificate "$1" "$2"
  KUBECONFIG=$run/pki/$1.kubeconfig
  export KUBECONFIG
  kubectl config set-cluster "$name" --server "https://$node_ip:6443" --certificate-authority "$run/pki/ca.crt" --embed-certs
  kubectl config set-credentials "$1" --client-certificate "$run/pki/$1.crt" --client-key "$run/pki/$1.key" --embed-certs
  kubectl config set-context "$name" --cluster "$name" --user "$1"
  kubectl config use-context "$name"
}

start_control_plane() {
  start etcd etcd --data-dir "$run/etcd" --unsafe-no-fsync \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
    --initial-cluster default=http://127.0.0.1:2380
  start_api_server
  until_true 60 kubectl --kubeconfig "$kubeconfig" get --raw /readyz # the controllers end when there is no server yet
  start_with_rights controllers kube-controller-manager --use-service-account-credentials \
    --service-account-private-key-file "$run/pki/service-accounts.key" --root-ca-file "$run/pki/ca.crt" \
    --horizontal-pod-autoscaler-sync-period 5s
  start_with_rights scheduler kube-scheduler
}

start_with_rights() { # name command...: as the user of that name
  local file=$run/pki/$1.kubeconfig
  start "$@" --kubeconfig "$file" --authentication-kubeconfig "$file" --authorization-kubeconfig "$file" \
    --leader-elect=false --bind-address 127.0.0.1
}

start_api_server() {
  audit_policy >"$run/audit-policy.yaml"
  local pki=$run/pki
  local tls=(--tls-cert-file "$pki/apiserver.crt" --tls-private-key-file "$pki/apiserver.key" --client-ca-file "$pki/ca.crt")
  local accounts=(--service-account-issuer https://kubernetes.default.svc
    --service-account-key-file "$pki/service-accounts.pub" --service-account-signing-key-file "$pki/service-accounts.key")
  local aggregation=(--requestheader-client-ca-file "$pki/ca.crt" --requestheader-allowed-names aggregator
    --requestheader-username-headers X-Remote-User --requestheader-group-headers X-Remote-Group
    --requestheader-extra-headers-prefix X-Remote-Extra-
    --proxy-client-cert-file "$pki/aggregator.crt" --proxy-client-key-file "$pki/aggregator.key")
  local to_kubelet=(--kubelet-client-certificate "$pki/admin.crt" --kubelet-client-key "$pki/admin.key"
    --kubelet-preferred-address-types InternalIP)
  start apiserver kube-apiserver --etcd-servers http://127.0.0.1:2379 --advertise-address "$node_ip" --secure-port 6443 \
    "${tls[@]}" "${accounts[@]}" "${aggregation[@]}" "${to_kubelet[@]}" \
    --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction --allow-privileged \
    --service-cluster-ip-range "$service_range" \
    --audit-policy-file "$run/audit-policy.yaml" --audit-log-path "$run/log/audit.log" --audit-log-maxsize 4096 # MB: tests read one file
}

audit_policy() { # who changed what, and which rights our service accounts use; not the control plane's own chatter
  cat <<'Y'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  userGroups: ["system:nodes", "system:serviceaccounts:kube-system"]
- level: None
  users: ["system:kube-controller-manager", "system:kube-scheduler", "system:kube-proxy", "system:apiserver"]
- level: Metadata
  verbs: [create, update, patch, delete, deletecollection]
- level: Metadata
  userGroups: ["system:serviceaccounts"]
- level: None
Y
}
