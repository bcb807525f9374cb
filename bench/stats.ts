/** Medians, because the machine is shared: the smallest and largest are printed beside them. */

export interface Spread {
  median: number;
  min: number;
  max: number;
}

/** Throws on an empty list. */
export function spread(values: readonly number[]): Spread {
  if (values.length === 0) throw new Error('no measurements');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
  return { median, min: sorted[0] as number, max: sorted[sorted.length - 1] as number };
}

/** Three significant digits, without an exponent: `0.0345`, `1.28`, `12,300`. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value === 0) return '0';
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  if (magnitude < 3) return value.toFixed(Math.max(0, 2 - magnitude));
  const step = 10 ** (magnitude - 2);
  return String(Math.round(value / step) * step).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `12.3 (11.9..13.0)` */
export function show(value: Spread, unit = ''): string {
  const suffix = unit === '' ? '' : ` ${unit}`;
  if (value.min === value.max) return `${digits(value.median)}${suffix}`;
  return `${digits(value.median)}${suffix} (${digits(value.min)}..${digits(value.max)})`;
}
