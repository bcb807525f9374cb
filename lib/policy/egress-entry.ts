/** One place on the network: `1.2.3.0/24`, `[2001:db8::1]:443/tcp`, `*.example.com:8000-8999`, `provider:openai`, `*:25`. */
import { isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';
import { ipv6Bytes, MAPPED } from '../match/address.js';
import { providerNames } from '../match/providers.js';
import { masked } from './egress-tables.js';
import type { EgressEntry, Protocol, Target } from './entry.js';
import { utf8, Wrong } from './wrong.js';

type Place = Pick<EgressEntry, 'target' | 'ports' | 'protocol'>;

/** Reads `text`, which stands at `offset` of its line. @throws Wrong */
export function readEgress(text: string, offset: number): Place {
  const url = /^[a-z][a-z0-9+.-]*:\/\/([^/]*)/i.exec(text);
  if (url !== null) throw new Wrong(offset, 'is a URL', `Write the host alone: ${utf8(url[1] ?? '') || 'example.com'}`);
  const protocol = /\/(tcp|udp)$/i.exec(text);
  const rest = protocol === null ? text : text.slice(0, protocol.index);
  const { place, ports } = splitPorts(rest, offset);
  return {
    target: readTarget(place, offset),
    ...(ports === undefined ? {} : { ports }),
    ...(protocol === null ? {} : { protocol: (protocol[1] as string).toLowerCase() as Protocol }),
  };
}

/** The ports are behind the last colon; an IPv6 address with ports stands in brackets. */
function splitPorts(text: string, offset: number): { place: string; ports?: { from: number; to: number } } {
  const bare = text.replace(/\/\d+$/, '');
  if (isIPv6(bare)) return { place: text };
  const colon = text.lastIndexOf(':');
  if (colon < 0 || bare.endsWith(']') || (/^provider:/i.test(text) && colon === 'provider'.length))
    return { place: unbracket(text, offset) };
  const place = text.slice(0, colon);
  if (place.includes(':') && !place.startsWith('[') && !/^provider:[^:]*$/i.test(place))
    throw new Wrong(offset, `"${utf8(text)}" is no IPv6 address`, 'Write [2001:db8::1]:443, or the address alone');
  const found = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text.slice(colon + 1));
  if (found === null) {
    const port = text.slice(colon + 1);
    throw new Wrong(offset + colon + 1, `"${utf8(port)}" is no port`, 'Write host:443 or host:8000-8999');
  }
  const from = Number(found[1]);
  const to = Number(found[2] ?? found[1]);
  if (from > to || to > 65535)
    throw new Wrong(offset + colon + 1, `"${found[0]}" is no range of ports`, 'Ports are 0 to 65535, the lesser first');
  return { place: unbracket(place, offset), ports: { from, to } };
}

/** `[2001:db8::1]`, `[2001:db8::]/32` and `[2001:db8::/32]` without brackets. */
function unbracket(text: string, offset: number): string {
  const found = /^\[([^\]]*)\](\/\d+)?$/.exec(text);
  if (found === null) {
    if (!text.includes('[') && !text.includes(']')) return text;
    throw new Wrong(offset, `"${utf8(text)}" has a bracket too many`, 'Write [2001:db8::1]:443');
  }
  const place = `${found[1]}${found[2] ?? ''}`;
  if (!isIPv6(place.replace(/\/\d+$/, '')))
    throw new Wrong(offset + 1, `"${utf8(found[1] ?? '')}" is no IPv6 address`, 'Brackets stand around IPv6 addresses only');
  return place;
}

function readTarget(place: string, offset: number): Target {
  if (place === '') throw new Wrong(offset, 'there is no host', 'Write * for every host');
  if (place === '*') return { kind: 'any' };
  const provider = /^provider:(.*)$/i.exec(place);
  if (provider !== null) return { kind: 'provider', provider: readProvider(provider[1] as string, offset + 'provider:'.length) };
  const net = readNet(place, offset);
  if (net !== undefined) return net;
  const below = place.startsWith('*.');
  const skip = below ? 2 : 0;
  return { kind: 'name', name: readName(place.slice(skip), offset + skip), below };
}

function readProvider(name: string, offset: number): string {
  const known = providerNames();
  const found = known.find((one) => one === name.toLowerCase());
  if (found === undefined) throw new Wrong(offset, `there is no provider "${utf8(name)}"`, `Providers are ${known.join(', ')}`);
  return found;
}

/** Undefined when it does not look like an address. */
function readNet(place: string, offset: number): Target | undefined {
  const slash = place.indexOf('/');
  const host = slash < 0 ? place : place.slice(0, slash);
  let address = host.includes(':') ? checkedIpv6(host, offset) : ipv4Bytes(host, offset);
  if (address === undefined) {
    if (slash >= 0)
      throw new Wrong(
        offset + slash,
        `"${utf8(place.slice(slash))}" behind a name`,
        'Behind a name stands :port, /tcp or /udp; a path on a host cannot be refused here',
      );
    return undefined;
  }
  let most = address.length * 8;
  let bits = most;
  if (slash >= 0) {
    const found = /^\d{1,3}$/.exec(place.slice(slash + 1));
    bits = found === null ? -1 : Number(found[0]);
    if (bits < 0 || bits > most)
      throw new Wrong(offset + slash + 1, `"${utf8(place.slice(slash + 1))}" is no length of a prefix`, `It is 0 to ${most}`);
  }
  // An IPv4 address mapped into IPv6 is that IPv4 address.
  if (most === 128 && bits >= 96 && address.subarray(0, 12).equals(MAPPED)) {
    address = address.subarray(12);
    bits -= 96;
    most = 32;
  }
  const network = masked(address, bits);
  if (!network.equals(address))
    throw new Wrong(
      offset,
      `"${place}" has bits behind its prefix`,
      `Write ${printAddress(network)}/${bits}, or the address without a prefix`,
    );
  return { kind: 'net', address: network, bits };
}

/** Undefined when it is a name. Leading zeros, short and octal forms mean different addresses to different programs. */
function ipv4Bytes(host: string, offset: number): Buffer | undefined {
  if (!/^[0-9.]+$/.test(host) && !/^(?:0x[0-9a-f]+|\d+)(?:\.(?:0x[0-9a-f]+|\d+))*$/i.test(host)) return undefined;
  const parts = host.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    throw new Wrong(offset, `"${host}" is no IPv4 address`, 'Write four decimal numbers of 0 to 255 without leading zeros, or 10.0.0.0/8');
  return Buffer.from(parts.map(Number));
}

/** A whole one, without a zone. */
function checkedIpv6(host: string, offset: number): Buffer {
  if (host.includes('%'))
    throw new Wrong(offset + host.indexOf('%'), 'an address with a zone', 'Leave out the zone: the address is meant on every interface');
  if (!isIPv6(host)) throw new Wrong(offset, `"${utf8(host)}" is no IPv6 address`, 'Write it as in 2001:db8::1');
  return ipv6Bytes(host);
}

function printAddress(address: Buffer): string {
  if (address.length === 4) return address.join('.');
  return new URL(`http://[${Array.from({ length: 8 }, (_, i) => address.readUInt16BE(2 * i).toString(16)).join(':')}]/`).hostname.slice(
    1,
    -1,
  );
}

function readName(latin1: string, offset: number): string {
  const host = utf8(latin1).replace(/\.$/, '');
  const star = latin1.indexOf('*');
  if (star >= 0) throw new Wrong(offset + star, 'a * stands for whole labels at the start only', 'Write *.example.com');
  const ascii = /^[\x21-\x7e]*$/.test(host) ? host.toLowerCase() : domainToASCII(host);
  const labels = ascii.split('.');
  if (ascii === '' || ascii.length > 253 || !labels.every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label)))
    throw new Wrong(
      offset,
      `"${host}" is no host name`,
      'Write an address, a name as api.example.com, *.example.com, provider:openai or an absolute path',
    );
  return ascii;
}
