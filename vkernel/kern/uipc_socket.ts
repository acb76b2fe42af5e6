/**
 * Sockets: what all protocols share. A protocol is one Protosw; the socket calls it, and it calls back the so*() functions below
 * (soisconnected, socantrcvmore ...) and fills the receive buffer.
 *
 * A socket waiting to be accepted has `head`, and is in head.incomp until its connection stands, in head.comp then. `file` is the open
 * file, null before accept and after close; the socket lives on while its protocol has it (TCP after close).
 *
 * Counterpart: sys/kern/uipc_socket.c, uipc_socket2.c
 */
import type { Blocking } from '../sys/blocking.js';
import {
  EAGAIN,
  ECONNABORTED,
  EDESTADDRREQ,
  EINVAL,
  EISCONN,
  EMSGSIZE,
  ENOTCONN,
  EOPNOTSUPP,
  EPIPE,
  EPROTONOSUPPORT,
  EPROTOTYPE,
  EAFNOSUPPORT,
  Errno,
  NOTNOW,
} from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import {
  MSG_DONTWAIT,
  MSG_EOR,
  MSG_FBLOCKING,
  MSG_FNONBLOCKING,
  MSG_OOB,
  MSG_PEEK,
  MSG_TRUNC,
  MSG_WAITALL,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  SO_ACCEPTCONN,
  SO_LINGER,
  SOMAXCONN,
} from '../sys/socket.js';
import { type Uio, uiomove, uiomoveB } from '../vm/uio.js';
import { lwktCreate, PCATCH, TDPRI_KERN_DAEMON, tsleep, WaitQ, wakeup } from './lwkt_thread.js';
import { fdrop, fdropTry } from './kern_descrip.js';
import { type File, O_NONBLOCK } from './file.js';
import type { Lwp, Ucred } from './proc.js';
import { type Mbuf, muio, muioB } from './uipc_mbuf.js';
import { type Control, sbdrop, sbdroprecord, sbflush, type SbRec, Sockbuf } from './uipc_sockbuf.js';

/** Socket.state. */
export const SS_ISCONNECTED = 0x2;
export const SS_ISCONNECTING = 0x4;
export const SS_ISDISCONNECTING = 0x8;
export const SS_ISDISCONNECTED = 0x2000;
export const SS_RCVATMARK = 0x40;
export const SS_CANTSENDMORE = 0x10;
export const SS_CANTRCVMORE = 0x20;

/** Protosw.flags. */
export const PR_ATOMIC = 0x1;
export const PR_ADDR = 0x2;
export const PR_CONNREQUIRED = 0x4;
export const PR_WANTRCVD = 0x8;

/** A protocol. Addresses are whole sockaddrs. Only bind and connect may sleep (path names). */
export interface Protosw {
  readonly family: number;
  readonly type: number;
  readonly protocol: number;
  readonly flags: number;
  readonly sndHiwat: number;
  readonly rcvHiwat: number;
  /** `protocol`: what the caller of socket asked for; 0 for a connection that comes in. */
  attach(so: Socket, protocol: number): Errno | null;
  /** The descriptor is gone: leave, or (TCP) carry on and sofree() later. */
  detach(so: Socket): void;
  abort(so: Socket): void;
  bind(so: Socket, addr: Uint8Array, lwp: Lwp): Blocking<Errno | null>;
  listen(so: Socket, lwp: Lwp): Errno | null;
  connect(so: Socket, addr: Uint8Array, lwp: Lwp): Blocking<Errno | null>;
  connect2(a: Socket, b: Socket, lwp: Lwp): Errno | null;
  disconnect(so: Socket): Errno | null;
  /** Takes `m`, and `control` when it answers null. `addr`: destination of an unconnected datagram. NOTNOW: lookup() first. */
  send(
    so: Socket,
    flags: number,
    m: Mbuf | null,
    addr: Uint8Array | null,
    control: Control[] | null,
    lwp: Lwp,
  ): Errno | null;
  /** Prepare `addr` for send, where that sleeps (path names): what to pass to it instead, or null. */
  lookup: ((so: Socket, addr: Uint8Array, lwp: Lwp) => Blocking<Errno | null>) | null;
  /** Room for sending now. */
  space(so: Socket): number;
  rcvd(so: Socket): void;
  rcvoob(so: Socket, flags: number): number | Errno;
  shutdown(so: Socket): Errno | null;
  sockaddr(so: Socket): Uint8Array | Errno;
  peeraddr(so: Socket): Uint8Array | Errno;
  /** getsockopt (val null): the bytes; setsockopt: nothing. ENOPROTOOPT for what is not known. */
  ctloutput(so: Socket, level: number, name: number, val: Uint8Array | null, lwp: Lwp): Uint8Array | Errno | null;
  control(so: Socket, cmd: number, data: DataView, lwp: Lwp): Blocking<number | Errno>;
}

let inodes = 0;

export class Socket {
  options = 0;
  state = 0;
  lingerSec = 0;
  error: Errno | null = null;
  pcb: object | null = null;
  readonly rcv: Sockbuf;
  readonly snd: Sockbuf;
  /** Connecting, accepting, disconnecting. */
  readonly timeo = new WaitQ();
  head: Socket | null = null;
  readonly comp: Socket[] = [];
  readonly incomp = new Set<Socket>();
  qlimit = 0;
  file: File | null = null;
  readonly ino = ++inodes;
  /** Bytes before the urgent byte; -1: none. */
  oobmark = -1;
  constructor(
    readonly proto: Protosw,
    readonly cred: Ucred,
  ) {
    this.rcv = new Sockbuf(proto.rcvHiwat);
    this.snd = new Sockbuf(proto.sndHiwat);
  }
}

declare module '../sys/globaldata.js' {
  interface GlobalData {
    /** Protocols of this kernel; domains add theirs. */
    protosw: Protosw[];
  }
}

export function socketInit(): void {
  gd.protosw = [];
}
export function domainAdd(...ps: Protosw[]): void {
  gd.protosw.push(...ps);
}

/** Find the protocol; EAFNOSUPPORT, EPROTONOSUPPORT, EPROTOTYPE. */
export function pffind(family: number, type: number, protocol: number): Protosw | Errno {
  let sameFamily = false;
  let sameProto = false;
  for (const p of gd.protosw) {
    if (p.family !== family) continue;
    sameFamily = true;
    if (p.type === type && (protocol === 0 || p.protocol === protocol || p.protocol === 0)) return p;
    if (protocol !== 0 && p.protocol === protocol) sameProto = true;
  }
  return !sameFamily ? EAFNOSUPPORT : sameProto ? EPROTOTYPE : EPROTONOSUPPORT;
}

export function socreate(family: number, type: number, protocol: number, cred: Ucred): Socket | Errno {
  const p = pffind(family, type, protocol);
  if (p instanceof Errno) return p;
  const so = new Socket(p, cred);
  return p.attach(so, protocol) ?? so;
}

// --- what protocols call ---

export function soisconnecting(so: Socket): void {
  so.state = (so.state & ~(SS_ISCONNECTED | SS_ISDISCONNECTING)) | SS_ISCONNECTING;
}
export function soisconnected(so: Socket): void {
  so.state = (so.state & ~(SS_ISCONNECTING | SS_ISDISCONNECTING)) | SS_ISCONNECTED;
  const { head } = so;
  if (head !== null && head.incomp.delete(so)) {
    head.comp.push(so);
    head.rcv.notify();
    wakeup(head.timeo);
    return;
  }
  wakeup(so.timeo);
  so.rcv.notify();
  so.snd.notify();
}
export function soisdisconnecting(so: Socket): void {
  so.state = (so.state & ~SS_ISCONNECTING) | SS_ISDISCONNECTING | SS_CANTRCVMORE | SS_CANTSENDMORE;
  wakeup(so.timeo);
  so.rcv.notify();
  so.snd.notify();
}
export function soisdisconnected(so: Socket): void {
  so.state =
    (so.state & ~(SS_ISCONNECTING | SS_ISCONNECTED | SS_ISDISCONNECTING)) |
    SS_ISDISCONNECTED |
    SS_CANTRCVMORE |
    SS_CANTSENDMORE;
  wakeup(so.timeo);
  so.rcv.notify();
  so.snd.notify();
}
export function socantrcvmore(so: Socket): void {
  so.state |= SS_CANTRCVMORE;
  so.rcv.notify();
}
export function socantsendmore(so: Socket): void {
  so.state |= SS_CANTSENDMORE;
  so.snd.notify();
}
export function sorwakeup(so: Socket): void {
  so.rcv.notify();
}
export function sowwakeup(so: Socket): void {
  so.snd.notify();
}

/** A connection comes in on `head`: a socket for it, or null when the queue is full. `state`: SS_ISCONNECTED or 0. */
export function sonewconn(head: Socket, state: number): Socket | null {
  if (head.comp.length + head.incomp.size > Math.floor((3 * head.qlimit) / 2)) return null;
  const so = new Socket(head.proto, head.cred);
  so.options = head.options & ~SO_ACCEPTCONN;
  so.lingerSec = head.lingerSec;
  so.rcv.hiwat = head.rcv.hiwat;
  so.snd.hiwat = head.snd.hiwat;
  so.rcv.lowat = head.rcv.lowat;
  so.snd.lowat = head.snd.lowat;
  so.rcv.timeoNs = head.rcv.timeoNs;
  so.snd.timeoNs = head.snd.timeoNs;
  if (so.proto.attach(so, 0) !== null) return null;
  so.head = head;
  if (state !== 0) {
    head.comp.push(so);
    so.state |= state;
    head.rcv.notify();
    wakeup(head.timeo);
  } else {
    head.incomp.add(so);
  }
  return so;
}

/** The connection of a socket that nobody accepted is over. */
export function sounqueue(so: Socket): void {
  const { head } = so;
  if (head === null) return;
  head.incomp.delete(so);
  const i = head.comp.indexOf(so);
  // One that is ready stays: accept hands it out, and its reader sees the error.
  if (i < 0) so.head = null;
}

/** Files that nobody will receive: close them, on a thread of its own where that sleeps. */
export function disposeControl(cs: Control[]): void {
  for (const c of cs) {
    if (c.files === null) continue;
    for (const fp of c.files) {
      inflight(fp, -1);
      if (fdropTry(fp) !== NOTNOW) continue;
      lwktCreate(
        function* () {
          yield* fdrop(fp);
        },
        'unp_gc',
        TDPRI_KERN_DAEMON,
      );
    }
    c.files = null;
  }
}
/** uipc_usrreq.ts counts files that are in control messages. */
let inflight: (fp: File, delta: number) => void = () => {};
export function setInflight(fn: (fp: File, delta: number) => void): void {
  inflight = fn;
}

export function sorflush(so: Socket): void {
  socantrcvmore(so);
  sbflush(so.rcv, disposeControl);
}

// --- calls ---

export function solisten(so: Socket, backlog: number, lwp: Lwp): Errno | null {
  if ((so.state & (SS_ISCONNECTED | SS_ISCONNECTING | SS_ISDISCONNECTING)) !== 0) return EINVAL;
  const e = so.proto.listen(so, lwp);
  if (e !== null) return e;
  so.options |= SO_ACCEPTCONN;
  so.qlimit = backlog < 0 || backlog > SOMAXCONN ? SOMAXCONN : backlog;
  return null;
}

/** Take a connection, when one is there. NOTNOW: none yet. */
export function soacceptTry(head: Socket, nonblock: boolean): Socket | Errno {
  if ((head.options & SO_ACCEPTCONN) === 0) return EINVAL;
  const so = head.comp.shift();
  if (so !== undefined) {
    so.head = null;
    return so;
  }
  if (head.error !== null) return takeError(head) ?? EINVAL;
  if ((head.state & SS_CANTRCVMORE) !== 0) return ECONNABORTED;
  return nonblock ? EAGAIN : NOTNOW;
}

/** Connect; a blocking caller sleeps until it stands. */
export function* soconnect(so: Socket, addr: Uint8Array, nonblock: boolean, lwp: Lwp): Blocking<Errno | null> {
  if ((so.options & SO_ACCEPTCONN) !== 0) return EOPNOTSUPP;
  if ((so.state & (SS_ISCONNECTED | SS_ISCONNECTING)) !== 0) {
    if ((so.proto.flags & PR_CONNREQUIRED) !== 0) return EISCONN;
    const e = so.proto.disconnect(so);
    if (e !== null) return e;
  }
  so.error = null;
  const e = yield* so.proto.connect(so, addr, lwp);
  if (e !== null) return e;
  if (nonblock) return null;
  while ((so.state & SS_ISCONNECTING) !== 0 && so.error === null) {
    const s = yield* tsleep(so.timeo, 'connec', PCATCH, so.snd.timeoNs);
    if (s !== null) return s;
  }
  return takeError(so);
}

/** The pending error, which it is then no more. */
export function takeError(so: Socket): Errno | null {
  const e = so.error;
  so.error = null;
  return e;
}

export function soshutdown(so: Socket, how: number): Errno | null {
  if (how !== SHUT_RD && how !== SHUT_WR && how !== SHUT_RDWR) return EINVAL;
  if (how !== SHUT_WR) sorflush(so);
  return how === SHUT_RD ? null : so.proto.shutdown(so);
}

const mustLinger = (so: Socket): boolean =>
  (so.options & SO_LINGER) !== 0 &&
  so.lingerSec > 0 &&
  (so.state & SS_ISCONNECTED) !== 0 &&
  (so.proto.flags & PR_CONNREQUIRED) !== 0;

/** The descriptor goes away. */
function soclose(so: Socket): void {
  so.rcv.klist.detachAll();
  so.snd.klist.detachAll();
  so.file = null;
  if ((so.options & SO_ACCEPTCONN) !== 0) {
    for (const c of [...so.incomp, ...so.comp]) {
      c.head = null;
      c.proto.abort(c);
    }
    so.incomp.clear();
    so.comp.length = 0;
  }
  so.proto.detach(so);
  sorflush(so);
}
function* socloseLinger(so: Socket): Blocking<Errno | null> {
  if ((so.state & SS_ISDISCONNECTING) === 0) so.proto.disconnect(so);
  const until = gd.machine.now() + so.lingerSec * 1e9;
  while ((so.state & SS_ISCONNECTED) !== 0) {
    const left = until - gd.machine.now();
    if (left <= 0 || (yield* tsleep(so.timeo, 'soclos', PCATCH, left)) !== null) break;
  }
  soclose(so);
  return null;
}

const nonblocking = (fflags: number, msg: number): boolean =>
  (msg & MSG_FBLOCKING) === 0 && ((fflags & O_NONBLOCK) !== 0 || (msg & (MSG_DONTWAIT | MSG_FNONBLOCKING)) !== 0);

// --- sending ---

/** May `so` send? */
function sendCheck(so: Socket, addr: Uint8Array | null): Errno | null {
  if ((so.state & SS_CANTSENDMORE) !== 0) return EPIPE;
  if (so.error !== null) return takeError(so);
  if ((so.state & SS_ISCONNECTED) === 0) {
    if ((so.proto.flags & PR_CONNREQUIRED) !== 0) return ENOTCONN;
    if (addr === null) return EDESTADDRREQ;
  } else if (addr !== null && (so.proto.flags & PR_CONNREQUIRED) === 0) {
    return EISCONN;
  }
  return null;
}

/** Send without sleeping, to the peer of a connection or (where that needs no look-up) to `addr`. NOTNOW otherwise. */
export function sosendTry(
  so: Socket,
  addr: Uint8Array | null,
  uio: Uio,
  flags: number,
  fflags: number,
  lwp: Lwp,
): Errno | null {
  if (so.snd.busy || (addr !== null && so.proto.lookup !== null)) return NOTNOW;
  const e = sendCheck(so, addr);
  if (e !== null) return e;
  const atomic = (so.proto.flags & PR_ATOMIC) !== 0;
  let n = uio.resid;
  if (atomic && n > so.snd.hiwat) return EMSGSIZE;
  if (n === 0 && !atomic) return null;
  const space = so.proto.space(so);
  if (n > space) {
    if (!nonblocking(fflags, flags)) return NOTNOW;
    if (atomic || space < so.snd.lowat) return EAGAIN;
    n = space;
  }
  const m = muio(uio, n);
  if (m instanceof Errno) return m;
  return so.proto.send(so, flags, m, addr, null, lwp);
}

/** Send all of `uio`; takes `control` when it answers null. What was moved before an error is told by uio.resid. */
export function* sosend(
  so: Socket,
  addr: Uint8Array | null,
  uio: Uio,
  control: Control[] | null,
  flags: number,
  fflags: number,
  lwp: Lwp,
): Blocking<Errno | null> {
  const atomic = (so.proto.flags & PR_ATOMIC) !== 0;
  const nb = nonblocking(fflags, flags);
  if ((flags & MSG_EOR) !== 0 && !atomic) return EINVAL;
  while (so.snd.busy) {
    if (nb) return EAGAIN;
    const e = yield* tsleep(so.snd.q, 'sblock', PCATCH, so.snd.timeoNs);
    if (e !== null) return e;
  }
  so.snd.busy = true;
  try {
    if (atomic && uio.resid > so.snd.hiwat) return EMSGSIZE;
    for (;;) {
      let e = sendCheck(so, addr);
      if (e !== null) return e;
      if (addr !== null && so.proto.lookup !== null) {
        e = yield* so.proto.lookup(so, addr, lwp);
        if (e !== null) return e;
      }
      const want = uio.resid;
      const space = so.proto.space(so);
      if ((atomic && want > space) || (!atomic && want > space && space < so.snd.lowat)) {
        if (nb) return EAGAIN;
        e = yield* tsleep(so.snd.q, 'sbwait', PCATCH, so.snd.timeoNs);
        if (e !== null) return e;
        continue;
      }
      const m = yield* muioB(uio, atomic ? want : Math.min(want, space));
      if (m instanceof Errno) return m;
      // Copying may have slept.
      e = sendCheck(so, addr);
      if (e === null) e = so.proto.send(so, flags, m, addr, control, lwp);
      if (e !== null) return e;
      control = null;
      if (uio.resid === 0) return null;
    }
  } finally {
    so.snd.unlock(disposeControl);
  }
}

// --- receiving ---

/** What comes with the data. */
export class RecvOut {
  addr: Uint8Array | null = null;
  control: Control[] | null = null;
  flags = 0;
}

/** Is there something to say? Null: data; NOTNOW: wait; an errno; or 0: end of file. */
function recvCheck(so: Socket, uio: Uio, flags: number): Errno | null | 0 {
  const sb = so.rcv;
  if (sb.head !== null) {
    if ((so.proto.flags & PR_ATOMIC) !== 0) return null;
    const all = (flags & MSG_WAITALL) !== 0;
    const need = all ? Math.min(uio.resid, sb.hiwat) : Math.min(sb.lowat, sb.hiwat, Math.max(uio.resid, 1));
    if (sb.cc >= need || so.error !== null || (so.state & SS_CANTRCVMORE) !== 0 || sb.head.control !== null)
      return null;
    return NOTNOW;
  }
  if (so.error !== null) return (flags & MSG_PEEK) !== 0 ? so.error : (takeError(so) ?? 0);
  if ((so.state & SS_CANTRCVMORE) !== 0) return 0;
  if ((so.state & SS_ISCONNECTED) === 0 && (so.proto.flags & PR_CONNREQUIRED) !== 0) return ENOTCONN;
  if (uio.resid === 0 && (so.proto.flags & PR_ATOMIC) === 0) return 0;
  return NOTNOW;
}

/** Take what `moved` bytes were copied of. */
function recvCommit(so: Socket, r: SbRec, moved: number, flags: number, out: RecvOut): void {
  const sb = so.rcv;
  out.addr = r.addr;
  const peek = (flags & MSG_PEEK) !== 0;
  if (peek) {
    // Files cannot be had twice.
    out.control = r.control?.filter((c) => c.files === null) ?? null;
  } else if (r.control !== null) {
    out.control = out.control === null ? r.control : out.control.concat(r.control);
    r.control = null;
  }
  if ((so.proto.flags & PR_ATOMIC) !== 0) {
    if (moved < r.len) out.flags |= MSG_TRUNC;
    if (r.eor) out.flags |= MSG_EOR;
    if (!peek) sbdroprecord(sb);
  } else if (!peek) {
    sbdrop(sb, moved);
    if (so.oobmark > 0) {
      so.oobmark = Math.max(0, so.oobmark - moved);
      if (so.oobmark === 0) so.state |= SS_RCVATMARK;
    } else if (moved > 0) so.state &= ~SS_RCVATMARK;
  }
  if (!peek && (so.proto.flags & PR_WANTRCVD) !== 0) so.proto.rcvd(so);
}

/** Receive without sleeping; nothing is taken when it answers NOTNOW. */
export function soreceiveTry(so: Socket, uio: Uio, flags: number, fflags: number, out: RecvOut): Errno | null {
  if ((flags & MSG_OOB) !== 0) return NOTNOW;
  const sb = so.rcv;
  if (sb.busy) return nonblocking(fflags, flags) ? EAGAIN : NOTNOW;
  const c = recvCheck(so, uio, flags);
  if (c === 0) return null;
  if (c !== null) return c === NOTNOW && nonblocking(fflags, flags) && sb.head === null ? EAGAIN : c;
  const r = sb.head as SbRec;
  const before = uio.resid;
  let max = so.oobmark > 0 ? Math.min(before, so.oobmark) : before;
  const stream = (so.proto.flags & PR_ATOMIC) === 0;
  for (let x: SbRec | null = r; x !== null && max > 0; x = stream ? x.next : null) {
    if (x !== r && x.control !== null) break;
    for (let m = x.m; m !== null && max > 0; m = m.next) {
      const n = Math.min(m.len, max);
      const e = uiomove(m.data, m.off, n, uio);
      if (e !== null) return e;
      max -= n;
    }
  }
  recvCommit(so, r, before - uio.resid, flags, out);
  return null;
}

/** Receive; sleeps for data, and for the whole with MSG_WAITALL. */
export function* soreceive(so: Socket, uio: Uio, flags: number, fflags: number, out: RecvOut): Blocking<Errno | null> {
  if ((flags & MSG_OOB) !== 0) {
    const b = so.proto.rcvoob(so, flags);
    if (b instanceof Errno) return b;
    return yield* uiomoveB(Uint8Array.of(b), 0, Math.min(1, uio.resid), uio);
  }
  const sb = so.rcv;
  const nb = nonblocking(fflags, flags);
  const total = uio.resid;
  while (sb.busy) {
    if (nb) return EAGAIN;
    const e = yield* tsleep(sb.q, 'sblock', PCATCH, sb.timeoNs);
    if (e !== null) return e;
  }
  sb.busy = true;
  try {
    for (;;) {
      const c = recvCheck(so, uio, flags);
      if (c === 0) return null;
      if (c === NOTNOW && !(nb && sb.head !== null)) {
        if (nb) return EAGAIN;
        const e = yield* tsleep(sb.q, 'sbwait', PCATCH, sb.timeoNs);
        if (e !== null) return e;
        continue;
      }
      if (c !== null && c !== NOTNOW) return uio.resid < total ? null : c;
      const r = sb.head as SbRec;
      const before = uio.resid;
      const e = yield* copyRecord(so, r, uio);
      if (e !== null) return e;
      recvCommit(so, r, before - uio.resid, flags, out);
      if ((flags & MSG_WAITALL) === 0 || uio.resid === 0 || (flags & MSG_PEEK) !== 0 || nb) return null;
      if ((so.proto.flags & PR_ATOMIC) !== 0 || out.control !== null) return null;
    }
  } finally {
    sb.unlock(disposeControl);
  }
}

/** Copy out of the front, as far as one receive may go. The buffer is locked: others append only. */
function* copyRecord(so: Socket, r: SbRec, uio: Uio): Blocking<Errno | null> {
  let max = so.oobmark > 0 ? Math.min(uio.resid, so.oobmark) : uio.resid;
  const stream = (so.proto.flags & PR_ATOMIC) === 0;
  for (let x: SbRec | null = r; x !== null && max > 0; x = stream ? x.next : null) {
    if (x !== r && x.control !== null) break;
    for (let m = x.m; m !== null && max > 0; m = m.next) {
      const n = Math.min(m.len, max);
      const e = yield* uiomoveB(m.data, m.off, n, uio);
      if (e !== null) return e;
      max -= n;
    }
  }
  return null;
}

export { socloseLinger, soclose, mustLinger };
