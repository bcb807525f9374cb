/** Counts and hashes what goes through a connection, at the level of the plaintext. */
import { createHash, type Hash } from 'node:crypto';
import { Duplex } from 'node:stream';

/** Bytes of each direction that are kept to be looked at; all are counted and hashed. */
const KEPT = 1 << 20;

/** One direction. */
export class Count {
  bytes = 0;
  readonly #kept: Uint8Array[] = [];
  readonly #hash: Hash = createHash('sha256');

  add(data: Uint8Array): void {
    this.bytes += data.length;
    if (this.bytes <= KEPT) this.#kept.push(Uint8Array.from(data));
    this.#hash.update(data);
  }

  /** What was added, while it was no more than 1 MiB. */
  kept(): Buffer {
    return Buffer.concat(this.#kept);
  }

  /** Of what was added so far. */
  sha256(): string {
    return this.#hash.copy().digest('hex');
  }
}

/**
 * A duplex that passes everything between `inner` and its user and counts it: `received` when it is handed up,
 * `sent` when it is handed down. An http.Server takes one as a connection, so what it parses and prints is what is counted.
 */
export class CountedDuplex extends Duplex {
  readonly received = new Count();
  readonly sent = new Count();

  constructor(private readonly inner: Duplex) {
    super({ allowHalfOpen: true });
    inner.on('data', (data: Buffer) => {
      this.received.add(data);
      if (!this.push(data)) inner.pause();
    });
    inner.on('end', () => this.push(null));
    inner.on('error', (error) => this.destroy(error));
    inner.on('close', () => this.destroy());
  }

  override _read(): void {
    this.inner.resume();
  }

  override _write(data: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.sent.add(data);
    this.inner.write(data, done);
  }

  override _final(done: () => void): void {
    this.inner.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.inner.destroy();
    done(error);
  }

  /** http.Server asks its connections for these. */
  setTimeout(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
}
