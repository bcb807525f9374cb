/**
 * The server's end of a WebSocket (RFC 6455) with permessage-deflate (RFC 7692), whose window is kept from message to
 * message as the big providers do: enough for a conversation of text messages with clients that keep to the protocol.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { constants, createDeflateRaw, createInflateRaw, type DeflateRaw, type InflateRaw } from 'node:zlib';

const MOST_MESSAGE_BYTES = 64 * 1024 * 1024;
/** What a sync flush ends with, left out on the wire (RFC 7692, 7.2.1). */
const TAIL = Buffer.from([0, 0, 0xff, 0xff]);

const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Feeds `data` to a zlib stream and resolves with all that it makes of it. The streams keep their window between calls. */
function through(stream: DeflateRaw | InflateRaw, data: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const out: Buffer[] = [];
    const take = (piece: Buffer): void => {
      out.push(piece);
    };
    stream.on('data', take);
    stream.once('error', reject);
    stream.write(data);
    stream.flush(constants.Z_SYNC_FLUSH, () => {
      stream.off('data', take);
      stream.off('error', reject);
      resolve(Buffer.concat(out));
    });
  });
}

export class ServerSocket {
  readonly #socket: Duplex;
  readonly #inflate: InflateRaw | undefined;
  readonly #deflate: DeflateRaw | undefined;
  #buffer = Buffer.alloc(0);
  /** The frames of the message that has begun. */
  #parts: Buffer[] = [];
  #compressed = false;
  #work: Promise<unknown> = Promise.resolve();

  /** Answers the upgrade. `onText` is called with each text message, the next when it is done. */
  constructor(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    readonly onText: (text: string, self: ServerSocket) => Promise<void>,
  ) {
    this.#socket = socket;
    const deflates = /permessage-deflate/.test(String(request.headers['sec-websocket-extensions'] ?? ''));
    if (deflates) {
      this.#inflate = createInflateRaw();
      this.#deflate = createDeflateRaw();
    }
    const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash('sha1').update(key).digest('base64');
    const extension = deflates ? 'Sec-WebSocket-Extensions: permessage-deflate\r\n' : '';
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${extension}\r\n`,
    );
    socket.on('error', () => socket.destroy());
    socket.on('data', (data: Buffer) => this.#take(data));
    if (head.length > 0) this.#take(head);
  }

  async send(text: string): Promise<void> {
    let payload: Buffer = Buffer.from(text);
    if (this.#deflate !== undefined) {
      const squeezed = await through(this.#deflate, payload);
      payload = squeezed.subarray(-4).equals(TAIL) ? squeezed.subarray(0, -4) : squeezed;
    }
    this.#frame(OPCODE.text, payload, this.#deflate !== undefined);
  }

  #frame(opcode: number, payload: Buffer, compressed = false): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    const { length } = payload;
    const head = Buffer.alloc(length < 126 ? 2 : length < 65536 ? 4 : 10);
    head[0] = 0x80 | (compressed ? 0x40 : 0) | opcode;
    head[1] = length < 126 ? length : length < 65536 ? 126 : 127;
    if (length >= 65536) head.writeBigUInt64BE(BigInt(length), 2);
    else if (length >= 126) head.writeUInt16BE(length, 2);
    this.#socket.write(Buffer.concat([head, payload]));
  }

  #take(data: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, data]);
    for (let used = this.#oneFrame(); used > 0; used = this.#oneFrame()) this.#buffer = this.#buffer.subarray(used);
    if (this.#buffer.length > MOST_MESSAGE_BYTES) this.#socket.destroy();
  }

  /** Takes the first frame of the buffer. Returns its length, 0 while it is not all there. */
  #oneFrame(): number {
    const b = this.#buffer;
    if (b.length < 2) return 0;
    const short = (b[1] ?? 0) & 0x7f;
    const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
    if (b.length < 2 + extended) return 0;
    const length = short === 126 ? b.readUInt16BE(2) : short === 127 ? Number(b.readBigUInt64BE(2)) : short;
    const masked = ((b[1] ?? 0) & 0x80) !== 0;
    const from = 2 + extended + (masked ? 4 : 0);
    if (b.length < from + length) return 0;
    const payload = Buffer.from(b.subarray(from, from + length));
    if (masked) for (let n = 0; n < length; n++) payload[n] = (payload[n] ?? 0) ^ (b[from - 4 + (n & 3)] ?? 0);
    this.#handle(b[0] ?? 0, payload);
    return from + length;
  }

  #handle(first: number, payload: Buffer): void {
    const opcode = first & 0x0f;
    if (opcode === OPCODE.ping) this.#frame(OPCODE.pong, payload);
    if (opcode === OPCODE.ping || opcode === OPCODE.pong) return;
    if (opcode === OPCODE.close) {
      this.#frame(OPCODE.close, payload.subarray(0, 2));
      this.#socket.end();
      return;
    }
    if (opcode !== OPCODE.continuation) this.#compressed = (first & 0x40) !== 0;
    this.#parts.push(payload);
    if ((first & 0x80) === 0) return;
    const message = Buffer.concat(this.#parts);
    this.#parts = [];
    const inflate = this.#compressed ? this.#inflate : undefined;
    this.#work = this.#work
      .then(async () => {
        const text = inflate === undefined ? message : await through(inflate, Buffer.concat([message, TAIL]));
        await this.onText(text.toString('utf8'), this);
      })
      .catch(() => this.#socket.destroy());
  }
}
