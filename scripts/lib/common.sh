# Shared by the scripts in this folder (bash). Sets ROOT (the clone) and OWNER (who owns it); source it first.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
OWNER=$(stat -c %U "$ROOT")
# Where things outside the clone live. Both can be moved for tests.
STATE_DIR=${TRACER_STATE_DIR:-/usr/local/lib/tracer-filters}
NODE_MINIMUM="20.19"

say() { printf '%s\n' "${0##*/}: $*" >&2; }

# fail MESSAGE [NEXT STEP] [STATUS]: one sentence what happened, one what to do about it.
fail() {
  say "$1"
  if [ -n "${2:-}" ]; then say "$2"; fi
  exit "${3:-1}"
}

# The cache of the person who owns the clone, also under sudo: root must not fill a user's tree with its own files.
cache_dir() {
  local home
  if [ "$(id -u)" = 0 ] && [ "$OWNER" != root ]; then
    home=$(getent passwd "$OWNER" | cut -d: -f6)
    printf '%s\n' "${home:-/var/cache}/.cache/tracer-filters"
  else
    printf '%s\n' "${XDG_CACHE_HOME:-$HOME/.cache}/tracer-filters"
  fi
}

# as_owner COMMAND…: runs it as the owner of the clone, so that what it writes belongs to them.
as_owner() {
  if [ "$(id -u)" != 0 ] || [ "$OWNER" = root ]; then
    "$@"
    return
  fi
  setpriv --reuid "$OWNER" --regid "$(stat -c %G "$ROOT")" --init-groups \
    env HOME="$(getent passwd "$OWNER" | cut -d: -f6)" USER="$OWNER" LOGNAME="$OWNER" "$@"
}

# The address of the Debian archive that this host's apt uses: from apt's own view, or from its files where no lists are here yet.
debian_uri() {
  local uri
  uri=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' 'Created-By: Packages' 2>/dev/null | awk '$1 !~ /security/ && $2 == "Debian" { print $1; exit }')
  if [ -z "$uri" ]; then
    uri=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
      sed -E 's/^deb +(\[[^]]*\] *)?/URIs: /; s/^URIs: *([^ ]+).*/\1/; t; d' | grep -E '/debian/?$' | awk "NR == 1")
  fi
  [ -n "$uri" ] || return 1
  printf '%s\n' "${uri%/}"
}

# node_version FILE: its version without the v, nothing when it does not run.
node_version() { "$1" --version 2>/dev/null | sed -n 's/^v//p'; }

# at_least HAVE WANT: compares dotted versions.
at_least() { [ -n "$1" ] && [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | awk "NR == 1")" = "$2" ]; }

# The Node that setup chose (it records it), else one on PATH that is new enough.
find_node() {
  local node
  for node in "$(sed -n 's/^node=//p' "$STATE_DIR/setup" 2>/dev/null)" "$(command -v node 2>/dev/null)" "$STATE_DIR/node/bin/node"; do
    if [ -n "$node" ] && at_least "$(node_version "$node")" "$NODE_MINIMUM"; then
      printf '%s\n' "$node"
      return 0
    fi
  done
  return 1
}
