# shellcheck shell=bash
# The programs: Debian packages where Debian has them, Go modules pinned by go.sum for the rest.

packages=(containerd runc containernetworking-plugins buildah mmdebstrap iptables iproute2 conntrack openssl procps curl)
commands=(containerd runc buildah mmdebstrap iptables ip conntrack openssl sysctl curl nsenter flock)
modules=(etcd kube coredns registry prometheus metrics-server helm)

build() {
  base
  local module
  for module in "${modules[@]}"; do build_module "$module"; done
}

base() {
  have_packages || command -v apt-get >/dev/null || refuse "missing, and no apt-get to install them: ${packages[*]}"
  have_packages || step "install Debian packages (${packages[*]})" install_packages
  have_base || step "make the image debian:bookworm-slim" make_base
}

have_packages() {
  local each
  for each in "${commands[@]}"; do command -v "$each" >/dev/null || return; done
  [ -x /usr/lib/cni/bridge ]
}

install_packages() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get -o Acquire::Retries=3 update -qq
  apt-get -o Acquire::Retries=3 install -y -qq --no-install-recommends "${packages[@]}"
}

build_module() { # module; its stamp is the digest of what it was built from
  local digest
  digest=$(cat "$here/modules/$1/go.mod" "$here/modules/$1/go.sum" | sha256sum)
  [ "$(cat "$bin/.$1" 2>/dev/null)" = "$digest" ] && return
  command -v go >/dev/null || refuse "Go 1.21 or newer is needed to build the cluster's programs: https://go.dev/dl"
  step "build $1 with Go (about $(build_minutes "$1") on 2 cores)" go_build "$1"
  echo "$digest" >"$bin/.$1"
}

build_minutes() {
  case $1 in
    keda) echo "6 minutes" ;;
    kube | prometheus) echo "4 minutes" ;;
    metrics-server) echo "2 minutes" ;;
    coredns | registry) echo "90 seconds" ;;
    *) echo "1 minute" ;;
  esac
}

go_build() { # module; "tool" stands for all programs that its go.mod names; what is in $bin is whole
  local flags="-s -w" version
  version=$(awk '$1 == "k8s.io/kubernetes" && $2 ~ /^v1/ {print $2}' "$here/modules/$1/go.mod")
  if [ -n "$version" ]; then
    local package=k8s.io/component-base/version parts
    IFS=. read -ra parts <<<"${version#v}"
    flags+=" -X $package.gitVersion=$version -X $package.gitMajor=${parts[0]} -X $package.gitMinor=${parts[1]}"
  fi
  local new=$bin/.$1.new called name
  rm -rf "$new" && mkdir -p "$new"
  cd "$here/modules/$1"
  thrice env GOWORK=off go build -trimpath -buildvcs=false -ldflags "$flags" -o "$new/" tool
  while read -r called name; do [ ! -e "$new/$called" ] || mv "$new/$called" "$new/$name"; done <<<"$names"
  mv -f "$new"/* "$bin/" && rmdir "$new"
}

thrice() { "$@" || "$@" || "$@"; } # a download may be refused; what was built or got before is kept

names="server etcd
adapter keda-adapter
operator keda-operator" # what their modules call these programs says too little

print_tool() { # name; needs no root, only Go
  case $1 in
    helm) build_module helm ;;
    kubectl) build_module kube ;;
    prometheus | promtool) build_module prometheus ;;
    *) fail "no such tool: $1 (helm, kubectl, prometheus, promtool)" ;;
  esac
  echo "$bin/$1"
}
