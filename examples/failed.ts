// Only the answers that failed: tracer-ssl | tracer-http | node failed.js | tracer-show
import split2 from 'split2';
import { isEvent } from 'tracer-filters';
import type { AnyEvent } from 'tracer-filters/types';

process.stdout.on('error', () => process.exit()); // end quietly when the reader is gone
process.stdin.pipe(split2('\n')).on('data', (line: string) => {
  const event = JSON.parse(line) as AnyEvent;
  if (isEvent(event, 'http_response') && (event.data.status ?? 0) >= 400) process.stdout.write(`${line}\n`);
});
