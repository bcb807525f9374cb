/**
 * The facts of a socket as JSON, printed straight from the record. An event has few fields, always in the same order, so
 * that its text is put together faster than an object is made and printed.
 */
import { constants } from 'node:os';
import type { RecNet } from '../../bpf/records.gen.js';
import { ipv4, ipv6 } from '../../protocols/dns.js';
import type { NetFamily } from '../../stream/event.js';
import { thousandths } from '../../stream/numbers.js';
import { textField } from '../../stream/payload.js';

const [AF_UNIX, AF_INET, AF_INET6] = [1, 2, 10];
export const [TCP, UDP] = [6, 17];
const KINDS: Readonly<Record<number, string>> = { 1: 'stream', 2: 'dgram', 5: 'seqpacket' };
const ERRNO = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));
/** Addresses whose text is kept: few of them come again and again. */
const PLACES_KNOWN = 4096;
const UNIX = Buffer.from('unix:');

/** A socket of TCP has a cookie; of another one the inode stands for it, where no cookie reaches. */
const INODES = 1n << 62n;

/** The number by which a socket is known, as the contract prints it. */
export function socketOf(record: RecNet): string {
  const { cookie } = record;
  if (cookie === 0) return (INODES + record.inode_exact).toString();
  return cookie < Number.MAX_SAFE_INTEGER ? String(cookie) : record.cookie_exact.toString();
}

export function isUnix(record: RecNet): boolean {
  return record.family === AF_UNIX;
}

function isMapped(address: Buffer): boolean {
  return address.readUInt16BE(10) === 0xffff && address.readUInt32BE(0) === 0 && address.readUInt32BE(4) === 0 && address[8] === 0;
}

/** IPv4 addresses mapped into IPv6 are IPv4's. */
function familyOf(record: RecNet): NetFamily | undefined {
  if (record.family === AF_UNIX) return 'unix';
  if (record.family === AF_INET) return 'ipv4';
  if (record.family !== AF_INET6) return undefined;
  return isMapped(record.peer) || isMapped(record.local) ? 'ipv4' : 'ipv6';
}

function protocolOf(record: RecNet): string {
  if (record.family === AF_UNIX) return KINDS[record.kind] ?? String(record.kind);
  return record.protocol === TCP ? 'tcp' : record.protocol === UDP ? 'udp' : String(record.protocol);
}

/** The fields that all say of a socket: `"socket":"1","family":"ipv4","protocol":"tcp"`. */
export function socketText(record: RecNet): string {
  const family = familyOf(record);
  return `"socket":"${socketOf(record)}",${family === undefined ? '' : `"family":"${family}",`}"protocol":"${protocolOf(record)}"`;
}

/** Texts of addresses, by what stands in the record. */
const addresses = new Map<string, string>();

function addressOf(record: RecNet, bytes: Buffer): string {
  if (record.family === AF_INET) return ipv4(bytes);
  const key = bytes.toString('latin1');
  let text = addresses.get(key);
  if (text === undefined) {
    text = ipv6(bytes);
    if (addresses.size >= PLACES_KNOWN) addresses.clear();
    addresses.set(key, text);
  }
  return text;
}

export function peerAddress(record: RecNet): string {
  return addressOf(record, record.peer);
}

/** `1.2.3.4:443`, `[2001:db8::1]:443`. */
export function placeOf(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Where the socket itself is. */
export function localPlace(record: RecNet): string {
  return placeOf(addressOf(record, record.local), record.local_port);
}

/** `unix:/run/x`, `unix:@name` of an abstract one, `unix:` of one without a name. A NUL inside a name as @, as /proc/net/unix has it. */
export function unixPlace(sockaddr: Buffer): Buffer {
  const name = Buffer.from(sockaddr.subarray(2));
  if (name[0] === 0) {
    for (let i = 0; i < name.length; i++) if (name[i] === 0) name[i] = 0x40;
    return Buffer.concat([UNIX, name]);
  }
  const end = name.indexOf(0);
  return Buffer.concat([UNIX, end < 0 ? name : name.subarray(0, end)]);
}

/** The name of a unix socket as the field `peer` or `local`; in base64 where it is not UTF-8. */
export function unixText(field: 'peer' | 'local', record: RecNet): string {
  return JSON.stringify(textField(field, unixPlace(record.data(record.len)))).slice(1, -1);
}

export function errnoName(error: number): string {
  return ERRNO.get(error) ?? `E${error}`;
}

/** Nanoseconds as milliseconds with three decimals at most. */
export function ms(ns: number): string {
  return thousandths(Math.round(ns / 1000));
}
