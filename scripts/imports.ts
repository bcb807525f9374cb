/**
 * Two rules about who may use what, checked on the syntax tree of every file in lib/:
 * - rooms import downwards only: commands → runners, sources, analyzers, sinks → policy, protocols, elf, bpf → match → stream;
 * - lib/analyzers and lib/protocols are pure: no clock, chance, file system, network or process, so that a replay gives
 *   what the live run gave.
 * Prints one line per fault, with the place and the way out; exit status 1 when there is one.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const LIB = join(ROOT, 'lib');

/** From the top to the bottom. Rooms on one level do not know each other. */
const LEVELS = [['commands'], ['runners', 'sources', 'analyzers', 'sinks'], ['policy', 'protocols', 'elf', 'bpf'], ['match'], ['stream']];
/** The public face: lib/index.ts and its like stand above all rooms. */
const FACE = -1;

const PURE = new Set(['analyzers', 'protocols']);
const PURE_MODULES = new Set(['node:buffer', 'node:crypto', 'node:zlib', 'node:string_decoder']);
const IMPURE_NAMES = new Set([
  'Date',
  'performance',
  'process',
  'fetch',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'globalThis',
  'require',
  'console',
]);
const IMPURE_MEMBERS = new Set(['Math.random', 'crypto.randomBytes', 'crypto.randomUUID', 'crypto.getRandomValues']);
const IMPURE_IMPORTS = new Set(['randomBytes', 'randomUUID', 'randomInt', 'getRandomValues', 'webcrypto', 'randomStream']);

const faults: string[] = [];

function levelOf(room: string): number {
  return room.endsWith('.ts') ? FACE : LEVELS.findIndex((level) => level.includes(room));
}

function roomOf(file: string): string {
  return relative(LIB, file).split('/')[0] as string;
}

function check(file: string): void {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
  const room = roomOf(file);
  const level = levelOf(room);
  const pure = PURE.has(room);
  const say = (node: ts.Node, what: string): void => {
    const { line, character } = source.getLineAndCharacterOfPosition(node.getStart());
    faults.push(`${relative(ROOT, file)}:${line + 1}:${character + 1}: ${what}`);
  };
  if (level < 0 && level !== FACE)
    faults.push(`${relative(ROOT, file)}: lib/${room} is no room of the design: see LEVELS in scripts/imports.ts`);

  const checkImport = (node: ts.Node, specifier: string): void => {
    if (!specifier.startsWith('.')) {
      if (pure && (specifier.startsWith('node:') || builtin(specifier)) && !PURE_MODULES.has(specifier))
        say(node, `lib/${room} is pure and may not import ${specifier}`);
      return;
    }
    const target = resolve(dirname(file), specifier);
    if (relative(LIB, target).startsWith('..')) {
      say(node, `lib may not import ${specifier}, which is outside of lib`);
      return;
    }
    const other = roomOf(target).replace(/\.js$/, '.ts');
    if (other === room) return;
    if (levelOf(other) <= level)
      say(node, `lib/${room} may not import from lib/${other}: imports go downwards only (${LEVELS.map((l) => l.join(', ')).join(' → ')})`);
  };

  const visit = (node: ts.Node): void => {
    if (
      (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) &&
      node.moduleSpecifier !== undefined &&
      ts.isStringLiteral(node.moduleSpecifier)
    ) {
      checkImport(node, node.moduleSpecifier.text);
    } else if (
      ts.isCallExpression(node) &&
      node.expression.kind === ts.SyntaxKind.ImportKeyword &&
      node.arguments[0] !== undefined &&
      ts.isStringLiteral(node.arguments[0])
    ) {
      checkImport(node, node.arguments[0].text);
    } else if (pure && ts.isImportSpecifier(node) && IMPURE_IMPORTS.has((node.propertyName ?? node.name).text)) {
      say(node, `lib/${room} is pure and may not use ${node.name.text}`);
    } else if (pure && ts.isPropertyAccessExpression(node) && IMPURE_MEMBERS.has(`${node.expression.getText()}.${node.name.text}`)) {
      say(node, `lib/${room} is pure and may not use ${node.getText()}`);
    } else if (pure && ts.isIdentifier(node) && IMPURE_NAMES.has(node.text) && !isOnlyName(node)) {
      say(node, `lib/${room} is pure and may not use ${node.text}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
}

/** `x.process`, `{ process: … }` and declared names are not the global. */
function isOnlyName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
  if (
    ts.isPropertyAssignment(parent) ||
    ts.isPropertySignature(parent) ||
    ts.isPropertyDeclaration(parent) ||
    ts.isMethodDeclaration(parent)
  )
    return parent.name === node;
  return ts.isTypeReferenceNode(parent) || ts.isLiteralTypeNode(parent);
}

function builtin(specifier: string): boolean {
  return [
    'fs',
    'net',
    'http',
    'https',
    'os',
    'process',
    'child_process',
    'dgram',
    'dns',
    'tls',
    'worker_threads',
    'timers',
    'path',
    'crypto',
  ].includes(specifier);
}

for (const entry of readdirSync(LIB, { recursive: true, withFileTypes: true })) {
  if (entry.isFile() && entry.name.endsWith('.ts')) check(join(entry.parentPath, entry.name));
}
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exitCode = 1;
