/**
 * Secrets that are known by their shape: a word that a provider puts first, then characters of one class. The shapes are
 * those that the providers document, or publish for secret scanning.
 */

export interface Shape {
  /** The words that it may begin with, as written. */
  begins: readonly string[];
  /** What follows: at least so many characters of this class. */
  rest: RegExp;
  least: number;
  /** The longest that such a secret is; further characters make it something else. Absent: any length. */
  most?: number;
  /** The word is too short or too common to be believed in the middle of another one. */
  alone?: true;
  /** Says no to what only looks like one. `text` is all of it. */
  check?(text: string): boolean;
}

const WORD = /[A-Za-z0-9_-]*/y;
const ALNUM = /[A-Za-z0-9]*/y;
const LOWHEX = /[a-f0-9]*/y;

export const SHAPES: readonly Shape[] = [
  { begins: ['sk-ant-'], rest: WORD, least: 16 },
  { begins: ['sk-proj-', 'sk-svcacct-', 'sk-admin-', 'sk-or-v1-'], rest: WORD, least: 16 },
  { begins: ['sk-'], rest: WORD, least: 16, most: 512, alone: true, check: looksRandom },
  // Google: API keys, OAuth access tokens, client secrets.
  { begins: ['AIza'], rest: WORD, least: 30 },
  { begins: ['ya29.'], rest: /[A-Za-z0-9_.-]*/y, least: 20, alone: true },
  { begins: ['GOCSPX-'], rest: WORD, least: 20 },
  { begins: ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'], rest: ALNUM, least: 20 },
  { begins: ['github_pat_'], rest: /[A-Za-z0-9_]*/y, least: 20 },
  {
    begins: ['glpat-', 'gldt-', 'glrt-', 'glcbt-', 'glptt-', 'glft-', 'gloas-', 'glsoat-', 'glagent-'],
    rest: WORD,
    least: 16,
    alone: true,
  },
  // AWS: key ids, and keys for Bedrock. The secret half of a key has no shape: it is known by its name.
  { begins: ['AKIA', 'ASIA', 'ABIA', 'ACCA'], rest: /[A-Z0-9]*/y, least: 16, most: 16, alone: true },
  { begins: ['ABSK'], rest: /[A-Za-z0-9+/=]*/y, least: 60, alone: true },
  {
    begins: ['xoxa-', 'xoxb-', 'xoxe-', 'xoxe.', 'xoxo-', 'xoxp-', 'xoxr-', 'xoxs-', 'xoxc-', 'xoxd-'],
    rest: /[A-Za-z0-9_.%-]*/y,
    least: 10,
  },
  { begins: ['xapp-'], rest: WORD, least: 20, alone: true },
  { begins: ['hooks.slack.com/services/'], rest: /[A-Za-z0-9/]*/y, least: 20 },
  { begins: ['hf_', 'api_org_'], rest: ALNUM, least: 20, alone: true },
  { begins: ['npm_'], rest: ALNUM, least: 30, alone: true },
  { begins: ['pypi-AgE'], rest: WORD, least: 40 },
  { begins: ['sk_live_', 'sk_test_', 'rk_live_', 'rk_test_', 'whsec_'], rest: /[A-Za-z0-9+/=]*/y, least: 16 },
  { begins: ['SG.'], rest: /[A-Za-z0-9_.-]*/y, least: 40, alone: true, check: (text) => /^SG\.[\w-]{16,}\.[\w-]{16,}$/.test(text) },
  { begins: ['dop_v1_', 'doo_v1_', 'dor_v1_'], rest: LOWHEX, least: 40 },
  { begins: ['gsk_', 'xai-', 'pplx-', 'fw_', 'csk-', 'tgp_v1_', 'r8_'], rest: /[A-Za-z0-9_]*/y, least: 20, alone: true, check: hasDigit },
  {
    begins: ['nvapi-', 'tvly-', 'lsv2_pt_', 'lsv2_sk_', 'lin_api_', 'figd_', 'ntn_', 'PMAK-', 'dckr_pat_', 'tskey-', 'pcsk_'],
    rest: WORD,
    least: 20,
    alone: true,
    check: hasDigit,
  },
  { begins: ['dapi'], rest: LOWHEX, least: 32, most: 34, alone: true },
  { begins: ['shpat_', 'shpca_', 'shppa_', 'shpss_'], rest: /[A-Fa-f0-9]*/y, least: 32 },
  { begins: ['hvs.', 'hvb.'], rest: WORD, least: 24, alone: true },
  { begins: ['sbp_'], rest: LOWHEX, least: 40, alone: true },
  { begins: ['AGE-SECRET-KEY-1'], rest: /[A-Z0-9]*/y, least: 50 },
  { begins: ['ATATT3'], rest: /[A-Za-z0-9_=-]*/y, least: 50, alone: true },
  // JSON Web Tokens, signed or encrypted (RFC 7515, 7516): `{"` in base64, then two or four further parts.
  { begins: ['eyJ'], rest: /[A-Za-z0-9_.-]*/y, least: 20, alone: true, check: (text) => /^eyJ[\w-]{7,}(?:\.[\w-]*){2,4}$/.test(text) },
];

function hasDigit(text: string): boolean {
  return /\d/.test(text);
}

/** `sk-learn-contrib-imbalanced-v2` is a name; `sk-9mFh2Lw…` and `sk-live-4f9a8b7c6d5e` are keys. */
function looksRandom(text: string): boolean {
  return /[A-Za-z0-9]{10,}/.test(text.slice(3)) && /\d/.test(text) && text.split('-').some((part) => part.length >= 10 && /\d/.test(part));
}
