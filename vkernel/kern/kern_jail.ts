/**
 * Jails: a part of the file tree and of the process tree with a name of its own, whose super-user has no power outside.
 *
 * First version: root directory, host name, variant symbols, visibility of processes, and what a jailed super-user may not do
 * (mounts, clocks, devices, sysctls, the kernel environment, reboot, further jails). Addresses are kept and listed.
 *
 * Counterpart: sys/kern/kern_jail.c; dragonfly-abi.md 3.8
 */
import type { Blocking } from '../sys/blocking.js';
import { EAGAIN, EINVAL, ENAMETOOLONG, ENOENT, EPERM, ESRCH, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { cacheDrop, cacheFullpath, cacheHold, type Namecache } from '../vfs/namecache.js';
import { NLC_FOLLOW, nlookup } from '../vfs/nlookup.js';
import { VType } from '../vfs/vnode.js';
import { copyinB, copyinstrB } from '../vm/vm_user.js';
import { sysctlAdd, sysctlNumber } from './kern_sysctl.js';
import type { VarsymSet } from './kern_varsym.js';
import { credIsHostSuper, credIsSuper, type Lwp, type Proc } from './proc.js';

const JAIL = 40;
const JAIL_V0 = 32;
const MAXHOSTNAMELEN = 256;
const MAX_JAILS = 999999;
const SOCKADDR_STORAGE = 128;
const MAX_IPS = 64;
const AF_INET = 2;

export class Prison {
  readonly varsyms: VarsymSet = new Map();
  constructor(
    readonly id: number,
    readonly path: string,
    public hostname: string,
    readonly root: Namecache,
    /** IPv4 addresses as text, others as their family. */
    readonly ips: string[],
  ) {}
}

declare module '../sys/globaldata.js' {
  interface GlobalData {
    jail: { prisons: Map<number, Prison>; lastId: number; setHostnameAllowed: boolean };
  }
}

/** ESRCH when `p` is not in the jail of `me`: a jail does not see what is outside. */
export const prisonCheck = (me: Proc, p: Proc): Errno | null =>
  me.cred.prison === null || me.cred.prison === p.cred.prison ? null : ESRCH;

/** The last process has left: the jail is gone. */
function sweep(): void {
  const used = new Set<Prison>();
  for (const p of gd.allproc.values()) if (p.cred.prison !== null) used.add(p.cred.prison);
  for (const pr of gd.jail.prisons.values()) {
    if (used.has(pr)) continue;
    gd.jail.prisons.delete(pr.id);
    cacheDrop(pr.root);
  }
}

/** Put `p` into the jail. */
function attach(p: Proc, pr: Prison): void {
  for (const which of ['root', 'cwd'] as const) {
    const old = p.fd[which];
    p.fd[which] = cacheHold(pr.root);
    cacheDrop(old);
  }
  p.cred = p.cred.copy();
  p.cred.prison = pr;
}

/** The sockaddrs of struct jail. */
function* copyIps(p: Proc, va: number, n: number): Blocking<string[] | Errno> {
  if (n > MAX_IPS) return EINVAL;
  const b = new Uint8Array(n * SOCKADDR_STORAGE);
  const e = yield* copyinB(p.vm, va, b, 0, b.length);
  if (e !== null) return e;
  return Array.from({ length: n }, (_, i) => {
    const o = i * SOCKADDR_STORAGE;
    return b[o + 1] === AF_INET ? b.subarray(o + 4, o + 8).join('.') : `af${b[o + 1]}`;
  });
}

function* sysJail(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const p = lwp.proc;
  if (!credIsHostSuper(p.cred)) return EPERM;
  const b = new Uint8Array(JAIL);
  const v = new DataView(b.buffer);
  let e = yield* copyinB(p.vm, a[0], b, 0, JAIL_V0);
  if (e !== null) return e;
  const version = v.getUint32(0, true);
  if (version > 1) return EINVAL;
  const ptr = (o: number): number => v.getUint32(o + 4, true) * 0x1_0000_0000 + v.getUint32(o, true);
  let ips: string[] | Errno = [];
  if (version === 0) ips = [[3, 2, 1, 0].map((i) => b[24 + i]).join('.')];
  else {
    e = yield* copyinB(p.vm, a[0], b, 0, JAIL);
    if (e !== null) return e;
    ips = yield* copyIps(p, ptr(32), v.getUint32(24, true));
  }
  if (ips instanceof Errno) return ips;
  const hostname = yield* copyinstrB(p.vm, ptr(16), MAXHOSTNAMELEN);
  if (hostname instanceof Errno) return hostname;
  const path = yield* copyinstrB(p.vm, ptr(8), 1024);
  if (path instanceof Errno) return path;
  if (path.length >= 1023) return ENAMETOOLONG;
  sweep();
  if (gd.jail.prisons.size >= MAX_JAILS) return EAGAIN;
  const nd = yield* nlookup(p.fd, p.cred, p.fd.cwd, path, NLC_FOLLOW);
  if (nd instanceof Errno) return nd;
  try {
    if (nd.ncp.vp === null) return ENOENT;
    if (nd.ncp.vp.type !== VType.VDIR) return EINVAL;
    const full = cacheFullpath(nd.ncp, gd.vfs.rootNcp);
    do gd.jail.lastId = gd.jail.lastId >= MAX_JAILS ? 1 : gd.jail.lastId + 1;
    while (gd.jail.prisons.has(gd.jail.lastId));
    const pr = new Prison(gd.jail.lastId, typeof full === 'string' ? full : path, hostname, cacheHold(nd.ncp), ips);
    gd.jail.prisons.set(pr.id, pr);
    attach(p, pr);
    return pr.id;
  } finally {
    nd.done();
  }
}

function jailAttach(lwp: Lwp, a: Float64Array): number | Errno {
  if (!credIsHostSuper(lwp.proc.cred)) return EPERM;
  sweep();
  const pr = gd.jail.prisons.get(a[0]);
  if (pr === undefined) return EINVAL;
  attach(lwp.proc, pr);
  return 0;
}

export function jailInit(): void {
  gd.jail = { prisons: new Map(), lastId: 0, setHostnameAllowed: true };
  sysctlAdd({
    name: 'jail.jailed',
    kind: 'int',
    descr: 'Whether the calling process is jailed',
    get: (p) => (p !== null && p.cred.prison !== null ? 1 : 0),
  });
  sysctlAdd({
    name: 'jail.set_hostname_allowed',
    kind: 'int',
    descr: 'Processes in jail can set their hostnames',
    get: () => (gd.jail.setHostnameAllowed ? 1 : 0),
    set: (_p, b) => {
      gd.jail.setHostnameAllowed = sysctlNumber(b) !== 0;
      return null;
    },
  });
  sysctlAdd({
    name: 'jail.list',
    kind: 'string',
    descr: 'List of active jails: id, host name, path, addresses',
    get: (p) => {
      if (p !== null && p.cred.prison !== null) return '';
      sweep();
      return [...gd.jail.prisons.values()]
        .map((j) => `${j.id} ${j.hostname} ${j.path} ${j.ips.join(' ')}`.trimEnd() + '\n')
        .join('');
    },
  });
}

/** kern.hostname as `p` sees it. */
export const hostnameOf = (p: Proc | null): string => p?.cred.prison?.hostname ?? gd.mib.hostname;

/** Set it: of the jail for a jailed super-user, if that is allowed. */
export function setHostname(p: Proc | null, name: string): Errno | null {
  const pr = p?.cred.prison ?? null;
  if (pr === null) gd.mib.hostname = name;
  else if (p !== null && credIsSuper(p.cred) && gd.jail.setHostnameAllowed) pr.hostname = name;
  else return EPERM;
  return null;
}

export const jailSyscalls: SyscallImpls = {
  jail: { block: sysJail },
  jail_attach: { try: jailAttach },
};
