/**
 * System V shared memory: shmget, shmat, shmdt, shmctl.
 *
 * A segment is an anonymous object, mapped shared. The segment holds one reference until IPC_RMID; from then on the mappings
 * keep the memory, and it goes with the last of them.
 *
 * Counterpart: sys/kern/sysv_shm.c
 */
import { Prot } from '../machine/machine.js';
import type { Blocking } from '../sys/blocking.js';
import { EINVAL, ENOMEM, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { type MapEntry, vmMapFind, vmMapInsert, vmMapRemove } from '../vm/vm_map.js';
import { type VmObject, vmObjectAlloc, vmObjectDeref, vmObjectRef } from '../vm/vm_object.js';
import { Inherit, MAXDSIZ, PAGE_SIZE, roundPage } from '../vm/vm_param.js';
import { pmapUpdate } from '../vm/pmap.js';
import { copyinB, copyoutB } from '../vm/vm_user.js';
import type { Vmspace } from '../vm/vmspace.js';
import type { Lwp } from './proc.js';
import {
  emitPerm,
  IPC_R,
  IPC_RMID,
  IPC_SET,
  IPC_STAT,
  IPC_W,
  type IpcObject,
  ipcOwner,
  IpcPerm,
  ipcPerm,
  IpcTable,
  ipcTime,
  setPerm,
} from './sysv_ipc.js';

const SHM_RDONLY = 0o10000;
const SHM_RND = 0o20000;
const SHMMNI = 512;
const SHMID_DS = 88;

class ShmSeg implements IpcObject {
  removed = false;
  lpid = 0;
  atime = 0n;
  dtime = 0n;
  ctime = ipcTime();
  constructor(
    readonly perm: IpcPerm,
    /** As asked for; the object has whole pages. */
    readonly size: number,
    readonly object: VmObject,
    readonly cpid: number,
  ) {}
}

declare module '../sys/globaldata.js' {
  interface GlobalData {
    shm: IpcTable<ShmSeg>;
  }
}

export function shmInit(): void {
  gd.shm = new IpcTable(SHMMNI);
}

/** Entries of `vm` that are attachments of `seg`: one for each shmat, at its start. */
const attachments = (vm: Vmspace, seg: ShmSeg): MapEntry[] =>
  vm.map.entries.filter((e) => e.object === seg.object && e.off === 0);

function nattch(seg: ShmSeg): number {
  let n = 0;
  for (const vm of gd.vm.vmspaces) n += attachments(vm, seg).length;
  return n;
}

/** Bytes of all segments: they may take two thirds of memory. */
function shmBytes(): number {
  let n = 0;
  for (const s of gd.shm.slots) if (s !== null) n += roundPage(s.size);
  return n;
}

/** Forget removed segments whose memory has gone with the last mapping. */
function sweep(): void {
  for (const s of gd.shm.slots) if (s !== null && s.removed && s.object.id === 0) gd.shm.free(s);
}

function shmget(lwp: Lwp, a: Float64Array): number | Errno {
  const [key, size, flags] = a;
  sweep();
  return gd.shm.get(
    lwp,
    key,
    flags,
    (s) => (size > s.size ? EINVAL : null),
    (seq) => {
      const max = Math.floor((gd.machine.ram.npages * PAGE_SIZE * 2) / 3);
      if (!(size >= 1 && size <= max)) return EINVAL;
      if (shmBytes() + roundPage(size) > max) return ENOMEM;
      const perm = new IpcPerm(key, flags & 0o777, seq, lwp.proc.cred);
      return new ShmSeg(perm, size, vmObjectAlloc('anon', null, roundPage(size)), lwp.proc.pid);
    },
  );
}

function shmat(lwp: Lwp, a: Float64Array): number | Errno {
  const [id, addr, flags] = a;
  const seg = gd.shm.find(id);
  if (seg instanceof Errno) return seg;
  const { vm, cred, pid } = lwp.proc;
  const rdonly = (flags & SHM_RDONLY) !== 0;
  const no = ipcPerm(cred, seg.perm, rdonly ? IPC_R : IPC_R | IPC_W);
  if (no !== null) return no;
  const prot = rdonly ? Prot.READ : Prot.READ | Prot.WRITE;
  const len = roundPage(seg.size);
  const opts = { cow: false, inherit: Inherit.SHARE };
  vmObjectRef(seg.object);
  let va: number | Errno;
  if (addr === 0)
    va = vmMapFind(vm.map, seg.object, 0, roundPage(vm.dataAddr + MAXDSIZ), len, PAGE_SIZE, prot, prot, opts);
  else {
    const at = (flags & SHM_RND) !== 0 ? addr - (addr % PAGE_SIZE) : addr;
    va = at % PAGE_SIZE !== 0 ? EINVAL : (vmMapInsert(vm.map, seg.object, 0, at, len, prot, prot, opts) ?? at);
  }
  if (va instanceof Errno) {
    vmObjectDeref(seg.object);
    return va;
  }
  pmapUpdate(vm.pmap);
  seg.lpid = pid;
  seg.atime = ipcTime();
  return va;
}

function shmdt(lwp: Lwp, a: Float64Array): number | Errno {
  const { vm, pid } = lwp.proc;
  const e = vm.map.lookup(a[0]);
  if (e === null || e.start !== a[0] || e.off !== 0) return EINVAL;
  const seg = gd.shm.slots.find((s) => s !== null && s.object === e.object) ?? null;
  if (seg === null) return EINVAL;
  const error = vmMapRemove(vm.map, e.start, e.start + roundPage(seg.size));
  pmapUpdate(vm.pmap);
  if (error !== null) return error;
  seg.lpid = pid;
  seg.dtime = ipcTime();
  sweep();
  return 0;
}

function emitShm(seg: ShmSeg): Uint8Array {
  const b = new Uint8Array(SHMID_DS);
  const v = new DataView(b.buffer);
  emitPerm(v, 0, seg.perm);
  v.setBigUint64(32, BigInt(seg.size), true);
  v.setInt32(40, seg.lpid, true);
  v.setInt32(44, seg.cpid, true);
  v.setInt32(48, nattch(seg), true);
  v.setBigInt64(56, seg.atime, true);
  v.setBigInt64(64, seg.dtime, true);
  v.setBigInt64(72, seg.ctime, true);
  return b;
}

function* shmctl(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const [id, cmd, buf] = a;
  sweep();
  const seg = gd.shm.find(id);
  if (seg instanceof Errno) return seg;
  const { vm, cred } = lwp.proc;
  switch (cmd) {
    case IPC_STAT: {
      const b = emitShm(seg);
      return ipcPerm(cred, seg.perm, IPC_R) ?? (yield* copyoutB(vm, b, 0, buf, b.length)) ?? 0;
    }
    case IPC_SET: {
      const b = new Uint8Array(SHMID_DS);
      const e = ipcOwner(cred, seg.perm) ?? (yield* copyinB(vm, buf, b, 0, b.length));
      if (e !== null) return e;
      setPerm(new DataView(b.buffer), 0, seg.perm);
      seg.ctime = ipcTime();
      return 0;
    }
    case IPC_RMID: {
      const e = ipcOwner(cred, seg.perm);
      if (e !== null) return e;
      if (seg.removed) return EINVAL;
      seg.removed = true;
      vmObjectDeref(seg.object);
      sweep();
      return 0;
    }
    default:
      return EINVAL;
  }
}

export const shmSyscalls: SyscallImpls = {
  shmget: { try: shmget },
  shmat: { try: shmat },
  shmdt: { try: shmdt },
  shmctl: { block: shmctl },
};
