/**
 * A TLS ClientHello from the records that carry it: RFC 8446 section 4.1.2 (and 5246, 6066, 7301, 8701), at whatever place
 * it is cut into records. What is not there is absent; a hello that is damaged or cut short says so and gives what stands
 * before the fault.
 */

/** Bytes of records and of the message they carry that are looked at. The largest real ones (post-quantum keys) have 2 KiB. */
export const MAX_HELLO_BYTES = 128 * 1024;
/** Extensions and items of one list that are kept: a hello with more is no client's. */
const MOST_ITEMS = 2048;

const CHANGE_CIPHER_SPEC = 20;
const HANDSHAKE = 22;
const CLIENT_HELLO = 1;

const SERVER_NAME = 0x0000;
const SUPPORTED_GROUPS = 0x000a;
const POINT_FORMATS = 0x000b;
const SIGNATURE_ALGORITHMS = 0x000d;
const ALPN = 0x0010;
const SUPPORTED_VERSIONS = 0x002b;
/** encrypted_client_hello: RFC 9849. */
const ENCRYPTED_CLIENT_HELLO = 0xfe0d;

export interface ClientHello {
  /** The field in the message itself: 0x0303 in TLS 1.3, too. */
  legacyVersion: number;
  /** Lists as sent, GREASE included. */
  ciphers: number[];
  extensions: number[];
  groups: number[];
  pointFormats: number[];
  signatureAlgorithms: number[];
  /** Absent where the extension is. */
  supportedVersions: number[] | undefined;
  /** The first name of type host_name. */
  serverName: Buffer | undefined;
  alpn: Buffer[];
  encrypted: boolean;
}

/** `whole`; `short`: more bytes have to come; `damaged`: lengths do not fit; `other`: it is no ClientHello. */
export type HelloState = 'whole' | 'short' | 'damaged' | 'other';

/** What was found: `hello` as far as it could be read; undefined where not even its version could. */
export interface HelloFound {
  state: HelloState;
  hello: ClientHello | undefined;
}

/** GREASE: RFC 8701, section 2. Both bytes are the same, and end in 0xa. */
export function isGrease(value: number): boolean {
  return (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff);
}

/** Reads the hello at the beginning of a client's bytes. Never throws. */
export function readClientHello(records: Buffer): HelloFound {
  const { message, ends } = handshakeOf(records);
  if (message === undefined) return { state: 'other', hello: undefined };
  if (message.length < 4) return { state: ends ? 'damaged' : 'short', hello: undefined };
  if (message[0] !== CLIENT_HELLO) return { state: 'other', hello: undefined };
  const length = message.readUIntBE(1, 3);
  if (length + 4 > MAX_HELLO_BYTES) return { state: 'damaged', hello: undefined };
  const body = message.subarray(4, 4 + length);
  const { hello, damaged } = readBody(body, body.length === length);
  if (body.length === length) return { state: damaged ? 'damaged' : 'whole', hello };
  return { state: ends ? 'damaged' : 'short', hello };
}

/**
 * The handshake bytes of the records from the start on, joined until the first message is whole. `ends`: a record of
 * another kind follows, so no more can come. No message: these are not a client's first records.
 */
function handshakeOf(records: Buffer): { message: Buffer | undefined; ends: boolean } {
  const pieces: Buffer[] = [];
  let have = 0;
  let wanted = 4;
  let at = 0;
  let ends = false;
  const end = Math.min(records.length, MAX_HELLO_BYTES);
  while (at < end && have < wanted) {
    const type = records[at] as number;
    // After a HelloRetryRequest the second hello comes behind one of these (RFC 8446, appendix D.4).
    const skipped = type === CHANGE_CIPHER_SPEC && have === 0;
    if (type !== HANDSHAKE && !skipped) {
      ends = true;
      break;
    }
    if (at + 1 < end && records[at + 1] !== 3) {
      ends = true;
      break;
    }
    if (at + 5 > end) break;
    const length = records.readUInt16BE(at + 3);
    const piece = records.subarray(at + 5, Math.min(at + 5 + length, end));
    at += 5 + length;
    if (skipped) continue;
    // An empty record of handshake is forbidden, but adds nothing.
    pieces.push(piece);
    have += piece.length;
    if (have >= 4 && wanted === 4) {
      const start = Buffer.concat(pieces);
      pieces.length = 0;
      pieces.push(start);
      wanted = 4 + start.readUIntBE(1, 3);
    }
  }
  if (have === 0 && ends) return { message: undefined, ends };
  return { message: Buffer.concat(pieces), ends };
}

/** A reader over bytes that knows when it went past their end. */
class Reader {
  at = 0;
  over = false;
  constructor(readonly bytes: Buffer) {}

  get left(): number {
    return this.bytes.length - this.at;
  }

  u8(): number {
    if (this.left < 1) return this.#past();
    return this.bytes[this.at++] as number;
  }

  u16(): number {
    if (this.left < 2) return this.#past();
    this.at += 2;
    return this.bytes.readUInt16BE(this.at - 2);
  }

  /** So many bytes; fewer where there are not so many. */
  take(length: number): Buffer {
    const taken = this.bytes.subarray(this.at, this.at + length);
    this.at += taken.length;
    if (taken.length < length) this.over = true;
    return taken;
  }

  #past(): number {
    this.over = true;
    this.at = this.bytes.length;
    return 0;
  }
}

function readBody(body: Buffer, whole: boolean): { hello: ClientHello | undefined; damaged: boolean } {
  const reader = new Reader(body);
  const hello: ClientHello = {
    legacyVersion: reader.u16(),
    ciphers: [],
    extensions: [],
    groups: [],
    pointFormats: [],
    signatureAlgorithms: [],
    supportedVersions: undefined,
    serverName: undefined,
    alpn: [],
    encrypted: false,
  };
  if (reader.over) return { hello: undefined, damaged: true };
  reader.take(32);
  reader.take(reader.u8());
  const ciphers = reader.take(reader.u16());
  hello.ciphers = numbers(ciphers);
  let damaged = ciphers.length % 2 !== 0;
  reader.take(reader.u8());
  // Clients before extensions end here (RFC 5246, section 7.4.1.2).
  if (!reader.over && reader.left > 0) {
    const length = reader.u16();
    const block = reader.take(length);
    if (readExtensions(block, hello)) damaged = true;
    if (whole && reader.left > 0) damaged = true;
  }
  return { hello, damaged: damaged || reader.over };
}

/** True when lengths in it do not fit. The first extension of a kind counts. */
function readExtensions(block: Buffer, hello: ClientHello): boolean {
  const reader = new Reader(block);
  const seen = new Set<number>();
  while (reader.left > 0) {
    const type = reader.u16();
    const length = reader.u16();
    if (reader.over || hello.extensions.length >= MOST_ITEMS) return true;
    hello.extensions.push(type);
    const content = reader.take(length);
    if (reader.over) return true;
    if (seen.has(type)) continue;
    seen.add(type);
    if (type === SERVER_NAME) hello.serverName = firstHostName(content);
    else if (type === SUPPORTED_GROUPS) hello.groups = numbers(content.subarray(2, 2 + lengthAt(content, 2)));
    else if (type === POINT_FORMATS) hello.pointFormats = [...content.subarray(1, 1 + lengthAt(content, 1))];
    else if (type === SIGNATURE_ALGORITHMS) hello.signatureAlgorithms = numbers(content.subarray(2, 2 + lengthAt(content, 2)));
    else if (type === SUPPORTED_VERSIONS) hello.supportedVersions = numbers(content.subarray(1, 1 + lengthAt(content, 1)));
    else if (type === ALPN) hello.alpn = protocolNames(content);
    else if (type === ENCRYPTED_CLIENT_HELLO) hello.encrypted = true;
  }
  return false;
}

/** The length in front of a list, of `size` bytes; 0 where there is none. */
function lengthAt(content: Buffer, size: 1 | 2): number {
  return content.length < size ? 0 : content.readUIntBE(0, size);
}

function numbers(bytes: Buffer): number[] {
  const list: number[] = [];
  for (let at = 0; at + 2 <= bytes.length && list.length < MOST_ITEMS * 16; at += 2) list.push(bytes.readUInt16BE(at));
  return list;
}

/** RFC 6066, section 3: type 0 is host_name. */
function firstHostName(content: Buffer): Buffer | undefined {
  const reader = new Reader(content.subarray(2, 2 + lengthAt(content, 2)));
  while (reader.left > 0) {
    const type = reader.u8();
    const name = reader.take(reader.u16());
    if (reader.over) return undefined;
    if (type === 0) return name.length === 0 ? undefined : name;
  }
  return undefined;
}

/** RFC 7301, section 3.1. */
function protocolNames(content: Buffer): Buffer[] {
  const reader = new Reader(content.subarray(2, 2 + lengthAt(content, 2)));
  const names: Buffer[] = [];
  while (reader.left > 0 && names.length < MOST_ITEMS) {
    const name = reader.take(reader.u8());
    if (reader.over) break;
    names.push(name);
  }
  return names;
}
