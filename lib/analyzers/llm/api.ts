/** What is known of one API: how to read its request, and its answer, whole or event by event. */
import type { Facts } from '../../stream/facts.js';
import type { Answer } from './answer.js';
import type { Prompt } from './messages.js';

/** A member of an object that holds a text. */
export interface Spot {
  holder: Record<string, unknown>;
  name: string;
}

export interface Api {
  /** As the contract names it. */
  readonly name: string;
  /** Reads a request's body. `model` is the one that the path names. */
  prompt(body: Facts, model: string | undefined): Prompt;
  /**
   * Takes a whole answer, or one event of a stream.
   * @param event the event's name: `message` where it has none
   * @param json the text of `value`
   * @returns whether it bears content
   */
  take(answer: Answer, value: Facts, event: string, json: string): boolean;
  /**
   * Where a piece of a stream has the text that it says. Only for pieces of which `take` keeps nothing but texts and does not
   * look at `json`: the next one, with another text, may be read into the same value.
   */
  spot?(value: Facts): Spot | undefined;
  /** The answer is over: what waits to be put in place is. */
  finish?(answer: Answer): void;
}
