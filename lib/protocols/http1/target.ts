/** The request target (RFC 9112 §3.2) taken apart as the event contract wants it. */

export interface Target {
  scheme: string;
  /** Lower-case, without user and the scheme's default port. Absent when nobody named it. */
  host?: string;
  /** Path and query; of CONNECT its authority; `*`. */
  path: string;
}

const ABSOLUTE = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)(.*)$/s;
const DEFAULT_PORT: Record<string, string> = { http: ':80', https: ':443', ws: ':80', wss: ':443' };

/** `host` is the value of the Host field, `scheme` that of the connection. */
export function readTarget(method: string, target: string, host: string | undefined, scheme: string): Target {
  if (method === 'CONNECT') return { scheme, ...named(target, scheme), path: target };
  const absolute = ABSOLUTE.exec(target);
  if (!absolute) return { scheme, ...named(host ?? '', scheme), path: target };
  const own = (absolute[1] as string).toLowerCase();
  const rest = absolute[3] as string;
  // A target in absolute form decides; Host is to be ignored (RFC 9112 §3.2.2).
  return { scheme: own, ...named(absolute[2] as string, own), path: rest === '' ? '/' : rest };
}

function named(authority: string, scheme: string): { host?: string } {
  let host = authority
    .slice(authority.lastIndexOf('@') + 1)
    .trim()
    .toLowerCase();
  const port = DEFAULT_PORT[scheme];
  if (port !== undefined && host.endsWith(port)) host = host.slice(0, -port.length);
  return host === '' ? {} : { host };
}
