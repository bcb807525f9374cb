// A test runner for Stryker (scripts/mutate): all tests in one process, that is loaded once and used for thousands of
// mutants, where tape would need a process for each file and mutant. Plain JavaScript: Stryker loads it as it is.
import { register } from 'node:module';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { collected } from './mutate-tape.mjs';

/** What instrumented code looks at. */
globalThis.__stryker__ ??= {};
const context = globalThis.__stryker__;

class TapeRunner {
  static inject = ['options'];
  /** Tests of each file that is loaded. */
  tests = new Map();

  constructor(options) {
    this.files = options.tapeInProcess.testFiles;
  }

  // Code that runs while it is loaded cannot be loaded anew in this process: Stryker starts another one for that.
  capabilities() {
    return { reloadEnvironment: false };
  }

  async init() {
    register('./mutate-hook.mjs', import.meta.url);
  }

  async load(file) {
    const known = this.tests.get(file);
    if (known) return known;
    await import(pathToFileURL(join(process.cwd(), file)).href);
    const tests = collected.splice(0).map(({ name, run }) => ({ id: `${file}: ${name}`, run }));
    this.tests.set(file, tests);
    return tests;
  }

  async dryRun() {
    context.activeMutant = undefined;
    const tests = [];
    for (const file of this.files) {
      for (const { id, run } of await this.load(file)) {
        context.currentTestId = id;
        const began = performance.now();
        const failure = await outcome(run);
        const common = { id, name: id, timeSpentMs: performance.now() - began };
        tests.push(failure === undefined ? { ...common, status: 0 } : { ...common, status: 1, failureMessage: failure });
        context.currentTestId = undefined;
      }
    }
    return { status: 'complete', tests, mutantCoverage: context.mutantCoverage };
  }

  async mutantRun({ testFilter, activeMutant, hitLimit, mutantActivation }) {
    context.activeMutant = mutantActivation === 'static' ? activeMutant.id : undefined;
    context.hitCount = hitLimit === undefined ? undefined : 0;
    context.hitLimit = hitLimit;
    const wanted = testFilter && new Set(testFilter);
    let ran = 0;
    for (const file of this.order(activeMutant.fileName)) {
      if (testFilter && !testFilter.some((id) => id.startsWith(`${file}: `))) continue;
      let tests;
      try {
        tests = await this.load(file);
      } catch (error) {
        return { status: 'killed', killedBy: [file], failureMessage: `it does not load: ${error}`, nrOfTests: ran };
      }
      context.activeMutant = activeMutant.id;
      for (const { id, run } of tests) {
        if (wanted && !wanted.has(id)) continue;
        ran++;
        const failure = await outcome(run);
        if (hitLimit !== undefined && context.hitCount > hitLimit) return { status: 'timeout', reason: `it ran ${context.hitCount} times` };
        if (failure !== undefined) return { status: 'killed', killedBy: [id], failureMessage: failure, nrOfTests: ran };
      }
      if (mutantActivation !== 'static') context.activeMutant = undefined;
    }
    return { status: 'survived', nrOfTests: ran };
  }

  /** Test files, those of the mutant's own file first. */
  order(source) {
    const name = basename(source, '.ts');
    const own = (file) => Number(basename(file, '.test.js').startsWith(name) || name.startsWith(basename(file, '.test.js')));
    return [...this.files].sort((a, b) => own(b) - own(a));
  }
}

async function outcome(run) {
  try {
    await run();
    return undefined;
  } catch (error) {
    return String(error?.message ?? error).slice(0, 500);
  }
}

export const strykerPlugins = [{ kind: 'TestRunner', name: 'tape-in-process', injectableClass: TapeRunner }];
export const strykerValidationSchema = { properties: { tapeInProcess: { type: 'object' } } };
