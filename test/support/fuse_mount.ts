/** Mounting images with `vkernel mount` in tests. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { nodeFlags, type RunResult, vkernel, vkernelBin } from '../guest/support/guest.js';
import { findMount } from '../../tools/fuse/mount.js';

/** Why no image can be mounted here, or null. */
export function whyNoFuse(): string | null {
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK);
  } catch {
    return '/dev/fuse is not to be had';
  }
  if (process.geteuid?.() !== 0 && spawnSync('fusermount3', ['--version']).status !== 0) return 'no fusermount3';
  if (process.geteuid?.() === 0 && spawnSync('unshare', ['-m', 'true']).status !== 0) return 'mounting is not allowed';
  return null;
}

/** A mount whose server is a child of the test. */
export class Served {
  private constructor(
    readonly dir: string,
    readonly child: ChildProcess,
    readonly end: Promise<number | null>,
  ) {}

  static start(args: string[], dir: string): Promise<Served> {
    const child = spawn(process.execPath, [...nodeFlags, vkernelBin, 'mount', '-f', '--ready-fd', '3', ...args, dir], {
      stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
    });
    const end = new Promise<number | null>((r) => child.on('exit', (code) => r(code)));
    return new Promise((done, fail) => {
      let text = '';
      child.stdio[3]?.on('data', (b: Buffer) => {
        text += b.toString();
        if (text.endsWith('ready\n')) done(new Served(dir, child, end));
      });
      void end.then((code) => fail(new Error(`mount: exit ${code}: ${text}`)));
    });
  }
  /** kill -9, and take the dead mount away. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.end;
    umountOk(this.dir);
  }
}

export function umountOk(dir: string): void {
  const r: RunResult = vkernel(['umount', dir]);
  if (r.status !== 0) throw new Error(`umount: ${r.stderr}`);
}

/** For `after`: nothing of a failed test stays mounted. */
export function unmountAll(dirs: string[]): void {
  for (const d of dirs) while (findMount(d) !== null) if (vkernel(['umount', '-l', d]).status !== 0) return;
}
