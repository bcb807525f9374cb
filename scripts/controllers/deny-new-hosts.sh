#!/bin/sh
# A controller in shell and jq: what is reached besides the allowed hosts is forbidden from then on.
#   sudo tracer-net --cgroup $CG | tracer-tls | scripts/controllers/deny-new-hosts.sh egress.deny api.anthropic.com
file=$1 allowed=$2
jq --unbuffered -r --arg allowed "$allowed" 'select(.event_type == "tls_client_hello" and .data.sni != $allowed) | .data.peer | sub(":[0-9]+$"; "") | ltrimstr("[") | rtrimstr("]")' |
  while read -r address; do
    grep -qxF "$address" "$file" 2>/dev/null && continue
    { cat "$file" 2>/dev/null; echo "$address"; } >"$file.new" && mv "$file.new" "$file"
    echo "deny $address"
  done
