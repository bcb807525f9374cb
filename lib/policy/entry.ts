/** What one line of a deny-file or an allow-file says. */

export type Protocol = 'tcp' | 'udp';

/** Verbs of file entries, as events name operations. */
export const FILE_VERBS = ['open_read', 'open_write', 'exec', 'unlink', 'rename', 'link', 'truncate', 'chmod'] as const;
export type FileVerb = (typeof FILE_VERBS)[number];

/** Where traffic goes. */
export type Target =
  | { kind: 'any' }
  /** `address` has 4 or 16 bytes; bits beyond `bits` are 0. */
  | { kind: 'net'; address: Buffer; bits: number }
  /** Lower-case, without the root's dot. `below`: all names below it and not itself. */
  | { kind: 'name'; name: string; below: boolean }
  | { kind: 'provider'; provider: string };

interface Said {
  /** From 1. */
  line: number;
  /** As it stands there, without comment and space around it. */
  text: string;
}

export interface EgressEntry extends Said {
  kind: 'egress';
  target: Target;
  /** Absent: all. */
  ports?: { from: number; to: number };
  protocol?: Protocol;
}

export interface FileEntry extends Said {
  kind: 'file';
  /** Absent: whatever the guard can refuse. */
  verbs?: FileVerb[];
  /** An absolute path with `*`, `**`, `?`, `[…]`, `{a,b}` and `\`. Bytes: names of files need not be UTF-8. */
  pattern: Buffer;
}

export type Entry = EgressEntry | FileEntry;

/** Why a line cannot be obeyed. */
export interface PolicyError {
  line: number;
  /** Of the first character that is wrong; both from 1. */
  column: number;
  message: string;
  /** What to write instead. */
  next: string;
}
