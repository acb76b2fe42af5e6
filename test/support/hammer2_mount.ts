/** A PFS mounted read-only for tests that read: by inode (its attributes) rather than by number. */
import type { BlockDevice } from '../../vkernel/sys/blockdev.js';
import type { Blocking } from '../../vkernel/sys/blocking.js';
import { Errno } from '../../vkernel/sys/errno.js';
import type { H2Attr, H2Emit, H2OpenOptions } from '../../vkernel/vfs/hammer2/api.js';
import { defaultLabel, type Hammer2Statfs, type PfsInfo } from '../../vkernel/vfs/hammer2/device.js';
import { Fs } from '../../vkernel/vfs/hammer2/fs.js';
import type { PfsCore } from '../../vkernel/vfs/hammer2/pfs.js';

export type TestInode = H2Attr;

export class TestMount {
  constructor(
    readonly fs: Fs,
    readonly p: PfsCore,
    readonly root: TestInode,
  ) {}
  iget(inum: number): Blocking<TestInode | Errno> {
    return this.p.getattr(inum);
  }
  *lookup(dir: TestInode, name: string): Blocking<TestInode | Errno> {
    const n = yield* this.p.lookup(dir.inum, name);
    return n instanceof Errno ? n : yield* this.p.getattr(n);
  }
  readdir(dir: TestInode, cookie: number, emit: H2Emit): Blocking<Errno | null> {
    return this.p.readdir(dir.inum, cookie, emit);
  }
  read(ip: TestInode, off: number, buf: Uint8Array, bufOff: number, len: number): Blocking<number | Errno> {
    return this.p.read(ip.inum, off, buf, bufOff, len);
  }
  readBlock(ip: TestInode, lbn: number, dst: Uint8Array, dstOff: number): Blocking<Errno | null> {
    return this.p.readBlock(ip.inum, lbn, dst, dstOff);
  }
  readlink(ip: TestInode): Blocking<string | Errno> {
    return this.p.readlink(ip.inum);
  }
  pfsList(): Blocking<PfsInfo[] | Errno> {
    return this.fs.pfsList();
  }
  statfs(): Hammer2Statfs {
    return this.p.statfs();
  }
}

export function* openReadonly(devs: readonly BlockDevice[], opts: Partial<H2OpenOptions> = {}): Blocking<Fs | Errno> {
  return yield* Fs.open(devs, { readonly: true, nowUs: () => 0, random: () => {}, ...opts });
}

/** @param label  null: the default label of the first device */
export function* hammer2Mount(
  devs: readonly BlockDevice[],
  label: string | null,
  opts: Partial<H2OpenOptions> = {},
): Blocking<TestMount | Errno> {
  const fs = yield* openReadonly(devs, opts);
  return fs instanceof Errno ? fs : yield* mountOf(fs, label ?? defaultLabel(devs[0].name));
}

export function* mountOf(fs: Fs, label: string): Blocking<TestMount | Errno> {
  const p = yield* fs.mount(label);
  if (p instanceof Errno) return p;
  const root = yield* p.getattr(p.rootInum);
  return root instanceof Errno ? root : new TestMount(fs, p, root);
}
