/**
 * Permission checks and small helpers shared by file systems and system calls.
 *
 * Counterpart: sys/kern/vfs_helper.c, vfs_subr.c
 */
import type { Ucred } from '../kern/proc.js';
import type { Namecache } from './namecache.js';
import { EACCES, EPERM, EROFS, type Errno } from '../sys/errno.js';
import { MNT_RDONLY } from './mount.js';
import {
  SF_APPEND,
  SF_IMMUTABLE,
  SF_NOUNLINK,
  S_ISTXT,
  UF_APPEND,
  UF_IMMUTABLE,
  UF_NOUNLINK,
  type Vattr,
  type Vnode,
  VType,
} from './vnode.js';

export const VEXEC = 0o100;
export const VWRITE = 0o200;
export const VREAD = 0o400;

/**
 * May `cred` use a file with attributes `va` in all the ways of `mode` (VREAD | VWRITE | VEXEC)?
 * The superuser may all, but runs only what somebody may run.
 * Counterpart: vop_helper_access
 */
export function vaccess(va: Vattr, mode: number, cred: Ucred): Errno | null {
  if (cred.uid === 0) {
    if ((mode & VEXEC) !== 0 && va.type !== VType.VDIR && (va.mode & 0o111) === 0) return EACCES;
    return null;
  }
  let granted: number;
  if (cred.uid === va.uid) granted = va.mode;
  else if (cred.isMember(va.gid)) granted = va.mode << 3;
  else granted = va.mode << 6;
  return (granted & mode) === mode ? null : EACCES;
}

/** vaccess on a vnode reached by `ncp`, with what the mounts and file flags forbid. Attributes must be fresh. */
export function vnAccess(vp: Vnode, mode: number, cred: Ucred, ncp: Namecache | null = null): Errno | null {
  const va = vp.va;
  if ((mode & VWRITE) !== 0) {
    if (vp.type === VType.VREG || vp.type === VType.VDIR || vp.type === VType.VLNK) {
      if (((ncp === null ? 0 : ncp.mount.flags) | vp.mount.flags) & MNT_RDONLY) return EROFS;
    }
    if ((va.flags & (UF_IMMUTABLE | SF_IMMUTABLE)) !== 0) return EPERM;
  }
  return vp.ops.access(vp, mode, cred) ?? vaccess(va, mode, cred);
}

/**
 * May `cred` remove or rename `vp` in directory `dvp`? Write permission on the directory, sticky bit, file flags.
 * Counterpart: the NLC_DELETE part of naccess
 */
export function vnMayDelete(dvp: Vnode, vp: Vnode, cred: Ucred): Errno | null {
  const e = vnAccess(dvp, VWRITE | VEXEC, cred);
  if (e !== null) return e;
  const dva = dvp.va;
  if ((dva.flags & (UF_APPEND | SF_APPEND)) !== 0) return EPERM;
  const noUnlink = UF_NOUNLINK | SF_NOUNLINK | UF_IMMUTABLE | SF_IMMUTABLE | UF_APPEND | SF_APPEND;
  if ((vp.va.flags & noUnlink) !== 0) return EPERM;
  if ((dva.mode & S_ISTXT) !== 0 && cred.uid !== 0 && cred.uid !== dva.uid && cred.uid !== vp.va.uid) return EACCES;
  return null;
}
