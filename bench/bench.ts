/** What every row of the benchmark is handed. */
import type { Workshop } from './targets.js';

export interface Bench {
  workshop: Workshop;
  rounds: number;
  /** Length of one measurement. */
  seconds: number;
  /** Length of the recorded stream that filters are given. */
  streamBytes: number;
  /** The traced program runs on one CPU, sensors and filters on another. */
  targetCpu: number;
  sensorCpu: number;
  /** A line of progress, to stderr. */
  say(text: string): void;
}
