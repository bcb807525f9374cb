/**
 * The TLS sensor as a Node stream of NDJSON:
 *
 *     new SslRunner({ comm: 'python3' }).addAnalyzer(chunkMerger()).addAnalyzer(httpParser()).pipe(process.stdout)
 */
import { Runner } from '../../stream/runner.js';
import { manyOf, type OneOrMany } from '../one-or-many.js';
import { type SslOptions, SslSensor } from './sensor.js';

/** As {@link SslOptions}, with names for one as well as for many. */
export interface SslRunnerOptions extends SslOptions, OneOrMany {}

export class SslRunner extends Runner {
  /** Nothing is checked or attached before somebody reads; what fails then comes as the stream's `error`. */
  constructor(options: SslRunnerOptions = {}) {
    super(() => new SslSensor(manyOf(options)));
  }
}
