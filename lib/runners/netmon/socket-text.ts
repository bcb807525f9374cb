/**
 * The facts of a socket as JSON, printed straight from the record. An event has few fields, always in the same order, so
 * that its text is put together faster than an object is made and printed.
 */
import { constants } from 'node:os';
import { RecNet } from '../../bpf/records.gen.js';
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
export function socketOf(record: SocketRecord): string {
  const { cookie } = record;
  if (cookie === 0) return (INODES + record.inode_exact).toString();
  return cookie < Number.MAX_SAFE_INTEGER ? String(cookie) : record.cookie_exact.toString();
}

export function isUnix(record: SocketRecord): boolean {
  return record.family === AF_UNIX;
}

/** A record whose addresses are read without making buffers of them: that would cost more than all the rest. */
export class SocketRecord extends RecNet {
  #isMapped(at: number): boolean {
    const { view, start } = this;
    const from = start + at;
    return view.getUint32(from + 8) === 0xffff && view.getUint32(from) === 0 && view.getUint32(from + 4) === 0;
  }

  get hasMapped(): boolean {
    return this.#isMapped(RecNet.places.peer) || this.#isMapped(RecNet.places.local);
  }

  /** The text of the address `at` that place. */
  addressAt(at: number): string {
    const { view, bytes } = this;
    const from = this.start + at;
    const isIpv4 = this.family === AF_INET;
    const key = isIpv4 ? view.getUint32(from) : bytes.toString('latin1', from, from + 16);
    let text = addresses.get(key);
    if (text === undefined) {
      text = isIpv4 ? ipv4(bytes, from) : ipv6(bytes, from);
      if (addresses.size >= PLACES_KNOWN) addresses.clear();
      addresses.set(key, text);
    }
    return text;
  }
}

/** IPv4 addresses mapped into IPv6 are IPv4's. */
function familyOf(record: SocketRecord): NetFamily | undefined {
  if (record.family === AF_UNIX) return 'unix';
  if (record.family === AF_INET) return 'ipv4';
  if (record.family !== AF_INET6) return undefined;
  return record.hasMapped ? 'ipv4' : 'ipv6';
}

function protocolOf(record: SocketRecord): string {
  if (record.family === AF_UNIX) return KINDS[record.kind] ?? String(record.kind);
  return record.protocol === TCP ? 'tcp' : record.protocol === UDP ? 'udp' : String(record.protocol);
}

/** The fields that all say of a socket: `"socket":"1","family":"ipv4","protocol":"tcp"`. */
export function socketText(record: SocketRecord): string {
  const family = familyOf(record);
  return `"socket":"${socketOf(record)}",${family === undefined ? '' : `"family":"${family}",`}"protocol":"${protocolOf(record)}"`;
}

/** Texts of addresses, by what stands in the record: of IPv4 the number, of IPv6 the bytes. */
const addresses = new Map<string | number, string>();

export function peerAddress(record: SocketRecord): string {
  return record.addressAt(RecNet.places.peer);
}

/** `1.2.3.4:443`, `[2001:db8::1]:443`. */
export function placeOf(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Where the socket itself is. */
export function localPlace(record: SocketRecord): string {
  return placeOf(record.addressAt(RecNet.places.local), record.local_port);
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
export function unixText(field: 'peer' | 'local', record: SocketRecord): string {
  return JSON.stringify(textField(field, unixPlace(record.data(record.len)))).slice(1, -1);
}

export function errnoName(error: number): string {
  return ERRNO.get(error) ?? `E${error}`;
}

/** Nanoseconds as milliseconds with three decimals at most. */
export function ms(ns: number): string {
  return thousandths(Math.round(ns / 1000));
}
