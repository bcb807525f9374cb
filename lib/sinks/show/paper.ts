/**
 * What text for people is written on: phrases in colours, one to a line, and labelled paragraphs into which words
 * may be poured in pieces, as a model streams them. Whatever is written here is made visible and wrapped first, and
 * the result is the same however a text was cut into pieces.
 */
import picocolors from 'picocolors';
import { HIDDEN, hideSecrets, type Masker, masker } from './secrets.js';
import { head, visible } from './visible.js';
import { fit, textWidth } from './width.js';

export type Tone = 'plain' | 'strong' | 'dim' | 'out' | 'in' | 'good' | 'warn' | 'bad' | 'name' | 'thought';

/** A piece of a line. Its text may come from anywhere. */
export interface Segment {
  text: string;
  tone?: Tone | undefined;
}

export interface PaperOptions {
  color: boolean;
  /** Columns of the terminal; 0 or less: lines are neither cut nor wrapped. */
  columns: number;
  /** Leave secrets as they are. */
  showSecrets: boolean;
}

/** The longest text that one segment of a line shows, in UTF-16 units, and the longest unbroken word of a paragraph. */
const SEGMENT_LIMIT = 2000;
const WORD_LIMIT = 2000;
/** More empty lines than this in a row are a way to push text off the screen. */
const MOST_NEWLINES = 3;
const LEAST_COLUMNS = 24;

export class Paper {
  readonly #options: PaperOptions;
  readonly #paint: Record<Tone, (text: string) => string>;
  #out = '';
  /** Text of one tone, not yet painted. */
  #run = '';
  #runTone: Tone = 'plain';
  #paragraph: Paragraph | undefined;
  #started = false;

  constructor(options: PaperOptions) {
    this.#options = options;
    const c = picocolors.createColors(options.color);
    this.#paint = {
      plain: (text) => text,
      strong: c.bold,
      dim: c.dim,
      out: c.cyan,
      in: c.green,
      good: c.green,
      warn: c.yellow,
      bad: c.red,
      name: c.magenta,
      thought: c.italic,
    };
  }

  /** One line, at most as wide as the terminal. Ends an open paragraph. */
  line(segments: readonly Segment[]): void {
    this.end();
    if (this.#options.columns <= 0) {
      for (const segment of segments) this.#put(this.#safe(segment.text), segment.tone);
      this.#put('\n', 'plain');
      return;
    }
    let room = Math.max(this.#options.columns, LEAST_COLUMNS);
    for (const [at, segment] of segments.entries()) {
      if (segment.text === '') continue;
      const text = this.#safe(segment.text);
      const width = textWidth(text);
      const last = at === segments.length - 1;
      if (width < room || (last && width <= room)) {
        this.#put(text, segment.tone);
        room -= width;
        continue;
      }
      this.#put(`${fit(text, room - 1).text}…`, segment.tone);
      break;
    }
    this.#put('\n', 'plain');
  }

  /** An empty line, but not at the top. */
  gap(): void {
    this.end();
    if (this.#started) this.#put('\n', 'plain');
  }

  /** Begins a paragraph: its label stands in a column of its own, every further line is indented below its text. */
  begin(label: string, labelTone: Tone = 'strong', textTone: Tone = 'plain'): void {
    this.end();
    const narrow = this.#options.columns > 0 && this.#options.columns < 50;
    const indent = narrow ? 4 : 2 + LABEL_COLUMNS + 1;
    // A label that is no word of ours may be longer than its column: then it has a line of its own.
    const shown = fit(visible(label), 2 * LEAST_COLUMNS).text;
    this.#put(`  ${shown}`, labelTone);
    const room = LABEL_COLUMNS - textWidth(shown);
    const lead = narrow || room < 0 ? `\n${' '.repeat(indent)}` : ' '.repeat(room + 1);
    const columns = this.#options.columns > 0 ? Math.max(this.#options.columns, indent + LEAST_COLUMNS) : 0;
    this.#paragraph = new Paragraph(lead, indent, columns, this.#options.showSecrets ? undefined : masker(), (text) =>
      this.#put(text, textTone),
    );
  }

  /** Pours text into the open paragraph. The last word waits until it is known to be whole. */
  say(text: string): void {
    this.#paragraph?.say(text);
  }

  /** Ends the open paragraph, if there is one. */
  end(): void {
    const paragraph = this.#paragraph;
    if (paragraph === undefined) return;
    this.#paragraph = undefined;
    paragraph.end();
    this.#put('\n', 'plain');
  }

  /** A whole paragraph. */
  note(label: string, text: string, labelTone: Tone = 'strong', textTone: Tone = 'plain'): void {
    this.begin(label, labelTone, textTone);
    this.say(text);
    this.end();
  }

  /** Hands out what has been written since the last time. */
  take(): string {
    this.#closeRun();
    const out = this.#out;
    this.#out = '';
    return out;
  }

  #safe(text: string): string {
    const kept = head(text, SEGMENT_LIMIT);
    const left = text.length - kept.length;
    const masked = this.#options.showSecrets ? kept : hideSecrets(kept);
    return `${visible(masked)}${left > 0 ? `… (+${left} characters)` : ''}`;
  }

  #put(text: string, tone: Tone = 'plain'): void {
    this.#started = true;
    if (tone !== this.#runTone) {
      this.#closeRun();
      this.#runTone = tone;
    }
    this.#run += text;
  }

  #closeRun(): void {
    if (this.#run !== '') this.#out += this.#paint[this.#runTone](this.#run);
    this.#run = '';
  }
}

/** As wide as the longest label, `tool result`. */
const LABEL_COLUMNS = 11;

/** Words, spaces and ends of lines, in order. */
const TOKENS = /[^ \t\r\n]+|[ \t]+|\r?\n|\r/g;

class Paragraph {
  #pending = '';
  #spaces = '';
  #newlines = 0;
  #column: number;
  #empty = true;

  constructor(
    /** What stands between the label and the first word. */
    readonly lead: string,
    readonly indent: number,
    /** 0: lines are not wrapped. */
    readonly columns: number,
    readonly masker: Masker | undefined,
    readonly put: (text: string) => void,
  ) {
    this.#column = indent;
  }

  say(text: string): void {
    this.#pending += text;
    let done = 0;
    for (const match of this.#pending.matchAll(TOKENS)) {
      const token = match[0];
      const end = match.index + token.length;
      // The last one may go on in the next piece.
      if (end === this.#pending.length) break;
      this.#token(token);
      done = end;
    }
    this.#pending = this.#pending.slice(done);
    if (' \t'.includes(this.#pending.charAt(0))) this.#pending = this.#pending.slice(0, WORD_LIMIT);
    while (this.#pending.length > WORD_LIMIT) {
      const piece = head(this.#pending, WORD_LIMIT);
      this.#word(piece);
      this.#pending = this.#pending.slice(piece.length);
    }
  }

  end(): void {
    for (const [token] of this.#pending.matchAll(TOKENS)) this.#token(token);
    this.#pending = '';
  }

  #token(token: string): void {
    if (token === '\n' || token === '\r\n') {
      this.masker?.newline();
      this.#newlines++;
      this.#spaces = '';
    } else if (token[0] === ' ' || token[0] === '\t') {
      this.#spaces = token;
    } else {
      for (let rest = token; rest !== ''; ) {
        const piece = head(rest, WORD_LIMIT);
        this.#word(piece);
        rest = rest.slice(piece.length);
      }
    }
  }

  /** White space is written only when a word follows, so no line ends in it, and none is empty at the end. */
  #word(word: string): void {
    if (this.#empty) this.put(this.lead);
    else if (this.#newlines > 0) this.put('\n'.repeat(Math.min(this.#newlines, MOST_NEWLINES)) + ' '.repeat(this.indent));
    if (this.#newlines > 0) this.#column = this.indent;
    this.#newlines = 0;
    const spaces = this.#spaces.replaceAll('\t', '    ').slice(0, Math.max(40, this.columns));
    this.#spaces = '';
    this.#empty = false;
    const hidden = this.masker?.word(word) ?? word;
    this.#wrap(spaces, hidden === HIDDEN ? hidden : visible(hidden));
  }

  #wrap(spaces: string, word: string): void {
    const width = textWidth(word);
    if (this.columns <= 0 || this.#column + spaces.length + width <= this.columns) {
      this.put(spaces + word);
      this.#column += spaces.length + width;
      return;
    }
    if (this.#column > this.indent) this.#nextLine();
    // Spaces at the beginning of a line are its indentation, and stay if they leave room.
    else if (spaces.length < (this.columns - this.indent) / 2) {
      this.put(spaces);
      this.#column += spaces.length;
    }
    let rest = word;
    for (;;) {
      const piece = fit(rest, this.columns - this.#column);
      // A single character wider than the line has to go somewhere.
      const text = piece.text === '' ? head(rest, 2) : piece.text;
      this.put(text);
      this.#column += piece.columns;
      rest = rest.slice(text.length);
      if (rest === '') return;
      this.#nextLine();
    }
  }

  #nextLine(): void {
    this.put(`\n${' '.repeat(this.indent)}`);
    this.#column = this.indent;
  }
}
