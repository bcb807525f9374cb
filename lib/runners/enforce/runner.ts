/** The egress guard as a Node stream of NDJSON. */
import { Runner } from '../../stream/runner.js';
import { type EnforceOptions, EnforceSensor } from './sensor.js';

export class EnforceRunner extends Runner {
  /** Nothing is checked or attached before somebody reads; what fails then comes as the stream's `error`. */
  constructor(options: EnforceOptions) {
    super(() => new EnforceSensor(options));
  }
}
