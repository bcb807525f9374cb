/** Addresses of mail, and passwords in addresses of the web: both are known by their `@`. */
import { type Look, more, NO, type Place, yes } from './look.js';
import { isPlaceholder } from './names.js';
import { escapeLength } from './units.js';

const LOCAL = new Uint8Array(128);
const DOMAIN = new Uint8Array(128);
for (let i = 0; i < 128; i++) {
  const char = String.fromCharCode(i);
  if (/[A-Za-z0-9._%+-]/.test(char)) LOCAL[i] = 1;
  if (/[A-Za-z0-9.-]/.test(char)) DOMAIN[i] = 1;
}
/** RFC 5321, 4.5.3.1. */
const LONGEST_LOCAL = 64;
const LONGEST_DOMAIN = 253;

/** Ends that are names of files, units and packages. */
const NO_DOMAIN =
  /\.(?:png|jpe?g|gif|svg|webp|ico|[cm]?[jt]sx?|css|s?html?|json|xml|ya?ml|toml|md|txt|lock|log|map|gz|tgz|zip|tar|whl|service|socket|timer|target|slice|scope|mount|device|path|so|dll|exe|git)$/i;
/** Algorithms of SSH. */
const NO_MAIL = /@(?:openssh\.com|libssh\.org|lysator\.liu\.se|ssh\.com)$/i;

/** `name@example.org`. */
export function findEmail({ text, at, after, floor, final }: Place): Look {
  let end = after;
  let dots = 0;
  while (end < text.length && end - after <= LONGEST_DOMAIN) {
    const unit = text.charCodeAt(end);
    if (unit >= 128 || DOMAIN[unit] === 0) break;
    if (unit === 0x2e) dots++;
    end++;
  }
  const open = end === text.length && end - after <= LONGEST_DOMAIN && !final;
  if (dots === 0 && !open) return NO;
  const least = Math.max(floor, at - LONGEST_LOCAL - 1);
  let start = at;
  while (start > least) {
    const unit = text.charCodeAt(start - 1);
    if (unit >= 128 || LOCAL[unit] === 0) break;
    start--;
  }
  if (at - start > LONGEST_LOCAL) return NO;
  const run = text.slice(start, at);
  start += escapeLength(run, text.charAt(start - 1));
  // What an address encodes before the name does not belong to it: `to%3Dname%40example.org`.
  const encoded = text.slice(start, at).search(/%(?!2[bBdDeE]|5[fF])[0-9A-Fa-f]{2}(?!.*%(?!2[bBdDeE]|5[fF])[0-9A-Fa-f]{2})/);
  if (encoded >= 0) start += encoded + 3;
  while (start < at && '.%-+'.includes(text.charAt(start))) start++;
  if (start === at) return NO;
  if (open) return more(start, start);
  const domain = /^[.-]*/.exec(text.slice(after, end)) as RegExpExecArray;
  if (domain[0].length > 0) return NO;
  while (end > after && '.-'.includes(text.charAt(end - 1))) end--;
  const labels = text.slice(after, end).split('.');
  if (labels.length < 2 || labels.some((label) => label === '' || label.length > 63) || !/^[A-Za-z]{2,24}$/.test(labels.at(-1) as string))
    return NO;
  const address = text.slice(start, end);
  if (NO_DOMAIN.test(address) || NO_MAIL.test(address)) return NO;
  // `git@github.com:owner/repository` is a place.
  if (/^git@/i.test(address) && /[:/]/.test(text.charAt(end))) return NO;
  return yes(start, end);
}

const LONGEST_USERINFO = 256;

/** The password of `scheme://name:password@host`. */
export function findPassword({ text, at, floor }: Place): Look {
  if (text.charAt(at) !== '@') return NO;
  const least = Math.max(0, at - LONGEST_USERINFO);
  let start = at;
  while (start > least && !/[\s/"'`<>(){},|\\@]/.test(text.charAt(start - 1))) start--;
  if (start === least || !/[A-Za-z][\w+.-]*:\/\/$/.test(text.slice(Math.max(0, start - 16), start))) return NO;
  const colon = text.indexOf(':', start);
  if (colon < 0 || colon >= at - 1) return NO;
  const begin = colon + 1;
  if (begin < floor || isPlaceholder(text.slice(begin, at))) return NO;
  return yes(begin, at);
}
