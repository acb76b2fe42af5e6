/**
 * Host directories and files for hostfs. All names are single components given to the *at calls of the host with
 * O_NOFOLLOW, so nothing outside the directory is reached, whatever links the guest or the host make in it. Without
 * `write` every change answers EROFS before the host is asked.
 */
import { EINVAL, EROFS, type Errno } from '../../sys/errno.js';
import type { HostDir, HostNode, HostStat } from '../machine.js';
import { hostErrno } from './errno.js';
import { native, type NativeModule } from './native.js';

const statBuf = new Float64Array(14);
const ns = (sec: number, nsec: number): bigint => BigInt(sec) * 1_000_000_000n + BigInt(nsec);

function takeStat(): HostStat {
  const d = statBuf;
  return {
    dev: d[0],
    ino: d[1],
    mode: d[2],
    nlink: d[3],
    uid: d[4],
    gid: d[5],
    size: d[6],
    blocks: d[7],
    atimeNs: ns(d[8], d[9]),
    mtimeNs: ns(d[10], d[11]),
    ctimeNs: ns(d[12], d[13]),
  };
}

class Node implements HostNode {
  protected readonly n: NativeModule = native();
  constructor(
    protected fd: number,
    protected readonly write: boolean,
  ) {}

  protected done(r: number): Errno | null {
    return r < 0 ? hostErrno(-r) : null;
  }
  stat(): HostStat | Errno {
    const r = this.n.fstat(this.fd, statBuf);
    return r < 0 ? hostErrno(-r) : takeStat();
  }
  pread(buf: Uint8Array, off: number): number | Errno {
    const r = this.n.pread(this.fd, buf, off);
    return r < 0 ? hostErrno(-r) : r;
  }
  pwrite(buf: Uint8Array, off: number): number | Errno {
    if (!this.write) return EROFS;
    const r = this.n.pwrite(this.fd, buf, off);
    return r < 0 ? hostErrno(-r) : r;
  }
  truncate(size: number): Errno | null {
    return this.write ? this.done(this.n.ftruncate(this.fd, size)) : EROFS;
  }
  fsync(): Errno | null {
    return this.done(this.n.fsync(this.fd));
  }
  close(): void {
    if (this.fd >= 0) this.n.closeFd(this.fd);
    this.fd = -1;
  }
}

/** DT_* of the host are those of the guest. */
class Dir extends Node implements HostDir {
  list(): { name: string; ino: number; type: number }[] | Errno {
    const r = this.n.list(this.fd);
    if (typeof r === 'number') return hostErrno(-r);
    const out: { name: string; ino: number; type: number }[] = [];
    for (let i = 0; i < r.length; i += 3)
      out.push({ name: r[i] as string, ino: r[i + 1] as number, type: r[i + 2] as number });
    return out;
  }
  lstat(name: string): HostStat | Errno {
    const r = this.n.lstatAt(this.fd, name, statBuf);
    return r < 0 ? hostErrno(-r) : takeStat();
  }
  openDir(name: string): HostDir | Errno {
    const r = this.n.openDirAt(this.fd, name);
    return r < 0 ? hostErrno(-r) : new Dir(r, this.write);
  }
  openFile(name: string, write: boolean): HostNode | Errno {
    if (write && !this.write) return EROFS;
    const r = this.n.openFileAt(this.fd, name, write ? 1 : 0, 0);
    return r < 0 ? hostErrno(-r) : new Node(r, write);
  }
  createFile(name: string, mode: number): HostNode | Errno {
    if (!this.write) return EROFS;
    const r = this.n.openFileAt(this.fd, name, 3, mode);
    return r < 0 ? hostErrno(-r) : new Node(r, true);
  }
  readlink(name: string): string | Errno {
    const r = this.n.readlinkAt(this.fd, name);
    return typeof r === 'number' ? hostErrno(-r) : r;
  }
  mkdir(name: string, mode: number): Errno | null {
    return this.write ? this.done(this.n.mkdirAt(this.fd, name, mode)) : EROFS;
  }
  symlink(name: string, target: string): Errno | null {
    return this.write ? this.done(this.n.symlinkAt(this.fd, name, target)) : EROFS;
  }
  link(name: string, toDir: HostDir, toName: string): Errno | null {
    if (!(toDir instanceof Dir)) return EINVAL;
    return this.write && toDir.write ? this.done(this.n.linkAt(this.fd, name, toDir.fd, toName)) : EROFS;
  }
  unlink(name: string): Errno | null {
    return this.write ? this.done(this.n.unlinkAt(this.fd, name, 0)) : EROFS;
  }
  rmdir(name: string): Errno | null {
    return this.write ? this.done(this.n.unlinkAt(this.fd, name, 1)) : EROFS;
  }
  rename(name: string, toDir: HostDir, toName: string): Errno | null {
    if (!(toDir instanceof Dir)) return EINVAL;
    return this.write && toDir.write ? this.done(this.n.renameAt(this.fd, name, toDir.fd, toName)) : EROFS;
  }
  chmod(name: string, mode: number): Errno | null {
    return this.write ? this.done(this.n.chmodAt(this.fd, name, mode)) : EROFS;
  }
  utimes(name: string, atimeNs: bigint, mtimeNs: bigint): Errno | null {
    if (!this.write) return EROFS;
    const G = 1_000_000_000n;
    // Floor division, also before 1970.
    const sec = (t: bigint): number => Number((t - (((t % G) + G) % G)) / G);
    const nsec = (t: bigint): number => Number(((t % G) + G) % G);
    return this.done(this.n.utimesAt(this.fd, name, sec(atimeNs), nsec(atimeNs), sec(mtimeNs), nsec(mtimeNs)));
  }
}

/** Open a directory of the host by any path (latin1 or not: this one comes from the command line). */
export function openHostDir(path: string, write: boolean): HostDir | Errno {
  const r = native().openRoot(path);
  return r < 0 ? hostErrno(-r) : new Dir(r, write);
}
