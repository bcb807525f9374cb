# Bare Debian roots for scripts/fresh: made, filled, entered, left. Source common.sh first; CACHE, WORK and CGROUP are set by then.
# shellcheck shell=bash

# apt_lines SUITE: this host's archives, for that suite.
apt_lines() {
  local lines
  lines=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(ORIGIN)' 'Created-By: Packages' 2>/dev/null | awk '$3 == "Debian" { print $1, $2 }' | sort -u |
    sed -E "s/^([^ ]+) [a-z]+(-[a-z]+)?\$/deb \1 $1\2 main/" | grep -E ' (bookworm|trixie)(-updates|-security)? main$' || true)
  printf '%s\n' "${lines:-deb $(debian_uri) $1 main}"
}

# base_root SUITE: CACHE/SUITE.tar, at most a week old.
base_root() {
  local tar="$CACHE/$1.tar" sources
  if [ -n "$(find "$tar" -mtime -7 2>/dev/null)" ]; then return; fi
  say "making a bare $1 root …"
  sources=$(apt_lines "$1")
  apt-config dump 2>/dev/null | grep -E '^Acquire::(http|https|Check|Retries|ForceIPv)' >"$WORK/apt.conf" || true
  echo 'Acquire::Languages "none";' >>"$WORK/apt.conf"
  if ! mmdebstrap --quiet --variant=minbase --aptopt="$WORK/apt.conf" "$1" "$CACHE/new.$$.tar" "$sources" >&2; then
    rm -f "$CACHE/new.$$.tar"
    [ -e "$tar" ] || fail "mmdebstrap could not make a $1 root" "Its words are above: is the Debian archive of this host's apt in reach?"
    say "going on with the root of $(date -r "$tar" +%F)"
    return
  fi
  mv "$CACHE/new.$$.tar" "$tar"
}

# unpack_root SUITE DIR: a new root with this host's resolver, certificates and npm configuration, and an ordinary user.
unpack_root() {
  local root=$2 certificates file
  mkdir -p "$root"
  tar -xf "$CACHE/$1.tar" -C "$root" --exclude='./dev/*'
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
  printf '127.0.0.1 localhost %s\n::1 localhost\n' "$(hostname)" >"$root/etc/hosts"
  mkdir -p "$root/etc/host"
  certificates=${NODE_EXTRA_CA_CERTS:-${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}
  if [ -e "$certificates" ]; then cp -L "$certificates" "$root/etc/host/ca.crt"; fi
  # npm's settings of this host, but not its paths.
  for file in /etc/npmrc /usr/etc/npmrc "$HOME/.npmrc"; do
    if [ -e "$file" ]; then grep -vE '^ *(cafile|prefix|cache|nodedir|globalconfig|userconfig|tmp) *=' "$file" || true; fi
  done >"$root/etc/host/npmrc"
  chmod 644 "$root/etc/host/npmrc"
  chroot "$root" useradd --create-home --uid 1000 --shell /bin/bash person
}

# clone_into ROOT: the committed state, owned by the ordinary user; what other projects' test suites are beside this clone come along.
clone_into() {
  local home="$1/home/person"
  git -c safe.directory='*' clone --quiet --no-hardlinks "$ROOT" "$home/tracer"
  if [ -d "$ROOT/../shared/corpora" ]; then
    mkdir -p "$home/shared"
    cp -rL "$ROOT/../shared/corpora" "$home/shared/corpora"
    chmod -R u+w "$home/shared"
  fi
  chown -R 1000:1000 "$home"
}

# The processes of a run are held together by a cgroup of their own: what a test leaves running ends with it, and nothing else.
make_cgroup() {
  local mount
  mount=$(awk '$0 ~ / - cgroup2 / { print $5; exit }' /proc/self/mountinfo)
  [ -n "$mount" ] && mkdir "$mount/tracer-fresh-$$" 2>/dev/null && printf '%s\n' "$mount/tracer-fresh-$$"
  return 0
}

end_cgroup() {
  local attempt
  [ -n "$1" ] && [ -d "$1" ] || return 0
  echo 1 >"$1/cgroup.kill" 2>/dev/null
  for attempt in 1 2 3 4 5 6 7 8 9 10; do
    find "$1" -depth -type d -exec rmdir {} \; 2>/dev/null
    [ -d "$1" ] || return 0
    sleep 0.2
  done
}

# in_root ROOT COMMAND…: as root, in the clone, with mounts that only this command sees and that end with it. Process ids stay
# the host's: the kernel's events carry those.
in_root() {
  local root=$1 name keep=()
  shift
  for name in CI http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY npm_config_registry; do
    if [ -n "${!name:-}" ]; then keep+=("$name=${!name}"); fi
  done
  if [ -e "$root/etc/host/ca.crt" ]; then keep+=(NODE_EXTRA_CA_CERTS=/etc/host/ca.crt npm_config_cafile=/etc/host/ca.crt CARGO_HTTP_CAINFO=/etc/host/ca.crt); fi
  # shellcheck disable=SC2016
  unshare --mount --propagation private bash -c '
    set -e
    root=$1 cgroup=$2
    shift 2
    if [ -n "$cgroup" ]; then echo $$ >"$cgroup/cgroup.procs"; fi
    # A mount point, as the root of a machine is: unshare(1) wants to set its propagation.
    mount --bind "$root" "$root"
    cd "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs sysfs "$root/sys"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    mount -t bpf bpf "$root/sys/fs/bpf"
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    for node in null zero full random urandom tty; do touch "$root/dev/$node"; mount --bind "/dev/$node" "$root/dev/$node"; done
    mkdir "$root/dev/pts" "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$root/dev/pts"
    ln -s pts/ptmx "$root/dev/ptmx"
    for link in fd:fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do ln -s "/proc/self/${link#*:}" "$root/dev/${link%%:*}"; done
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    exec chroot "$root" "$@"
  ' in_root "$root" "$CGROUP" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root USER=root \
    LANG=C.UTF-8 TERM=dumb TRACER_IN_FRESH=1 npm_config_userconfig=/etc/host/npmrc "${keep[@]}" sh -c 'cd /home/person/tracer && exec "$@"' in_root "$@" </dev/null
}
export -f in_root
export CGROUP

# find_in ROOT: its files, but for what any installing and running leaves in a Debian (logs, package state, caches of ld and man).
find_in() {
  (cd "$1" && find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./run -o -path ./tmp -o -path ./var/log -o -path ./var/lib/dpkg -o -path ./var/lib/apt \
    -o -path ./var/cache -o -path ./var/lib/systemd -o -path ./var/lib/pam -o -path ./etc/ssl/certs -o -path './etc/alternatives' -o -path ./home/person/tracer/.git -o -path ./home/person/.npm -o -path ./root/.npm -o -path ./root/.cargo -o -path ./root/.cache/go-build \) -prune -o -print) |
    grep -vE '^\./root/\.cache$|^\./etc/(ld\.so\.cache|passwd-|group-|shadow-|gshadow-|\.pwd\.lock|subuid|subgid|mailcap|environment)' | sort
}

nothing_left() {
  local left
  left=$(comm -13 "$1" "$2")
  [ -z "$left" ] && return
  printf 'left behind:\n%s\n' "$left" | head -n 60 >&2
  return 1
}
export -f nothing_left
