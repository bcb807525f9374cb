/** Which BPF objects a process holds, and whether they are still in the kernel: without bpftool. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { python } from './paths.js';

export interface BpfIds {
  prog: number[];
  link: number[];
  map: number[];
}

/** From /proc/<pid>/fdinfo: `prog_id:`, `link_id:`, `map_id:`. */
export function bpfIds(pid: number): BpfIds {
  const ids: BpfIds = { prog: [], link: [], map: [] };
  for (const fd of readdirSync(`/proc/${pid}/fdinfo`)) {
    let info = '';
    try {
      info = readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8');
    } catch {
      continue;
    }
    for (const kind of ['prog', 'link', 'map'] as const) {
      // A link's fdinfo names its program too, and a map's may name its owner: the first id says what the file is.
      const own = /^(prog_id|link_id|map_id):\s*(\d+)/m.exec(info);
      if (own?.[1] === `${kind}_id`) ids[kind].push(Number(own[2]));
    }
  }
  return ids;
}

/**
 * Those of the ids that the kernel still has. bpf(2) BPF_PROG_GET_FD_BY_ID 13, BPF_MAP_GET_FD_BY_ID 14,
 * BPF_LINK_GET_FD_BY_ID 30 (linux/bpf.h); syscall 321 on x86-64, 280 on arm64.
 */
export function stillThere(ids: BpfIds): string[] {
  const script = `
import ctypes, errno, json, os, platform, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
number = 280 if platform.machine() == 'aarch64' else 321
left = []
for kind, command in (('prog', 13), ('map', 14), ('link', 30)):
    for id in json.loads(sys.argv[1])[kind]:
        attr = ctypes.create_string_buffer(struct.pack('III', id, 0, 0), 128)
        fd = libc.syscall(number, command, attr, 128)
        if fd >= 0:
            os.close(fd)
            left.append('%s %d' % (kind, id))
        elif ctypes.get_errno() != errno.ENOENT:
            left.append('%s %d: %s' % (kind, id, errno.errorcode[ctypes.get_errno()]))
print(json.dumps(left))
`;
  return JSON.parse(execFileSync(python, ['-c', script, JSON.stringify(ids)], { encoding: 'utf8' })) as string[];
}
