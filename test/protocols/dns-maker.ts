/** DNS messages, made by hand where an encoder would not make them. */

export function name(text: string): Buffer {
  const labels = text === '' ? [] : text.split('.');
  return Buffer.concat([...labels.map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label, 'latin1')])), Buffer.of(0)]);
}

/** A pointer to a place in the message. */
export function pointer(at: number): Buffer {
  return Buffer.of(0xc0 | (at >> 8), at & 255);
}

export interface Record {
  owner: Buffer;
  type: number;
  data: Buffer;
  ttl?: number;
  klass?: number;
}

export interface Parts {
  id?: number;
  flags?: number;
  question?: Buffer;
  qtype?: number;
  answers?: readonly Record[];
  /** What the header claims, when not the truth. */
  count?: number;
}

/** The question's name stands at 12. */
export function message({ id = 1, flags = 0x8180, question = name('www.test'), qtype = 1, answers = [], count }: Parts): Buffer {
  const head = Buffer.alloc(12);
  for (const [i, word] of [id, flags, 1, count ?? answers.length].entries()) head.writeUInt16BE(word, 2 * i);
  const records = answers.map(({ owner, type, data, ttl = 60, klass = 1 }) => {
    const fixed = Buffer.alloc(10);
    fixed.writeUInt16BE(type, 0);
    fixed.writeUInt16BE(klass, 2);
    fixed.writeUInt32BE(ttl, 4);
    fixed.writeUInt16BE(data.length, 8);
    return Buffer.concat([owner, fixed, data]);
  });
  return Buffer.concat([head, question, Buffer.of(qtype >> 8, qtype & 255, 0, 1), ...records]);
}

/** As over TCP: each behind its length. */
export function framed(...messages: readonly Buffer[]): Buffer {
  return Buffer.concat(messages.flatMap((bytes) => [Buffer.of(bytes.length >> 8, bytes.length & 255), bytes]));
}
