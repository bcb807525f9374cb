/**
 * What the path of a cgroup says: container, pod, systemd unit. By a table of the forms that runtimes give it: the systemd
 * and the cgroupfs driver, versions 1 and 2.
 */

export interface CgroupPlace {
  container_id?: string;
  /** `containerd`, `crio`, `docker`, `podman`, `ecs`, `lxc`, `nspawn`; absent where the path does not tell. */
  runtime?: string;
  pod_uid?: string;
  /** A systemd service or scope, the innermost. */
  unit?: string;
}

/** A longer path is nobody's: PATH_MAX. */
const LONGEST = 4096;

const ID = '([0-9a-f]{64})';

/** Segments of a path that name a container. Anchored, so that each is one pass. */
const CONTAINERS: readonly (readonly [RegExp, string | undefined])[] = [
  [new RegExp(`^cri-containerd-${ID}(?:\\.scope)?$`), 'containerd'],
  [new RegExp(`^nerdctl-${ID}(?:\\.scope)?$`), 'containerd'],
  [new RegExp(`^crio-${ID}(?:\\.scope)?$`), 'crio'],
  [new RegExp(`^docker-${ID}(?:\\.scope)?$`), 'docker'],
  [new RegExp(`^libpod-${ID}(?:\\.scope)?$`), 'podman'],
  // The colon form: what runc is told when the systemd driver is off in the runtime only.
  [new RegExp(`^[^:]*:cri-containerd:${ID}$`), 'containerd'],
  [new RegExp(`^[^:]*:crio:${ID}$`), 'crio'],
  [new RegExp(`^[^:]*:docker:${ID}$`), 'docker'],
  [new RegExp(`^${ID}$`), undefined],
  [/^([0-9a-f]{32}-\d{1,20})$/, 'ecs'],
  [/^lxc\.payload\.([\w.-]{1,255})$/, 'lxc'],
  [/^machine-([\w.\\-]{1,255})\.scope$/, 'nspawn'],
];

/** Where a bare id stands below one of these, it is theirs. */
const PARENTS: Readonly<Record<string, string>> = { docker: 'docker', libpod_parent: 'podman', ecs: 'ecs', lxc: 'lxc', buildkit: 'docker' };

const POD = /(?:^|-)pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?$/;
const UNIT = /\.(?:service|scope)$/;
/** The monitor beside a container is not in it. */
const MONITOR = /^(?:libpod|crio)-conmon-/;

/** @param path as in `cgroup_path`, or the text of /proc/PID/cgroup */
export function placeOf(path: string): CgroupPlace {
  const place: CgroupPlace = {};
  for (const line of path.slice(0, LONGEST * 4).split('\n', 64)) {
    // A line of /proc/PID/cgroup: number, controllers, path.
    const found = placeOfLine(line.replace(/^\d{1,4}:[^:/]{0,256}:/, ''));
    for (const [name, value] of Object.entries(found)) place[name as keyof CgroupPlace] ??= value;
  }
  return place;
}

function placeOfLine(path: string): CgroupPlace {
  const place: CgroupPlace = {};
  let runtimeAbove: string | undefined;
  for (const segment of path.slice(0, LONGEST).split('/')) {
    if (segment === '' || MONITOR.test(segment)) continue;
    if (Object.hasOwn(PARENTS, segment)) runtimeAbove = PARENTS[segment];
    const container = containerOf(segment);
    if (container !== undefined) {
      place.container_id = container.id;
      const runtime = container.runtime ?? runtimeAbove;
      if (runtime === undefined) delete place.runtime;
      else place.runtime = runtime;
    } else if (UNIT.test(segment)) place.unit = unescaped(segment);
    const pod = POD.exec(segment.split(':', 1)[0] as string)?.[1];
    if (pod !== undefined) place.pod_uid = pod.replaceAll('_', '-');
  }
  return place;
}

function containerOf(segment: string): { id: string; runtime: string | undefined } | undefined {
  for (const [pattern, runtime] of CONTAINERS) {
    const id = pattern.exec(segment)?.[1];
    if (id !== undefined) return { id: runtime === 'nspawn' ? unescaped(id) : id, runtime };
  }
  return undefined;
}

/** `\x2d` and its like: systemd.unit(5). */
function unescaped(name: string): string {
  return name.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
