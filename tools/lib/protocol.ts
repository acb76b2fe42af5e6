/** What a program that uses the library and the process of a kernel say to each other (structured clone over IPC). */

export interface ChildBoot {
  memoryBytes: number;
  ncpus: number;
  /** Image of the root, or null for one in memory; it is disk vkd0. */
  root: { path: string; sizeBytes: number } | null;
  disks: { path: string; serno: string; mode: 'rw' | 'ro' | 'cow' }[];
  mounts: { host: string; guest: string; write: boolean }[];
  kenv: [string, string][];
}

export type Request =
  | { op: 'boot'; boot: ChildBoot }
  | { op: 'exec'; path: string; argv: string[]; envv: string[]; cwd: string }
  | { op: 'kill'; pid: number; signal: number }
  | { op: 'read'; path: string }
  | { op: 'write'; path: string; data: Uint8Array; mode: number }
  | { op: 'sync' }
  | { op: 'snapshot'; name: string }
  | { op: 'rollback'; name: string }
  | { op: 'ddb'; command: string }
  | { op: 'stop' };

/** Parent to child: requests with a number, and stream traffic without. */
export type ToChild =
  | { id: number; request: Request }
  /** Input for stream `stream`; null ends it. */
  | { stream: number; data: Uint8Array | null }
  /** So many bytes of output of that stream have been taken. */
  | { stream: number; taken: number };

export type FromChild =
  | { id: number; result: unknown }
  | { id: number; error: string; code: string | null }
  | { stream: number; data: Uint8Array }
  /** The process whose input is `stream` has ended. */
  | { ended: number; status: number }
  | { console: string }
  | { panic: string };
