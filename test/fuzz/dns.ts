/** Fuzzing of DNS: whatever is in a packet, what comes out is a name and addresses of some size, and only of that packet. */
import { isIP } from 'node:net';
import { readDns } from '../../lib/protocols/dns.js';
import { DnsStreams } from '../../lib/runners/netmon/pieces.js';
import { framed, message, name, pointer, type Record } from '../protocols/dns-maker.js';
import { cut, cutSizes, mutateBytes, type Next, pick, random } from './random.js';

const HOSTS = ['www.test', 'a.very.long.name.of.a.host.test', 'x', '', 'alias.test'];

function anyName(next: Next): Buffer {
  return next(3) === 0 ? pointer(pick([12, 0, 13, next(200), 0x3fff], next)) : name(pick(HOSTS, next));
}

function anyRecord(next: Next): Record {
  const type = pick([1, 28, 5, 16, 6, next(65536)], next);
  const data = type === 5 ? anyName(next) : Buffer.alloc(pick([4, 16, 0, 5, next(40)], next), next(256));
  return { owner: anyName(next), type, data, ttl: next(2 ** 31), klass: next(9) === 0 ? next(4) : 1 };
}

function anyMessage(next: Next): Buffer {
  const answers = Array.from({ length: next(6) }, () => anyRecord(next));
  const flags = pick([0x0100, 0x8180, 0x8183, 0x8180, next(65536)], next);
  return message({ id: next(65536), flags, question: next(5) === 0 ? anyName(next) : name('www.test'), answers });
}

/** What is not true of the input of a seed. */
export function wrongWithDns(seed: number): string | undefined {
  const next = random(seed);
  let bytes = anyMessage(next);
  for (let n = next(4); n > 0; n--) bytes = mutateBytes(bytes, anyMessage(next), next);
  const read = readDns(bytes);
  if (read !== undefined) {
    const names = [read.name, ...read.cname];
    if (names.some((one) => !/^[!-~]{1,1020}$/.test(one))) return `a strange name: ${names.join(' ').slice(0, 200)}`;
    if (read.addresses.some((address) => isIP(address) === 0)) return `a strange address: ${read.addresses.join(' ').slice(0, 200)}`;
    if (read.addresses.length > 256 || read.cname.length > 256) return 'more than is read of one packet';
    if (!read.answer && read.addresses.length > 0) return 'addresses in a question';
  }
  // In the middle of other memory it says the same: nothing is read from outside.
  const around = Buffer.concat([Buffer.alloc(20, 0xc0), bytes, Buffer.alloc(300, 1)]);
  const inside = readDns(around.subarray(20, 20 + bytes.length));
  if (JSON.stringify(inside) !== JSON.stringify(read)) return 'it depends on what stands around it';
  const stream = framed(bytes, anyMessage(next));
  const whole = new DnsStreams().add('1', stream, false);
  const streams = new DnsStreams();
  const pieces = cut(stream, cutSizes(stream.length, next)).flatMap((piece) => streams.add('1', piece, false));
  return Buffer.concat(pieces).equals(Buffer.concat(whole)) && pieces.length === whole.length
    ? undefined
    : 'cut otherwise it says something else';
}
