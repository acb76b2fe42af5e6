/**
 * tmpfs: a file system in guest memory; also the root, unpacked from an archive (unpack.ts).
 *
 * Node and vnode live and die together: the vnode's `data` is the TmpNode. Names are in Maps of the directory nodes.
 * File data are the pages of the vnode's object (TmpPager): dirty pages are the data and are never reclaimed; clean ones
 * are copies of archive bytes, or holes.
 *
 * Nothing here sleeps except for user memory in read and write.
 *
 * Counterpart: sys/vfs/tmpfs
 */
import { PAGE_SIZE } from '../../machine/ram.js';
import type { Blocking } from '../../sys/blocking.js';
import { EEXIST, EINVAL, ENOENT, ENOSPC, ENOTEMPTY, Errno } from '../../sys/errno.js';
import { gd } from '../../sys/globaldata.js';
import { copyinB } from '../../vm/vm_user.js';
import { vmObjectDeref } from '../../vm/vm_object.js';
import type { Mount, MountArgs, Statfs, VfsOps } from '../mount.js';
import { Vattr, type Vnode, Vnode as VnodeClass, VType, vfsTimestamp } from '../vnode.js';
import type { CreateAttr } from '../vop.js';
import { TmpPager } from './tmpfs_file.js';
import { tmpfsVops } from './tmpfs_vnops.js';

/** An entry of a directory. Entries are listed in order of their cookies. */
export class TmpDirent {
  dead = false;
  constructor(
    public name: string,
    public node: TmpNode,
    readonly cookie: number,
  ) {}
}

/** First cookie of a real entry: 0 is '.', 1 is '..'. */
export const FIRST_COOKIE = 2;

export class TmpDir {
  readonly entries = new Map<string, TmpDirent>();
  /** By cookie; dead entries are swept out now and then. */
  list: TmpDirent[] = [];
  private deadCount = 0;
  private nextCookie = FIRST_COOKIE;

  constructor(
    /** The directory above; itself for the root. */
    public parent: TmpNode,
  ) {}

  add(name: string, node: TmpNode): void {
    const de = new TmpDirent(name, node, this.nextCookie++);
    this.entries.set(name, de);
    this.list.push(de);
  }

  remove(name: string): void {
    const de = this.entries.get(name);
    if (de === undefined) return;
    this.entries.delete(name);
    de.dead = true;
    if (++this.deadCount > 32 && this.deadCount > this.list.length / 2) {
      this.list = this.list.filter((d) => !d.dead);
      this.deadCount = 0;
    }
  }

  /** Index in `list` of the first entry with a cookie of at least `cookie`. */
  seek(cookie: number): number {
    let lo = 0;
    let hi = this.list.length;
    while (lo < hi) {
      const mid = (lo + hi) >>> 1;
      if (this.list[mid].cookie < cookie) lo = mid + 1;
      else hi = mid;
    }
    return lo;
  }
}

export class TmpNode {
  /** For directories. */
  dir: TmpDir | null = null;
  /** Target of a symbolic link. */
  link = '';
  /** For regular files once they have (or had) data. */
  pager: TmpPager | null = null;
  vp: Vnode = null as unknown as Vnode;
  constructor(readonly tm: TmpMount) {}
}

/** State of a tmpfs mount. */
export class TmpMount {
  nextIno = 1;
  nodes = 0;
  nodesMax = Infinity;
  /** Pages it may use; memory may be gone before that. */
  pagesMax: number;
  maxFileSize = 2 ** 43;
  /** Pages taken by writes since `used` was last counted exactly, plus that; never less than the truth. */
  usedBound = 0;
  readonly all = new Set<TmpNode>();
  constructor(readonly mp: Mount) {
    this.pagesMax = Math.floor(gd.machine.ram.npages * 0.75);
  }
}

export const nodeOf = (vp: Vnode): TmpNode => vp.data as TmpNode;

/** A new node with no name yet. ENOSPC when the mount has no more. */
export function tmpNewNode(tm: TmpMount, a: CreateAttr): TmpNode | Errno {
  if (tm.nodes >= tm.nodesMax) return ENOSPC;
  tm.nodes++;
  const node = new TmpNode(tm);
  const va = new Vattr();
  va.mode = a.mode;
  va.uid = a.uid;
  va.gid = a.gid;
  va.rdev = a.rdev;
  va.ino = tm.nextIno++;
  va.nlink = 0;
  va.blksize = 16384;
  const now = vfsTimestamp();
  va.setAtime(now);
  va.setMtime(now);
  va.setCtime(now);
  node.vp = new VnodeClass(a.type, tm.mp, tmpfsVops, node, va);
  tm.all.add(node);
  return node;
}

/** Enter `node` into directory `d` under `name`, which is free. */
export function tmpEnter(d: TmpNode, name: string, node: TmpNode): void {
  const dir = d.dir as TmpDir;
  dir.add(name, node);
  node.vp.va.nlink++;
  if (node.dir !== null) {
    // The new directory's own '.', and its '..' counts in the parent.
    node.vp.va.nlink++;
    d.vp.va.nlink++;
  }
  const now = vfsTimestamp();
  d.vp.va.setMtime(now);
  d.vp.va.setCtime(now);
  node.vp.va.setCtime(now);
  d.vp.va.size = (dir.entries.size + 2) * 32;
}

/** Take the name away; the node stays as long as it is used. */
export function tmpLeave(d: TmpNode, name: string, node: TmpNode): void {
  const dir = d.dir as TmpDir;
  dir.remove(name);
  node.vp.va.nlink--;
  if (node.dir !== null) {
    node.vp.va.nlink--;
    d.vp.va.nlink--;
  }
  const now = vfsTimestamp();
  d.vp.va.setMtime(now);
  d.vp.va.setCtime(now);
  node.vp.va.setCtime(now);
  d.vp.va.size = (dir.entries.size + 2) * 32;
}

/** No name and no user: give the memory back. */
export function tmpFree(node: TmpNode): void {
  if (!node.tm.all.delete(node)) return;
  node.tm.nodes--;
  const o = node.vp.object;
  node.vp.object = null;
  // Mappings may keep the object; the pager frees its pages when they go.
  if (o !== null) vmObjectDeref(o);
}

export function tmpCreate(d: TmpNode, name: string, a: CreateAttr): TmpNode | Errno {
  const dir = d.dir as TmpDir;
  if (d.vp.va.nlink === 0) return ENOENT;
  if (dir.entries.has(name)) return EEXIST;
  const node = tmpNewNode(d.tm, a);
  if (node instanceof Errno) return node;
  if (a.type === VType.VDIR) node.dir = new TmpDir(d);
  tmpEnter(d, name, node);
  return node;
}

export function tmpRemoveDir(d: TmpNode, name: string, node: TmpNode): Errno | null {
  const dir = node.dir as TmpDir;
  if (dir.entries.size > 0) return ENOTEMPTY;
  tmpLeave(d, name, node);
  return null;
}

/** Options for mounts the kernel makes. */
export interface TmpfsInternal {
  /** Called with the root node before the mount is seen: fills it. */
  populate?: (root: TmpNode) => void;
}

function* tmpfsMount(mp: Mount, args: MountArgs): Blocking<Vnode | Errno> {
  const tm = new TmpMount(mp);
  const attr: CreateAttr = { type: VType.VDIR, mode: 0o755, uid: 0, gid: 0, rdev: 0 };
  if (args.data !== 0 && args.lwp !== null) {
    // struct tmpfs_mount_info: i32 version 0, u64 nodes_max 8, size_max 16, maxfilesize 24, u32 uid 32, gid 36, u16 mode 40
    const b = new Uint8Array(48);
    const e = yield* copyinB(args.lwp.proc.vm, args.data, b, 0, 48);
    if (e !== null) return e;
    const v = new DataView(b.buffer);
    if (v.getInt32(0, true) !== 0) return EINVAL;
    const nodes = Number(v.getBigUint64(8, true));
    const size = Number(v.getBigUint64(16, true));
    const maxFile = Number(v.getBigUint64(24, true));
    if (nodes > 3) tm.nodesMax = nodes;
    if (size >= PAGE_SIZE) tm.pagesMax = Math.min(tm.pagesMax, Math.ceil(size / PAGE_SIZE));
    if (maxFile > 0) tm.maxFileSize = Math.min(tm.maxFileSize, maxFile);
    attr.uid = v.getUint32(32, true);
    attr.gid = v.getUint32(36, true);
    attr.mode = v.getUint16(40, true) & 0o7777;
  }
  const root = tmpNewNode(tm, attr);
  if (root instanceof Errno) return root;
  root.dir = new TmpDir(root);
  root.vp.va.nlink = 2;
  mp.data = tm;
  mp.from = 'tmpfs';
  (args.internal as TmpfsInternal | null)?.populate?.(root);
  return root.vp;
}

export const tmpfsVfsOps: VfsOps = {
  name: 'tmpfs',
  typenum: 4,
  mount: tmpfsMount,
  *unmount(mp) {
    const tm = mp.data as TmpMount;
    for (const node of [...tm.all]) tmpFree(node);
    return null;
  },
  busy(mp) {
    for (const n of (mp.data as TmpMount).all) if (n.vp.object !== null && n.vp.object.refs > 1) return true;
    return false;
  },
  statfs(mp): Statfs {
    const tm = mp.data as TmpMount;
    let used = 0;
    for (const n of tm.all) used += tmpPages(n);
    const free = Math.max(0, Math.min(tm.pagesMax - used, gd.vm.pages.freeCount - gd.vm.freeReserved));
    const files = Math.min(tm.nodesMax, 2 ** 31);
    return {
      bsize: PAGE_SIZE,
      iosize: PAGE_SIZE,
      blocks: used + free,
      bfree: free,
      bavail: free,
      files,
      ffree: Math.max(0, files - tm.nodes),
    };
  },
};

/** Is there room for `n` more pages? */
export function tmpRoom(tm: TmpMount, n: number): boolean {
  if (tm.usedBound + n <= tm.pagesMax) return true;
  let used = 0;
  for (const node of tm.all) used += tmpPages(node);
  tm.usedBound = used;
  return used + n <= tm.pagesMax;
}

/** Pages a node takes: what is resident, or in the archive. */
export function tmpPages(n: TmpNode): number {
  const resident = n.vp.object === null ? 0 : n.vp.object.resident;
  const archived = n.pager === null ? 0 : Math.ceil(n.pager.archLen / PAGE_SIZE);
  return Math.max(resident, archived);
}
