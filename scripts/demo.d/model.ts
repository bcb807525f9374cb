/**
 * A pretend model: it answers by simple rules, always the same to the same conversation, so that a demo or a test
 * knows what has to be seen. The wire formats are in anthropic.ts, openai.ts, responses.ts and gemini.ts.
 */

export interface ToolCall {
  name: string;
  arguments: Record<string, unknown>;
}

/** What the model is asked, whichever format it came in. */
export interface Question {
  /** The last text of the user. */
  text: string;
  /** Names of the tools on offer. */
  tools: string[];
  /** Results of the tools that were called since that text. */
  results: string[];
}

export interface Reply {
  text: string;
  call?: ToolCall;
}

/**
 * The rules, in order:
 * - a result of a tool is answered with a sentence about it;
 * - `call NAME {json}` calls that tool, if it is on offer;
 * - a question about the weather in a place calls `get_weather`, if it is on offer;
 * - `say N words` is answered with N words;
 * - anything else, with what was said.
 */
export function answer(question: Question): Reply {
  if (question.results.length > 0) return { text: aboutResults(question.results) };

  const call = callAskedFor(question);
  if (call !== undefined) return { text: `I will call ${call.name}.`, call };

  const place = /\b(?:in|at|for) (\p{Lu}[\p{L}-]*(?: \p{Lu}[\p{L}-]*)*)/u.exec(question.text)?.[1];
  if (place !== undefined && question.tools.includes('get_weather')) {
    return { text: `Let me look up the weather in ${place}.`, call: { name: 'get_weather', arguments: { city: place } } };
  }

  const words = /\bsay (\d{1,6}) words/.exec(question.text)?.[1];
  if (words !== undefined) return { text: Array.from({ length: Number(words) }, (_, n) => `word${n + 1}`).join(' ') };
  return { text: `You said: ${question.text}` };
}

/** The last `call NAME {json}` of a tool on offer: agents put their own words, braces among them, around the user's. */
function callAskedFor(question: Question): ToolCall | undefined {
  for (const asked of [...question.text.matchAll(/\bcall (\w+) (?=\{)/g)].reverse()) {
    const name = asked[1] ?? '';
    if (!question.tools.includes(name)) continue;
    const from = asked.index + asked[0].length;
    // Ends at one of the next braces: the first that makes it JSON.
    for (let at = question.text.indexOf('}', from), tries = 0; at >= 0 && tries < 32; at = question.text.indexOf('}', at + 1), tries++) {
      const args = objectOf(question.text.slice(from, at + 1));
      if (args !== undefined) return { name, arguments: args };
    }
  }
  return undefined;
}

function aboutResults(results: readonly string[]): string {
  const weather = objectOf(results.at(-1) ?? '');
  if (typeof weather?.temp_c === 'number' && typeof weather.sky === 'string') {
    const coat = weather.temp_c < 15 || /rain|snow/.test(weather.sky) ? 'Yes, take a coat' : 'No, leave your coat at home';
    return `${coat}: it is ${weather.temp_c} °C with ${weather.sky}.`;
  }
  return `The tool says: ${results.join('; ')}`;
}

function objectOf(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** A text in the pieces in which models stream them: words, each with the space before it. */
export function pieces(text: string): string[] {
  return text.match(/\s*\S+/g) ?? [];
}

/** About as many tokens as words. */
export function tokens(text: string): number {
  return pieces(text).length;
}
