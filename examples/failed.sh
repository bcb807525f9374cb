#!/bin/sh
# Only the answers that failed: tracer-ssl | tracer-http | examples/failed.sh | tracer-show
# -R and -r: a line that is passed on keeps its bytes.
exec jq --unbuffered -rR '. as $line | fromjson? | objects
  | select(.event_type == "http_response" and .data.status >= 400) | $line'
