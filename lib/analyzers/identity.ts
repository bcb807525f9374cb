/**
 * `tracer-identity`: adds `identity` to each event of a process of which it is known what agent it is or works for, and
 * where it runs. All of it stands in the stream: process_info, process_exec, process_fork.
 */
import { type AgentTable, baseName, mainOf, type Program } from '../match/agents.js';
import { type CgroupPlace, placeOf } from '../match/cgroup-path.js';
import { append } from '../stream/append.js';
import type { AnyEvent } from '../stream/event.js';
import { count, type Facts, facts, list, sub, text } from '../stream/facts.js';
import type { Push, Stage } from '../stream/stage.js';

export interface IdentityLimits {
  /** Processes that are remembered; the least recently met goes first. */
  processes: number;
  /** Cgroups whose path is known. */
  cgroups: number;
}

export const IDENTITY_LIMITS: IdentityLimits = { processes: 65_536, cgroups: 16_384 };

/** What is added to an event. */
export interface Identity extends CgroupPlace {
  /** `claude-code`; of a script that no table knows, the name of its main file. */
  agent?: string;
  /** The process that is the agent. */
  agent_pid?: number;
  /** The agent's own name of its session, from the environment. */
  session?: string;
}

/** Variables that name a session, and nothing secret. */
const SESSIONS = ['CLAUDE_CODE_SESSION_ID', 'CODEX_SESSION_ID', 'CODEX_THREAD_ID'];
const LONGEST_SESSION = 256;
/** Generations that are asked for what they hand on: no real tree is so deep. */
const MOST_GENERATIONS = 64;

interface Process {
  pid: number;
  start: number | undefined;
  parent: Process | undefined;
  ppid: number | undefined;
  /** Told by its program. */
  agent: string | undefined;
  agentPid: number | undefined;
  /** Told by its environment, or by the script it runs: less than what it inherits. */
  hint: string | undefined;
  session: string | undefined;
  place: CgroupPlace | undefined;
}

/** The stage. */
export function identity(agents: AgentTable, limits: Partial<IdentityLimits> = {}): Stage {
  const most = { ...IDENTITY_LIMITS, ...limits };
  const processes = new Map<number, Process>();
  const places = new Map<string, CgroupPlace>();

  function at(pid: number, start: number | undefined): Process {
    const known = processes.get(pid);
    if (known !== undefined && (start === undefined || known.start === undefined || known.start === start)) {
      known.start ??= start;
      processes.delete(pid);
      processes.set(pid, known);
      return known;
    }
    const made: Process = {
      pid,
      start,
      parent: undefined,
      ppid: undefined,
      agent: undefined,
      agentPid: undefined,
      hint: undefined,
      session: undefined,
      place: undefined,
    };
    processes.delete(pid);
    processes.set(pid, made);
    trim(processes, most.processes);
    return made;
  }

  /** The program that a process runs from now on. What it was before stays with it where this one tells nothing. */
  function runs(it: Process, program: Program): void {
    const found = agents.find(program);
    if (found !== undefined) {
      it.agent = found;
      it.agentPid = it.pid;
    }
    const env = program.env ?? {};
    const main = mainOf(program);
    const script = main?.module ?? (main?.file === undefined ? undefined : baseName(main.file));
    it.hint = agents.byEnvironment(env) ?? (script === undefined || script === '' ? it.hint : script);
    for (const name of SESSIONS) {
      const value = text(env, name);
      if (value !== undefined && value !== '' && value.length <= LONGEST_SESSION) {
        it.session = value;
        break;
      }
    }
  }

  function learn(event: AnyEvent, data: Facts, it: Process): void {
    const type = event.event_type;
    const ppid = count(data, 'ppid');
    if (ppid !== undefined && it.parent === undefined) it.ppid = ppid;
    if (type === 'process_fork') {
      const pid = count(data, 'child_pid');
      const start = count(data, 'child_start_us');
      if (pid !== undefined && pid !== it.pid) {
        const child = at(pid, start);
        if (!descends(it, child)) child.parent = it;
        child.place ??= it.place;
      }
    } else if (type === 'process_info') {
      const path = text(data, 'cgroup_path');
      const id = text(data, 'cgroup_id');
      if (path !== undefined) {
        it.place = placeOf(path);
        if (id !== undefined) {
          places.delete(id);
          places.set(id, it.place);
          trim(places, most.cgroups);
        }
      }
      runs(it, { exe: text(data, 'exe'), args: words(data), env: sub(data, 'env') });
    } else if (type === 'process_exec' && text(data, 'errno') === undefined) {
      runs(it, { exe: text(data, 'filename'), args: words(data), env: sub(data, 'env') });
    }
    const id = text(data, 'cgroup_id');
    if (id !== undefined) it.place = places.get(id) ?? it.place;
  }

  /** The parent, known by a fork, or by its number when it was there before. */
  function parentOf(it: Process): Process | undefined {
    if (it.parent !== undefined || it.ppid === undefined || it.ppid === it.pid) return it.parent;
    const parent = processes.get(it.ppid);
    if (parent === undefined || (parent.start !== undefined && it.start !== undefined && parent.start > it.start)) return undefined;
    if (!descends(parent, it)) it.parent = parent;
    return it.parent;
  }

  function identityOf(it: Process): Identity | undefined {
    let agent: Process | undefined;
    let hint: Process | undefined;
    let session: string | undefined;
    let each: Process | undefined = it;
    for (let n = 0; each !== undefined && n < MOST_GENERATIONS; n++) {
      if (agent === undefined && each.agent !== undefined) agent = each;
      // The oldest script: what it starts works for it.
      if (each.hint !== undefined) hint = each;
      // A session is of the agent: what stands above it is of another.
      if (agent === undefined || agent === each) session ??= each.session;
      if (agent !== undefined) break;
      each = parentOf(each);
    }
    const found: Identity = {
      ...(agent !== undefined
        ? { agent: agent.agent as string, agent_pid: agent.agentPid as number }
        : hint !== undefined
          ? { agent: hint.hint as string, agent_pid: hint.pid }
          : {}),
      ...(session === undefined ? {} : { session }),
      ...it.place,
    };
    return Object.keys(found).length === 0 ? undefined : found;
  }

  return {
    name: 'identity',
    adds: true,
    transform(event: AnyEvent, push: Push): void {
      const data = facts(event.data);
      const pid = count(data, 'pid');
      if (pid !== undefined) {
        const start = count(data, 'start_us');
        const it = at(pid, start);
        learn(event, data, it);
        const found = identityOf(it);
        if (found !== undefined) append(event, 'identity', found);
      }
      push(event);
    },
    flush() {},
  };
}

function words(data: Facts): string[] {
  return list(data.args)
    .slice(0, 1024)
    .filter((word): word is string => typeof word === 'string');
}

/** Whether `process` is `ancestor` or below it: a stream that says otherwise would make a ring. */
function descends(it: Process, ancestor: Process): boolean {
  let each: Process | undefined = it;
  for (let n = 0; each !== undefined && n <= MOST_GENERATIONS; n++) {
    if (each === ancestor) return true;
    each = each.parent;
  }
  return each !== undefined;
}

function trim(map: Map<unknown, unknown>, most: number): void {
  if (map.size <= most) return;
  const [oldest] = map.keys();
  map.delete(oldest);
}
