/**
 * Gemini's generateContent: requests and answers put into the shapes that model.ts knows. The model's name is in the
 * path, parts tell their kind by the member that they have, and a stream's chunks are answers in little.
 */
import { type Facts, facts, get, isFacts, list, num, str } from './facts.js';
import { pretty } from './json.js';
import { type Answer, callPart, type Part, type Prompt, stop, type Turn } from './model.js';
import { bytes, grouped } from './units.js';

/**
 * One part of a content. Ids of calls are left out: the answer has often none, and clients make some up for what they
 * send back. A thought's signature says nothing to a person.
 */
function readPart(value: unknown): Part[] {
  if (!isFacts(value)) return [];
  const text = str(value, 'text');
  if (text !== undefined) return text === '' ? [] : [{ kind: get(value, 'thought') === true ? 'reasoning' : 'text', text }];
  const call = get(value, 'functionCall');
  if (isFacts(call)) return [callPart(str(call, 'name'), undefined, get(call, 'args'))];
  const result = get(value, 'functionResponse');
  if (isFacts(result)) return [{ kind: 'result', name: str(result, 'name'), text: resultText(get(result, 'response')) }];
  const inline = get(value, 'inlineData');
  if (isFacts(inline)) {
    const size = Math.floor(((str(inline, 'data') ?? '').length * 3) / 4);
    return [{ kind: 'file', text: ['file', str(inline, 'mimeType'), bytes(size)].filter((part) => part).join(' ') }];
  }
  const file = get(value, 'fileData');
  if (isFacts(file))
    return [{ kind: 'file', text: ['file', str(file, 'mimeType'), str(file, 'fileUri')].filter((part) => part).join(' ') }];
  const name = Object.keys(value).find((key) => key !== 'thoughtSignature');
  return name === undefined ? [] : [{ kind: 'other', name, text: pretty(get(value, name)) }];
}

/** A response is an object; most hold what the tool said in `output`, or why it failed in `error`. */
function resultText(response: unknown): string {
  if (!isFacts(response)) return response === undefined ? '' : pretty(response);
  const only = Object.keys(response).length === 1 ? (str(response, 'output') ?? str(response, 'error')) : undefined;
  return only ?? pretty(response);
}

function readContent(value: unknown): Turn[] {
  const content = facts(value);
  const parts = list(get(content, 'parts')).flatMap(readPart);
  if (parts.length === 0) return [];
  const role = str(content, 'role') ?? 'user';
  if (parts.every((part) => part.kind === 'result')) return [{ role: 'tool', parts }];
  return [{ role: role === 'model' ? 'assistant' : role, parts }];
}

/** A request, or nothing when the body is none. */
export function readGeminiPrompt(body: Facts, path: string): Prompt | undefined {
  const contents = get(body, 'contents');
  if (!Array.isArray(contents)) return undefined;
  const config = facts(get(body, 'generationConfig'));
  const settings: string[] = [];
  const model = str(body, 'model') ?? /\/models\/([^/:?]+):/.exec(path)?.[1];
  if (model !== undefined) settings.push(model);
  if (path.includes(':streamGenerateContent')) settings.push('streaming');
  for (const name of ['maxOutputTokens', 'temperature', 'topP', 'responseMimeType']) {
    const value = get(config, name);
    if (typeof value === 'number' || typeof value === 'string') settings.push(`${name} ${String(value)}`);
  }
  const tools = list(get(body, 'tools')).flatMap((tool) => {
    const declared = list(get(facts(tool), 'functionDeclarations')).map((one) => str(facts(one), 'name') ?? '?');
    return declared.length > 0 ? declared : Object.keys(facts(tool));
  });
  const system = list(get(facts(get(body, 'systemInstruction') ?? get(body, 'system_instruction')), 'parts')).flatMap(readPart);
  return { settings, tools, system, turns: contents.flatMap(readContent) };
}

/** Is this an answer, or a chunk of one? */
export function isGeminiAnswer(body: Facts): boolean {
  return Array.isArray(get(body, 'candidates')) || isFacts(get(body, 'usageMetadata')) || isFacts(get(body, 'promptFeedback'));
}

/** What the first candidate says, and why it ended. */
export function geminiParts(body: Facts): { parts: Part[]; reason: string | undefined } {
  const [first] = list(get(body, 'candidates'));
  const blocked = str(facts(get(body, 'promptFeedback')), 'blockReason');
  const parts = list(get(facts(get(facts(first), 'content')), 'parts')).flatMap(readPart);
  return { parts, reason: str(facts(first), 'finishReason') ?? blocked };
}

/** Thoughts are part of what came out, and what a tool of the provider said is part of what went in. */
export function geminiUsage(body: Facts): string[] {
  const used = facts(get(body, 'usageMetadata'));
  const [prompt, said] = [num(used, 'promptTokenCount'), num(used, 'candidatesTokenCount')];
  const [thought, cached] = [num(used, 'thoughtsTokenCount'), num(used, 'cachedContentTokenCount')];
  const input = prompt === undefined ? undefined : prompt + (num(used, 'toolUsePromptTokenCount') ?? 0);
  const output = said === undefined && thought === undefined ? undefined : (said ?? 0) + (thought ?? 0);
  return [
    ...(input === undefined ? [] : [`${grouped(input)} tokens in${cached ? ` (${grouped(cached)} cached)` : ''}`]),
    ...(output === undefined ? [] : [`${grouped(output)} out${thought ? ` (${grouped(thought)} reasoning)` : ''}`]),
  ];
}

/** A whole answer; its candidates are turns. */
export function readGeminiAnswer(body: Facts): Answer | undefined {
  if (!isGeminiAnswer(body)) return undefined;
  const turns = list(get(body, 'candidates')).flatMap((candidate) => readContent(get(facts(candidate), 'content')));
  return { turns, end: [...stop(geminiParts(body).reason), ...geminiUsage(body)] };
}
