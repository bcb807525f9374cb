/** What `sensor_start` says about the host. */
import { readFileSync } from 'node:fs';
import { arch, hostname, release } from 'node:os';
import type { SensorStart } from '../stream/event.js';

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

/** The version of this package. */
export function packageVersion(): string {
  return (JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }).version;
}

/** Who collects, and where in a cluster: names that Kubernetes' downward API is customarily given (`NODE_NAME`, `POD_NAME`). */
export function whereFacts(
  collectorId: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): Pick<SensorStart, 'collector_id' | 'node' | 'pod'> {
  const { NODE_NAME: node, POD_NAME: pod } = env;
  return {
    ...(collectorId === undefined || collectorId === '' ? {} : { collector_id: collectorId }),
    ...(node === undefined || node === '' ? {} : { node }),
    ...(pod === undefined || pod === '' ? {} : { pod }),
  };
}

export function hostFacts(): Pick<SensorStart, 'kernel' | 'arch' | 'host' | 'boot_id'> {
  const names: Record<string, string> = { x64: 'x86_64', arm64: 'aarch64' };
  return { kernel: release(), arch: names[arch()] ?? arch(), host: hostname(), boot_id: text('/proc/sys/kernel/random/boot_id') };
}
