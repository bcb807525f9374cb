/**
 * The sensors together as a Node stream of NDJSON, in one order:
 *
 *     new AgentRunner({ ssl: true, process: { files: true } })
 *       .withCommFilter('python')
 *       .addAnalyzer(httpParser())
 *       .pipe(process.stdout);
 */
import { Runner } from '../../stream/runner.js';
import { manyOf, type OneOrMany } from '../one-or-many.js';
import { type AgentOptions, AgentSensor } from './sensor.js';

/** As {@link AgentOptions}, with names for one as well as for many. */
export interface AgentRunnerOptions extends AgentOptions, OneOrMany {}

export class AgentRunner extends Runner {
  readonly #wishes: { comms: string[] };

  /** Nothing is checked or attached before somebody reads; what fails then comes as the stream's `error`. */
  constructor(options: AgentRunnerOptions = {}) {
    const wishes = { comms: [] as string[] };
    super(() => {
      const many = manyOf(options);
      return new AgentSensor({ ...many, comms: [...(many.comms ?? []), ...wishes.comms] });
    });
    this.#wishes = wishes;
  }

  /** Watches processes of these names as well: the name that ps shows, or that of the executable or script. Before reading begins. */
  withCommFilter(...names: string[]): this {
    this.#wishes.comms.push(...names);
    return this;
  }
}
