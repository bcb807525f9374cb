/** The loader: BPF objects, and what a sensor needs of the kernel besides. */
export { CAPABILITIES, type Capability, capabilities, dropCapabilities } from './capabilities.js';
export { bootTimeNs, clockOffsetNs } from './clock.js';
export { BpfError } from './errors.js';
export { BpfMap, UPDATE, u32 } from './map.js';
export { BpfObject, closeLinks, type Global, Link, type UprobeTarget } from './object.js';
export { RecordLines, type SharedText } from './record-lines.js';
export { Ring, type RingConsumer, type RingOptions } from './ring.js';
export { type CommandEnd, type ExecFailure, SpawnError, type SpawnOptions, type StoppedCommand, spawnStopped } from './spawn.js';
export { NameWatch, readWhole, WATCH } from './watch.js';
