#!/bin/bash
# What scripts/fresh does inside a bare root, one step by name. Runs as root in the clone of the user `person`.
set -euo pipefail
. "$(dirname "$0")/common.sh"

check() {
  local what=$1
  shift
  if "$@" >/dev/null; then printf 'ok   %s\n' "$what"; else printf 'FAIL %s\n' "$what"; exit 1; fi
}

as_person() { setpriv --reuid 1000 --regid 1000 --clear-groups env HOME=/home/person USER=person LOGNAME=person "$@"; }

# The tarball as a user makes it: npm pack in the clone, as its owner.
pack() {
  local node
  node=$(find_node)
  as_person env PATH="$(dirname "$node"):$STATE_DIR/node/node_modules/.bin:$PATH" npm pack --silent
}

# A machine whose only Node is the user's own, and sudo that knows neither it nor ~/bin.
sudo_manners() {
  local node own=/home/person/.nvm/versions/node/v22.0.0/bin started
  node=$(find_node)
  check "the clone still belongs to its owner" [ -z "$(find . ! -user person -not -path './.git/*' -print -quit)" ]
  started=$(date +%s%N)
  scripts/setup --tests
  check "setup again takes under 2 s" [ $((($(date +%s%N) - started) / 1000000)) -lt 2000 ]
  as_person mkdir -p "$own"
  cp "$(readlink -f "$node")" "$own/node"
  if [ -d "$STATE_DIR/node" ]; then
    cp -r "$STATE_DIR/node/node_modules/npm" /home/person/.nvm/npm
    ln -s ../../../../npm/bin/npm-cli.js "$own/npm"
    mv "$STATE_DIR/node" "$STATE_DIR/node.away"
  else
    ln -s "$(readlink -f "$(command -v npm)")" "$own/npm"
    mv /usr/bin/node /usr/bin/node.away
  fi
  chown -R person: /home/person/.nvm
  DEBIAN_FRONTEND=noninteractive apt-get -q -q -y install --no-install-recommends sudo >/dev/null
  echo 'person ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/person
  check "sudo scripts/setup with a per-user Node" as_person sudo scripts/setup
  check "the command names that Node" grep -q "$own/node" /usr/local/bin/tracer-ssl
  check "sudo tracer-ssl finds itself and Node" as_person sudo tracer-ssl --version
  check "tracer-http without sudo" sh -c 'echo "{}" | setpriv --reuid 1000 --regid 1000 --clear-groups env -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/home/person tracer-http | grep -q "{}"'
  check "man tracer-ssl" as_person env MANPAGER=cat man -P cat tracer-ssl
  check "the clone still belongs to its owner" [ -z "$(find . ! -user person -not -path './.git/*' -print -quit)" ]
  rm -rf /home/person/.nvm /etc/sudoers.d/person
  SUDO_FORCE_REMOVE=yes DEBIAN_FRONTEND=noninteractive apt-get -q -q -y purge sudo >/dev/null 2>&1
  if [ -d "$STATE_DIR/node.away" ]; then mv "$STATE_DIR/node.away" "$STATE_DIR/node"; else mv /usr/bin/node.away /usr/bin/node; fi
  rm -f tracer-filters-*.tgz
}

# The first one-liner, from the packed tarball, where there is nothing to compile with.
tarball() {
  local output port
  . scripts/lib/node.sh
  apt update >/dev/null
  apt install --no-install-recommends ca-certificates curl jq openssl >/dev/null
  tests='' choose_node || install_node
  # Only the tarball may serve from here on; the clone and the compiler (there is none) must not help.
  PATH=$(dirname "$NODE"):$STATE_DIR/node/node_modules/.bin:$PATH
  for tool in gcc cc clang make; do check "no $tool here" [ -z "$(command -v $tool)" ]; done
  check "no headers here" [ ! -e /usr/include/stdio.h ]
  cp test/fresh/server.mjs /home/person/
  cd /home/person
  rm -rf tracer
  npm install --global --ignore-scripts --no-audit --no-fund ./tracer-filters-*.tgz
  check "tracer-ssl is on PATH" command -v tracer-ssl
  tracer doctor || true
  node server.mjs certificate.pem port &
  for _ in $(seq 100); do [ -s port ] && break; sleep 0.1; done
  port=$(cat port)
  # With a CA of its own only because the server is ours: everything else is the README's line.
  export CURL_CA_BUNDLE=$PWD/certificate.pem
  output=$(tracer-ssl -- curl -s "https://localhost:$port/v1/models" | tracer-http | jq -c .)
  kill $!
  printf '%s\n' "$output"
  check "the request is there" jq -se --arg host "localhost:$port" 'any(.[]; .event_type == "http_request" and .data.path == "/v1/models" and .data.host == $host)' <<<"$output"
  check "the response is there, whole" jq -se 'any(.[]; .event_type == "http_response" and .data.status == 200 and (.data.body | fromjson | .data[0].id) == "small-model")' <<<"$output"
  check "the sensor lost nothing" jq -se 'any(.[]; .event_type == "sensor_end" and .data.lost == {} and .data.command.exit_code == 0)' <<<"$output"
}

case $1 in
  pack) pack ;;
  sudo) sudo_manners ;;
  tarball) tarball ;;
esac
