/**
 * procfs: /proc/PID/{status,cmdline,map,file} and /proc/curproc.
 *
 * Names are asked for on every lookup (nameTtlNs 0), so a process that is gone takes its directory with it. Contents are
 * made when they are read. A node stays valid for one Proc; the same pid again is another node.
 *
 * Counterpart: sys/vfs/procfs
 */
import { type Lwp, type Proc, ProcState, type Ucred } from '../../kern/proc.js';
import { PAGE_SIZE } from '../../machine/ram.js';
import type { Blocking } from '../../sys/blocking.js';
import { EACCES, EINVAL, EISDIR, ENOENT, ENOTDIR, Errno } from '../../sys/errno.js';
import { gd } from '../../sys/globaldata.js';
import { type Uio, uiomove, uiomoveB } from '../../vm/uio.js';
import { type VmObject } from '../../vm/vm_object.js';
import type { DirBuf } from '../dirbuf.js';
import type { Mount, VfsOps } from '../mount.js';
import { Vattr, Vnode, VType, vfsTimestamp, vtypeToDtype } from '../vnode.js';
import { vopTable } from '../vop.js';

const enum Kind {
  ROOT = 0,
  CURPROC = 1,
  DIR = 2,
  STATUS = 3,
  CMDLINE = 4,
  MAP = 5,
  FILE = 6,
}

/** Entries of a process's directory. */
const procEntries: readonly (readonly [string, Kind])[] = [
  ['status', Kind.STATUS],
  ['cmdline', Kind.CMDLINE],
  ['map', Kind.MAP],
  ['file', Kind.FILE],
];

class ProcNode {
  constructor(
    readonly pm: ProcMount,
    readonly kind: Kind,
    readonly proc: Proc | null,
  ) {}
}

class ProcMount {
  /** Vnodes by process and kind; those of dead processes go with them. */
  readonly nodes = new WeakMap<Proc, Map<Kind, Vnode>>();
  curproc: Vnode | null = null;
  constructor(readonly mp: Mount) {}
}

const nodeOf = (vp: Vnode): ProcNode => vp.data as ProcNode;

const typeOf = (k: Kind): VType =>
  k === Kind.ROOT || k === Kind.DIR ? VType.VDIR : k === Kind.CURPROC || k === Kind.FILE ? VType.VLNK : VType.VREG;

/** Inode: pid and kind. */
const inoOf = (k: Kind, p: Proc | null): number => (p === null ? 2 + k : (p.pid + 1) * 16 + k);

function newVnode(pm: ProcMount, kind: Kind, proc: Proc | null): Vnode {
  const va = new Vattr();
  const type = typeOf(kind);
  va.mode = type === VType.VREG ? 0o444 : 0o555;
  va.ino = inoOf(kind, proc);
  va.nlink = type === VType.VDIR ? 2 : 1;
  va.blksize = PAGE_SIZE;
  if (proc !== null) {
    va.uid = proc.cred.uid;
    va.gid = proc.cred.gid;
  }
  const now = vfsTimestamp();
  va.setAtime(now);
  va.setMtime(now);
  va.setCtime(now);
  return new Vnode(type, pm.mp, procfsVops, new ProcNode(pm, kind, proc), va);
}

function getVnode(pm: ProcMount, kind: Kind, proc: Proc): Vnode {
  let m = pm.nodes.get(proc);
  if (m === undefined) {
    m = new Map();
    pm.nodes.set(proc, m);
  }
  let vp = m.get(kind);
  if (vp === undefined) {
    vp = newVnode(pm, kind, proc);
    m.set(kind, vp);
  }
  return vp;
}

const alive = (p: Proc): boolean => gd.allproc.get(p.pid) === p;

function resolve(dvp: Vnode, name: string): Vnode | Errno {
  const n = nodeOf(dvp);
  if (n.kind === Kind.ROOT) {
    if (name === 'curproc') return (n.pm.curproc ??= newVnode(n.pm, Kind.CURPROC, null));
    if (!/^(0|[1-9][0-9]{0,8})$/.test(name)) return ENOENT;
    const p = gd.allproc.get(Number(name));
    return p === undefined ? ENOENT : getVnode(n.pm, Kind.DIR, p);
  }
  if (n.kind !== Kind.DIR || n.proc === null) return ENOTDIR;
  if (!alive(n.proc)) return ENOENT;
  const e = procEntries.find(([x]) => x === name);
  return e === undefined ? ENOENT : getVnode(n.pm, e[1], n.proc);
}

function readdir(vp: Vnode, db: DirBuf): Errno | null {
  const n = nodeOf(vp);
  if (vp.type !== VType.VDIR) return ENOTDIR;
  if (db.cookie < 0) return EINVAL;
  const dt = vtypeToDtype(VType.VDIR);
  if (db.cookie === 0 && !db.put(vp.va.ino, dt, '.', 1)) return null;
  if (db.cookie === 1 && !db.put(inoOf(Kind.ROOT, null), dt, '..', 2)) return null;
  if (n.kind === Kind.DIR) {
    for (let i = db.cookie - 2; i < procEntries.length; i++) {
      const [name, kind] = procEntries[i];
      if (!db.put(inoOf(kind, n.proc), vtypeToDtype(typeOf(kind)), name, i + 3)) break;
    }
    return null;
  }
  if (db.cookie === 2 && !db.put(inoOf(Kind.CURPROC, null), vtypeToDtype(VType.VLNK), 'curproc', 3)) return null;
  // Cookies of processes are their pids plus 4: they stay where they are as others come and go.
  for (const { pid } of [...gd.allproc.values()]) {
    if (pid + 3 < db.cookie) continue;
    if (!db.put(inoOf(Kind.DIR, gd.allproc.get(pid) as Proc), dt, String(pid), pid + 4)) break;
  }
  return null;
}

/** "sec,usec" of a duration. */
const usec = (ns: number): string => `${Math.floor(ns / 1e9)},${Math.floor((ns % 1e9) / 1000)}`;

/** One line, fields in DragonFly's order: comm pid ppid pgid sid tty flags start user sys wchan uid ruid groups. */
function statusText(p: Proc): string {
  const tty = p.pgrp.session.tty;
  const dev = tty === null ? '-1,-1' : `${(tty.rdev >>> 8) & 0xff},${tty.rdev & 0xff}`;
  const flags = [tty !== null ? 'ctty' : '', p.pgrp.session.leader === p ? 'sldr' : '']
    .filter((s) => s !== '')
    .join(',');
  const lwp: Lwp | null = p.firstLwp();
  const start = gd.vfs.wallSec + (gd.vfs.wallNsec + p.startNs) / 1e9;
  const startText = `${Math.floor(start)},${Math.floor((start % 1) * 1e6)}`;
  const groups = p.cred.groups.join(',');
  return (
    `${p.comm === '' ? '-' : p.comm} ${p.pid} ${p.parent?.pid ?? 0} ${p.pgrp.id} ${p.pgrp.session.sid} ${dev} ` +
    `${flags === '' ? 'noflags' : flags} ${startText} ${usec(p.ru.utimeNs)} ${usec(p.ru.stimeNs)} ` +
    `${lwp === null || lwp.td.wmesg === '' ? 'nochan' : lwp.td.wmesg} ${p.cred.uid} ${p.cred.ruid} ${p.cred.rgid},${groups} -\n`
  );
}

/** One line an entry: start end resident private object protection refs shadows flags copy type path. */
function mapText(p: Proc): string {
  let out = '';
  if (p.state === ProcState.ZOMB) return '';
  for (const e of p.vm.map.entries) {
    const o: VmObject | null = e.object;
    const prot = `${(e.prot & 1) !== 0 ? 'r' : '-'}${(e.prot & 2) !== 0 ? 'w' : '-'}${(e.prot & 4) !== 0 ? 'x' : '-'}`;
    const cow = `${e.cow ? 'COW' : 'NCOW'} ${e.needsCopy ? 'NC' : 'NNC'}`;
    const type = o === null ? 'none' : o.type === 'anon' ? 'default' : o.type;
    out +=
      `0x${e.start.toString(16)} 0x${e.end.toString(16)} ${o?.resident ?? 0} 0 ${o?.id ?? 0} ${prot} ` +
      `${o?.refs ?? 0} ${o?.shadows.length ?? 0} 0x0 ${cow} ${type} -\n`;
  }
  return out;
}

function text(vp: Vnode, cred: Ucred): Uint8Array | Errno {
  const n = nodeOf(vp);
  const p = n.proc;
  if (vp.type === VType.VDIR) return EISDIR;
  if (p === null || !alive(p)) return ENOENT;
  let s: string;
  switch (n.kind) {
    case Kind.STATUS:
      s = statusText(p);
      break;
    case Kind.CMDLINE:
      return p.args.length > 0 ? p.args : Uint8Array.from(p.comm, (c) => c.charCodeAt(0));
    case Kind.MAP:
      // An address space is for those who may debug the process.
      if (cred.uid !== 0 && cred.uid !== p.cred.uid) return EACCES;
      s = mapText(p);
      break;
    default:
      return EINVAL;
  }
  return Uint8Array.from(s, (c) => c.charCodeAt(0));
}

function readlink(vp: Vnode): string | Errno {
  const n = nodeOf(vp);
  if (n.kind === Kind.CURPROC) {
    // Whoever is looking something up now: its descriptor table tells.
    for (const p of gd.allproc.values()) if (p.fd === gd.vfs.lookupFd) return String(p.pid);
    return ENOENT;
  }
  if (n.kind !== Kind.FILE || n.proc === null) return EINVAL;
  if (!alive(n.proc)) return ENOENT;
  return n.proc.execPath === '' ? 'unknown' : n.proc.execPath;
}

const procfsVops = vopTable({
  tryResolve: resolve,
  *nresolve(dvp, name) {
    return resolve(dvp, name);
  },
  tryRead(vp, uio: Uio, _ioflag, cred) {
    const b = text(vp, cred);
    if (b instanceof Errno) return b;
    return uio.offset >= b.length ? null : uiomove(b, uio.offset, Math.min(uio.resid, b.length - uio.offset), uio);
  },
  *read(vp, uio: Uio, _ioflag, cred): Blocking<Errno | null> {
    const b = text(vp, cred);
    if (b instanceof Errno) return b;
    if (uio.offset >= b.length) return null;
    return yield* uiomoveB(b, uio.offset, Math.min(uio.resid, b.length - uio.offset), uio);
  },
  tryReaddir: readdir,
  *readdir(vp, db) {
    return readdir(vp, db);
  },
  tryReadlink: readlink,
  *readlink(vp) {
    return readlink(vp);
  },
});

export const procfsVfsOps: VfsOps = {
  name: 'procfs',
  typenum: 7,
  *mount(mp): Blocking<Vnode | Errno> {
    const pm = new ProcMount(mp);
    mp.data = pm;
    mp.from = 'procfs';
    mp.nameTtlNs = 0;
    return newVnode(pm, Kind.ROOT, null);
  },
  *unmount() {
    return null;
  },
  statfs: () => ({
    bsize: PAGE_SIZE,
    iosize: PAGE_SIZE,
    blocks: 1,
    bfree: 0,
    bavail: 0,
    files: gd.maxproc,
    ffree: Math.max(0, gd.maxproc - gd.allproc.size),
  }),
};
