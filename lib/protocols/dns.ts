/** DNS messages as they are on the wire: RFC 1035 section 4, AAAA of RFC 3596. Only what the contract says of them. */

/** Records of one answer that are read. */
const MOST_RECORDS = 256;
/** Pointers that one name may follow. */
const MOST_POINTERS = 32;
const LONGEST_NAME = 255;

export interface DnsMessage {
  id: number;
  answer: boolean;
  name: string;
  qtype: string;
  rcode: string;
  /** The chain of names that the answer gives for the one asked for. */
  cname: string[];
  addresses: string[];
  /** The least of all records that count. */
  ttl: number | undefined;
}

const TYPES: Readonly<Record<number, string>> = {
  1: 'A',
  2: 'NS',
  5: 'CNAME',
  6: 'SOA',
  12: 'PTR',
  15: 'MX',
  16: 'TXT',
  28: 'AAAA',
  33: 'SRV',
  35: 'NAPTR',
  43: 'DS',
  46: 'RRSIG',
  48: 'DNSKEY',
  64: 'SVCB',
  65: 'HTTPS',
  255: 'ANY',
};
const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED', 'YXDOMAIN', 'YXRRSET', 'NXRRSET', 'NOTAUTH', 'NOTZONE'];

/** A message with one question; undefined when it is none. Never throws. */
export function readDns(bytes: Buffer): DnsMessage | undefined {
  if (bytes.length < 17) return undefined;
  const flags = bytes.readUInt16BE(2);
  // Opcode QUERY, and the reserved bit is 0.
  if ((flags & 0x7840) !== 0 || bytes.readUInt16BE(4) !== 1) return undefined;
  const question = nameAt(bytes, 12);
  if (question === undefined || question.end + 4 > bytes.length) return undefined;
  const type = bytes.readUInt16BE(question.end);
  const message: DnsMessage = {
    id: bytes.readUInt16BE(0),
    answer: (flags & 0x8000) !== 0,
    name: question.name,
    qtype: TYPES[type] ?? `TYPE${type}`,
    rcode: RCODES[flags & 15] ?? `RCODE${flags & 15}`,
    cname: [],
    addresses: [],
    ttl: undefined,
  };
  if (message.answer) readAnswers(bytes, question.end + 4, bytes.readUInt16BE(6), message);
  return message;
}

const CLASS_IN = 1;
const [A, CNAME, AAAA] = [1, 5, 28];

interface Answer {
  owner: string;
  type: number;
  ttl: number;
  /** The target of a CNAME, or an address. */
  value: string;
}

function answersOf(bytes: Buffer, from: number, count: number): Answer[] {
  const answers: Answer[] = [];
  let at = from;
  for (let n = 0; n < Math.min(count, MOST_RECORDS); n++) {
    const owner = nameAt(bytes, at);
    if (owner === undefined || owner.end + 10 > bytes.length) break;
    const type = bytes.readUInt16BE(owner.end);
    const inClass = bytes.readUInt16BE(owner.end + 2) === CLASS_IN;
    const ttl = bytes.readUInt32BE(owner.end + 4);
    const length = bytes.readUInt16BE(owner.end + 8);
    const start = owner.end + 10;
    at = start + length;
    if (at > bytes.length) break;
    let value: string | undefined;
    if (type === A && length === 4) value = ipv4(bytes, start);
    else if (type === AAAA && length === 16) value = ipv6(bytes, start);
    else if (type === CNAME) value = nameAt(bytes, start)?.name;
    if (inClass && value !== undefined) answers.push({ owner: owner.name.toLowerCase(), type, ttl, value });
  }
  return answers;
}

/** What is said of the name asked for, by itself or by the names that it stands for. Records of other names are nobody's. */
function readAnswers(bytes: Buffer, from: number, count: number, message: DnsMessage): void {
  const answers = answersOf(bytes, from, count);
  const aliases = new Map(answers.filter(({ type }) => type === CNAME).map((answer) => [answer.owner, answer]));
  const names = new Set<string>();
  let least: number | undefined;
  for (let name = message.name.toLowerCase(); !names.has(name); ) {
    names.add(name);
    const alias = aliases.get(name);
    if (alias === undefined) break;
    message.cname.push(alias.value);
    least = Math.min(least ?? alias.ttl, alias.ttl);
    name = alias.value.toLowerCase();
  }
  for (const { owner, type, ttl, value } of answers) {
    if (type === CNAME || !names.has(owner)) continue;
    message.addresses.push(value);
    least = Math.min(least ?? ttl, ttl);
  }
  message.ttl = least;
}

/** A name, its compression undone, without the dot at its end; bytes that are no letter as `\065`. */
function nameAt(bytes: Buffer, from: number): { name: string; end: number } | undefined {
  const labels: string[] = [];
  let at = from;
  let end: number | undefined;
  let length = 0;
  for (let pointers = 0; ; ) {
    const size = bytes[at];
    if (size === undefined) return undefined;
    if (size >= 0xc0) {
      const low = bytes[at + 1];
      if (low === undefined || ++pointers > MOST_POINTERS) return undefined;
      end ??= at + 2;
      at = ((size & 0x3f) << 8) | low;
      continue;
    }
    if (size > 63) return undefined;
    if (size === 0) break;
    length += size + 1;
    if (length > LONGEST_NAME || at + 1 + size > bytes.length) return undefined;
    labels.push(labelOf(bytes.subarray(at + 1, at + 1 + size)));
    at += size + 1;
  }
  return { name: labels.length === 0 ? '.' : labels.join('.'), end: end ?? at + 1 };
}

/** RFC 4343, section 2.1. */
function labelOf(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replace(/[^!-~]|[.\\]/g, (char) => (char === '.' || char === '\\' ? `\\${char}` : `\\${String(char.charCodeAt(0)).padStart(3, '0')}`));
}

export function ipv4(bytes: Buffer, at = 0): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

/** RFC 5952. An IPv4 address mapped into IPv6 is written as the IPv4 one. */
export function ipv6(bytes: Buffer, at = 0): string {
  const words = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(at + 2 * i));
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff) return ipv4(bytes, at + 12);
  let [from, longest] = [-1, 1];
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && words[i + n] === 0) n++;
    if (n > longest) [from, longest] = [i, n];
  }
  const hex = words.map((word) => word.toString(16));
  if (from < 0) return hex.join(':');
  return `${hex.slice(0, from).join(':')}::${hex.slice(from + longest).join(':')}`;
}
