# shellcheck shell=bash
# The cluster's processes: one lock for all that changes them; start, stop, and whether one still runs.

need_root() {
  [ "$(id -u)" = 0 ] || refuse "this needs root: network namespaces, mounts and cgroups are made (try: sudo -E $0 ...)"
}

one_at_a_time() { # two kubelets on one machine would end each other's pods
  exec 9>"$lock"
  flock -n 9 || { say "waiting for another 'cluster' command to end"; flock 9; }
}

start() { # name command...: run it inside the namespace, in the background, with its log and process id kept
  local service=$1
  shift
  (
    close_inherited
    exec nsenter --net="/run/netns/$name" setsid "$@"
  ) </dev/null >"$run/log/$service.log" 2>&1 &
  echo $! >"$run/pid/$service"
}

close_inherited() { # else a lock that the caller holds would be held as long as the cluster is up
  local file
  for file in "/proc/$BASHPID"/fd/*; do ((${file##*/} <= 2)) || eval "exec ${file##*/}>&-"; done
}

runs() { grep -q '^State:.[^ZX]' "/proc/$(cat "$run/pid/$1" 2>/dev/null)/status" 2>/dev/null; } # dead ones may wait for init

ended() { ! runs "$1"; }

stop() { # name: containerd and the registry may finish what they write; the others keep nothing
  local pid signal=KILL
  pid=$(cat "$run/pid/$1" 2>/dev/null) || return 0
  case $1 in containerd | registry) signal=TERM ;; esac
  kill -"$signal" -- "-$pid" 2>/dev/null || true
  until_true 10 ended "$1" || kill -KILL -- "-$pid"
  rm -f "$run/pid/$1"
}
