/** Makes ClientHellos for tests. */
export interface HelloParts {
  version?: number;
  ciphers?: readonly number[];
  /** Type and content. Absent: no block at all, as of clients before RFC 3546. */
  extensions?: readonly (readonly [number, Buffer])[] | undefined;
}

function u16(...values: number[]): Buffer<ArrayBuffer> {
  return Buffer.from(values.flatMap((value) => [value >> 8, value & 255]));
}

/** The bytes behind their length, in `size` bytes. */
export function sized(size: 1 | 2, content: Buffer): Buffer<ArrayBuffer> {
  const length = Buffer.alloc(size);
  length.writeUIntBE(content.length, 0, size);
  return Buffer.concat([length, content]);
}

export const extension = {
  sni: (name: string): [number, Buffer] => [0, sized(2, Buffer.concat([Buffer.from([0]), sized(2, Buffer.from(name, 'latin1'))]))],
  groups: (...groups: number[]): [number, Buffer] => [10, sized(2, u16(...groups))],
  formats: (...formats: number[]): [number, Buffer] => [11, sized(1, Buffer.from(formats))],
  signatures: (...algorithms: number[]): [number, Buffer] => [13, sized(2, u16(...algorithms))],
  alpn: (...names: string[]): [number, Buffer] => [16, sized(2, Buffer.concat(names.map((name) => sized(1, Buffer.from(name, 'latin1')))))],
  versions: (...versions: number[]): [number, Buffer] => [43, sized(1, u16(...versions))],
  plain: (type: number, content = Buffer.alloc(0)): [number, Buffer] => [type, content],
};

/** The handshake message. */
export function helloMessage({ version = 0x0303, ciphers = [0x1301], extensions }: HelloParts): Buffer {
  const block =
    extensions === undefined
      ? Buffer.alloc(0)
      : sized(2, Buffer.concat(extensions.map(([type, content]) => Buffer.concat([u16(type), sized(2, content)]))));
  const body = Buffer.concat([
    u16(version),
    Buffer.alloc(32, 7),
    sized(1, Buffer.alloc(0)),
    sized(2, u16(...ciphers)),
    Buffer.from([1, 0]),
    block,
  ]);
  const head = Buffer.alloc(4);
  head[0] = 1;
  head.writeUIntBE(body.length, 1, 3);
  return Buffer.concat([head, body]);
}

/** The message in records that end at `cuts`. */
export function records(message: Buffer, ...cuts: number[]): Buffer {
  const ends = [...new Set([...cuts.filter((cut) => cut > 0 && cut < message.length), message.length])].sort((a, b) => a - b);
  let from = 0;
  return Buffer.concat(
    ends.map((end) => {
      const piece = message.subarray(from, end);
      from = end;
      return Buffer.concat([Buffer.from([22, 3, 1]), sized(2, piece)]);
    }),
  );
}

/** The browser of the published example of JA4: `t13d1516h2_8daaf6152771_e5627efa2ab1`. */
export const CHROME: HelloParts = {
  ciphers: [0x0a0a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035],
  extensions: [
    extension.plain(0x1a1a),
    extension.plain(0x001b, Buffer.from([2, 0, 2])),
    extension.sni('example.com'),
    extension.plain(0x0033, sized(2, Buffer.from([0, 0x1d, 0, 1, 9]))),
    extension.alpn('h2', 'http/1.1'),
    extension.plain(0x4469, sized(2, sized(1, Buffer.from('h2')))),
    extension.plain(0x0017),
    extension.plain(0xff01, Buffer.from([0])),
    extension.versions(0x7a7a, 0x0304, 0x0303),
    extension.signatures(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601),
    extension.plain(0x0012),
    extension.groups(0xdada, 0x001d, 0x0017, 0x0018),
    extension.plain(0x002d, Buffer.from([1, 1])),
    extension.formats(0),
    extension.plain(0x0005, Buffer.from([1, 0, 0, 0, 0])),
    extension.plain(0x0023),
    extension.plain(0x0015, Buffer.alloc(20)),
    extension.plain(0x2a2a, Buffer.from([0])),
  ],
};
