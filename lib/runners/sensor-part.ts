/** What every sensor is asked for, and how several of them are parts of one. */
import type { Capability } from '../bpf/index.js';
import type { Probe } from '../stream/event.js';
import type { Emitter } from './emitter.js';
import type { ResolvedScope, ScopeOptions } from './scope.js';

export interface SensorOptions extends ScopeOptions {
  /** Size of the ring buffer; made a power of two. */
  ringBytes?: number;
  /** Bulk events are dropped while more than this waits for the reader. */
  queueBytes?: number;
  heartbeatMs?: number;
  /** Says a sentence to the person at the terminal. */
  say?: (sentence: string) => void;
  /** Says more of them. */
  verbose?: boolean;
  /** This process is the sensor and nothing else: it gives up the capabilities that it no longer needs. */
  ownProcess?: boolean;
  /** Capabilities that whoever runs this needs besides, as to write files of other users. */
  alsoNeeded?: readonly Capability[];
  /** What the collector that runs this calls itself. */
  collectorId?: string;
  /** Touched at each heartbeat. */
  heartbeatFile?: string;
  /** It is a part of another sensor. */
  roof?: Roof;
}

/** What the parts of one sensor share. */
export interface Roof {
  readonly emitter: Emitter;
  readonly scope: ResolvedScope;
  /** A part needs no more capabilities than those that last. */
  started(): void;
}

/** What a sensor asks of its parts; see the abstract methods of {@link Sensor}. */
export interface SensorPart {
  facts(): SensorFacts;
  sayLosses(ns: number): void;
  totals(): Totals;
  settled(): boolean;
  probesAttached(): number;
  conclude(): void;
  stopLooking(): void;
}

export interface SensorFacts {
  probes: Probe[];
  notCovered: string[];
  limits: Record<string, number>;
}

export interface Totals {
  seen: number;
  lost: Record<string, number>;
  emitted: number;
}
