#!/usr/bin/env python3
# Only the answers that failed: tracer-ssl | tracer-http | examples/failed.py | tracer-show
import json, signal, sys

signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # end quietly when the reader is gone
for line in sys.stdin.buffer:  # bytes: a line that is passed on is not changed
    event = json.loads(line)
    if event.get("event_type") == "http_response" and event["data"].get("status", 0) >= 400:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
