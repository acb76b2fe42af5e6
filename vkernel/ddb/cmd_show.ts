/** ddb's `show` commands, and dmesg: kernel objects by their numbers and names. */
import { gd } from '../sys/globaldata.js';
import { Reg } from '../machine/machine.js';
import { Lock } from '../kern/kern_lock.js';
import { type LwktThread, TdState } from '../kern/lwkt_thread.js';
import { type Lwp, pfind, type Proc } from '../kern/proc.js';
import { DTYPE_SOCKET } from '../kern/file.js';
import { Socket } from '../kern/uipc_socket.js';
import { Mbuf } from '../kern/uipc_mbuf.js';
import type { Mount } from '../vfs/mount.js';
import type { Namecache } from '../vfs/namecache.js';
import { Hammer2Vfs } from '../vfs/hammer2/hammer2_node.js';
import { PfsCore } from '../vfs/hammer2/pfs.js';
import type { Node as H2Node } from '../vfs/hammer2/node.js';
import type { Vnode } from '../vfs/vnode.js';
import { PQ } from '../vm/vm_pages.js';
import { lwpsByThread, threadArg } from './cmd_run.js';
import type { DdbCommand } from './commands.js';
import type { Ddb } from './ddb.js';
import * as dsc from './describe.js';
import { vnodeByPath } from './eval.js';

function procArg(d: Ddb, text: string): Proc | null {
  const p = text === '' ? (currentLwp()?.proc ?? null) : pfind(Number(text));
  if (p === null) d.out(text === '' ? 'no current process: give a PID\n' : `no process ${text}\n`);
  return p;
}

/** The lwp whose kernel thread runs, if one does. */
function currentLwp(): Lwp | null {
  return gd.lwkt.cur === null ? null : (lwpsByThread().get(gd.lwkt.cur) ?? null);
}

function showThread(d: Ddb, args: string): void {
  const td = args === '' ? gd.lwkt.cur : threadArg(d, args);
  if (td === null) {
    if (args === '') d.out('no current thread: give a TID\n');
    return;
  }
  d.out(`${dsc.threadLine(td)}\n`);
  const l = lwpsByThread().get(td);
  if (l !== undefined) d.out(`  ${dsc.lwpLine(l)}\n`);
  if (td.wq !== null) d.out(`  waits with threads ${dsc.waiters(td.wq.head).join(' ')}\n`);
  if (td.timer !== null && td.timer.active) d.out(`  until ${dsc.calloutLine(td.timer)}\n`);
}

function showProc(d: Ddb, args: string): void {
  const p = procArg(d, args);
  if (p === null) return;
  d.out(`${dsc.procLine(p)}\n`);
  d.out(
    `  program ${p.execPath === '' ? '(none)' : p.execPath}, started ${(p.startNs / 1e9).toFixed(3)} s after boot\n`,
  );
  d.out(`  cwd ${dsc.namecachePath(p.fd.cwd)}, root ${dsc.namecachePath(p.fd.root)}\n`);
  if (!dsc.isZombie(p)) d.out(`  ${dsc.mapLine(p.vm.map)}\n`);
  for (const l of p.lwps.values()) d.out(`  ${dsc.lwpLine(l)}\n`);
  p.fd.files.forEach((f, i) => {
    if (f !== null) d.out(`  fd ${i}: ${dsc.fileLine(f)}\n`);
  });
}

function showMap(d: Ddb, args: string): void {
  const p = procArg(d, args);
  if (p === null) return;
  d.out(`${dsc.mapLine(p.vm.map)}\n`);
  for (const e of p.vm.map.entries) d.out(`  ${dsc.mapEntryLine(e)}\n`);
}

function showObject(d: Ddb, args: string): void {
  const objects = gd.vm.objects;
  if (args === '') {
    for (const o of objects) if (o !== null) d.out(`${dsc.objectLine(o)}\n`);
    d.out(`${objects.length - 1 - gd.vm.freeObjIds.length} objects\n`);
    return;
  }
  let o = objects[Number(args)] ?? null;
  if (o === null) d.out(`no object ${args}\n`);
  for (let indent = ''; o !== null; o = o.backing, indent += '  ') {
    d.out(`${indent}${dsc.objectLine(o)}\n`);
    let n = 0;
    for (let p = o.pageHead; p >= 0 && n < 8; p = gd.vm.pages.onext[p], n++) d.out(`${indent}  ${dsc.pageLine(p)}\n`);
    if (o.resident > 8) d.out(`${indent}  ... ${o.resident} pages in all\n`);
  }
}

function showPage(d: Ddb, args: string): void {
  const { pages } = gd.vm;
  if (args === '') {
    d.out(`${pages.npages} pages: ${pages.freeCount} free, ${pages.wireCount} wired`);
    const names = ['limbo', 'hold', 'inactive', 'active', 'cache'];
    for (let q = PQ.LIMBO; q < PQ.COUNT; q++) d.out(`, ${pages.qcount[q]} ${names[q - PQ.LIMBO]}`);
    d.out(`; reserve ${gd.vm.freeReserved}, low water ${gd.vm.freeMin}\n`);
    return;
  }
  const n = Number(args);
  if (!(n >= 0 && n < pages.npages)) d.out(`no page ${args}: 0 to ${pages.npages - 1}\n`);
  else d.out(`${dsc.pageLine(n)}\n`);
}

function eachCached(n: Namecache, f: (vp: Vnode) => void): void {
  if (n.vp !== null) f(n.vp);
  if (n.children !== null) for (const c of n.children.values()) eachCached(c, f);
}

function showVnode(d: Ddb, args: string): void {
  if (args === '') {
    const seen = new Set<Vnode>();
    for (const m of gd.vfs.mounts) eachCached(m.root, (vp) => seen.add(vp));
    for (const vp of [...seen].filter((v) => v.usecount > 0)) d.out(`${dsc.vnodeLine(vp)}\n`);
    d.out(`${seen.size} vnodes cached\n`);
    return;
  }
  const vp = vnodeByPath(args);
  if (vp === null) {
    d.out(`${args}: not in the name cache\n`);
    return;
  }
  d.out(`${dsc.vnodeLine(vp)}\n`);
  const { va } = vp;
  d.out(
    `  mode ${va.mode.toString(8)} uid ${va.uid} gid ${va.gid} nlink ${va.nlink} mtime ${va.mtimeSec}.${String(va.mtimeNsec).padStart(9, '0')}\n`,
  );
  d.out(`  ${dsc.mountLine(vp.mount)}\n`);
  for (const name of dsc.vnodePaths(vp, 5)) d.out(`  name ${name}\n`);
  if (vp.object !== null) d.out(`  ${dsc.objectLine(vp.object)}\n`);
  if (vp.lockq.head !== null) d.out(`  waiting for its lock: threads ${dsc.waiters(vp.lockq.head).join(' ')}\n`);
}

const mountAt = (path: string): Mount | null => gd.vfs.mounts.find((m) => m.on === path) ?? null;

function showMount(d: Ddb, args: string): void {
  const list = args === '' ? gd.vfs.mounts : [mountAt(args)].filter((m) => m !== null);
  if (list.length === 0) d.out(`nothing is mounted on ${args}\n`);
  for (const m of list) {
    d.out(`${dsc.mountLine(m)}\n`);
    if (args === '') continue;
    const s = m.ops.statfs(m);
    d.out(`  blocks of ${s.bsize}: ${s.blocks}, free ${s.bfree}; files ${s.files}\n`);
  }
}

function showBuf(d: Ddb): void {
  const pending = new Set(gd.bio.byCookie.values());
  d.out(
    `${gd.bio.byCookie.size} transfers under way in ${pending.size} requests; ${gd.bio.nextCookie - 1} since boot\n`,
  );
  for (const [cookie, b] of gd.bio.byCookie)
    d.out(`  transfer ${cookie}: threads ${dsc.waiters(b.q.head).join(' ')}\n`);
  for (const disk of gd.machine.disks)
    d.out(`${disk.name}: ${disk.sizeBytes} bytes${disk.readonly ? ', read-only' : ''}\n`);
}

function showHammer2(d: Ddb, args: string): void {
  const mounts = gd.vfs.mounts.filter((m) => m.data instanceof Hammer2Vfs && (args === '' || m.on === args));
  if (mounts.length === 0) d.out(args === '' ? 'no HAMMER2 is mounted\n' : `no HAMMER2 on ${args}\n`);
  for (const mp of mounts) {
    const h = mp.data as Hammer2Vfs;
    d.out(`${dsc.mountLine(mp)}\n`);
    if (!(h.m instanceof PfsCore)) continue;
    const fs = h.m.device;
    d.out(
      `  ${fs.name}: header ${fs.headerCopy} mirror_tid=${dsc.hex(fs.mirrorTid)}${fs.readonly ? ' read-only' : ''}${fs.emergency ? ' emergency' : ''}\n`,
    );
    d.out(
      `  tree ${fs.tree.bytes} bytes in core, ${fs.tree.dirtyBytes} dirty; loads ${fs.tree.stats.loads}, evictions ${fs.tree.stats.evictions}\n`,
    );
    d.out(`  ${fs.dirtyInodes.size} dirty inodes, ${h.vnodes.size} vnodes; syncs ${fs.stats.syncs}\n`);
    const walk = (n: H2Node, indent: string, depth: number): void => {
      d.out(`${indent}${dsc.chainLine(n)}\n`);
      if (depth === 0) return;
      let shown = 0;
      for (const k of n.kids) if (k !== null && shown++ < 8) walk(k, `${indent}  `, depth - 1);
      if (n.kidCount > 8) d.out(`${indent}  ... ${n.kidCount} in core\n`);
    };
    walk(fs.root, '  ', 3);
  }
}

/** All sockets: those of open files, and those that wait to be accepted. */
function allSockets(): Set<Socket> {
  const out = new Set<Socket>();
  const add = (s: Socket): void => {
    out.add(s);
    for (const c of s.comp) out.add(c);
    for (const c of s.incomp) out.add(c);
  };
  for (const p of gd.allproc.values())
    for (const f of p.fd.files) if (f !== null && f.type === DTYPE_SOCKET && f.data instanceof Socket) add(f.data);
  return out;
}

function showSocket(d: Ddb, args: string): void {
  const all = [...allSockets()];
  const list = args === '' ? all : all.filter((s) => s.ino === Number(args));
  if (list.length === 0) d.out(args === '' ? 'no sockets\n' : `no socket ${args}\n`);
  for (const s of list) {
    d.out(`${dsc.socketLine(s)}\n`);
    if (args === '') continue;
    for (const [name, sb] of [
      ['rcv', s.rcv],
      ['snd', s.snd],
    ] as const) {
      d.out(
        `  ${name}: ${sb.cc} bytes, high water ${sb.hiwat}${sb.q.head === null ? '' : `, threads ${dsc.waiters(sb.q.head).join(' ')}`}\n`,
      );
      for (let r = sb.head; r !== null; r = r.next) if (r.m !== null) d.out(`    ${dsc.mbufLine(r.m)}\n`);
    }
  }
}

function showMbuf(d: Ddb): void {
  d.out(`${gd.mbufs ?? 0} mbufs in use\n`);
  for (const s of allSockets())
    for (const sb of [s.rcv, s.snd])
      for (let r = sb.head; r !== null; r = r.next)
        if (r.m instanceof Mbuf) d.out(`  socket ${s.ino}: ${dsc.mbufLine(r.m)}\n`);
}

function showLocks(d: Ddb, args: string): void {
  let n = 0;
  const engine = d.port?.engine() ?? null;
  for (const o of engine?.instances(Lock.prototype) ?? []) {
    const l = o as Lock;
    if ((l.excl === 0 && l.count === 0 && l.q.head === null) || (args !== '' && l.wmesg !== args)) continue;
    d.out(`${dsc.lockLine(l)}\n`);
    n++;
  }
  const seen = new Set<Vnode>();
  for (const m of gd.vfs.mounts) eachCached(m.root, (vp) => seen.add(vp));
  for (const vp of seen)
    if ((vp.lockExcl || vp.lockShared > 0 || vp.lockq.head !== null) && args === '') {
      d.out(
        `${dsc.vnodeLine(vp)}${vp.lockq.head === null ? '' : `, waiters: ${dsc.waiters(vp.lockq.head).join(' ')}`}\n`,
      );
      n++;
    }
  for (const td of gd.lwkt.threads)
    for (const t of td.tokens)
      if (args === '' || t.name === args) {
        d.out(`token ${t.name} by thread ${td.id} (${td.name})\n`);
        n++;
      }
  d.out(`${n} locks held or waited for${engine === null ? ' (lockmgr locks: only with the engine debugger)' : ''}\n`);
}

function showCallouts(d: Ddb): void {
  const list = [...gd.callouts.heap.items()].sort((a, b) => a.timeNs - b.timeNs || a.seq - b.seq);
  for (const c of list) d.out(`${dsc.calloutLine(c)}\n`);
  d.out(`${list.length} armed, now ${(gd.machine.now() / 1e9).toFixed(6)} s\n`);
}

const regNames: readonly (readonly [string, Reg])[] = [
  ['rax', Reg.RAX],
  ['rbx', Reg.RBX],
  ['rcx', Reg.RCX],
  ['rdx', Reg.RDX],
  ['rsi', Reg.RSI],
  ['rdi', Reg.RDI],
  ['rbp', Reg.RBP],
  ['rsp', Reg.RSP],
  ['r8', Reg.R8],
  ['r9', Reg.R9],
  ['r10', Reg.R10],
  ['r11', Reg.R11],
  ['r12', Reg.R12],
  ['r13', Reg.R13],
  ['r14', Reg.R14],
  ['r15', Reg.R15],
  ['rip', Reg.RIP],
  ['rflags', Reg.RFLAGS],
];

function showRegisters(d: Ddb, args: string): void {
  let l: Lwp | null;
  if (args === '') l = currentLwp();
  else {
    const td: LwktThread | null = threadArg(d, args);
    if (td === null) return;
    l = lwpsByThread().get(td) ?? null;
  }
  if (l === null) {
    d.out(args === '' ? 'no current lwp: give a TID or pPID\n' : 'a kernel thread: no user registers\n');
    return;
  }
  const { mach } = l;
  d.out(
    `${dsc.lwpLine(l)}${mach.running ? ', running: values may be old' : mach.full ? '' : ', in a system call: only some registers were saved'}\n`,
  );
  regNames.forEach(([name, r], i) => {
    const hi = mach.frame[r * 2 + 1].toString(16).padStart(8, '0');
    d.out(`${name.padStart(6)} ${hi}${mach.frame[r * 2].toString(16).padStart(8, '0')}${i % 3 === 2 ? '\n' : ''}`);
  });
}

function showBreaks(d: Ddb): void {
  for (const b of d.breaks.list)
    d.out(`${b.id} ${b.kind} ${b.what}${b.cond === '' ? '' : ` if ${b.cond}`}, ${b.hits} hits\n`);
  d.out(`${d.breaks.list.length} breakpoints\n`);
}

function dmesg(d: Ddb, args: string): void {
  let text = '';
  for (const c of gd.prf.msgbuf.contents()) text += String.fromCharCode(c);
  const lines = text.split('\n');
  const n = args === '' ? lines.length : Number(args) + 1;
  d.out(lines.slice(-n).join('\n'));
  if (!text.endsWith('\n')) d.out('\n');
}

function showSleepers(d: Ddb): void {
  const byWmesg = new Map<string, number[]>();
  for (const td of gd.lwkt.threads)
    if (td.state === TdState.SLEEPING) byWmesg.set(td.wmesg, [...(byWmesg.get(td.wmesg) ?? []), td.id]);
  for (const [w, ids] of [...byWmesg].sort()) d.out(`${(w === '' ? '(idle lwp)' : w).padEnd(10)} ${ids.join(' ')}\n`);
  d.out(`${gd.lwkt.threads.size} threads, ${gd.lwkt.nrunnable} runnable\n`);
}

export const showCommands: readonly DdbCommand[] = [
  { name: 'show thread', args: '[TID|pPID]', help: 'a kernel thread', run: showThread },
  {
    name: 'show threads',
    alias: ['show sleepers'],
    args: '',
    help: 'threads by what they sleep on',
    run: showSleepers,
  },
  { name: 'show proc', args: '[PID]', help: 'a process, its threads and descriptors', run: showProc },
  { name: 'show map', args: '[PID]', help: 'address map of a process', run: showMap },
  { name: 'show object', args: '[ID]', help: 'a VM object with what backs it; all', run: showObject },
  { name: 'show page', args: '[PPN]', help: 'a physical page; the queues', run: showPage },
  { name: 'show vnode', args: '[PATH]', help: 'a cached vnode; those in use', run: showVnode },
  { name: 'show mount', args: '[PATH]', help: 'mounts', run: showMount },
  { name: 'show buf', args: '', help: 'disk transfers under way', run: showBuf },
  { name: 'show hammer2', args: '[PATH]', help: 'HAMMER2 mounts: header, caches, chains in core', run: showHammer2 },
  { name: 'show mbuf', args: '', help: 'mbufs and who has them', run: showMbuf },
  { name: 'show socket', args: '[INO]', help: 'sockets', run: showSocket },
  {
    name: 'show lock',
    alias: ['show all locks', 'show locks'],
    args: '[NAME]',
    help: 'locks and tokens held or waited for',
    run: showLocks,
  },
  { name: 'show callout', args: '', help: 'armed timers', run: showCallouts },
  { name: 'show registers', args: '[TID|pPID]', help: 'user registers of a thread', run: showRegisters },
  { name: 'show breaks', args: '', help: 'breakpoints and watchpoints', run: showBreaks },
  { name: 'dmesg', args: '[LINES]', help: 'the message buffer', run: dmesg },
];
