/** What tracer-proc knows of a process besides who it is. */
import { KnownProcess } from '../processes.js';

export class Process extends KnownProcess {}

/** `"major:minor:inode:generation"`; the kernel packs a device's number into 12 and 20 bits. */
export function fileIdOf(record: { device: number; inode_exact: bigint; generation: number }): string {
  return `${record.device >>> 20}:${record.device & 0xfffff}:${record.inode_exact}:${record.generation}`;
}
