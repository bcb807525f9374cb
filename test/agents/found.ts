/** How the finder comes to the TLS that a process was seen to use. */
import { existsSync } from 'node:fs';
import { release } from 'node:os';
import { ElfImage } from '../../lib/elf/image.js';
import { parseKernelVersion } from '../../lib/elf/probe-cost.js';
import { findTls } from '../../lib/elf/tls-finder.js';
import type { TlsFinding } from '../../lib/elf/tls-finding.js';
import type { TracerEvent } from '../../lib/stream/event.js';

const KERNEL = parseKernelVersion(release()) ?? { major: 5, minor: 10 };

const known = new Map<string, TlsFinding[]>();

/** What the finder says of a program file; [] where there is none any more. */
function findingsIn(path: string): TlsFinding[] {
  const before = known.get(path);
  if (before !== undefined) return before;
  let found: TlsFinding[] = [];
  if (existsSync(path)) {
    const image = ElfImage.open(path);
    try {
      found = findTls(image, KERNEL);
    } finally {
      image.close();
    }
  }
  known.set(path, found);
  return found;
}

/** For the events of a run: given a process and a library, by what it was found. A library of its own file is found by its symbols. */
export function foundBy(events: readonly TracerEvent[]): (pid: number, library: string) => string {
  const exes = new Map<number, string>();
  for (const event of events) {
    if (event.event_type === 'process_info' && event.data.exe !== undefined) exes.set(event.data.pid, event.data.exe);
  }
  return (pid, library) => {
    const finding = findingsIn(exes.get(pid) ?? '').find((one) => one.library === library && one.sites.length > 0);
    if (finding === undefined) return 'symbols of the shared library';
    return finding.provider === undefined ? finding.foundBy : `${finding.foundBy}, ${finding.provider}`;
  };
}
