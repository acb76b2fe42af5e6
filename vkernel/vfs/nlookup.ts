/**
 * nlookup: from a path to a name cache entry.
 *
 * One state machine (Nlookup.step) walks the path and never sleeps. It answers NOTNOW at the component that needs the
 * file system to sleep; nlookupTry passes that on, nlookup sleeps there and steps on. So a path that is all cached costs
 * no generator.
 *
 * Between sleeps the current entry is held. After a blocking lookup the entries in `ncp` and `dncp` are held until
 * done(); after nlookupTry nothing is held: use them before anything can sleep.
 *
 * Counterpart: sys/kern/vfs_nlookup.c
 */
import { tsleep, WaitQ } from '../kern/lwkt_thread.js';
import type { FileDesc } from '../kern/file.js';
import type { Proc, Ucred } from '../kern/proc.js';
import type { Blocking } from '../sys/blocking.js';
import { EACCES, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, Errno, NOTNOW } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { MNT_NOSYMFOLLOW } from './mount.js';
import {
  cacheChild,
  cacheDrop,
  cacheHold,
  cacheLockedByOther,
  cacheResolve,
  cacheResolveTry,
  cacheStale,
  cacheTrim,
  type Namecache,
} from './namecache.js';
import { VEXEC, vnAccess } from './vfs_subr.js';
import { type Vnode, VType } from './vnode.js';

/** Follow a symbolic link in the last component. */
export const NLC_FOLLOW = 0x1;
/** A name that does not exist is fine (`ncp` negative); a trailing slash on it is kept in `trailingSlash`. */
export const NLC_CREATE = 0x2;

export const MAXSYMLINKS = 32;
export const PATH_MAX = 1024;
export const NAME_MAX = 255;

/** kern_varsym.ts hands down what replaces the variables in a symbolic link's target. */
let varsymExpand: ((p: Proc | null, target: string) => string) | null = null;
export function setVarsymExpand(fn: (p: Proc | null, target: string) => string): void {
  varsymExpand = fn;
}

/** A process that looks up with descriptor table `fd`. Slow, for the rare link that has variables. */
function procOfFd(fd: FileDesc): Proc | null {
  for (const p of gd.allproc.values()) if (p.fd === fd) return p;
  return null;
}

export class Nlookup {
  /** Where the walk is; the result. */
  ncp: Namecache = null as unknown as Namecache;
  /** Directory in which the last component was looked up; null when the path ended in '.', '..' or '/'. */
  dncp: Namecache | null = null;
  /** The path ended in '/'. */
  trailingSlash = false;
  /** The last component was '.' or '..'; rmdir and rename refuse those. */
  lastDot = false;
  lastDotDot = false;
  private path = '';
  private pos = 0;
  private links = 0;
  private cred: Ucred = null as unknown as Ucred;
  private fd: FileDesc = null as unknown as FileDesc;
  private root: Namecache = null as unknown as Namecache;
  private flags = 0;
  /** Entry that has to be resolved by sleeping. */
  private pending: Namecache | null = null;
  /** Where the component of a link that has to be read by sleeping ends. */
  private pendingEnd = 0;
  private held = false;

  /** @param start directory for a relative path */
  init(fd: FileDesc, cred: Ucred, start: Namecache, path: string, flags: number): Errno | null {
    if (path.length === 0) return ENOENT;
    if (path.length >= PATH_MAX) return ENAMETOOLONG;
    this.path = path;
    this.pos = 0;
    this.links = 0;
    this.cred = cred;
    this.root = fd.root;
    this.fd = fd;
    this.flags = flags;
    this.ncp = start;
    this.dncp = null;
    this.trailingSlash = false;
    this.lastDot = false;
    this.lastDotDot = false;
    this.pending = null;
    this.held = false;
    if (path.charCodeAt(0) === 47) this.ncp = this.root;
    return null;
  }

  /** Walk on. null: done; NOTNOW: `pending` must be resolved, or its lock awaited. */
  step(): Errno | null {
    gd.vfs.lookupFd = this.fd;
    for (;;) {
      const path = this.path;
      let pos = this.pos;
      while (path.charCodeAt(pos) === 47) pos++;
      if (pos >= path.length) {
        // Only slashes were left: the path was '/', or ended in one.
        this.pos = pos;
        return this.ncp.vp === null ? ENOENT : null;
      }
      let end = path.indexOf('/', pos);
      if (end < 0) end = path.length;
      const dncp = this.ncp;
      const dvp = dncp.vp;
      if (dvp === null) return ENOENT;
      if (dvp.type !== VType.VDIR) return ENOTDIR;
      // Search permission. The usual case, everybody may, is decided here.
      if (dvp.mount.volatileAttr) {
        const r = dvp.ops.tryGetattr(dvp);
        if (r instanceof Errno && r !== NOTNOW) return r;
      }
      if ((dvp.va.mode & 0o111) !== 0o111) {
        const e = vnAccess(dvp, VEXEC, this.cred);
        if (e !== null) return e;
      }
      const last = this.isLast(end);
      const len = end - pos;
      if (path.charCodeAt(pos) === 46 && (len === 1 || (len === 2 && path.charCodeAt(pos + 1) === 46))) {
        if (len === 2) this.ncp = this.parentOf(dncp);
        this.pos = end;
        if (last) {
          this.dncp = null;
          this.lastDot = len === 1;
          this.lastDotDot = len === 2;
          this.trailingSlash = end < path.length;
          return this.ncp.vp === null ? ENOENT : null;
        }
        continue;
      }
      if (len > NAME_MAX) return ENAMETOOLONG;
      let ncp = cacheChild(dncp, path.slice(pos, end));
      ncp.used = true;
      if (ncp.owner !== null && cacheLockedByOther(ncp)) {
        this.pending = ncp;
        return NOTNOW;
      }
      if (!ncp.resolved || (ncp.expireNs !== Infinity && cacheStale(ncp))) {
        const e = cacheResolveTry(ncp);
        if (e !== null) {
          if (e === NOTNOW) this.pending = ncp;
          return e;
        }
      }
      while (ncp.mountedHere !== null && !ncp.mountedHere.dying) ncp = ncp.mountedHere.root;
      const vp = ncp.vp;
      if (vp === null) {
        if (!last) return ENOENT;
        this.finish(dncp, ncp, end);
        return (this.flags & NLC_CREATE) !== 0 ? null : ENOENT;
      }
      if (vp.type === VType.VLNK && (!last || (this.flags & NLC_FOLLOW) !== 0 || end < path.length)) {
        const e = this.follow(vp, end);
        if (e !== null) {
          if (e === NOTNOW) {
            this.pending = ncp;
            this.pendingEnd = end;
          }
          return e;
        }
        continue;
      }
      if (last) {
        if (end < path.length && vp.type !== VType.VDIR) return ENOTDIR;
        this.finish(dncp, ncp, end);
        return null;
      }
      this.ncp = ncp;
      this.pos = end;
    }
  }

  private finish(dncp: Namecache, ncp: Namecache, end: number): void {
    this.dncp = dncp;
    this.ncp = ncp;
    this.trailingSlash = end < this.path.length;
    this.pos = this.path.length;
  }

  /** True when nothing but slashes follows `end`. */
  private isLast(end: number): boolean {
    const path = this.path;
    let i = end;
    while (i < path.length && path.charCodeAt(i) === 47) i++;
    return i >= path.length;
  }

  private parentOf(ncp: Namecache): Namecache {
    let n = ncp;
    for (;;) {
      if (n === this.root) return n;
      if (n.parent !== null) {
        n = n.parent;
        break;
      }
      if (n.mount.covered === null) return n;
      n = n.mount.covered;
    }
    return n;
  }

  /** Put a symbolic link's target in place of the component that ends at `end`. */
  private follow(vp: Vnode, end: number): Errno | null {
    if ((vp.mount.flags & MNT_NOSYMFOLLOW) !== 0) return EACCES;
    const target = vp.ops.tryReadlink(vp);
    return this.followTo(target, end);
  }

  private followTo(link: string | Errno, end: number): Errno | null {
    if (link instanceof Errno) return link;
    let target = link;
    if (varsymExpand !== null && target.includes('${')) target = varsymExpand(procOfFd(this.fd), target);
    if (++this.links > MAXSYMLINKS) return ELOOP;
    if (target.length === 0) return ENOENT;
    const rest = this.path.slice(end);
    if (target.length + rest.length >= PATH_MAX) return ENAMETOOLONG;
    this.path = target + rest;
    this.pos = 0;
    if (target.charCodeAt(0) === 47) this.ncp = this.root;
    return null;
  }

  /** Walk with sleeping. The result is held until done(). */
  *run(): Blocking<Errno | null> {
    for (;;) {
      const e = this.step();
      if (e === null) {
        cacheHold(this.ncp);
        if (this.dncp !== null) cacheHold(this.dncp);
        this.held = true;
        return null;
      }
      if (e !== NOTNOW) return e;
      const wait = this.pending as Namecache;
      const dncp = cacheHold(this.ncp);
      cacheHold(wait);
      try {
        if (wait.owner !== null && cacheLockedByOther(wait)) {
          wait.lockq ??= new WaitQ();
          yield* tsleep(wait.lockq, 'ncplk');
        } else if (cacheStale(wait)) {
          const e2 = yield* cacheResolve(wait);
          if (e2 !== null) return e2;
        } else if (wait.vp !== null && wait.vp.type === VType.VLNK) {
          const t = yield* wait.vp.ops.readlink(wait.vp);
          const e2 = this.followTo(t, this.pendingEnd);
          if (e2 !== null) return e2;
        }
      } finally {
        cacheDrop(wait);
        cacheDrop(dncp);
      }
    }
  }

  /** Give back what run() held. */
  done(): void {
    if (!this.held) return;
    this.held = false;
    cacheDrop(this.ncp);
    if (this.dncp !== null) cacheDrop(this.dncp);
  }
}

const shared = new Nlookup();

/** Look `path` up without sleeping. The Nlookup is shared: use its result before the next lookup or sleep. */
export function nlookupTry(fd: FileDesc, cred: Ucred, start: Namecache, path: string, flags: number): Nlookup | Errno {
  cacheTrim();
  const e = shared.init(fd, cred, start, path, flags) ?? shared.step();
  return e === null ? shared : e;
}

/** Look `path` up; may sleep. Call done() on the result. */
export function* nlookup(
  fd: FileDesc,
  cred: Ucred,
  start: Namecache,
  path: string,
  flags: number,
): Blocking<Nlookup | Errno> {
  const nd = new Nlookup();
  cacheTrim();
  const e = nd.init(fd, cred, start, path, flags) ?? (yield* nd.run());
  return e === null ? nd : e;
}
