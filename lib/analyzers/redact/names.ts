/** Which names announce a secret: of headers, members, variables and options. What a query calls its keys: ../http/secrets.ts. */

export type Announced =
  /** Whatever stands there is one. */
  | 'surely'
  /** A header whose value begins with a scheme, which stays. */
  | 'scheme'
  /** It is one if it looks like one. */
  | 'perhaps'
  | 'no';

const PASSWORDS = new Set(['password', 'passwd', 'passphrase', 'passcode', 'pwd', 'userpassword', 'dbpassword', 'pgpassword']);
const SECRETS = new Set(['secret', 'apikey', 'authtoken', 'accesstoken', 'secretkey', 'clientsecret', 'authkey']);
const COOKIES = new Set(['cookie', 'cookie2', 'set-cookie']);
const SCHEMES = new Set(['authorization', 'proxy-authorization']);
/** Before `key` and `token`. Others (`public_key`, `sort_key`, `next_page_token`, `idempotency-key`) are no secrets. */
const OF_KEYS = new Set(
  'api access secret private auth authentication encryption signing master account storage shared service subscription admin license ssh gpg pgp webhook deploy functions functionskey app application client session project provider hmac jwt'.split(
    ' ',
  ),
);
const OF_TOKENS = new Set(
  'access refresh id auth authentication bearer session api bot security csrf xsrf oauth oauth2 personal deploy gitlab github gh vault registration secret sas identity client app npm hf slack webhook private verification reset login subscriber device user job jwt token'.split(
    ' ',
  ),
);
/** In the names of variables, before KEY and TOKEN: no secrets either. */
const NOT_OF_VARIABLES = new Set('PUBLIC PRIMARY FOREIGN SORT CACHE PARTITION IDEMPOTENCY HOST MAX NEXT PAGE REGISTRY'.split(' '));

const known = new Map<string, Announced>();
const KNOWN_NAMES = 2048;

/** What a value of this name is. */
export function announcedBy(name: string): Announced {
  if (name.length > 128) return 'no';
  let answer = known.get(name);
  if (answer === undefined) {
    if (known.size >= KNOWN_NAMES) known.clear();
    answer = judge(name);
    known.set(name, answer);
  }
  return answer;
}

function judge(name: string): Announced {
  // The working directory.
  if (name === 'PWD' || name === 'OLDPWD') return 'no';
  const lower = name.toLowerCase();
  if (SCHEMES.has(lower)) return 'scheme';
  if (COOKIES.has(lower)) return 'surely';
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '');
  const last = words.at(-1) ?? '';
  const end = last.toLowerCase();
  const before = words.at(-2)?.toLowerCase() ?? '';
  if (PASSWORDS.has(end) || SECRETS.has(end)) return 'surely';
  if (end === 'key' && OF_KEYS.has(before)) return 'surely';
  if (end === 'token' && OF_TOKENS.has(before)) return 'surely';
  if (end === 'pass' && before !== '') return 'perhaps';
  if (
    end === 'token' ||
    end === 'credential' ||
    end === 'credentials' ||
    end === 'creds' ||
    end === 'jwt' ||
    end === 'auth' ||
    end === 'sessionid' ||
    end === 'sid'
  )
    return before === 'page' ? 'no' : 'perhaps';
  // GROQ_KEY, MY_SERVICE_TOKEN
  if (words.length > 1 && /^[A-Z0-9_]+$/.test(name) && /^(?:KEY|TOKEN|PASS|AUTH|CREDS)$/.test(last)) {
    return NOT_OF_VARIABLES.has(words.at(-2) ?? '') ? 'no' : 'perhaps';
  }
  return 'no';
}

/** How the names above end: what to look for in a text. */
export const NAME_ENDS: readonly string[] = [
  'key',
  'token',
  'secret',
  'password',
  'passwd',
  'passphrase',
  'passcode',
  'pwd',
  'pass',
  'credential',
  'credentials',
  'creds',
  'auth',
  'authorization',
  'cookie',
  'cookie2',
  'jwt',
  'sid',
  'sessionid',
  // In queries only.
  'sig',
  'signature',
  'otp',
  'assertion',
];

const PLACEHOLDER =
  /^(?:\$|<|\{|%[A-Z_]+%|\*+$|\.{3}|x{3,}$|(?:null|none|nil|true|false|undefined|string|str|required|optional|redacted|hidden|masked|password|secret|token)$|(?:your|enter|please|confirm|choose|must)[-_ ]|(?:process\.env|os\.environ|os\.getenv|env)\b|\[?(?:redacted|hidden|filtered))/i;

/** True for what stands where a secret would, and is none: empty, a variable, `********`, what is redacted already. */
export function isPlaceholder(value: string): boolean {
  return value === '' || PLACEHOLDER.test(value);
}

/** Whether it looks made by chance: long enough, letters and digits, no white space. */
export function looksSecret(value: string, least = 16): boolean {
  return value.length >= least && /\d/.test(value) && /[A-Za-z]/.test(value) && !/[\s(){}<>[\]]/.test(value) && !isPath(value);
}

/** Of a file, or of members of an object. */
function isPath(value: string): boolean {
  return /^[A-Za-z_$][\w$]*(?:\??\.[A-Za-z_$][\w$]*)+$|^(?:[a-z]+:\/\/|\.{0,2}\/|~\/)/.test(value);
}
