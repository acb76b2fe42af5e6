/**
 * Kernel objects in one readable line: for ddb's `show`, for the inspector's console and for util.inspect.
 */
import { gd } from '../sys/globaldata.js';
import type { Lock } from '../kern/kern_lock.js';
import type { Callout } from '../kern/kern_timeout.js';
import { type LwktThread, TdState } from '../kern/lwkt_thread.js';
import { type Lwp, type Proc, ProcState } from '../kern/proc.js';
import type { Mbuf } from '../kern/uipc_mbuf.js';
import type { Socket } from '../kern/uipc_socket.js';
import type { File } from '../kern/file.js';
import { Errno } from '../sys/errno.js';
import type { Mount } from '../vfs/mount.js';
import { cacheFullpath, type Namecache } from '../vfs/namecache.js';
import { TYPE_ROOT, type Node as H2Node } from '../vfs/hammer2/node.js';
import { type Vnode, VType } from '../vfs/vnode.js';
import type { MapEntry, VmMap } from '../vm/vm_map.js';
import type { VmObject } from '../vm/vm_object.js';
import { PG, PQ } from '../vm/vm_pages.js';

export const hex = (n: number): string => `0x${n.toString(16)}`;
const vtypes = ['VNON', 'VREG', 'VDIR', 'VBLK', 'VCHR', 'VLNK', 'VSOCK', 'VFIFO', 'VBAD', 'VDATABASE'];
const tdStates = ['desched', 'runq', 'running', 'sleep', 'dead'];
const procStates: Readonly<Record<number, string>> = { 1: 'idle', 2: 'active', 3: 'stop', 4: 'zomb', 5: 'core' };
const queues = ['none', 'free', 'limbo', 'hold', 'inactive', 'active', 'cache'];
const h2types: Readonly<Record<number, string>> = {
  1: 'inode',
  2: 'indirect',
  3: 'data',
  4: 'dirent',
  5: 'freemap-node',
  6: 'freemap-leaf',
  [TYPE_ROOT]: 'root',
};

/** `rwx` of a protection. */
export const protText = (p: number): string =>
  `${(p & 1) !== 0 ? 'r' : '-'}${(p & 2) !== 0 ? 'w' : '-'}${(p & 4) !== 0 ? 'x' : '-'}`;

/** The names by which a vnode is cached, found by walking the name cache of its mount; at most `max`. */
export function vnodePaths(vp: Vnode, max = 1): string[] {
  const out: string[] = [];
  const walk = (n: Namecache, path: string): void => {
    if (out.length >= max) return;
    if (n.vp === vp) out.push(path === '' ? '/' : path);
    if (n.children !== null) for (const [name, c] of n.children) walk(c, `${path}/${name}`);
  };
  const on = vp.mount.on === '/' ? '' : vp.mount.on;
  if ((vp.mount.root as unknown) !== null) walk(vp.mount.root, on);
  return out;
}

export function vnodeLine(vp: Vnode): string {
  const path = vnodePaths(vp)[0] ?? '(no name)';
  const lock = vp.lockExcl ? ' locked' : vp.lockShared > 0 ? ` shared:${vp.lockShared}` : '';
  return (
    `vnode ${vtypes[vp.type]} ${path} ${vp.mount.ops.name} ino=${vp.va.ino} size=${vp.va.size} use=${vp.usecount} nc=${vp.ncCount}` +
    ` pages=${vp.object?.resident ?? 0}${lock}${vp.dead ? ' DEAD' : ''}${vp.type === VType.VDIR ? '' : ` w=${vp.writecount}`}`
  );
}

export function namecachePath(n: Namecache): string {
  const p = cacheFullpath(n, gd.vfs.rootNcp);
  return p instanceof Errno ? `?/${n.name}` : p;
}

export const mountLine = (m: Mount): string =>
  `mount ${m.from} on ${m.on} (${m.ops.name}) flags=${hex(m.flags)} refs=${m.refs}${m.dying ? ' DYING' : ''}`;

export const threadState = (td: LwktThread, l: Lwp | null): string =>
  l !== null && l.mach.running
    ? 'user'
    : l !== null && td.state === TdState.SLEEPING && td.wmesg === ''
      ? l.us.heapIdx >= 0
        ? 'cpuq'
        : l.us.vcpu >= 0
          ? 'user'
          : 'idle'
      : tdStates[td.state];

export const threadLine = (td: LwktThread): string =>
  `thread ${td.id} (${td.name}) ${tdStates[td.state]}${td.wmesg === '' ? '' : ` on "${td.wmesg}"`} pri=${td.pri} cpu=${td.cpu}` +
  ` ${(td.cpuNs / 1e6).toFixed(1)} ms${td.tokens.length > 0 ? ` tokens=${td.tokens.map((t) => t.name).join(',')}` : ''}`;

export const procLine = (p: Proc): string =>
  `proc ${p.pid} (${p.comm}) ${procStates[p.state]} uid=${p.cred.uid} parent=${p.parent?.pid ?? 0} pgrp=${p.pgrp.id}` +
  ` lwps=${p.lwps.size} flags=${hex(p.flags)}`;

export const lwpLine = (l: Lwp): string =>
  `lwp ${l.proc.pid}.${l.tid} (${l.proc.comm}) ${threadState(l.td, l)}${l.td.wmesg === '' ? '' : ` on "${l.td.wmesg}"`}` +
  ` thread=${l.td.id}${l.sysno !== 0 ? ` syscall=${gd.sysent[l.sysno]?.name ?? l.sysno}` : ''}`;

export const mapEntryLine = (e: MapEntry): string =>
  `${hex(e.start)}-${hex(e.end)} ${protText(e.prot)}/${protText(e.maxprot)} ${e.cow ? (e.needsCopy ? 'needs-copy' : 'cow') : 'shared'}` +
  ` off=${hex(e.off)} ${e.object === null ? 'untouched' : `object ${e.object.id} (${e.object.type}, ${e.object.resident} pages)`}` +
  `${e.stackLimit !== 0 ? ' stack' : ''}${e.wired ? ' wired' : ''}`;

export const mapLine = (m: VmMap): string =>
  `vm_map ${m.entries.length} entries, ${Math.floor(m.size / 1024)} KB, ${m.pmap.resident} pages resident`;

export const objectLine = (o: VmObject): string =>
  `object ${o.id} ${o.type} size=${hex(o.sizeBytes)} refs=${o.refs} resident=${o.resident} shadows=${o.shadows.length}` +
  (o.backing === null ? '' : ` backing=${o.backing.id}+${hex(o.backingOff * 4096)}`);

export function pageLine(ppn: number): string {
  const pg = gd.vm.pages;
  const f = pg.flags[ppn];
  const names: string[] = [];
  for (const [bit, name] of [
    [PG.VALID, 'valid'],
    [PG.DIRTY, 'dirty'],
    [PG.BUSY, 'busy'],
    [PG.ZERO, 'zero'],
    [PG.REFERENCED, 'ref'],
    [PG.MAPPED, 'mapped'],
  ] as const)
    if ((f & bit) !== 0) names.push(name);
  const where = pg.objId[ppn] === 0 ? 'kernel' : `object ${pg.objId[ppn]} pindex ${pg.pindex[ppn]}`;
  return (
    `page ${ppn} pa=${hex(ppn * 4096)} queue=${queues[pg.queue[ppn]]}` +
    `${pg.queue[ppn] === PQ.FREE ? '' : ` ${where} wire=${pg.wire[ppn]} hold=${pg.hold[ppn]}`} <${names.join(',')}>`
  );
}

export function mbufLine(m: Mbuf): string {
  let n = 0;
  let total = 0;
  for (let x: Mbuf | null = m; x !== null && n < 10000; x = x.next) {
    n++;
    total += x.len;
  }
  return `mbuf len=${m.len} off=${m.off} of ${m.data.length} refs=${m.ext.refs}; chain of ${n}, ${total} bytes`;
}

const sotypes = ['?', 'stream', 'dgram', 'raw', 'rdm', 'seqpacket'];
export const socketLine = (s: Socket): string =>
  `socket ${s.ino} family=${s.proto.family} ${sotypes[s.proto.type] ?? s.proto.type} state=${hex(s.state)} options=${hex(s.options)}` +
  ` rcv=${s.rcv.cc}/${s.rcv.hiwat} snd=${s.snd.cc}/${s.snd.hiwat}${s.qlimit > 0 ? ` listen=${s.comp.length}/${s.qlimit}` : ''}` +
  `${s.error === null ? '' : ` error=${s.error.name}`}`;

export const lockLine = (l: Lock): string =>
  `lock "${l.wmesg}" ` +
  (l.excl > 0
    ? `exclusive by thread ${l.owner?.id ?? '-'}${l.excl > 1 ? ` (${l.excl} times)` : ''}`
    : l.count > 0
      ? `shared by ${l.count}`
      : 'free') +
  (l.q.head !== null ? `, waiters: ${waiters(l.q.head).join(' ')}` : '');

/** Thread ids on a wait queue. */
export function waiters(head: LwktThread | null): number[] {
  const out: number[] = [];
  for (let t = head; t !== null; t = t.sqNext) out.push(t.id);
  return out;
}

export const calloutLine = (c: Callout): string =>
  `callout ${c.active ? `in ${((c.timeNs - gd.machine.now()) / 1e6).toFixed(3)} ms` : 'idle'} ${c.fn.name === '' ? c.fn.toString().replace(/\s+/g, ' ').slice(0, 60) : c.fn.name}`;

export function chainLine(n: H2Node): string {
  const key = n.keyHi.toString(16) + n.keyLo.toString(16).padStart(8, '0');
  return (
    `chain ${h2types[n.type] ?? n.type} key=${key}/${n.keybits} slots=${n.n}/${n.cap} in-core=${n.kidCount}` +
    `${n.dirty ? ' DIRTY' : ''}${n.pins > 0 ? ` pins=${n.pins}` : ''}${n.gone ? ' GONE' : ''}`
  );
}

const ftypes = ['?', 'vnode', 'socket', 'pipe', 'fifo', 'kqueue', 'crypto', 'mqueue', 'syslink', 'dmabuf'];
export const fileLine = (f: File): string =>
  `file ${ftypes[f.type] ?? f.type} refs=${f.refs} flags=${hex(f.flags)} offset=${f.offset}` +
  (f.ncp === null ? '' : ` ${namecachePath(f.ncp)}`);

export const isZombie = (p: Proc): boolean => p.state === ProcState.ZOMB;
