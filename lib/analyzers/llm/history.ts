/**
 * Which earlier call a request goes on from. Agents send their whole history anew each turn: of every beginning of a
 * conversation that was met, a hash is kept, and the call that it belongs to. Keeps no text.
 */
import { hash } from 'node:crypto';
import type { ChatMessage, MessagePart, ToolDefinition } from '../../stream/event.js';
import type { Prompt } from './messages.js';

/** Beginnings of conversations; responses that a request may name. */
export const MOST_BEGINNINGS = 65_536;
const MOST_RESPONSES = 4096;
/** Beginnings of one request that are remembered: the last ones. */
const MOST_OF_ONE = 8192;

/** A call that was met, as far as later ones want to know of it. */
export interface Known {
  /** Id of its event. */
  id: string;
  system: string;
  tools: string;
}

interface KnownResponse {
  call: Known;
  chain: string;
  definitions: ToolDefinition[];
}

/** What a request repeats. */
export interface Repeats {
  continues: Known | undefined;
  /** Messages of it that were met. */
  skipped: number;
  /** Hashes of its beginnings, one per message, to be remembered when it ends. */
  chains: string[];
  system: string;
  tools: string;
  /** The tools on offer: its own, or those of the response that it goes on from. */
  definitions: ToolDefinition[];
}

export class History {
  /** The least recently met first. */
  readonly #beginnings = new Map<string, Known>();
  readonly #responses = new Map<string, KnownResponse>();

  /** @param scope what keeps the conversations of two processes apart */
  meet(prompt: Prompt, scope: string): Repeats {
    const before = prompt.previous === undefined ? undefined : this.#responses.get(prompt.previous);
    const lead = leading(prompt.messages);
    const system = digest([prompt.system, prompt.messages.slice(0, lead)]);
    let chain = before?.chain ?? digest([scope]);
    let continues = before?.call;
    let skipped = 0;
    const chains: string[] = [];
    prompt.messages.forEach((message, at) => {
      // Instructions in front change with the hour; whether they are the same is asked apart.
      if (at >= lead) chain = link(chain, message);
      chains.push(chain);
      if (at < lead) return;
      const known = this.#beginnings.get(chain);
      if (known === undefined) return;
      this.#remember(chain, known);
      continues = known;
      skipped = at + 1;
    });
    const definitions = prompt.tools.length === 0 && before !== undefined ? before.definitions : prompt.tools;
    return { continues, skipped, chains, system, tools: digest(definitions), definitions };
  }

  /** A call has ended: its messages, and with them its answer, are known from now on. */
  learn(call: Known, repeats: Repeats, answers: readonly ChatMessage[], responseId: string | undefined): void {
    const { chains } = repeats;
    const last = chains.at(-1) ?? digest([]);
    for (let at = Math.max(0, chains.length - MOST_OF_ONE); at < chains.length; at++) {
      const chain = chains[at] as string;
      if (at === chains.length - 1 || !this.#beginnings.has(chain)) this.#remember(chain, call);
    }
    for (const answer of answers) {
      const chain = link(last, answer);
      this.#remember(chain, call);
      if (responseId !== undefined && answer === answers[0]) this.#respond(responseId, call, chain, repeats);
    }
    if (responseId !== undefined && answers.length === 0) this.#respond(responseId, call, last, repeats);
  }

  #respond(id: string, call: Known, chain: string, { definitions }: Repeats): void {
    this.#responses.delete(id);
    this.#responses.set(id, { call, chain, definitions });
    if (this.#responses.size > MOST_RESPONSES) first(this.#responses);
  }

  #remember(chain: string, call: Known): void {
    this.#beginnings.delete(chain);
    this.#beginnings.set(chain, call);
    if (this.#beginnings.size > MOST_BEGINNINGS) first(this.#beginnings);
  }
}

function first(map: Map<string, unknown>): void {
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}

/** How many messages in front are instructions. */
export function leading(messages: readonly ChatMessage[]): number {
  const at = messages.findIndex((message) => message.role !== 'system' && message.role !== 'developer');
  return at < 0 ? messages.length : at;
}

/**
 * Hash of a conversation that goes on with one more message. Reasoning is left out and texts are joined: servers give
 * them and cut them otherwise than clients send them back. So are names that only one of the two writes.
 */
function link(before: string, message: ChatMessage): string {
  const said: string[] = [];
  const others: unknown[] = [];
  for (const part of message.parts) {
    if (part.type === 'text' || part.type === 'refusal') said.push(part.content);
    else if (part.type !== 'reasoning' && part.type !== 'other') others.push(essence(part));
  }
  return digest([before, message.role, said.join('').trim(), others]);
}

function essence(part: MessagePart): unknown {
  switch (part.type) {
    case 'tool_call':
      return [part.name, part.arguments ?? part.arguments_raw];
    case 'tool_call_response':
      return ['result', part.response];
    case 'blob':
      return [part.modality, part.sha256];
    default:
      return part;
  }
}

/** Hashes of short texts: who asks, no instructions, no tools. The same ones come with every request. */
const shortDigests = new Map<string, string>();
const SHORT_CHARACTERS = 64;
const MOST_SHORT = 256;

function digest(value: unknown): string {
  const json = JSON.stringify(value);
  const known = json.length > SHORT_CHARACTERS ? undefined : shortDigests.get(json);
  if (known !== undefined) return known;
  const made = hash('sha256', json, 'base64').slice(0, 22);
  if (json.length <= SHORT_CHARACTERS) {
    if (shortDigests.size >= MOST_SHORT) shortDigests.clear();
    shortDigests.set(json, made);
  }
  return made;
}
