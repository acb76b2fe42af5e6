/**
 * Putting a FUSE file system into the host's tree and taking it out again: as root by mount(2), else through fusermount3.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants as access, existsSync, lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { resolve } from 'node:path';
import { hostErrno } from '../../vkernel/machine/host/errno.js';
import { native } from '../../vkernel/machine/host/native.js';

export const FSTYPE = 'fuse.hammer2';

export interface MountFlags {
  readonly readonly: boolean;
  readonly allowOther: boolean;
  readonly nosuid: boolean;
  readonly nodev: boolean;
  readonly noexec: boolean;
}

/** The host refuses: one line for the user. */
export class MountError extends Error {}

const MS = { RDONLY: 1, NOSUID: 2, NODEV: 4, NOEXEC: 8, NOATIME: 1024 };
const isRoot = (): boolean => process.geteuid?.() === 0;

/** @returns a descriptor of /dev/fuse, mounted on `dir`. Throws MountError. */
export function mountFuse(source: string, dir: string, f: MountFlags): number {
  if (isRoot()) return mountAsRoot(source, dir, f);
  const escaped = source.replace(/[\\,]/g, '\\$&');
  const options = [`fsname=${escaped}`, 'subtype=hammer2', 'default_permissions', 'noatime'];
  if (f.readonly) options.push('ro');
  if (f.allowOther) options.push('allow_other');
  if (f.noexec) options.push('noexec');
  if (!existsSync('/dev/fuse')) throw new MountError(noFuse);
  try {
    accessSync('/dev/fuse', access.R_OK | access.W_OK);
  } catch {
    throw new MountError('/dev/fuse: permission denied: let all users open it (chmod 666 /dev/fuse), or mount as root');
  }
  const fd = native().fusermount(dir, options.join(','));
  if (fd >= 0) return fd;
  if (-fd === constants.errno.ENOENT)
    throw new MountError('fusermount3 not found: install the package fuse3, or mount as root');
  throw new MountError(`${dir}: fusermount3 refused to mount`);
}

const noFuse =
  '/dev/fuse: no such device: load the kernel module fuse (modprobe fuse), or give the container /dev/fuse';

function mountAsRoot(source: string, dir: string, f: MountFlags): number {
  const n = native();
  const fd = n.fuseOpen();
  if (fd < 0) {
    const e = -fd;
    if (e === constants.errno.ENOENT || e === constants.errno.ENODEV || e === constants.errno.ENXIO)
      throw new MountError(noFuse);
    throw new MountError(`/dev/fuse: ${hostErrno(e).text}`);
  }
  const data = [
    `fd=${fd}`,
    `rootmode=${(lstatSync(dir).mode & 0o170000).toString(8)}`,
    'user_id=0',
    'group_id=0',
    'default_permissions',
    ...(f.allowOther ? ['allow_other'] : []),
  ];
  let flags = MS.NOATIME;
  if (f.readonly) flags |= MS.RDONLY;
  if (f.nosuid) flags |= MS.NOSUID;
  if (f.nodev) flags |= MS.NODEV;
  if (f.noexec) flags |= MS.NOEXEC;
  const r = n.mount(source, dir, FSTYPE, flags, data.join(','));
  if (r >= 0) return fd;
  n.closeFd(fd);
  throw new MountError(`${dir}: mount: ${hostErrno(-r).text}`);
}

/** Take it out. @returns null, or why not. */
export function unmount(dir: string, lazy: boolean): Promise<string | null> {
  return new Promise((done) => {
    if (isRoot()) {
      native().umount(dir, lazy, (r) => done(r >= 0 ? null : `${dir}: ${hostErrno(-r).text}`));
      return;
    }
    let text = '';
    const p = spawn('fusermount3', ['-u', ...(lazy ? ['-z'] : []), '--', dir], { stdio: ['ignore', 'ignore', 'pipe'] });
    p.stderr.on('data', (b: Buffer) => (text += b.toString()));
    p.on('error', () => done('fusermount3 not found: install the package fuse3'));
    p.on('close', (code) => done(code === 0 ? null : text.trim() || `${dir}: fusermount3 failed`));
  });
}

export interface MountInfo {
  readonly dev: string;
  readonly dir: string;
  readonly source: string;
}

/** Our mounts, the oldest first. */
export function listMounts(): MountInfo[] {
  const plain = (s: string): string =>
    Buffer.from(
      s.replace(/\\([0-7]{3})/g, (_, o: string) => String.fromCharCode(parseInt(o, 8))),
      'latin1',
    ).toString();
  const list: MountInfo[] = [];
  for (const line of readFileSync('/proc/self/mountinfo', 'latin1').split('\n')) {
    const [head, tail] = line.split(' - ');
    if (tail === undefined) continue;
    const h = head.split(' ');
    const t = tail.split(' ');
    if (t[0] === FSTYPE) list.push({ dev: h[2], dir: plain(h[4]), source: plain(t[1]) });
  }
  return list;
}

/** Our mount on a directory (which may be dead, so nothing of it is touched), or null. */
export function findMount(dir: string): MountInfo | null {
  const at = resolve(dir);
  return listMounts().findLast((m) => m.dir === at) ?? null;
}

/** Read ahead as far as a request may be long: the default is an eighth of it. Only root may; without it all works too. */
export function widenReadAhead(dir: string, bytes: number): void {
  const m = findMount(dir);
  if (m === null) return;
  try {
    writeFileSync(`/sys/class/bdi/${m.dev}/read_ahead_kb`, String(bytes / 1024));
  } catch {
    // as it was
  }
}
