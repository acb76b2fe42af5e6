/**
 * Name cache: the tree of names that have been looked up, one Namecache entry a name in a directory.
 *
 * An entry is unresolved (nobody has asked yet), positive (vp) or negative (resolved, vp null). Entries of removed names
 * are `destroyed`: out of the tree, kept alive by who holds them. An entry with refs, children or a mount on top stays in
 * the tree; others may be dropped by cacheTrim at any time outside a lookup.
 *
 * The lock of an entry serialises what changes the name (resolve, create, remove, rename) when file systems sleep.
 * Lock order: parent before child; two entries (rename) in ascending order of `id`.
 *
 * Counterpart: sys/kern/vfs_cache.c
 */
import { curthread, tsleep, wakeup, WaitQ } from '../kern/lwkt_thread.js';
import type { Blocking } from '../sys/blocking.js';
import { ENOENT, Errno, ERANGE, NOTNOW } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { Mount } from './mount.js';
import type { Vnode } from './vnode.js';

let nextId = 1;

export class Namecache {
  readonly id = nextId++;
  /** Positive: the file. */
  vp: Vnode | null = null;
  resolved = false;
  destroyed = false;
  /** Used since the last trim. */
  used = true;
  children: Map<string, Namecache> | null = null;
  refs = 0;
  mountedHere: Mount | null = null;
  /** Holder of the lock. */
  owner: object | null = null;
  lockq: WaitQ | null = null;
  /** Machine time after which it has to be resolved again; Infinity for most. */
  expireNs = Infinity;

  constructor(
    /** Directory it is in; null for the root of a mount. */
    public parent: Namecache | null,
    public name: string,
    public mount: Mount,
  ) {
    gd.vfs.ncpCount++;
  }
}

/** Stands for the current thread where there is none: boot, synchronous system calls, tests. */
const NO_THREAD = {};
const me = (): object => curthread() ?? NO_THREAD;

export function cacheHold(ncp: Namecache): Namecache {
  ncp.refs++;
  ncp.mount.refs++;
  return ncp;
}

export function cacheDrop(ncp: Namecache): void {
  ncp.refs--;
  ncp.mount.refs--;
  if (ncp.refs === 0 && ncp.destroyed && ncp.vp !== null) {
    const vp = ncp.vp;
    ncp.vp = null;
    cacheVnodeGone(vp);
  }
}

/** Locked by somebody else? */
export const cacheLockedByOther = (ncp: Namecache): boolean => ncp.owner !== null && ncp.owner !== me();

export function* cacheLock(ncp: Namecache): Blocking<void> {
  while (ncp.owner !== null) {
    ncp.lockq ??= new WaitQ();
    yield* tsleep(ncp.lockq, 'ncplk');
  }
  ncp.owner = me();
}

export function cacheUnlock(ncp: Namecache): void {
  ncp.owner = null;
  if (ncp.lockq !== null && ncp.lockq.head !== null) wakeup(ncp.lockq);
}

/** The root entry of a mount. */
export function cacheAllocRoot(mp: Mount, vp: Vnode): Namecache {
  const ncp = new Namecache(null, '', mp);
  cacheSetvp(ncp, vp);
  ncp.expireNs = Infinity;
  return ncp;
}

/** The entry for `name` in `dncp`, made unresolved if there is none. */
export function cacheChild(dncp: Namecache, name: string): Namecache {
  let c = dncp.children?.get(name);
  if (c === undefined) {
    c = new Namecache(dncp, name, dncp.mount);
    (dncp.children ??= new Map()).set(name, c);
  }
  return c;
}

/** Resolve `ncp` to a file, or to "does not exist" with null. */
export function cacheSetvp(ncp: Namecache, vp: Vnode | null): void {
  const old = ncp.vp;
  if (old !== vp) {
    ncp.vp = vp;
    if (vp !== null) vp.ncCount++;
    if (old !== null) cacheVnodeGone(old);
  }
  if (ncp.mount.lower !== null) cacheTellLower(ncp, ncp.name, vp);
  ncp.resolved = true;
  const ttl = ncp.mount.nameTtlNs;
  ncp.expireNs = ttl === Infinity ? Infinity : gd.machine.now() + ttl;
}

/** The entry in the lower tree that shows the same directory as `dncp` of a null mount, if it is cached. */
function lowerOf(dncp: Namecache): Namecache | null {
  if (dncp.parent === null) return dncp.mount.lower;
  return lowerOf(dncp.parent)?.children?.get(dncp.name) ?? null;
}

/**
 * In the directory of `ncp`, an entry of a null mount, `name` leads to `vp` (null: nowhere). Make the lower tree find that
 * out if it believes otherwise.
 */
export function cacheTellLower(ncp: Namecache, name: string, vp: Vnode | null): void {
  if (ncp.parent === null || ncp.mount.lower === null) return;
  const c = lowerOf(ncp.parent)?.children?.get(name);
  if (c === undefined || !c.resolved || c.vp === vp || c.mountedHere !== null) return;
  if (c.vp === null) c.resolved = false;
  else cacheUnlink(c);
}

function cacheVnodeGone(vp: Vnode): void {
  vp.ncCount--;
  if (vp.ncCount === 0 && vp.usecount === 0) vp.ops.idle(vp);
}

/** Does it have to be resolved (again)? */
export const cacheStale = (ncp: Namecache): boolean =>
  !ncp.resolved || (ncp.expireNs !== Infinity && ncp.parent !== null && gd.machine.now() >= ncp.expireNs);

/** Store the outcome of a file system's lookup. */
function cacheResolved(ncp: Namecache, r: Vnode | Errno): Errno | null {
  if (r === ENOENT) {
    // The name went away behind our back: whoever holds it keeps a destroyed entry.
    if (ncp.vp !== null) {
      cacheUnlink(ncp);
      return ENOENT;
    }
    cacheSetvp(ncp, null);
    return null;
  }
  if (r instanceof Errno) return r;
  if (ncp.vp !== null && ncp.vp !== r && ncp.children !== null) cachePurgeChildren(ncp);
  cacheSetvp(ncp, r);
  return null;
}

/** Resolve without sleeping: null when `ncp` is now positive or negative, NOTNOW, or an errno of the file system. */
export function cacheResolveTry(ncp: Namecache): Errno | null {
  if (ncp.owner !== null && ncp.owner !== me()) return NOTNOW;
  const dvp = (ncp.parent as Namecache).vp;
  if (dvp === null || ncp.destroyed) return ENOENT;
  const r = dvp.ops.tryResolve(dvp, ncp.name);
  return r === NOTNOW ? NOTNOW : cacheResolved(ncp, r);
}

/** As cacheResolveTry, may sleep. Takes the entry's lock unless the caller has it. */
export function* cacheResolve(ncp: Namecache): Blocking<Errno | null> {
  const locked = ncp.owner === me();
  if (!locked) yield* cacheLock(ncp);
  try {
    if (!cacheStale(ncp)) return null;
    const dvp = (ncp.parent as Namecache).vp;
    if (dvp === null || ncp.destroyed) return ENOENT;
    let r = dvp.ops.tryResolve(dvp, ncp.name);
    if (r === NOTNOW) r = yield* dvp.ops.nresolve(dvp, ncp.name);
    return cacheResolved(ncp, r);
  } finally {
    if (!locked) cacheUnlock(ncp);
  }
}

/** The name is gone: take the entry out of the tree. Its vnode stays for those who hold the entry. */
export function cacheUnlink(ncp: Namecache): void {
  if (ncp.destroyed) return;
  ncp.destroyed = true;
  gd.vfs.ncpCount--;
  if (ncp.parent !== null) ncp.parent.children?.delete(ncp.name);
  if (ncp.children !== null) cachePurgeChildren(ncp);
  if (ncp.vp !== null && ncp.refs === 0) {
    const vp = ncp.vp;
    ncp.vp = null;
    cacheVnodeGone(vp);
  }
}

/** `fncp` takes the place and name of `tncp`. */
export function cacheRename(fncp: Namecache, tncp: Namecache): void {
  const parent = tncp.parent as Namecache;
  const name = tncp.name;
  cacheUnlink(tncp);
  if (fncp.mount.lower !== null) {
    cacheTellLower(fncp, fncp.name, null);
    cacheTellLower(tncp, name, fncp.vp);
  }
  fncp.parent?.children?.delete(fncp.name);
  fncp.parent = parent;
  fncp.name = name;
  (parent.children ??= new Map()).set(name, fncp);
}

/** Forget everything below `ncp`; held entries become destroyed. */
export function cachePurgeChildren(ncp: Namecache): void {
  if (ncp.children === null) return;
  for (const c of [...ncp.children.values()]) if (c.mountedHere === null) cacheUnlink(c);
}

/** Forget that `name` does not exist in any directory with vnode `dvp` (device nodes appear by themselves). */
export function cacheInvalNegative(dncp: Namecache | null, name: string): void {
  const c = dncp?.children?.get(name);
  if (c !== undefined && c.resolved && c.vp === null) c.resolved = false;
}

/**
 * Drop entries nobody has used since the last trim, until a quarter is free. Call it only when no lookup is under way
 * without references: cheap to call, it does nothing while there is room.
 */
export function cacheTrim(): void {
  const v = gd.vfs;
  if (v.ncpCount <= v.ncpMax) return;
  const goal = Math.floor(v.ncpMax * 0.75);
  for (let pass = 0; pass < 2 && v.ncpCount > goal; pass++) {
    for (const mp of v.mounts) trimBelow(mp.root, goal);
  }
}

function trimBelow(dncp: Namecache, goal: number): void {
  if (dncp.children === null) return;
  for (const c of dncp.children.values()) {
    if (gd.vfs.ncpCount <= goal) return;
    trimBelow(c, goal);
    if (c.refs > 0 || c.mountedHere !== null || c.owner !== null) continue;
    if (c.children !== null && c.children.size > 0) continue;
    if (c.used) c.used = false;
    else cacheUnlink(c);
  }
  if (dncp.children.size === 0) dncp.children = null;
}

/**
 * Path of `ncp` as seen from `root`. ENOENT when it (or a directory above) is gone, ERANGE over 1023 bytes.
 * An entry outside of `root` gets its path from the real root.
 */
export function cacheFullpath(ncp: Namecache, root: Namecache): string | Errno {
  let path = '';
  let n: Namecache = ncp;
  for (;;) {
    if (n === root) break;
    if (n.parent === null) {
      const cov = n.mount.covered;
      if (cov === null) break;
      n = cov;
      if (n === root) break;
      continue;
    }
    if (n.destroyed) return ENOENT;
    path = '/' + n.name + path;
    if (path.length > 1023) return ERANGE;
    n = n.parent;
  }
  return path === '' ? '/' : path;
}
