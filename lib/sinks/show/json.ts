/** JSON as a person wants to read it: indented, and what is too long is cut with its amount stated. */
import { isFacts } from './facts.js';
import { grouped } from './units.js';
import { head } from './visible.js';

/** Deeper than this nobody reads, and a hostile text could exhaust the stack. */
const MOST_DEPTH = 64;
/** An object or list that fits is written on one line. */
const ONE_LINE = 88;

export interface Limits {
  /** Characters of one string. */
  text: number;
  /** Items of a list, members of an object. */
  items: number;
  /** Characters in all: what comes behind is left out. */
  total: number;
}

export const SHORT: Limits = { text: 400, items: 20, total: 4000 };
export const FULL: Limits = { text: Number.POSITIVE_INFINITY, items: Number.POSITIVE_INFINITY, total: Number.POSITIVE_INFINITY };

/** Text cut to `limit` characters, with the rest stated: `… (+12,345 characters)`. */
export function shorten(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const kept = head(text, limit);
  return `${kept}… (+${grouped(text.length - kept.length)} characters; --full shows them)`;
}

/** Prints any JSON value over as many lines as it needs. */
export function pretty(value: unknown, limits: Limits = SHORT): string {
  const budget = { left: limits.total };
  return print(value, 0, limits, budget);
}

function print(value: unknown, depth: number, limits: Limits, budget: { left: number }): string {
  const text = compound(value) ? printCompound(value, depth, limits, budget) : scalar(value, limits);
  if (!compound(value)) budget.left -= text.length;
  return text;
}

function compound(value: unknown): value is readonly unknown[] | Readonly<Record<string, unknown>> {
  return Array.isArray(value) || isFacts(value);
}

function scalar(value: unknown, limits: Limits): string {
  if (typeof value !== 'string') return String(value);
  if (value.length <= limits.text) return JSON.stringify(value);
  const kept = head(value, limits.text);
  return `${JSON.stringify(kept)} … (+${grouped(value.length - kept.length)} characters)`;
}

function printCompound(
  value: readonly unknown[] | Readonly<Record<string, unknown>>,
  depth: number,
  limits: Limits,
  budget: { left: number },
): string {
  const isList = Array.isArray(value);
  const [open, close] = isList ? ['[', ']'] : ['{', '}'];
  const keys = Object.keys(value);
  if (keys.length === 0) return open + close;
  if (depth >= MOST_DEPTH) return `${open} … ${grouped(keys.length)} nested deeper ${close}`;
  const parts: string[] = [];
  let multiline = false;
  let width = 0;
  for (const key of keys) {
    if (parts.length >= limits.items || budget.left <= 0) break;
    budget.left -= isList ? 0 : Math.min(key.length, limits.text);
    const item = print((value as Readonly<Record<string, unknown>>)[key], depth + 1, limits, budget);
    const part = isList ? item : `${scalar(key, limits)}: ${item}`;
    multiline ||= part.includes('\n');
    width += part.length + 2;
    parts.push(part);
  }
  const left = keys.length - parts.length;
  if (left > 0) parts.push(`… ${grouped(left)} more`);
  if (!multiline && width + 2 * depth <= ONE_LINE) return isList ? `[${parts.join(', ')}]` : `{${parts.join(', ')}}`;
  const indent = '  '.repeat(depth + 1);
  return `${open}\n${parts.map((part) => indent + part).join(',\n')}\n${'  '.repeat(depth)}${close}`;
}

/** The value of a JSON text, or nothing. */
export function parse(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

/**
 * An object whose texts have several lines, as `name: text` with the text indented; anything else as JSON. Begins
 * with a newline when it should stand below what precedes it.
 */
export function readable(value: unknown, limits: Limits = SHORT): string {
  if (!isFacts(value) || !Object.values(value).some((item) => typeof item === 'string' && item.includes('\n')))
    return pretty(value, limits);
  const names = Object.keys(value);
  const lines = names.slice(0, limits.items).map((name) => {
    const item = value[name];
    if (typeof item !== 'string') return `${name}: ${pretty(item, limits)}`;
    const text = shorten(item, limits.total);
    return text.includes('\n') ? `${name}:\n  ${text.replace(/\r?\n/g, '\n  ')}` : `${name}: ${text}`;
  });
  if (names.length > lines.length) lines.push(`… ${grouped(names.length - lines.length)} more`);
  return `\n${lines.join('\n')}`;
}
