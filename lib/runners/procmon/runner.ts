/** The process sensor as a Node stream of NDJSON: `new ProcessRunner({ comm: 'python3', files: true }).pipe(process.stdout)`. */
import { Runner } from '../../stream/runner.js';
import { manyOf, type OneOrMany } from '../one-or-many.js';
import { type ProcessOptions, ProcessSensor } from './sensor.js';

/** As {@link ProcessOptions}, with names for one as well as for many. */
export interface ProcessRunnerOptions extends ProcessOptions, OneOrMany {}

export class ProcessRunner extends Runner {
  /** Nothing is checked or attached before somebody reads; what fails then comes as the stream's `error`. */
  constructor(options: ProcessRunnerOptions = {}) {
    super(() => new ProcessSensor(manyOf(options)));
  }
}
