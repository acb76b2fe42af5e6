/**
 * Expressions of ddb's print, call and conditions: JavaScript, with the exported functions and constants of the kernel's
 * rooms in scope, and `gd`, `td(id)`, `proc(pid)`, `lwp(pid, tid?)`, `vnode(path)`.
 */
import * as kernLock from '../kern/kern_lock.js';
import * as kernSig from '../kern/kern_sig.js';
import * as kernTimeout from '../kern/kern_timeout.js';
import * as lwkt from '../kern/lwkt_thread.js';
import * as procs from '../kern/proc.js';
import * as prf from '../kern/subr_prf.js';
import * as usched from '../kern/usched.js';
import * as shutdown from '../kern/kern_shutdown.js';
import * as errnos from '../sys/errno.js';
import * as signals from '../sys/signal.js';
import * as bio from '../vfs/bio.js';
import * as namecache from '../vfs/namecache.js';
import * as vnodes from '../vfs/vnode.js';
import * as vfsMount from '../vfs/vfs_mount.js';
import * as pmaps from '../vm/pmap.js';
import * as vmPage from '../vm/vm_page.js';
import * as vmObject from '../vm/vm_object.js';
import * as vmMap from '../vm/vm_map.js';
import * as vmUser from '../vm/vm_user.js';
import { gd } from '../sys/globaldata.js';
import * as describe from './describe.js';

export const threadById = (id: number): lwkt.LwktThread | null => [...gd.lwkt.threads].find((t) => t.id === id) ?? null;

/** The vnode that is cached for an absolute path, without asking a file system. */
export function vnodeByPath(path: string): vnodes.Vnode | null {
  let n: namecache.Namecache | null = gd.vfs.rootNcp;
  for (const name of path.split('/').filter((s) => s !== '')) {
    n = n?.children?.get(name) ?? null;
    while (n !== null && n.mountedHere !== null) n = n.mountedHere.root;
    if (n === null) return null;
  }
  return n?.vp ?? null;
}

export function lwpOf(pid: number, tid?: number): procs.Lwp | null {
  const p = procs.pfind(pid);
  return p === null ? null : tid === undefined ? p.firstLwp() : (p.lwps.get(tid) ?? null);
}

/** The lwp that a kernel thread belongs to, or null. */
export function lwpOfThread(td: lwkt.LwktThread): procs.Lwp | null {
  for (const p of gd.allproc.values()) for (const l of p.lwps.values()) if (l.td === td) return l;
  return null;
}

/** All names that expressions see. */
export function scope(): Record<string, unknown> {
  return {
    ...errnos,
    ...signals,
    ...describe,
    ...kernLock,
    ...kernSig,
    ...kernTimeout,
    ...lwkt,
    ...procs,
    ...prf,
    ...usched,
    ...shutdown,
    ...bio,
    ...namecache,
    ...vnodes,
    ...vfsMount,
    ...pmaps,
    ...vmPage,
    ...vmObject,
    ...vmMap,
    ...vmUser,
    gd,
    td: threadById,
    proc: procs.pfind,
    lwp: lwpOf,
    vnode: vnodeByPath,
  };
}

/** Evaluate; what the expression throws comes out. `more` adds names. */
export function evaluate(expr: string, more: Record<string, unknown> = {}): unknown {
  const names = { ...scope(), ...more };
  const fn = new Function(...Object.keys(names), `"use strict"; return (${expr});`) as (...a: unknown[]) => unknown;
  return fn(...Object.values(names));
}

/** A value on one line, or a few. */
export function show(v: unknown, depth = 1): string {
  const line = objectLine(v);
  if (line !== null) return line;
  if (typeof v === 'string') return JSON.stringify(v);
  if (typeof v === 'function') return `function ${v.name}`;
  if (typeof v !== 'object' || v === null) return String(v);
  if (ArrayBuffer.isView(v)) {
    const a = v as Uint8Array;
    return `${v.constructor.name}(${a.length}) [${Array.from(a.slice(0, 16)).join(', ')}${a.length > 16 ? ', ...' : ''}]`;
  }
  const items = (it: Iterable<unknown>, n: number): string => {
    const out: string[] = [];
    for (const x of it) {
      if (out.length === 8) {
        out.push(`... ${n} in all`);
        break;
      }
      out.push(depth > 0 ? show(x, depth - 1) : typeof x);
    }
    return out.join(', ');
  };
  if (Array.isArray(v)) return `[${items(v, v.length)}]`;
  if (v instanceof Set) return `Set(${v.size}) {${items(v, v.size)}}`;
  if (v instanceof Map) return `Map(${v.size}) {${items(v.values(), v.size)}}`;
  const name = (v.constructor as { name?: string } | undefined)?.name ?? 'Object';
  if (depth === 0) return name;
  const fields = Object.entries(v).map(([k, x]) => `  ${k}: ${show(x, depth - 1)}`);
  return `${name} {\n${fields.join('\n')}\n}`;
}

/** The one-line form of a kernel object, or null for what has none. */
export function objectLine(v: unknown): string | null {
  if (v instanceof vnodes.Vnode) return describe.vnodeLine(v);
  if (v instanceof procs.Proc) return describe.procLine(v);
  if (v instanceof procs.Lwp) return describe.lwpLine(v);
  if (v instanceof lwkt.LwktThread) return describe.threadLine(v);
  if (v instanceof vmObject.VmObject) return describe.objectLine(v);
  if (v instanceof vmMap.VmMap) return describe.mapLine(v);
  if (v instanceof vmMap.MapEntry) return describe.mapEntryLine(v);
  if (v instanceof kernLock.Lock) return describe.lockLine(v);
  if (v instanceof kernTimeout.Callout) return describe.calloutLine(v);
  if (v instanceof errnos.Errno) return `${v.name} (${v.text})`;
  return null;
}
