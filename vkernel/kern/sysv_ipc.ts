/**
 * What System V shared memory, semaphores and message queues have in common: keys, ids, permissions.
 *
 * An id is the index of the slot with the slot's sequence number above it, so that the id of something removed is not that of
 * what takes its place.
 *
 * Counterpart: sys/kern/sysv_ipc.c; dragonfly-abi.md 3.9
 */
import { EACCES, EEXIST, EINVAL, ENOENT, ENOSPC, EPERM, Errno } from '../sys/errno.js';
import { wallNs } from './kern_time.js';
import { type Lwp, type Ucred, credIsSuper } from './proc.js';

export const IPC_CREAT = 0o1000;
export const IPC_EXCL = 0o2000;
export const IPC_NOWAIT = 0o4000;
export const IPC_PRIVATE = 0;
export const IPC_RMID = 0;
export const IPC_SET = 1;
export const IPC_STAT = 2;
export const IPC_R = 0o400;
export const IPC_W = 0o200;

/** struct ipc_perm, 32 bytes. */
export class IpcPerm {
  cuid: number;
  cgid: number;
  uid: number;
  gid: number;
  constructor(
    readonly key: number,
    public mode: number,
    readonly seq: number,
    c: Ucred,
  ) {
    this.cuid = this.uid = c.uid;
    this.cgid = this.gid = c.gid;
  }
}

export interface IpcObject {
  readonly perm: IpcPerm;
  /** Removed, and only kept for those who use it still. */
  removed: boolean;
}

/** Slots of one kind of object. */
export class IpcTable<T extends IpcObject> {
  readonly slots: (T | null)[] = [];
  /** Sequence number of the next object in each slot. */
  private readonly seqs: number[] = [];
  constructor(readonly max: number) {}

  id(index: number): number {
    const o = this.slots[index];
    return ((o === null ? 0 : o.perm.seq) << 16) | index;
  }
  /** The object with this id; EINVAL. */
  find(id: number): T | Errno {
    const index = id & 0xffff;
    const o = index < this.slots.length ? this.slots[index] : null;
    return id < 0 || o === null || o.removed || o.perm.seq !== id >>> 16 ? EINVAL : o;
  }
  /**
   * The get call of each kind: find `key`, or make an object.
   * @param check  may refuse what was found
   * @param make   a new object; `seq` goes into its IpcPerm
   */
  get(
    lwp: Lwp,
    key: number,
    flags: number,
    check: (o: T) => Errno | null,
    make: (seq: number) => T | Errno,
  ): number | Errno {
    const { cred } = lwp.proc;
    if (key !== IPC_PRIVATE)
      for (let i = 0; i < this.slots.length; i++) {
        const o = this.slots[i];
        if (o === null || o.removed || o.perm.key !== key) continue;
        if ((flags & (IPC_CREAT | IPC_EXCL)) === (IPC_CREAT | IPC_EXCL)) return EEXIST;
        // Each right that is asked for must be there.
        const e = (flags & 0o700) === 0 ? null : ipcPerm(cred, o.perm, flags & 0o700);
        return e ?? check(o) ?? this.id(i);
      }
    if (key !== IPC_PRIVATE && (flags & IPC_CREAT) === 0) return ENOENT;
    let i = this.slots.indexOf(null);
    if (i < 0) i = this.slots.length;
    if (i >= this.max) return ENOSPC;
    const seq = this.seqs[i] ?? 0;
    const o = make(seq);
    if (o instanceof Errno) return o;
    this.seqs[i] = (seq + 1) & 0x7fff;
    this.slots[i] = o;
    return this.id(i);
  }
  /** The object is gone. */
  free(o: T): void {
    const i = this.slots.indexOf(o);
    if (i >= 0) this.slots[i] = null;
  }
}

/** May `cred` do what `mode` says (IPC_R, IPC_W, both)? EACCES. */
export function ipcPerm(cred: Ucred, perm: IpcPerm, mode: number): Errno | null {
  if (credIsSuper(cred)) return null;
  let have = perm.mode;
  if (cred.uid !== perm.cuid && cred.uid !== perm.uid) {
    have <<= 3;
    if (!cred.isMember(perm.gid) && !cred.isMember(perm.cgid)) have <<= 3;
  }
  return (have & mode) === mode ? null : EACCES;
}

/** May `cred` change or remove it? EPERM. */
export const ipcOwner = (cred: Ucred, perm: IpcPerm): Errno | null =>
  credIsSuper(cred) || cred.uid === perm.cuid || cred.uid === perm.uid ? null : EPERM;

export function emitPerm(v: DataView, o: number, p: IpcPerm): void {
  v.setUint32(o, p.cuid, true);
  v.setUint32(o + 4, p.cgid, true);
  v.setUint32(o + 8, p.uid, true);
  v.setUint32(o + 12, p.gid, true);
  v.setUint16(o + 16, p.mode & 0o777, true);
  v.setUint16(o + 18, p.seq, true);
  v.setBigInt64(o + 24, BigInt(p.key), true);
}
/** IPC_SET: owner, group and mode. */
export function setPerm(v: DataView, o: number, p: IpcPerm): void {
  p.uid = v.getUint32(o + 8, true);
  p.gid = v.getUint32(o + 12, true);
  p.mode = (p.mode & ~0o777) | (v.getUint16(o + 16, true) & 0o777);
}

/** Seconds since the epoch. */
export const ipcTime = (): bigint => wallNs() / 1_000_000_000n;
