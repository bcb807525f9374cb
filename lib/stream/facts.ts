/** Reads facts out of JSON that may hold anything: what is missing or of another type is absent. Own properties only: `constructor` is not a fact. */

export type Facts = Readonly<Record<string, unknown>>;

const NONE: Facts = {};

export function isFacts(value: unknown): value is Facts {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function facts(value: unknown): Facts {
  return isFacts(value) ? value : NONE;
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function get(data: Facts, name: string): unknown {
  return Object.hasOwn(data, name) ? data[name] : undefined;
}

/** A member that is an object; an empty one where there is none. */
export function sub(data: Facts, name: string): Facts {
  return facts(get(data, name));
}

export function num(data: Facts, name: string): number | undefined {
  const value = get(data, name);
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** A count: a whole number that is not negative. */
export function count(data: Facts, name: string): number | undefined {
  const value = get(data, name);
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

export function text(data: Facts, name: string): string | undefined {
  const value = get(data, name);
  return typeof value === 'string' ? value : undefined;
}
