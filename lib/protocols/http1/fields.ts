/**
 * Header and trailer fields, line by line (RFC 9112 §5), with caps: what does not fit is left out and said, while the
 * fields that decide where the message ends are always read.
 */

export const FIELD_LIMITS = {
  /** Bytes of names and values that are kept of one head or trailer section. */
  bytes: 1024 * 1024,
  /** Fields that are kept. */
  count: 4096,
};

/** Names that decide framing: their values are read even past the caps. */
const FRAMING = new Set(['content-length', 'transfer-encoding']);
const FRAMING_BYTES = 16 * 1024;

export class FieldReader {
  /** Lower-case name and value, in the order sent. Values are latin1 text: one character per byte. */
  readonly list: [string, string][] = [];
  /** Something was left out because of a cap. */
  limited = false;
  /** Bytes held. */
  bytes = 0;
  private framingBytes = 0;
  private open: [string, string] | undefined;
  private cookie: [string, string] | undefined;

  /** One line without its line end. Lines before the first field that begin with a blank are ignored (RFC 9112 §2.2). */
  line(text: string): void {
    const first = text.charCodeAt(0);
    if (first === 0x20 || first === 0x09) this.fold(text.trim());
    else this.field(text);
  }

  /** A field that needs no parsing, as HTTP/2 has it. Crumbs of a cookie are joined (RFC 9113 §8.2.3). */
  add(name: string, value: string): void {
    const size = name.length + value.length;
    if (this.list.length >= FIELD_LIMITS.count || this.bytes + size > FIELD_LIMITS.bytes) {
      this.limited = true;
      return;
    }
    this.bytes += size;
    if (name === 'cookie') {
      if (this.cookie) {
        this.cookie[1] += `; ${value}`;
        return;
      }
      this.cookie = [name, value];
      this.list.push(this.cookie);
    } else this.list.push([name, value]);
  }

  /** A line was too long to be held; its beginning is given. */
  tooLong(): void {
    this.limited = true;
    this.open = undefined;
  }

  get(name: string): string | undefined {
    for (const field of this.list) if (field[0] === name) return field[1];
    return undefined;
  }

  all(name: string): string[] {
    const values: string[] = [];
    for (const field of this.list) if (field[0] === name) values.push(field[1]);
    return values;
  }

  private field(text: string): void {
    const colon = text.indexOf(':');
    const name = (colon < 0 ? text : text.slice(0, colon)).trim().toLowerCase();
    const value = colon < 0 ? '' : text.slice(colon + 1).trim();
    const size = name.length + value.length;
    this.open = undefined;
    if (this.list.length >= FIELD_LIMITS.count || this.bytes + size > FIELD_LIMITS.bytes) {
      this.limited = true;
      if (!FRAMING.has(name) || this.framingBytes + size > FRAMING_BYTES) return;
      this.framingBytes += size;
    }
    this.open = [name, value];
    this.list.push(this.open);
    this.bytes += size;
  }

  /** obs-fold (RFC 9112 §5.2): joined with one blank. */
  private fold(more: string): void {
    const field = this.open;
    if (!field || more === '') return;
    if (this.bytes + more.length + 1 > FIELD_LIMITS.bytes) {
      this.limited = true;
      return;
    }
    field[1] = field[1] === '' ? more : `${field[1]} ${more}`;
    this.bytes += more.length + 1;
  }
}
