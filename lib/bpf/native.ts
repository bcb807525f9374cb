/**
 * The addon (bpf/native) and the types of what it exports. Nothing else in the project loads it.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { CommandError, EXIT } from '../stream/exit.js';

declare const kind: unique symbol;
/** A pointer of the addon's, closed when it is collected if not before. */
interface Handle<Kind extends string> {
  readonly [kind]: Kind;
}
export type ObjectHandle = Handle<'object'>;
export type LinkHandle = Handle<'link'>;
export type RingHandle = Handle<'ring'>;
export type ChildHandle = Handle<'child'>;
export type WatchHandle = Handle<'watch'>;

/** What the addon throws when a system call fails. */
export interface NativeError extends Error {
  /** The call that failed, by a short name. */
  step: string;
  /** By name: `EPERM`. */
  errno: string;
  /** libbpf's warnings, the verifier's log among them. */
  log?: string;
}

export interface ProgramInfo {
  name: string;
  section: string;
  type: number;
  attachType: number;
  autoload: boolean;
}

export interface MapInfo {
  /** -1 before the load. */
  fd: number;
  type: number;
  keySize: number;
  valueSize: number;
  maxEntries: number;
  /** Possible CPUs: how many values a per-CPU map holds for each key. */
  cpus: number;
}

export interface Native {
  objectOpen(path: string, btf: string): ObjectHandle;
  objectLoad(object: ObjectHandle, uprobeMulti: boolean): void;
  objectClose(object: ObjectHandle): void;
  objectPrograms(object: ObjectHandle): ProgramInfo[];
  objectSetAutoload(object: ObjectHandle, program: string, on: boolean): void;
  variableRead(object: ObjectHandle, name: string): Buffer;
  variableWrite(object: ObjectHandle, name: string, bytes: Buffer): void;
  mapInfo(object: ObjectHandle, name: string): MapInfo;
  mapSetMaxEntries(object: ObjectHandle, name: string, n: number): void;
  mapLookup(fd: number, key: Buffer, valueBytes: number): Buffer | undefined;
  mapUpdate(fd: number, key: Buffer, value: Buffer, flags: number): void;
  mapDelete(fd: number, key: Buffer): boolean;
  mapNextKey(fd: number, key: Buffer | undefined, keyBytes: number): Buffer | undefined;
  attachUprobe(
    object: ObjectHandle,
    program: string,
    path: string,
    offset: number | bigint,
    pid: number,
    ret: boolean,
    cookie: bigint | undefined,
  ): LinkHandle;
  attachTracepoint(object: ObjectHandle, program: string, category: string, name: string): LinkHandle;
  attachRaw(object: ObjectHandle, program: string, name: string): LinkHandle;
  attachCgroup(object: ObjectHandle, program: string, path: string, attachType: number): LinkHandle;
  runIter(object: ObjectHandle, program: string): Buffer;
  linkClose(link: LinkHandle): void;
  linksClose(links: LinkHandle[]): void;
  ringOpen(object: ObjectHandle, map: string, wanted: string, wake: () => void): RingHandle;
  ringDrain(ring: RingHandle, slab: Buffer): number;
  ringPending(ring: RingHandle): number;
  ringArm(ring: RingHandle): void;
  ringClose(ring: RingHandle): void;
  watchOpen(directory: string, name: string, tell: (mask: number) => void): WatchHandle;
  watchClose(watch: WatchHandle): void;
  readWhole(path: string, most: number): { bytes: Buffer; written?: boolean };
  spawnStopped(
    paths: string[],
    argv: string[],
    shellArgv: string[],
    env: string[],
    cwd: string,
    uid: number,
    gid: number,
    groups: Buffer,
    groupCount: number,
    stdoutToStderr: boolean,
    openFiles: number,
    confine: boolean,
    report: (kind: 'exec' | 'exit' | 'signal', value: string | number, more: string | boolean) => void,
  ): { pid: number; handle: ChildHandle };
  childResume(child: ChildHandle): void;
  childKill(child: ChildHandle, signal: number): boolean;
  capabilities(): { effective: bigint; permitted: bigint; inheritable: bigint; bounding: bigint };
  dropCapabilities(keep: bigint): void;
  bootTimeNs(): bigint;
  clockOffset(): bigint;
  tryLoad(
    type: number,
    attachType: number,
    instructions: Buffer,
    target: string,
    flags: number,
  ): { fd: number } | { fd?: undefined; errno: string; log: string };
  tryClose(fd: number): void;
  tryMap(type: number, keySize: number, valueSize: number, maxEntries: number): string | undefined;
  formatRecords(
    batch: Buffer,
    plan: Buffer,
    count: number,
    texts: Buffer,
    stream: string,
    firstN: number,
    clockOffsetUs: number,
    out: Buffer,
  ): number;
  programIds(): number[];
  /** `nop` (0: emulated by the kernel) or a register move (1: single-stepped), each a function to be probed. */
  siteAddress(which: 0 | 1): bigint;
  /** Nanoseconds of CPU time for n calls. */
  siteLoop(which: 0 | 1, n: number): number;
  /** A small file of a file system that need not be mounted. */
  detachedRead(fileSystem: string, path: string): string;
  tracefs(): { place: string } | { place?: undefined; errno: string };
}

let loaded: Native | undefined;

/** Where the addon for this machine is, or would be. */
export function addonPath(): string {
  return fileURLToPath(new URL(`../../../prebuilds/linux-${process.arch}/tracer.node`, import.meta.url));
}

/** The addon, loaded when first asked for. Throws a {@link CommandError} that says what to do when it does not load. */
export function native(): Native {
  if (loaded) return loaded;
  const path = addonPath();
  try {
    loaded = createRequire(import.meta.url)(path) as Native;
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    const next = /GLIBC/.test(reason)
      ? 'It was built for a newer C library: build it here from a checkout with scripts/setup.'
      : process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64')
        ? 'In a checkout, scripts/build makes it; an installed package has it for the architecture that it was packed on.'
        : 'Sensors run on Linux on x64 or arm64; the filters run anywhere.';
    throw new CommandError(EXIT.unavailable, `cannot load the addon ${path}: ${reason}`, next);
  }
  return loaded;
}
