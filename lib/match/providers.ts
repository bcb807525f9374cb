/**
 * Which provider of models a host belongs to, by OpenTelemetry's name (gen_ai.provider.name) where it has one. A name in
 * the table stands for itself and everything below it, label by label: `evilopenai.com` is not `openai.com`.
 */

export interface Place {
  /** A name or an address, with or without port and trailing dot, in any case. */
  host: string;
  /** Where it is known apart from the host. */
  port?: number | undefined;
  /** Of a request. */
  path?: string | undefined;
}

interface Entry {
  provider: string | undefined;
  /** Labels from the left; `*` stands for any letters within one. Empty: any host. */
  labels: string[];
  local: boolean;
  port: number | undefined;
  path: string;
}

/** Lines that a table may have, and characters of one. */
export const MOST_ENTRIES = 10_000;

/** The table: provider, then host`[:port][/path]`. `local` is this machine. */
const TABLE = `
anthropic           anthropic.com
anthropic           claude.ai
anthropic           claude.com
openai              openai.com
openai              chatgpt.com
openai              oaiusercontent.com
azure.ai.openai     openai.azure.com
azure.ai.inference  services.ai.azure.com
azure.ai.inference  models.ai.azure.com
azure.ai.inference  inference.ai.azure.com
azure.ai.inference  models.inference.ai.azure.com
azure.ai.openai     cognitiveservices.azure.com/openai
azure.ai.openai     azure-api.net/openai
gcp.gemini          generativelanguage.googleapis.com
gcp.gemini          cloudcode-pa.googleapis.com
gcp.gemini          gemini.google.com
gcp.vertex_ai       aiplatform.googleapis.com
gcp.vertex_ai       *-aiplatform.googleapis.com
aws.bedrock         bedrock-*.amazonaws.com
aws.bedrock         bedrock-*.*.amazonaws.com
aws.bedrock         bedrock-*.*.amazonaws.com.cn
aws.bedrock         bedrock-*.*.api.aws
aws.bedrock         bedrock.*.amazonaws.com
aws.bedrock         *.bedrock-*.*.vpce.amazonaws.com
cohere              cohere.ai
cohere              cohere.com
deepseek            deepseek.com
groq                groq.com
ibm.watsonx.ai      ml.cloud.ibm.com
mistral_ai          mistral.ai
perplexity          perplexity.ai
x_ai                x.ai
x_ai                grok.com
together            together.xyz
together            together.ai
fireworks           fireworks.ai
openrouter          openrouter.ai
ollama              ollama.com
ollama              *:11434
lm_studio           local:1234/v1
lm_studio           local:1234/api/v0
github.copilot      githubcopilot.com
github.copilot      copilot-proxy.githubusercontent.com
github.models       models.github.ai
huggingface         router.huggingface.co
huggingface         api-inference.huggingface.co
huggingface         endpoints.huggingface.cloud
cerebras            cerebras.ai
moonshot_ai         moonshot.ai
moonshot_ai         moonshot.cn
alibaba             dashscope.aliyuncs.com
alibaba             dashscope-intl.aliyuncs.com
zhipu_ai            bigmodel.cn
zhipu_ai            z.ai
minimax             minimax.io
minimax             minimaxi.com
minimax             minimax.chat
novita              novita.ai
baseten             inference.baseten.co
baseten             api.baseten.co
cloudflare          gateway.ai.cloudflare.com
cloudflare          api.cloudflare.com/client/v4/accounts/*/ai
voyage_ai           voyageai.com
ai21                ai21.com
nvidia              integrate.api.nvidia.com
sambanova           sambanova.ai
nebius              studio.nebius.ai
nebius              studio.nebius.com
nebius              tokenfactory.nebius.com
hyperbolic          hyperbolic.xyz
deepinfra           deepinfra.com
replicate           api.replicate.com
cursor              cursor.sh
cursor              cursor.com
arcee               arcee.ai
avian               avian.io
modal               modal.run
modal               modal.direct
doubleword          doubleword.ai
ovhcloud            endpoints.kepler.ai.cloud.ovh.net
ovhcloud            endpoints.ai.cloud.ovh.net
quicksilverpro      quicksilverpro.io
typesafe            typesafe.ai
vercel              ai-gateway.vercel.sh
volcengine          volces.com/api
inception           inceptionlabs.ai
`;

/** What a line of a table says, or why it says nothing. */
export type Line = { entry: Entry } | { error: string };

export class ProviderTable {
  /** By the last two labels, which hold no `*`; '' for those that have none. */
  readonly #entries = new Map<string, Entry[]>();

  /** @param own lines of a user's table: they come before the built-in ones */
  constructor(own: readonly Entry[] = []) {
    for (const entry of own) this.#add(entry);
    for (const entry of builtIn()) this.#add(entry);
  }

  /** The provider of a place; undefined when it is none's. */
  find(place: Place): string | undefined {
    const { name, port } = split(place.host);
    if (name === '') return undefined;
    const at = port ?? place.port;
    const path = place.path ?? '';
    const labels = name.split('.');
    let best: Entry | undefined;
    for (const key of new Set([labels.slice(-2).join('.'), name, ''])) {
      for (const entry of this.#entries.get(key) ?? []) {
        if (!matches(entry, labels, name, at, path)) continue;
        if (best === undefined || weight(entry) > weight(best)) best = entry;
      }
    }
    return best?.provider;
  }

  #add(entry: Entry): void {
    const tail = entry.labels.slice(-2);
    const key = tail.some((label) => label.includes('*')) ? '' : tail.join('.');
    const known = this.#entries.get(key);
    if (known === undefined) this.#entries.set(key, [entry]);
    else known.push(entry);
  }
}

let entries: Entry[] | undefined;

function builtIn(): Entry[] {
  entries ??= TABLE.trim()
    .split('\n')
    .flatMap((line) => {
      const read = readLine(line);
      return read !== undefined && 'entry' in read ? [read.entry] : [];
    });
  return entries;
}

/** The names of all providers in the built-in table. */
export function providerNames(): string[] {
  return [...new Set(builtIn().map((entry) => entry.provider ?? ''))];
}

/** The hosts of a provider in the built-in table: each stands for itself and all below it; some labels hold a `*`. */
export function hostsOf(provider: string): { host: string; port: number | undefined }[] {
  return builtIn()
    .filter((entry) => entry.provider === provider && entry.labels.length > 0)
    .map(({ labels, port }) => ({ host: labels.join('.'), port }));
}

/** Reads one line of a table: `provider host[:port][/path]`; `-` for a host that is nobody's. Undefined where it is blank or a comment. */
export function readLine(line: string): Line | undefined {
  const words = line
    .replace(/(?:^|\s)#.*$/, '')
    .trim()
    .split(/\s+/);
  if (words[0] === '') return undefined;
  const [provider, place, more] = words;
  if (place === undefined || more !== undefined) return { error: 'is not "provider host[:port][/path]"' };
  const found = /^([^/:]+)(?::(\d{1,5}))?(\/\S*)?$/.exec(place.toLowerCase());
  if (found === null || provider === undefined) return { error: `"${place}" is no host` };
  const [, host = '', port, path = ''] = found;
  const local = host === 'local';
  const labels =
    local || host === '*'
      ? []
      : host
          .replace(/^\*\.(?=[^*])/, '')
          .replace(/\.$/, '')
          .split('.');
  if (labels.some((label) => !/^[\p{L}\p{N}_*-]+$/u.test(label))) return { error: `"${host}" is no host name` };
  return {
    entry: { provider: provider === '-' ? undefined : provider, labels, local, port: port === undefined ? undefined : Number(port), path },
  };
}

/** A line that says more of a place comes first: more labels, then a path, then a port. */
function weight(entry: Entry): number {
  return entry.labels.length * 1000 + Math.min(entry.path.length, 900) + (entry.port === undefined ? 0 : 1);
}

function matches(entry: Entry, labels: readonly string[], name: string, port: number | undefined, path: string): boolean {
  if (entry.port !== undefined && entry.port !== port) return false;
  if (entry.local && !isLocal(name)) return false;
  const skip = labels.length - entry.labels.length;
  if (skip < 0) return false;
  for (let i = entry.labels.length - 1; i >= 0; i--) if (!fits(entry.labels[i] as string, labels[skip + i] as string)) return false;
  return entry.path === '' || pathFits(entry.path, path);
}

/** One label, or one segment of a path, against one that may have a `*`. */
function fits(pattern: string, label: string): boolean {
  const star = pattern.indexOf('*');
  if (star < 0) return pattern === label;
  const tail = pattern.slice(star + 1);
  return label.length >= pattern.length - 1 && label.startsWith(pattern.slice(0, star)) && label.endsWith(tail);
}

function pathFits(pattern: string, path: string): boolean {
  const wanted = pattern.replace(/\/$/, '').split('/');
  const segments = (path.split('?')[0] as string).toLowerCase().split('/');
  return wanted.every((segment, at) => segments[at] !== undefined && fits(segment, segments[at]));
}

/** Lower-case, without port, brackets and the root's dot. */
function split(host: string): { name: string; port: number | undefined } {
  const found = /^(?:\[([^\]]*)\]|([^:]*)|(.*:.*:.*))(?::(\d{1,5}))?$/.exec(host.trim().slice(0, 512));
  if (found === null) return { name: '', port: undefined };
  const name = (found[1] ?? found[3] ?? found[2] ?? '').toLowerCase().replace(/\.$/, '');
  return { name, port: found[4] === undefined ? undefined : Number(found[4]) };
}

/** This machine by name or address, or the one that a container runs on. */
function isLocal(name: string): boolean {
  return /^(?:localhost|(?:.+\.)localhost|127\.\d+\.\d+\.\d+|0\.0\.0\.0|::1|::|host\.docker\.internal)$/.test(name);
}
