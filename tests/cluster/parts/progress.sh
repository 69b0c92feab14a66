# shellcheck shell=bash
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
