# shellcheck shell=bash
# Images: the base that Dockerfiles start from, the registry, and the way from buildah's store to the node.

have_base() { buildah inspect localhost/pause:1 >/dev/null 2>&1 && buildah inspect debian:bookworm-slim >/dev/null 2>&1; }

make_base() { # the packages of Docker Hub's debian:bookworm-slim, from Debian's own archive
  local dir path options
  dir=$(mktemp -d)
  options=(--variant=minbase "--include=ca-certificates usr-is-merged" --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Retries "3"'
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr) # usr-is-merged without the hook is refused; usrmerge brings Perl
  for path in doc info lintian locale man; do options+=(--dpkgopt="path-exclude=/usr/share/$path/*"); done
  mmdebstrap "${options[@]}" --dpkgopt='path-include=/usr/share/doc/*/copyright' bookworm "$dir/base.tar"
  printf 'FROM scratch\nADD base.tar /\nCMD ["bash"]\n' >"$dir/Dockerfile"
  buildah build -q -t docker.io/library/debian:bookworm-slim "$dir"
  printf 'FROM debian:bookworm-slim\nENTRYPOINT ["sleep", "infinity"]\n' | buildah build -q -t localhost/pause:1 -f - "$dir"
  rm -rf "$dir"
}

start_registry() {
  cat >"$run/registry.yaml" <<Y
version: 0.1
storage: {filesystem: {rootdirectory: $cache/registry}, delete: {enabled: true}}
http: {addr: "$registry"}
Y
  # Layers that no tag needs any more; the command has nothing to walk before the first push.
  [ ! -d "$cache/registry/docker" ] || registry garbage-collect --delete-untagged "$run/registry.yaml"
  start registry registry serve "$run/registry.yaml"
  until_true 30 curl -sf "http://$registry/v2/"
}

on_node() { ctr --address "$run/containerd.sock" --namespace k8s.io "$@"; }

load_pause() { on_node_already localhost/pause:1 || copy_to_node localhost/pause:1; }

load() {
  is_up || fail "the cluster is down: $here/cluster up"
  local image before
  for image; do
    buildah inspect --type image "$image" >/dev/null 2>&1 || fail "buildah has no image $image"
    if on_node_already "$image"; then
      say "load $image: the node has it already"
      continue
    fi
    before=$(registry_bytes)
    step "load $image" copy_to_node "$image"
    say "load $image: $((($(registry_bytes) - before) >> 20)) MB were new"
  done
}

on_node_already() { [ "$(image_on_node "$1")" = "$(image_built "$1")" ]; }

image_built() { buildah inspect --type image --format 'sha256:{{.FromImageID}}' "$1"; }

image_on_node() { # the digest of the configuration that the node's manifest names: what buildah calls the image's id
  local manifest
  manifest=$(on_node images list "name==$1" | awk 'NR == 2 {print $3}')
  [ -z "$manifest" ] || on_node content get "$manifest" | tr -d ' \n' | sed -E 's/.*"config":\{[^}]*"digest":"([^"]*)".*/\1/'
}

registry_bytes() { du -sb "$cache/registry" | cut -f1; }

copy_to_node() { # image; through the registry, which knows the layers that are there already
  local pushed=$registry/${1#*/}
  buildah push -q --tls-verify=false --compression-format zstd "$1" "docker://$pushed"
  on_node images pull --plain-http "$pushed"
  on_node images tag --force "$pushed" "$1"
  on_node images remove "$pushed"
}
