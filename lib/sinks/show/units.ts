/** Quantities as a person reads them. Always the same text: no locale, and no time zone unless one is asked for. */

/** `0 B`, `517 B`, `1.2 kB`, `34 kB`, `1.5 MB`: powers of 1000. */
export function bytes(count: number): string {
  if (!Number.isFinite(count) || count < 0) return '? B';
  if (count < 1000) return `${Math.round(count)} B`;
  let value = count;
  for (const unit of ['kB', 'MB', 'GB', 'TB', 'PB']) {
    value /= 1000;
    // 999.95 would print as 1000.0: let the next unit have it.
    if (value < 999.5 || unit === 'PB') return `${value < 9.95 ? value.toFixed(1) : value.toFixed(0)} ${unit}`;
  }
  return '? B';
}

/** `0.4 ms`, `340 ms`, `1.2 s`, `2 min 5 s`, `3 h 4 min`. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms) || ms < 0) return '? ms';
  if (ms < 9.95) return `${Number(ms.toFixed(1))} ms`;
  if (ms < 999.5) return `${ms.toFixed(0)} ms`;
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 59_500) return `${(ms / 1000).toFixed(0)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `1 event`, `3 events`, `12,345 events`. */
export function count(n: number, noun: string): string {
  return `${grouped(n)} ${noun}${n === 1 ? '' : 's'}`;
}

/** 12345 → `12,345`. */
export function grouped(n: number): string {
  if (!Number.isFinite(n)) return '?';
  return String(n).replace(/^(-?\d+)/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, ','));
}

export type Clock = 'utc' | 'local' | 'iso' | 'relative' | 'none';

/** A time that is no time. */
const NO_TIME = '--:--:--.---';
/** What a Date can hold (ECMA-262 21.4.1.1). */
const LAST_MS = 8.64e15;

/**
 * A clock for timestamps of events, in ms since the epoch.
 * `utc` `12:03:04.123Z` · `local` `13:03:04.123+01:00` · `iso` `2026-11-21T12:03:04.123Z` · `relative` seconds since
 * the first event, `+1.234` · `none` nothing. Only `local` depends on the machine.
 */
export function clock(kind: Clock): (timestamp: unknown) => string {
  let first: number | undefined;
  return (timestamp) => {
    if (kind === 'none') return '';
    if (typeof timestamp !== 'number' || !Number.isFinite(timestamp) || Math.abs(timestamp) > LAST_MS) return NO_TIME;
    if (kind === 'relative') {
      first ??= timestamp;
      const passed = timestamp - first;
      return `${passed < 0 ? '-' : '+'}${(Math.abs(passed) / 1000).toFixed(3)}`;
    }
    const ms = Math.floor(timestamp);
    if (kind === 'local') return localTime(ms);
    const iso = new Date(ms).toISOString();
    return kind === 'iso' ? iso : iso.slice(iso.indexOf('T') + 1);
  };
}

function localTime(ms: number): string {
  const date = new Date(ms);
  const two = (n: number): string => String(n).padStart(2, '0');
  const offset = -date.getTimezoneOffset();
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`;
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}${zone}`;
}

/** `2026-11-21`, in UTC; '' when there is no such day. */
export function day(timestamp: unknown): string {
  if (typeof timestamp !== 'number' || !Number.isFinite(timestamp) || Math.abs(timestamp) > LAST_MS) return '';
  const iso = new Date(Math.floor(timestamp)).toISOString();
  return iso.slice(0, iso.indexOf('T'));
}
