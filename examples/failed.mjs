#!/usr/bin/env node
// Only the answers that failed: tracer-ssl | tracer-http | examples/failed.mjs | tracer-show
import split2 from 'split2';

process.stdout.on('error', () => process.exit()); // end quietly when the reader is gone
process.stdin.pipe(split2('\n')).on('data', (line) => {
  const event = JSON.parse(line);
  if (event.event_type === 'http_response' && event.data.status >= 400) process.stdout.write(`${line}\n`);
});
