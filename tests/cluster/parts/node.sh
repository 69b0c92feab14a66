# shellcheck shell=bash
# The node: its network namespace, containerd, kubelet, kube-proxy and cluster DNS.

make_network() { # a bridge carries the node's addresses: some kernels lack dummy devices
  local inside=(nsenter --net="/run/netns/$name") # not "ip netns exec": that remounts /sys, and kubelet loses the cgroups
  ip netns add "$name"
  "${inside[@]}" ip link set lo up
  "${inside[@]}" ip link add node0 type bridge
  "${inside[@]}" ip addr add "$node_ip/24" dev node0
  "${inside[@]}" ip addr add "$dns_ip/32" dev node0
  "${inside[@]}" ip link set node0 up
  "${inside[@]}" ip route add default via "$node_ip" dev node0 # kubelet wants one; nothing gets out by it
  "${inside[@]}" sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
  link_to_host
  cat >"$run/cni/10-pods.conflist" <<C
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$run/ipam", "ranges": [[{"subnet": "$pod_range"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
C
}

link_to_host() { # this machine reaches API server, services and pods; the way back ends at this machine
  ip link add asr-cluster0 type veth peer name host0 netns "$name"
  ip addr add "$host_ip/24" dev asr-cluster0
  ip link set asr-cluster0 up
  nsenter --net="/run/netns/$name" ip addr add "$link_ip/24" dev host0
  nsenter --net="/run/netns/$name" ip link set host0 up
  ip route add "$node_ip/32" via "$link_ip"
  ip route add "$pod_range" via "$link_ip"
  ip route add "$service_range" via "$link_ip"
}

remove_network() { # the link by name: the namespace lives on while a command of 'cluster run' is in it
  if [ -e /sys/class/net/asr-cluster0 ]; then ip link del asr-cluster0; fi
  if [ -e "/run/netns/$name" ]; then ip netns del "$name"; fi
}

start_containerd() {
  cat >"$run/containerd.toml" <<T
version = 2
root = "$cache/containerd"
state = "$run/containerd"
[grpc]
  address = "$run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  netns_mounts_under_state_dir = true
  restrict_oom_score_adj = true # without CAP_SYS_RESOURCE runc fails otherwise, in the middle of a start
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$run/cni"
T
  run_containerd
  if forget_earlier_run; then
    stop containerd
    run_containerd
  fi
}

run_containerd() {
  start containerd containerd --config "$run/containerd.toml"
  until_true 30 on_node version
}

forget_earlier_run() { # true if there was something: images stay, containers and what only they needed go
  local left
  left=$(on_node containers list -q; on_node images list -q | grep '^sha256:' || true)
  [ -n "$left" ] || return 1
  on_node containers list -q | xargs -r -n 50 ctr --address "$run/containerd.sock" --namespace k8s.io containers delete
  on_node images list -q | grep '^sha256:' | xargs -r ctr --address "$run/containerd.sock" --namespace k8s.io images remove
  rm -rf "$cache/containerd/io.containerd.grpc.v1.cri"
}

start_kubelet() {
  echo "nameserver $dns_ip" >"$run/resolv.conf"
  cat >"$run/kubelet.yaml" <<Y
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://$run/containerd.sock
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
address: $node_ip
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $run/pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $run/pki/kubelet.crt
tlsPrivateKeyFile: $run/pki/kubelet.key
clusterDNS: [$dns_ip]
clusterDomain: cluster.local
resolvConf: $run/resolv.conf
podLogsDir: $run/pods
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
Y
  start kubelet kubelet --config "$run/kubelet.yaml" --kubeconfig "$run/pki/node.kubeconfig" \
    --hostname-override node-1 --node-ip "$node_ip" --root-dir "$run/kubelet"
}

start_services() {
  start proxy kube-proxy --kubeconfig "$run/pki/proxy.kubeconfig" --hostname-override node-1 --bind-address "$node_ip" \
    --proxy-mode iptables --cluster-cidr "$pod_range" --conntrack-max-per-core 0
  cat >"$run/Corefile" <<C
.:53 {
  bind $dns_ip
  errors
  kubernetes cluster.local {
    kubeconfig $kubeconfig
  }
}
C
  start coredns coredns -conf "$run/Corefile"
}

kill_pods() { # pods have namespaces of their own; what ties them to this run is the socket that their shims name
  local shim
  for shim in $(ps -eo pid=,args= | awk -v s="$run/containerd.sock" 'index($0, "containerd-shim") && index($0, s) {print $1}'); do
    # shellcheck disable=SC2046
    kill -9 $(ps -o pid= --ppid "$shim") "$shim" 2>/dev/null || true
  done
}
