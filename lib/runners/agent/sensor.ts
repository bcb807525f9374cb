/**
 * Several sensors as one: one process, one scope, one clock, one order over all of them, and one story told of it. Each
 * part has programs and a ring of its own; processes are told of by the process part alone.
 */
import type { BpfObject } from '../../bpf/index.js';
import { CommandError, EXIT } from '../../stream/exit.js';
import { NetSensor } from '../netmon/sensor.js';
import type { RecordHandler } from '../order.js';
import { type ProcessOptions, ProcessSensor } from '../procmon/sensor.js';
import { type Roof, Sensor, type SensorFacts, type SensorOptions, type Totals } from '../sensor.js';
import { type SslOptions, SslSensor } from '../sslsniff/sensor.js';

/** What the parts have of their own. `false` leaves a part out. */
export interface AgentParts {
  ssl?: boolean | Omit<SslOptions, keyof SensorOptions>;
  process?: boolean | Omit<ProcessOptions, keyof SensorOptions | 'mode'>;
  net?: boolean;
}

export interface AgentOptions extends SensorOptions, AgentParts {}

/** What its parts do, each for itself. */
abstract class Together extends Sensor {
  protected readonly onRecord: RecordHandler = () => {};

  protected open(): BpfObject {
    throw new Error('its parts have the programs');
  }

  protected attach(): void {}

  protected announce(): void {}

  protected introduce(): void {}
}

export class AgentSensor extends Together {
  readonly name = 'agent';
  readonly #parts: Sensor[] = [];
  #waitedFor: number;

  /** Checks the options against this host: throws a CommandError. */
  constructor(options: AgentOptions = {}) {
    super(options);
    const roof: Roof = { emitter: this.emitter, scope: this.scope, started: () => this.#partStarted() };
    const shared: SensorOptions = { ...options, roof };
    const own = <T extends object>(part: boolean | T | undefined): T | Record<string, never> => (typeof part === 'object' ? part : {});
    // First: of an exec that all of them see, this one tells.
    if (options.process !== false) this.#parts.push(new ProcessSensor({ ...shared, ...own(options.process) }));
    if (options.ssl !== false) this.#parts.push(new SslSensor({ ...shared, ...own(options.ssl) }));
    if (options.net !== false) this.#parts.push(new NetSensor(shared));
    if (this.#parts.length === 0) throw new CommandError(EXIT.usage, 'nothing is to be watched', 'Leave one of ssl, process, net in');
    this.#waitedFor = this.#parts.length;
  }

  protected override parts(): readonly Sensor[] {
    return this.#parts;
  }

  /** Capabilities are given up when the last part has started. */
  #partStarted(): void {
    this.#waitedFor--;
    if (this.#waitedFor === 0) this.giveUpCapabilities();
  }

  protected facts(): SensorFacts {
    const all = this.eachPart((part) => part.facts());
    return {
      probes: all.flatMap(({ probes }) => probes),
      notCovered: [...new Set(all.flatMap(({ notCovered }) => notCovered))],
      limits: Object.assign({}, ...all.map(({ limits }) => limits)) as Record<string, number>,
    };
  }

  protected sayLosses(ns: number): void {
    this.eachPart((part) => part.sayLosses(ns));
  }

  protected totals(): Totals {
    const sums: Totals = { seen: 0, lost: {}, emitted: 0 };
    for (const { seen, lost, emitted } of this.eachPart((part) => part.totals())) {
      sums.seen += seen;
      sums.emitted += emitted;
      for (const [where, n] of Object.entries(lost)) sums.lost[where] = (sums.lost[where] ?? 0) + n;
    }
    return sums;
  }

  protected settled(): boolean {
    return this.eachPart((part) => part.settled()).every((settled) => settled);
  }

  protected probesAttached(): number {
    return this.eachPart((part) => part.probesAttached()).reduce((sum, n) => sum + n, 0);
  }

  protected conclude(): void {
    this.eachPart((part) => part.conclude());
  }

  protected stopLooking(): void {
    this.eachPart((part) => part.stopLooking());
  }
}
