# What a person reads on stderr while it works, and waiting for conditions.

say() { printf '%s  %s\n' "$(date +%T)" "$*" >&2; }
fail() { say "$*"; exit 1; }
refuse() { say "$*"; exit 3; } # this machine cannot: nothing is wrong, something is left out

step() { # what command...: say what begins and how long it took; show the command's output only when it fails
  local what=$1 began=$SECONDS output status
  shift
  output=$(mktemp)
  say "$what ..."
  set +e # so that the subshell's own "set -e" is in force
  (set -e; "$@") >"$output" 2>&1
  status=$?
  set -e
  ((status == 0)) || { tail -n 30 "$output" >&2; say "failed: $what (all of its output: $output)"; exit 1; }
  rm -f "$output"
  ((SECONDS - began < 2)) || say "$what: $((SECONDS - began)) s"
}

until_true() { # seconds command...
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || { echo "timed out waiting for: $*" >&2; return 1; }
    sleep 0.2
  done
}

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
  nsenter --net="/run/netns/$name" setsid "$@" </dev/null >"$run/log/$service.log" 2>&1 9>&- &
  echo $! >"$run/pid/$service"
}

runs() { grep -q '^State:.[^ZX]' "/proc/$(cat "$run/pid/$1")/status" 2>/dev/null; } # dead ones may wait for init

ended() { ! runs "$1"; }

stop() { # name: containerd and the registry may finish what they write; the others keep nothing
  local pid signal=KILL
  pid=$(cat "$run/pid/$1" 2>/dev/null) || return 0
  case $1 in containerd | registry) signal=TERM ;; esac
  kill -"$signal" -- "-$pid" 2>/dev/null || true
  until_true 10 ended "$1" || kill -KILL -- "-$pid"
  rm -f "$run/pid/$1"
}
