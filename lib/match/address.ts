/** Addresses of IP as bytes. */

/** What stands before the four bytes of an IPv4 address that is mapped into IPv6: RFC 4291, section 2.5.5.2. */
export const MAPPED = Buffer.from('00000000000000000000ffff', 'hex');

/** 16 bytes of what node:net's isIPv6 takes, without a zone. RFC 4291, section 2.2. */
export function ipv6Bytes(host: string): Buffer {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(host);
  let text = host;
  if (dotted !== null) {
    const [a = 0, b = 0, c = 0, d = 0] = dotted.slice(2).map(Number);
    text = `${dotted[1]}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  }
  const [left = '', right] = text.split('::');
  const words = (part: string | undefined): number[] =>
    part === undefined || part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16));
  const after = words(right);
  const bytes = Buffer.alloc(16);
  for (const [i, word] of words(left).entries()) bytes.writeUInt16BE(word, 2 * i);
  for (const [i, word] of after.entries()) bytes.writeUInt16BE(word, 16 - 2 * (after.length - i));
  return bytes;
}

/** 16 bytes of a valid address of either family, IPv4 mapped; a zone is left out. */
export function addressBytes(address: string): Buffer {
  if (address.includes(':')) return ipv6Bytes(address.replace(/%.*$/, ''));
  return Buffer.concat([MAPPED, Buffer.from(address.split('.').map(Number))]);
}
