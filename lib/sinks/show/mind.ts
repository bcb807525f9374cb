/**
 * What the reader has seen already. Agents send their whole history with every request: only what is new is told.
 * Keeps hashes, and of each table the most recent only.
 */
import { createHash } from 'node:crypto';
import type { Part, Prompt, Turn } from './model.js';

/** Beginnings of conversations, one per message. */
const MOST_BEGINNINGS = 16_384;
/** Exchanges whose answer is awaited; names of tool calls; texts of instructions. */
const MOST_OTHERS = 2048;

export interface News {
  /** Messages told before. */
  skipped: number;
  turns: Turn[];
  /** The instructions (or the tools) were told before, for this process. */
  systemKnown: boolean;
  toolsKnown: boolean;
}

export class Mind {
  /** Hashes of every beginning of a conversation that has been told. */
  readonly #told = new Recent<true>(MOST_BEGINNINGS);
  /** Exchange → hash of its whole prompt. */
  readonly #asked = new Recent<string>(MOST_OTHERS);
  readonly #texts = new Recent<true>(MOST_OTHERS);
  readonly #calls = new Recent<string>(MOST_OTHERS);

  /** Splits a prompt into what was told and what is new. The last message is always told. `speaker` is the process. */
  news(prompt: Prompt, speaker: string, exchange: string): News {
    let skipped = 0;
    let hash = speaker;
    for (const [at, turn] of prompt.turns.entries()) {
      hash = chain(hash, turn);
      if (this.#told.has(hash)) skipped = at + 1;
      this.#told.set(hash, true);
      for (const part of turn.parts) this.call(part);
    }
    this.#asked.set(exchange, hash);
    skipped = Math.max(0, Math.min(skipped, prompt.turns.length - 1));
    return {
      skipped,
      turns: prompt.turns.slice(skipped),
      systemKnown: this.#known(`${speaker} system ${prompt.system.map((part) => part.text).join('\n')}`),
      toolsKnown: this.#known(`${speaker} tools ${prompt.tools.join('\n')}`),
    };
  }

  /** The answer to an exchange has been told: it will come back as part of the next prompt. */
  answered(exchange: string, turn: Turn): void {
    const asked = this.#asked.get(exchange);
    if (asked !== undefined) this.#told.set(chain(asked, turn), true);
  }

  /** Remembers the tool of a call. */
  call(part: Part): void {
    if (part.kind === 'call' && part.id !== undefined && part.name !== undefined) this.#calls.set(part.id, part.name.slice(0, 200));
  }

  /** The tool that a result is from. */
  toolOf(id: string | undefined): string | undefined {
    return id === undefined ? undefined : this.#calls.get(id);
  }

  #known(text: string): boolean {
    const hash = digest(text);
    const known = this.#texts.has(hash);
    this.#texts.set(hash, true);
    return known;
  }
}

/**
 * Hash of a conversation that goes on with one more message. Reasoning is left out, and texts are joined: servers
 * give it and cut them otherwise than clients send them back.
 */
function chain(before: string, turn: Turn): string {
  const text = turn.parts.filter((part) => part.kind === 'text' || part.kind === 'refusal').map((part) => part.text);
  const others = turn.parts.filter((part) => part.kind === 'call' || part.kind === 'result' || part.kind === 'file');
  return digest(
    JSON.stringify([before, turn.role, text.join('').trim(), others.map((part) => [part.kind, part.name, part.id, part.text])]),
  );
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}

/** A map that forgets the least recently set. */
class Recent<V> {
  readonly #map = new Map<string, V>();
  constructor(readonly most: number) {}

  has(key: string): boolean {
    return this.#map.has(key);
  }

  get(key: string): V | undefined {
    return this.#map.get(key);
  }

  set(key: string, value: V): void {
    this.#map.delete(key);
    this.#map.set(key, value);
    if (this.#map.size <= this.most) return;
    const [oldest] = this.#map.keys();
    if (oldest !== undefined) this.#map.delete(oldest);
  }
}
