/** Records into events: processes that begin, run programs and end, in the order in which it happened. */
import { PathFact, RecExit, RecFork, RecProcExec, RecSecurity, RecStamp, RecType } from '../../bpf/records.gen.js';
import { textField, textListField } from '../../stream/payload.js';
import type { Emitter } from '../emitter.js';
import { cgroupField, chosenEnvironment, splitAtNul } from '../proc.js';
import { ProcessTable } from '../processes.js';
import { errnoField, signalName } from './errno.js';
import { FileEvents } from './file-events.js';
import { fileIdOf, Process } from './model.js';
import { securityData } from './security-events.js';

/** Longer command lines are not kept for the children's sake: those are looked up when they must be told. */
const KEPT_ARGS = 4096;
/** Cgroups whose paths are kept. */
const CGROUPS_KNOWN = 1024;
/** The kernel counts resident memory in pages. */
const PAGE_BYTES = 4096;

type CgroupField = ReturnType<typeof cgroupField>;
const NO_FIELD: CgroupField = {};
const ASK_AGAIN_NS = 1e8;

export interface ProcessEventOptions {
  envNames: ReadonlySet<string>;
  /** Ends of processes that lived shorter are left out; in nanoseconds. */
  minDurationNs: number;
  dedup: boolean;
}

export class ProcessEvents {
  readonly processes: ProcessTable<Process>;
  readonly files: FileEvents;
  /** Records that were due, as they came; and those that options leave out. */
  records = 0;
  leftOut = 0;
  readonly #emitter: Emitter;
  readonly #options: ProcessEventOptions;
  readonly #stamp = new RecStamp();
  readonly #fork = new RecFork();
  readonly #exec = new RecProcExec();
  readonly #exit = new RecExit();
  readonly #security = new RecSecurity();
  readonly #cgroups = new Map<string, { field: CgroupField; again: number }>();

  constructor(emitter: Emitter, options: ProcessEventOptions) {
    this.#emitter = emitter;
    this.#options = options;
    this.processes = new ProcessTable((pid, start) => new Process(pid, start), emitter, {
      met: () => {},
      replaced: (process) => this.processes.delete(process),
    });
    this.files = new FileEvents(emitter, options.dedup);
  }

  /** One record, in order. A {@link RecordHandler}. */
  readonly record = (bytes: Buffer, view: DataView, at: number, ts: number): void => {
    const type = this.#stamp.at(bytes, view, at).type;
    if (type === RecType.REC_FILE) {
      this.records++;
      const process = this.#told(bytes, view, at, ts);
      if (!this.files.tell(process, bytes, view, at, ts)) this.leftOut++;
    } else if (type === RecType.REC_FORK) this.#onFork(bytes, view, at, ts);
    else if (type === RecType.REC_PROC_EXEC) this.#onExec(bytes, view, at, ts);
    else if (type === RecType.REC_EXIT) this.#onExit(bytes, view, at, ts);
    else if (type === RecType.REC_SECURITY) this.#onSecurity(bytes, view, at, ts);
    else if (type === RecType.REC_SCOPE) this.#told(bytes, view, at, ts);
  };

  /** The process of a record, announced. */
  #told(bytes: Buffer, view: DataView, at: number, ts: number): Process {
    const process = this.processes.of(bytes, view, at, ts);
    if (!process.announced) this.processes.announce(process, ts);
    return process;
  }

  #onSecurity(bytes: Buffer, view: DataView, at: number, ts: number): void {
    this.records++;
    const process = this.#told(bytes, view, at, ts);
    const data = { ...process.who?.who, ...securityData(this.#security.at(bytes, view, at)) };
    this.#emitter.emit('process', 'security_action', data, ts, 0);
  }

  #onFork(bytes: Buffer, view: DataView, at: number, ts: number): void {
    this.records++;
    const parent = this.#told(bytes, view, at, ts);
    const { child_pid, child_start_exact } = this.#fork.at(bytes, view, at);
    const former = this.processes.find(child_pid);
    if (former !== undefined && former.start !== child_start_exact) this.processes.delete(former);
    const child = this.processes.at(child_pid, child_start_exact);
    // Until it runs another program it is what its parent is.
    child.facts ??= parent.facts;
    this.#emitter.emit(
      'process',
      'process_fork',
      { ...parent.who?.who, child_pid, child_start_us: Number(child_start_exact / 1000n) },
      ts,
      0,
    );
  }

  #onExec(bytes: Buffer, view: DataView, at: number, ts: number): void {
    this.records++;
    const process = this.processes.of(bytes, view, at, ts);
    const record = this.#exec.at(bytes, view, at);
    const { filename_len, interpreter_len, cwd_len, image_len, args_len, args_total, env_len, exec_flags, flags, result } = record;
    const text = record.text(record.len);
    let from = 0;
    const next = (length: number): Buffer => {
      from += length;
      return text.subarray(from - length, from);
    };
    const filename = Buffer.from(next(filename_len));
    const interpreter = next(interpreter_len);
    const cwd = cwd_len === 0 && (exec_flags & PathFact.NEW_PATH_CUT) === 0 ? Buffer.from('/') : next(cwd_len);
    const image = next(image_len);
    // The arguments of one that failed stand right behind its name.
    if (result === 0) from = flags * 256;
    const args = splitAtNul(next(args_len));
    const environment = env_len === 0 ? undefined : chosenEnvironment(next(env_len), this.#options.envNames);
    const memfd = image.subarray(0, 7).toString('latin1') === '/memfd:';
    const argsField = textListField('args', args);
    const cwdField = (exec_flags & PathFact.NEW_PATH_CUT) !== 0 ? {} : textField('cwd', cwd);
    const exeField = (exec_flags & PathFact.PATH_CUT) !== 0 || image_len === 0 ? {} : textField('exe', image);
    const id = (exec_flags & PathFact.HAS_FILE) !== 0 ? { exe_file_id: fileIdOf(record) } : {};
    const env = environment === undefined ? {} : { env: environment };
    if (result === 0) {
      process.facts = { ...exeField, ...argsField, ...cwdField, ...this.#cgroupOf(process, ts), ...id, ...env };
      process.announced = false;
    }
    this.processes.announce(process, ts);
    if (args_total > KEPT_ARGS) process.facts = undefined;
    this.#emitter.emit(
      'process',
      'process_exec',
      {
        ...process.who?.who,
        ...textField('filename', filename),
        ...argsField,
        args_bytes: args_total,
        ...(args_len < args_total ? { truncated: true } : {}),
        ...cwdField,
        ...id,
        ...exeField,
        ...(interpreter_len === 0 ? {} : textField('interpreter', interpreter)),
        ...(memfd ? { memfd: true } : {}),
        ...((exec_flags & PathFact.HAS_FILE) !== 0 && record.links === 0 && !memfd ? { deleted: true } : {}),
        ...env,
        ...errnoField(result),
      },
      ts,
      0,
    );
  }

  /**
   * Read from /proc once for each cgroup: of the process, or, when that has ended already, of its parent if it is in the
   * same one. What could not be read is not asked for again at once: an open that fails costs as much as an event.
   */
  #cgroupOf(process: Process, ts: number): CgroupField {
    const who = process.who?.who;
    const id = who?.cgroup_id ?? '';
    const known = this.#cgroups.get(id);
    if (known !== undefined && (known.field !== NO_FIELD || ts < known.again)) return known.field;
    let field = cgroupField(process.pid);
    const parent = this.processes.find(who?.ppid ?? 0);
    if (Object.keys(field).length === 0 && parent?.who?.who.cgroup_id === id) field = cgroupField(parent.pid);
    if (Object.keys(field).length === 0) field = NO_FIELD;
    if (this.#cgroups.size >= CGROUPS_KNOWN) this.#cgroups.clear();
    this.#cgroups.set(id, { field, again: ts + ASK_AGAIN_NS });
    return field;
  }

  #onExit(bytes: Buffer, view: DataView, at: number, ts: number): void {
    this.records++;
    const record = this.#exit.at(bytes, view, at);
    const { exit_code: status, max_rss, start_ns_exact } = record;
    const duration = Number(record.ts_exact - start_ns_exact);
    const known = this.processes.find(record.pid);
    if (duration < this.#options.minDurationNs) {
      this.leftOut++;
      if (known !== undefined && known.start === start_ns_exact) this.processes.delete(known);
      return;
    }
    const process = this.#told(bytes, view, at, ts);
    process.exited = true;
    this.processes.delete(process);
    const signal = status & 0x7f;
    this.#emitter.emit(
      'process',
      'process_exit',
      {
        ...process.who?.who,
        ...(signal === 0 ? { exit_code: (status >> 8) & 0xff } : { signal: signalName(signal) }),
        ...(signal !== 0 && (status & 0x80) !== 0 ? { core_dumped: true } : {}),
        duration_ns: duration,
        ...(max_rss === 0 ? {} : { max_rss_bytes: max_rss * PAGE_BYTES }),
      },
      ts,
      0,
    );
  }
}
