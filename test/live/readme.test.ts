/** The examples of README.md print what it says they print. */
import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'tape';
import { consoleBlocks, normalised } from '../support/console-blocks.js';
import { root } from '../support/paths.js';

const page = readFileSync(join(root, 'README.md'), 'utf8');

interface Ended {
  stdout: string;
  stderr: string;
  status: number | null;
}

function shell(script: string, cwd: string, env: NodeJS.ProcessEnv): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn('bash', ['-c', `sudo() { "$@"; }\n${script}`], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (text: Buffer) => (stdout += text.toString()));
    child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
    child.on('close', (status) => resolve({ stdout, stderr, status }));
  });
}

/** The demo's model server, in a process of its own: one of the examples watches it. */
function startServer(dir: string): Promise<{ port: number; pid: number; stop(): void }> {
  const child = spawn(process.execPath, [join(root, 'dist/scripts/demo.d/model-server.js'), '--dir', dir, '--delay', '10'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return new Promise((resolve, reject) => {
    child.on('exit', (code) => reject(new Error(`the model server ended with status ${code}`)));
    child.stdout.once('data', (line: Buffer) => {
      const { port } = JSON.parse(line.toString()) as { port: number };
      resolve({ port, pid: child.pid ?? 0, stop: () => child.kill() });
    });
  });
}

test('README: its examples print what it says', { timeout: 180_000 }, async (t) => {
  if (process.getuid?.() !== 0) {
    t.fail('the live tests need root: sudo scripts/test');
    return;
  }
  const dir = mkdtempSync(join(tmpdir(), 'tracer-readme-'));
  chmodSync(dir, 0o755);
  const bin = join(dir, 'bin');
  mkdirSync(bin);
  const { bin: commands } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { bin: Record<string, string> };
  for (const [name, file] of Object.entries(commands)) symlinkSync(join(root, file), join(bin, name));
  // A name of its own, so that nobody else's agent is watched.
  const agent = `agent-${process.pid}.py`;
  mkdirSync(join(dir, 'scripts/demo.d'), { recursive: true });
  copyFileSync(join(root, 'scripts/demo.d/agent.py'), join(dir, 'scripts/demo.d', agent));
  const server = await startServer(dir);
  const ca = join(dir, 'ca.pem');
  const env = {
    ...process.env,
    PATH: `${bin}:${process.env.PATH}`,
    SERVER: String(server.pid),
    MODEL_PORT: String(server.port),
    CURL_CA_BUNDLE: ca,
    SSL_CERT_FILE: ca,
    NODE_EXTRA_CA_CERTS: ca,
    NO_COLOR: '1',
  };
  try {
    const blocks = consoleBlocks(page);
    t.ok(blocks.length >= 4, `${blocks.length} examples`);
    for (const block of blocks) {
      const script = block.script.replaceAll('localhost:8443', `localhost:${server.port}`).replaceAll('agent.py', agent);
      const { stdout, stderr, status } = await shell(script, dir, env);
      const printed = stdout
        .replaceAll(`localhost:${server.port}`, 'localhost:8443')
        .replaceAll(`127.0.0.1:${server.port}`, '127.0.0.1:8443')
        .replaceAll(agent, 'agent.py');
      t.equal(normalised(printed), normalised(block.output), `README.md:${block.line}`);
      t.equal(status, 0, `README.md:${block.line} ends well${status === 0 ? '' : `: ${stderr}`}`);
    }
  } finally {
    server.stop();
    rmSync(dir, { recursive: true, force: true });
  }
});
