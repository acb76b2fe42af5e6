/**
 * hostfs: a host directory as a mount, read-only unless asked otherwise.
 *
 * The door is machine.HostDir: everything goes by (directory handle, one name), and no host operation follows a symbolic
 * link, so nothing outside of the directory can be reached: links are read and resolved by the guest's own lookup.
 * Names are binary strings, one character a byte.
 *
 * Host calls are synchronous, so nothing here sleeps but for user memory. What the host changes by itself is noticed
 * after ATTR_TTL_NS: attributes and names are believed that long, and cached pages of a file whose size or time has
 * changed are dropped.
 *
 * A HostFile is one host inode seen in this mount; it remembers the last name it was found by. Handles are opened when
 * needed and the least recently used are closed.
 *
 * Counterpart: none in DragonFly; sys/vfs/nullfs in spirit
 */
import type { HostDir, HostNode, HostStat } from '../../machine/machine.js';
import { PAGE_SIZE } from '../../machine/ram.js';
import type { Blocking } from '../../sys/blocking.js';
import { EIO, ENOMEM, EPERM, Errno, ESTALE } from '../../sys/errno.js';
import { gd } from '../../sys/globaldata.js';
import { vmObjectClean } from '../../vm/vm_pageout.js';
import {
  type VmObject,
  vmObjectAlloc,
  vmObjectDeref,
  vmObjectPageRemove,
  vmObjectTerminate,
} from '../../vm/vm_object.js';
import { PG, vmPageAllocRun, vmPageFree } from '../../vm/vm_page.js';
import { MNT_NODEV, MNT_NOSUID, type Mount, type MountArgs, type Statfs, type VfsOps } from '../mount.js';
import { modeToVtype, Vattr, Vnode } from '../vnode.js';
import type { FilePager } from '../vnode_pager.js';
import { hostfsVops } from './hostfs_vnops.js';

/**
 * How long attributes and names are believed, ns. Names for less: a lookup then finds what has taken a name's place
 * before stale attributes are noticed (ESTALE).
 */
export const ATTR_TTL_NS = 1e9;
export const NAME_TTL_NS = 0.7e9;
/** Open host handles per mount; the least recently used beyond that are closed. */
const MAX_HANDLES = 200;
/** Pages fetched from the host at a time. */
const READ_AHEAD = 32;

/** What the kernel passes to mount one. */
export interface HostfsOptions {
  readonly dir: HostDir;
  /** Host path, shown by mount and df. */
  readonly from: string;
  /** 'root' (default): all files belong to the guest's root. 'keep': host ids as they are. */
  readonly ids?: 'root' | 'keep';
}

export class HostMount {
  readonly files = new Map<string, HostFile>();
  /** Files with open handles, least recently used first. */
  readonly lru = new Set<HostFile>();
  /** Host devices in order of appearance: their inodes must not collide. */
  readonly devs: number[] = [];
  readonly dirty = new Set<HostFile>();
  constructor(
    readonly mp: Mount,
    readonly dir: HostDir,
    readonly keepIds: boolean,
  ) {}
}

export interface HostEntry {
  readonly cookie: number;
  readonly ino: number;
  readonly type: number;
}

export class HostFile {
  vp: Vnode = null as unknown as Vnode;
  dirHandle: HostDir | null = null;
  fileHandle: HostNode | null = null;
  fileWritable = false;
  /** Attributes are fresh until then. */
  attrUntilNs = 0;
  /** Its last name is gone; only an open handle leads to it. */
  unlinked = false;
  /** Other names it was found by (hard links), latest last. */
  otherNames: { parent: HostFile; name: string }[] = [];
  /** Entries of a directory as listed last, by cookie. */
  cookies: Map<string, HostEntry> | null = null;
  nextCookie = 2;

  constructor(
    readonly hm: HostMount,
    readonly key: string,
    /** Null for the root of the mount. */
    public parent: HostFile | null,
    public name: string,
  ) {}
}

export const fileOf = (vp: Vnode): HostFile => vp.data as HostFile;

const keyOf = (st: HostStat): string => `${st.dev}:${st.ino}`;

function touch(f: HostFile): void {
  const lru = f.hm.lru;
  lru.delete(f);
  lru.add(f);
  if (lru.size <= MAX_HANDLES) return;
  for (const old of lru) {
    // An unlinked file can only be reached by its handle.
    if (old === f || old.unlinked) continue;
    closeHandles(old);
    return;
  }
}

export function closeHandles(f: HostFile): void {
  if (f.parent === null) return;
  f.hm.lru.delete(f);
  f.dirHandle?.close();
  f.fileHandle?.close();
  f.dirHandle = null;
  f.fileHandle = null;
  f.fileWritable = false;
}

/** A handle of a directory; ESTALE when something else has its name now. */
export function dirHandle(f: HostFile): HostDir | Errno {
  if (f.parent === null) return f.hm.dir;
  if (f.dirHandle !== null) {
    touch(f);
    return f.dirHandle;
  }
  if (f.unlinked) return ESTALE;
  const up = dirHandle(f.parent);
  if (up instanceof Errno) return up;
  const h = up.openDir(f.name);
  if (h instanceof Errno) return h;
  const st = h.stat();
  if (st instanceof Errno || keyOf(st) !== f.key) {
    h.close();
    return ESTALE;
  }
  f.dirHandle = h;
  touch(f);
  return h;
}

/** A handle of a regular file, writable if asked. */
export function fileHandle(f: HostFile, write: boolean): HostNode | Errno {
  if (f.fileHandle !== null && (!write || f.fileWritable)) {
    touch(f);
    return f.fileHandle;
  }
  if (f.unlinked || f.parent === null) return ESTALE;
  const up = dirHandle(f.parent);
  if (up instanceof Errno) return up;
  const h = up.openFile(f.name, write);
  if (h instanceof Errno) return h;
  const st = h.stat();
  if (st instanceof Errno || keyOf(st) !== f.key) {
    h.close();
    return ESTALE;
  }
  f.fileHandle?.close();
  f.fileHandle = h;
  f.fileWritable = write;
  touch(f);
  return h;
}

/** Names of a file that are remembered beside the latest. */
const MAX_NAMES = 8;

/** It was found as `name` in `parent`. */
export function foundAs(f: HostFile, parent: HostFile, name: string): void {
  if (f.parent === null || (f.parent === parent && f.name === name)) return;
  lostName(f, parent, name);
  f.otherNames.push({ parent: f.parent, name: f.name });
  if (f.otherNames.length > MAX_NAMES) f.otherNames.shift();
  f.parent = parent;
  f.name = name;
}

/** It is no longer `name` in `parent`. @returns false when no name is left that we know of */
export function lostName(f: HostFile, parent: HostFile, name: string): boolean {
  f.otherNames = f.otherNames.filter((o) => o.parent !== parent || o.name !== name);
  if (f.parent !== parent || f.name !== name) return true;
  const o = f.otherNames.pop();
  if (o === undefined) return false;
  f.parent = o.parent;
  f.name = o.name;
  return true;
}

const secOf = (ns: bigint): number => Number(ns / 1_000_000_000n);
const nsecOf = (ns: bigint): number => Number(ns % 1_000_000_000n);

/**
 * Take over what the host says about a file.
 * @param ours the change was made by this kernel: cached pages are right
 */
export function applyStat(f: HostFile, st: HostStat, ours: boolean): void {
  const va = f.vp.va;
  const hm = f.hm;
  const mtimeSec = secOf(st.mtimeNs);
  const mtimeNsec = nsecOf(st.mtimeNs);
  const o = f.vp.object;
  if (o !== null) {
    const same = va.size === st.size && va.mtimeSec === mtimeSec && va.mtimeNsec === mtimeNsec;
    if (!ours && !same && !hm.dirty.has(f)) vmObjectPageRemove(o, 0, Infinity);
    o.sizeBytes = st.size;
  }
  va.mode = st.mode & 0o7777;
  va.nlink = st.nlink;
  if (hm.keepIds) {
    va.uid = st.uid;
    va.gid = st.gid;
  }
  let dev = hm.devs.indexOf(st.dev);
  if (dev < 0) dev = hm.devs.push(st.dev) - 1;
  va.ino = st.ino + dev * 2 ** 44;
  va.size = st.size;
  va.bytes = st.blocks * 512;
  va.atimeSec = secOf(st.atimeNs);
  va.atimeNsec = nsecOf(st.atimeNs);
  va.mtimeSec = mtimeSec;
  va.mtimeNsec = mtimeNsec;
  va.ctimeSec = secOf(st.ctimeNs);
  va.ctimeNsec = nsecOf(st.ctimeNs);
  f.attrUntilNs = gd.machine.now() + ATTR_TTL_NS;
}

/** Ask the host for attributes now. */
export function refresh(f: HostFile, ours = false): Errno | null {
  let st: HostStat | Errno;
  if (f.parent === null) st = f.hm.dir.stat();
  else if (f.fileHandle !== null) st = f.fileHandle.stat();
  else if (f.dirHandle !== null) st = f.dirHandle.stat();
  else {
    if (f.unlinked) return ESTALE;
    const up = dirHandle(f.parent);
    if (up instanceof Errno) return up;
    st = up.lstat(f.name);
    if (st instanceof Errno || keyOf(st) !== f.key) {
      // Renamed or replaced on the host. It may have another name.
      if (f.otherNames.length > 0 && lostName(f, f.parent, f.name)) return refresh(f, ours);
      return ESTALE;
    }
  }
  if (st instanceof Errno) return st;
  applyStat(f, st, ours);
  return null;
}

/** The file with this status, found as `name` in `parent`. */
export function getFile(hm: HostMount, parent: HostFile | null, name: string, st: HostStat): HostFile {
  const key = keyOf(st);
  let f = hm.files.get(key);
  // An inode number that came back as another kind of file, or after its last name went, is another file.
  if (f !== undefined && f.vp.type === modeToVtype(st.mode) && !f.unlinked) {
    if (parent !== null) foundAs(f, parent, name);
  } else {
    f = new HostFile(hm, key, parent, name);
    const va = new Vattr();
    va.blksize = 65536;
    f.vp = new Vnode(modeToVtype(st.mode), hm.mp, hostfsVops, f, va);
    hm.files.set(key, f);
  }
  applyStat(f, st, false);
  return f;
}

/** Nothing refers to it any more. */
export function forget(f: HostFile): void {
  if (f.parent === null) return;
  if (f.hm.files.get(f.key) === f) f.hm.files.delete(f.key);
  f.hm.dirty.delete(f);
  closeHandles(f);
  const o = f.vp.object;
  f.vp.object = null;
  if (o !== null) vmObjectDeref(o);
}

/** Fills pages from the host, and writes those back that were changed through mappings. */
class HostPager implements FilePager {
  constructor(private readonly f: HostFile) {}

  isHole(): boolean {
    return false;
  }

  tryGetPage(o: VmObject, pindex: number): number | Errno {
    const h = fileHandle(this.f, false);
    if (h instanceof Errno) return EIO;
    const pages = gd.vm.pages;
    const end = Math.ceil(o.sizeBytes / PAGE_SIZE);
    let want = 1;
    while (want < READ_AHEAD && pindex + want < end && pages.lookup(o.id, pindex + want) < 0) want++;
    const ppn = vmPageAllocRun(o, pindex, want, false);
    if (ppn < 0) return ENOMEM;
    const got = pages.runLen;
    const bytes = gd.machine.ram.bytes(ppn * PAGE_SIZE, got * PAGE_SIZE);
    let done = 0;
    while (done < bytes.length) {
      const n = h.pread(done === 0 ? bytes : bytes.subarray(done), pindex * PAGE_SIZE + done);
      if (n instanceof Errno) {
        for (let i = 0; i < got; i++) vmPageFree(ppn + i);
        return EIO;
      }
      if (n === 0) break;
      done += n;
    }
    bytes.fill(0, done);
    for (let i = 0; i < got; i++) pages.flags[ppn + i] |= PG.VALID;
    gd.vm.counters.vnodein++;
    gd.vm.counters.vnodepgsin += got;
    return ppn;
  }

  *getPage(o: VmObject, pindex: number): Blocking<number | Errno> {
    return this.tryGetPage(o, pindex);
  }

  dirty(): void {
    this.f.hm.dirty.add(this.f);
  }

  *putPage(o: VmObject, pindex: number, ppn: number): Blocking<Errno | null> {
    const off = pindex * PAGE_SIZE;
    const n = Math.min(PAGE_SIZE, o.sizeBytes - off);
    if (n <= 0) return null;
    const h = fileHandle(this.f, true);
    if (h instanceof Errno) return h;
    const r = h.pwrite(gd.machine.ram.bytes(ppn * PAGE_SIZE, n), off);
    return r instanceof Errno ? r : r < n ? EIO : null;
  }

  release(o: VmObject): void {
    vmObjectTerminate(o);
  }
}

export function hostObject(f: HostFile): VmObject {
  f.vp.object ??= vmObjectAlloc('vnode', new HostPager(f), f.vp.va.size);
  return f.vp.object;
}

/** Write back what mappings have changed. */
export function* flush(f: HostFile): Blocking<Errno | null> {
  const o = f.vp.object;
  if (o === null || !f.hm.dirty.has(f)) return null;
  const e = yield* vmObjectClean(o, 0, Infinity);
  if (e === null) f.hm.dirty.delete(f);
  return e ?? refresh(f, true);
}

export const hostfsVfsOps: VfsOps = {
  name: 'hostfs',
  typenum: 100,
  *mount(mp: Mount, args: MountArgs): Blocking<Vnode | Errno> {
    // Only the kernel has directories of the host to give.
    const o = args.internal as HostfsOptions | null;
    if (o === null) return EPERM;
    const st = o.dir.stat();
    if (st instanceof Errno) return st;
    const hm = new HostMount(mp, o.dir, o.ids === 'keep');
    mp.data = hm;
    mp.from = o.from;
    // Set-id bits and device numbers of the host mean nothing in the guest.
    mp.flags |= MNT_NODEV | MNT_NOSUID;
    mp.volatileAttr = true;
    mp.nameTtlNs = NAME_TTL_NS;
    return getFile(hm, null, '', st).vp;
  },
  *update(mp) {
    return (mp.flags & MNT_NODEV) === 0 || (mp.flags & MNT_NOSUID) === 0 ? EPERM : null;
  },
  *unmount(mp) {
    const hm = mp.data as HostMount;
    for (const f of [...hm.files.values()]) forget(f);
    hm.dir.close();
    return null;
  },
  busy(mp) {
    for (const f of (mp.data as HostMount).files.values())
      if (f.vp.object !== null && f.vp.object.refs > 1) return true;
    return false;
  },
  statfs(): Statfs {
    // The host's figures are none of the guest's business.
    return { bsize: 4096, iosize: 65536, blocks: 0, bfree: 0, bavail: 0, files: 0, ffree: 0 };
  },
  *sync(mp) {
    const hm = mp.data as HostMount;
    let e: Errno | null = null;
    for (const f of [...hm.dirty]) e = (yield* flush(f)) ?? e;
    return e;
  },
};
