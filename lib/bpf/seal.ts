/**
 * Whether a BPF object is whole. libbpf trusts what it reads and crashes on damaged files, so the build ends each
 * object with a mark and the SHA-256 of all before it (ELF readers ignore what follows the sections).
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { BpfError } from './errors.js';

const MARK = Buffer.from('TRACER-SEAL-0001');
const SEAL_BYTES = MARK.length + 32;

/** Throws a {@link BpfError} when the file cannot be read, is no object of ours, or was cut or changed. */
export function checkSeal(path: string): void {
  let file: Buffer;
  try {
    file = readFileSync(path);
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).code ?? 'EIO';
    const next = errno === 'ENOENT' ? 'In a checkout, scripts/build makes it.' : 'This user must be able to read it.';
    throw new BpfError(`cannot open the BPF object ${path}: ${errno}`, next, { errno });
  }
  const end = file.length - SEAL_BYTES;
  const hash = createHash('sha256')
    .update(file.subarray(0, Math.max(end, 0)))
    .digest();
  if (end < 0 || !file.subarray(end, end + MARK.length).equals(MARK) || !file.subarray(end + MARK.length).equals(hash))
    throw new BpfError(
      `cannot open the BPF object ${path}: the file is damaged`,
      'Install the package anew; in a checkout, run scripts/build.',
      { errno: 'EBADMSG' },
    );
}
