// The steps of scripts/build. Each is skipped while the content of its inputs is what it was when it last succeeded.
// Plain JavaScript, because it is what runs before there is any compiled TypeScript.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

const STAMPS = 'dist/.build.json';
const stamps = existsSync(STAMPS) ? JSON.parse(readFileSync(STAMPS, 'utf8')) : {};
const allowTypeErrors = process.argv.includes('--no-check');
const arch = { x64: { bpf: 'x86', triple: 'x86_64-linux-gnu' }, arm64: { bpf: 'arm64', triple: 'aarch64-linux-gnu' } }[process.arch];

class BuildError extends Error {}

function tool(...names) {
  for (const name of names)
    for (const dir of (process.env.PATH ?? '').split(':')) if (dir && existsSync(join(dir, name))) return realpathSync(join(dir, name));
  throw new BuildError(`${names[0]} is not installed. scripts/setup installs what the build needs.`);
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'], ...options });
  if (result.error) throw new BuildError(`cannot run ${command}: ${result.error.message}`);
  if (result.status !== 0) throw new BuildError(`${basename(command)} failed (${args.at(-1)})`);
  return result;
}

/** Files below a directory whose names end so, in a fixed order. */
function files(dir, ...endings) {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(dir, entry.name);
      if (entry.isDirectory()) return files(path, ...endings);
      return endings.some((ending) => path.endsWith(ending)) ? [path] : [];
    })
    .sort();
}

function digest(inputs, facts) {
  const hash = createHash('sha256').update(JSON.stringify(facts));
  for (const path of inputs) {
    hash.update(`\n${path}\n`);
    if (existsSync(path)) hash.update(readFileSync(path));
  }
  return hash.digest('hex');
}

/** Runs `make` unless the inputs are the same as last time and all outputs are there. A `make` that returns false is run again next time. */
function step(name, inputs, outputs, facts, make) {
  const now = digest(inputs, facts);
  if (stamps[name] === now && outputs.every((path) => existsSync(path))) return false;
  process.stderr.write(`build: ${name}\n`);
  for (const path of outputs) mkdirSync(dirname(path), { recursive: true });
  delete stamps[name];
  if (make() !== false) stamps[name] = now;
  return true;
}

/** A tool's identity without running it. */
function identity(path) {
  const { size, mtimeMs } = statSync(path);
  return [path, size, mtimeMs];
}

/** One CO-RE object for every kernel from 5.10 on: v3 instructions (5.1), BTF kept, DWARF dropped. */
function bpfObject(source, output) {
  const clang = tool('clang');
  const strip = tool('llvm-strip');
  const headers = [...files('bpf', '.h'), ...files('test/bpf', '.h')];
  const flags = [
    '-O2',
    '-g',
    '-target',
    'bpf',
    '-mcpu=v3',
    `-D__TARGET_ARCH_${arch.bpf}`,
    '-Wall',
    '-Wextra',
    '-Werror',
    '-Wno-unused-parameter',
  ];
  flags.push('-Ibpf', '-idirafter', `/usr/include/${arch.triple}`);
  step(output, [source, ...headers], [output], ['sealed', flags, identity(clang)], () => {
    const half = `${output}.half`;
    run(clang, [...flags, '-c', '-o', half, source]);
    run(strip, ['--strip-debug', half]);
    seal(half);
    renameSync(half, output);
  });
}

/** Appends what lib/bpf/seal.ts checks: a damaged file is then a sentence, where libbpf would crash. */
function seal(path) {
  const hash = createHash('sha256').update(readFileSync(path)).digest();
  appendFileSync(path, Buffer.concat([Buffer.from('TRACER-SEAL-0001'), hash]));
}

/** The static libraries, and what they need: libelf of Debian 13 calls zstd. */
function staticLibraries(objcopy, work) {
  const dirs = [`/usr/lib/${arch.triple}`, '/usr/lib64', '/usr/lib'];
  const find = (name) => dirs.map((dir) => join(dir, name)).find((path) => existsSync(path));
  const needed = Object.fromEntries(['libbpf.a', 'libelf.a', 'libz.a'].map((name) => [name, find(name)]));
  for (const [name, path] of Object.entries(needed))
    if (!path) throw new BuildError(`${name} is not installed. scripts/setup installs what the build needs (Debian: libbpf-dev).`);
  const zstd = find('libzstd.a');
  const list = [needed['libelf.a'], needed['libz.a'], ...(zstd ? [zstd] : [])];
  return {
    identities: [needed['libbpf.a'], ...list].map(identity),
    // bpf/native/static_libs.c says why the symbol is renamed.
    link() {
      const copy = join(work, 'libbpf.a');
      run(objcopy, ['--redefine-sym', 'stderr=tracer_stderr', needed['libbpf.a'], copy]);
      return [copy, ...list];
    },
  };
}

/** The addon needs libc only: libbpf, libelf and zlib are linked in, and their names kept from those that node exports. */
function addon() {
  const output = `prebuilds/linux-${process.arch}/tracer.node`;
  const clang = tool('clang');
  const objcopy = tool('objcopy', 'llvm-objcopy');
  const strip = tool('strip', 'llvm-strip');
  const sources = files('bpf/native', '.c');
  const libraries = staticLibraries(objcopy, 'dist');
  const compile = [
    '-shared',
    '-fPIC',
    '-O2',
    '-g',
    '-std=gnu11',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-fvisibility=hidden',
    '-fstack-protector-strong',
  ];
  compile.push('-D_FORTIFY_SOURCE=2', '-Inode_modules/node-api-headers/include');
  const link = ['--exclude-libs,ALL', '-Bsymbolic', '--gc-sections', '-z,relro,-z,now', '-z,noexecstack', '--no-undefined-version'];
  step(
    output,
    [...sources, ...files('bpf/native', '.h'), 'bpf/records.h'],
    [output],
    [compile, link, libraries.identities, identity(clang)],
    () => {
      const half = `${output}.half`;
      run(clang, [...compile, ...sources, ...libraries.link(), ...link.map((flag) => `-Wl,${flag}`), '-o', half]);
      run(strip, ['--strip-debug', half]);
      // Names that no library had show only now: node's own are resolved when it is loaded.
      run(process.execPath, ['-e', `process.dlopen({ exports: {} }, ${JSON.stringify(realpathSync(half))})`]);
      renameSync(half, output);
    },
  );
}

/** Small programs that sensors run, each one source; libc only. */
function helper(source) {
  const output = `prebuilds/linux-${process.arch}/${basename(source, '.c')}`;
  const clang = tool('clang');
  const flags = [
    '-O2',
    '-std=gnu11',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-fPIE',
    '-pie',
    '-fstack-protector-strong',
    '-D_FORTIFY_SOURCE=2',
    '-pthread',
  ];
  step(output, [source], [output], [flags, identity(clang)], () => {
    run(clang, [...flags, '-Wl,-z,relro,-z,now', '-s', '-o', `${output}.half`, source, '-ldl']);
    renameSync(`${output}.half`, output);
  });
}

/** Decoders of the ring's records, from the objects' BTF. The generator is TypeScript, so it is stripped of its types first. */
async function decoders(objects) {
  const sources = ['lib/elf/btf.ts', 'scripts/decoders.ts'];
  const output = 'lib/bpf/records.gen.ts';
  if (!sources.every((path) => existsSync(path))) return;
  const now = digest([...sources, ...objects], []);
  if (stamps[output] === now && existsSync(output)) return;
  const { default: ts } = await import('typescript');
  for (const path of sources) {
    const js = join('dist', path.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(js), { recursive: true });
    const options = { module: ts.ModuleKind.ES2022, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true };
    writeFileSync(js, ts.transpileModule(readFileSync(path, 'utf8'), { compilerOptions: options }).outputText);
  }
  step(output, [...sources, ...objects], [output], [], () => run(process.execPath, ['dist/scripts/decoders.js', output, ...objects]));
}

/** What a source that is gone has left in dist. */
function prune(room) {
  for (const path of files(join('dist', room), '.js', '.js.map', '.d.ts')) {
    const source = path.slice('dist/'.length).replace(/(\.js|\.js\.map|\.d\.ts)$/, '.ts');
    if (!existsSync(source)) rmSync(path);
  }
}

function javascript() {
  const rooms = ['lib', 'test', 'bench', 'scripts'];
  const sources = rooms.flatMap((room) => files(room, '.ts'));
  const inputs = [...sources, 'tsconfig.json', 'package-lock.json'];
  return step('javascript', inputs, ['dist/lib/stream/event.js'], [], () => {
    for (const room of rooms) prune(room);
    const args = ['node_modules/typescript/bin/tsc', '-p', '.', '--incremental', '--tsBuildInfoFile', 'dist/.tsbuildinfo'];
    try {
      run(process.execPath, args);
    } catch (error) {
      if (!allowTypeErrors) throw error;
      return false;
    }
    return true;
  });
}

/** Man pages, completions and schemas, made from the commands' own tables. */
function pages() {
  const generate = 'scripts/generate';
  if (!existsSync(generate)) return;
  const inputs = [
    generate,
    ...files('dist/lib/commands', '.js'),
    ...files('dist/lib/stream', '.js'),
    ...files('dist/scripts', '.js'),
    'package.json',
  ];
  step('pages', inputs, ['man', 'completions'], [], () => run(`./${generate}`, []));
}

/** Goes on after a failure, so that one half-written file does not keep the rest from being built. */
async function attempt(make) {
  try {
    await make();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    process.stderr.write(`build: ${error.message}\n`);
    process.exitCode = 1;
  }
}

function ready() {
  if (!arch) throw new BuildError(`there is no build for ${process.arch}: x64 and arm64 are supported`);
  if (!existsSync('node_modules/node-api-headers')) throw new BuildError('node_modules is missing or older than package.json: run npm ci');
}

const objectOf = (source, dir) => join(dir, `${basename(source, '.c')}.o`);
const programs = files('bpf', '.bpf.c');

await attempt(ready);
if (!process.exitCode) {
  for (const source of programs) await attempt(() => bpfObject(source, objectOf(source, 'dist/bpf')));
  for (const source of files('test/bpf', '.bpf.c')) await attempt(() => bpfObject(source, objectOf(source, 'dist/test/bpf')));
  await attempt(() => decoders(programs.map((source) => objectOf(source, 'dist/bpf')).filter((path) => existsSync(path))));
  await attempt(addon);
  for (const source of files('bpf/helpers', '.c')) await attempt(() => helper(source));
  await attempt(javascript);
  if (!process.exitCode) await attempt(pages);
  writeFileSync(STAMPS, JSON.stringify(stamps, null, 1));
}
