// The usual recipe for an NDJSON filter in Node: split2, through2, ndjson. `mark` adds a field to every event, `pass`
// hands them on.
import ndjson from 'ndjson';
import split2 from 'split2';
import { objectTransform } from 'through2';

const mark = process.argv[2] === 'mark';
process.stdin
  .pipe(split2(JSON.parse))
  .pipe(
    objectTransform(function (event, _encoding, done) {
      this.push(mark ? { ...event, seen: 1 } : event);
      done();
    }),
  )
  .pipe(ndjson.stringify())
  .pipe(process.stdout);
