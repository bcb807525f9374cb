/** Runs one test file and reads its TAP. */
import { type ChildProcess, spawn } from 'node:child_process';

export interface FileResult {
  /** Path of the source, relative to the clone. */
  source: string;
  passed: number;
  /** Each failure in full: the failed line with its details, or what went wrong with the file as a whole. */
  failures: string[];
  /** Reasons of what was skipped. */
  skips: string[];
  seconds: number;
  /** The end of what it said on stderr. */
  stderr: string;
}

/** How much of stderr is shown with a failure, in characters. */
const STDERR_SHOWN = 4000;

/** Ends a file's process and everything that it started, politely first. */
function end(child: ChildProcess): void {
  const signal = (name: NodeJS.Signals): void => {
    try {
      // A group of its own: guests and servers that a test started go with it.
      if (child.pid !== undefined) process.kill(-child.pid, name);
    } catch {
      // It is gone already.
    }
  };
  signal('SIGTERM');
  setTimeout(() => signal('SIGKILL'), 5000).unref();
}

/** What a TAP document says. `complete`: it came to its plan (`1..n`), so the file did not break off. */
export function readTap(text: string): { passed: number; failures: string[]; skips: string[]; complete: boolean } {
  let passed = 0;
  const failures: string[] = [];
  const skips: string[] = [];
  let complete = false;
  let title = '';
  let details: string[] | undefined;
  for (const line of text.split('\n')) {
    if (details !== undefined) {
      // The YAML block of a failed line is indented; the first line that is not ends it.
      if (/^\s/.test(line)) {
        details.push(line);
        continue;
      }
      failures.push(details.join('\n'));
      details = undefined;
    }
    const point = /^(not )?ok\b\s*\d*\s*(.*)$/.exec(line);
    if (point) {
      const what = point[2] ?? '';
      const skip = /\s*# skip\b\s*(.*)$/i.exec(what);
      if (skip) skips.push(skip[1] || what);
      else if (/# todo\b/i.test(what)) skips.push(what);
      else if (point[1] === undefined) passed++;
      else details = [title ? `# ${title}` : '', line].filter(Boolean);
    } else if (/^# skip\b/i.test(line)) {
      skips.push(line.slice(2).replace(/^skip\s*/i, ''));
    } else if (line.startsWith('# ')) {
      title = line.slice(2);
    } else if (/^1\.\.\d+/.test(line)) {
      complete = true;
    } else if (line.startsWith('Bail out!')) {
      failures.push(line);
    }
  }
  if (details !== undefined) failures.push(details.join('\n'));
  return { passed, failures, skips, complete };
}

/** Runs `file` with Node in `cwd`, for at most `seconds`. */
export function runFile(source: string, file: string, cwd: string, seconds: number): Promise<FileResult> {
  return new Promise((resolve) => {
    const started = process.hrtime.bigint();
    const child = spawn(process.execPath, [file], { cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    let late = false;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-STDERR_SHOWN);
    });
    const deadline = setTimeout(() => {
      late = true;
      end(child);
    }, seconds * 1000);
    const interrupted = (): void => {
      end(child);
      process.exit(130);
    };
    process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
    let exited = false;
    const finish = (status: number | null, signal: NodeJS.Signals | null): void => {
      if (exited) return;
      exited = true;
      clearTimeout(deadline);
      process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
      end(child);
      const { passed, failures, skips, complete } = readTap(stdout);
      if (late) failures.push(`no end within ${seconds} s; its last lines:\n${stdout.slice(-1000)}`);
      else if (!complete) failures.push(`broke off (${signal ?? `exit status ${status}`}); its last lines:\n${stdout.slice(-1000)}`);
      else if (status !== 0 && failures.length === 0) failures.push(`all tests passed, but the exit status is ${signal ?? status}`);
      else if (passed + skips.length === 0 && failures.length === 0) failures.push('no test in this file');
      resolve({ source, passed, failures, skips, seconds: Number(process.hrtime.bigint() - started) / 1e9, stderr: stderr.trim() });
    };
    child.on('error', (error) => {
      stderr += error.message;
      finish(null, null);
    });
    // A process that it left behind may hold the pipes open: a second after its end is enough to read the rest.
    child.on('exit', (status, signal) => setTimeout(() => finish(status, signal), 1000).unref());
    child.on('close', finish);
  });
}
