/** The network sensor as a Node stream of NDJSON, as SslRunner is of TLS. */
import { Runner } from '../../stream/runner.js';
import { manyOf, type OneOrMany } from '../one-or-many.js';
import type { SensorOptions } from '../sensor.js';
import { NetSensor } from './sensor.js';

export interface NetRunnerOptions extends SensorOptions, OneOrMany {}

export class NetRunner extends Runner {
  /** Nothing is checked or attached before somebody reads; what fails then comes as the stream's `error`. */
  constructor(options: NetRunnerOptions = {}) {
    super(() => new NetSensor(manyOf(options)));
  }
}
