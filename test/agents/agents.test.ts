/**
 * Today's Claude Code and Codex, as users run them, and the small programs: every byte of every connection, both
 * directions, from the first on. scripts/coverage-table runs all versions.
 */
import test from 'tape';
import { skip } from '../support/skip.js';
import { AGENTS } from './agents.js';
import type { Program, Trust } from './program.js';
import { runProgram, runTogether, type Watch } from './run.js';
import { QUICK } from './small.js';

function equal(program: Program, trust: Trust, watch: Watch): void {
  const how = watch === 'command' ? '-- COMMAND' : `-c ${program.comm}`;
  test(`${program.name}, trust by ${trust}, ${how}`, { timeout: 240_000 }, async (t) => {
    const missing = program.missing?.();
    if (missing !== undefined) {
      skip(t, missing);
      return;
    }
    const run = await runProgram(program, trust, watch);
    t.ok(run.outcome.seen.length > 0, `${run.outcome.seen.length} connections had plaintext`);
    for (const problem of run.problems.slice(0, 20)) t.fail(problem);
    if (run.problems.length > 0) t.comment(run.said.slice(-3000));
    for (const { connection, session } of run.outcome.seen) {
      t.equal(session?.open?.from_start, true, `connection ${connection.n} from its first byte, ${session?.open?.library}`);
    }
  });
}

function together(...programs: Program[]): void {
  test(`${programs.map(({ name }) => name).join(' and ')} at once, under one sensor`, { timeout: 240_000 }, async (t) => {
    const run = await runTogether(programs);
    for (const problem of run.problems.slice(0, 20)) t.fail(problem);
    if (run.problems.length > 0) t.comment(run.said.slice(-3000));
    const comms = new Set(run.outcome.seen.flatMap(({ session }) => session?.open?.comm ?? []));
    for (const { comm } of programs) t.ok([...comms].includes(comm), `${comm} was seen`);
    for (const { connection, session } of run.outcome.seen)
      t.equal(session?.open?.from_start, true, `connection ${connection.n} of ${session?.open?.comm}, ${session?.open?.library}`);
  });
}

const today = (name: string): Program => AGENTS.find((agent) => agent.name === name) as Program;

if (process.getuid?.() !== 0) {
  test('agents', (t) => {
    t.fail('namespaces and probes need root: sudo scripts/test');
    t.end();
  });
} else {
  equal(today('claude'), 'system', 'command');
  equal(today('claude'), 'variables', 'name');
  equal(today('codex'), 'system', 'command');
  equal(today('codex'), 'variables', 'name');
  together(today('claude'), today('codex'));
  for (const program of QUICK) equal(program, program.trusts[0] ?? 'system', 'command');
}
