/**
 * Socket system calls.
 *
 * Counterpart: sys/kern/uipc_syscalls.c
 */
import type { Blocking } from '../sys/blocking.js';
import {
  EALREADY,
  EDOM,
  EINPROGRESS,
  EINTR,
  EINVAL,
  EMSGSIZE,
  ENAMETOOLONG,
  ENOTSOCK,
  EPIPE,
  ERESTART,
  EWOULDBLOCK,
  Errno,
  NOTNOW,
} from '../sys/errno.js';
import {
  AF_LOCAL,
  MSG_CMSG_CLOEXEC,
  MSG_CMSG_CLOFORK,
  MSG_CTRUNC,
  MSG_FBLOCKING,
  MSG_FNONBLOCKING,
  MSG_NOSIGNAL,
  SOCK_CLOEXEC,
  SOCK_CLOFORK,
  SOCK_NONBLOCK,
  SOL_SOCKET,
} from '../sys/socket.js';
import type { SyscallImpls } from '../sys/syscall.js';
import { copyin, copyinB, copyoutB } from '../vm/vm_user.js';
import { Uio, uioUser, UIO_MAXIOV } from '../vm/uio.js';
import {
  DTYPE_SOCKET,
  FD_CLOEXEC,
  FD_CLOFORK,
  fdget,
  fhold,
  File,
  FREAD,
  FWRITE,
  O_ASYNC,
  O_NONBLOCK,
} from './file.js';
import { fdalloc, fdcheck, fdclose, fdrop } from './kern_descrip.js';
import { PCATCH, tsleep } from './lwkt_thread.js';
import type { Lwp } from './proc.js';
import { sosetopt, sogetopt, socketOps } from './sys_socket.js';
import { sendSigpipe } from './sys_generic.js';
import {
  disposeControl,
  PR_ATOMIC,
  RecvOut,
  soacceptTry,
  soclose,
  soconnect,
  socreate,
  solisten,
  soreceive,
  soreceiveTry,
  sosend,
  sosendTry,
  SS_ISCONNECTING,
  type Socket,
} from './uipc_socket.js';
import type { Control } from './uipc_sockbuf.js';
import { unpInternalize, unpExternalize } from './uipc_rights.js';

const MAX_CONTROL = 10240;

function getsock(lwp: Lwp, fd: number): File | Errno {
  const fp = fdget(lwp.proc, fd);
  if (fp instanceof Errno) return fp;
  return fp.type === DTYPE_SOCKET ? fp : ENOTSOCK;
}
const sockOf = (fp: File): Socket => fp.data as Socket;

const fdflagsOf = (type: number): number =>
  ((type & SOCK_CLOEXEC) !== 0 ? FD_CLOEXEC : 0) | ((type & SOCK_CLOFORK) !== 0 ? FD_CLOFORK : 0);
const TYPE_FLAGS = SOCK_CLOEXEC | SOCK_NONBLOCK | SOCK_CLOFORK;

/** An open file for `so` at a new descriptor. Ask fdcheck before. */
function sockFile(lwp: Lwp, so: Socket, fflags: number, fdflags: number): number | Errno {
  const fp = new File(DTYPE_SOCKET, socketOps, so, FREAD | FWRITE | fflags, lwp.proc.cred);
  so.file = fp;
  return fdalloc(lwp.proc, fp, fdflags);
}

function sysSocket(lwp: Lwp, a: Float64Array): number | Errno {
  const none = fdcheck(lwp.proc);
  if (none !== null) return none;
  const so = socreate(a[0], a[1] & ~TYPE_FLAGS, a[2], lwp.proc.cred);
  if (so instanceof Errno) return so;
  return sockFile(lwp, so, (a[1] & SOCK_NONBLOCK) !== 0 ? O_NONBLOCK : 0, fdflagsOf(a[1]));
}

function* sysSocketpair(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  const type = a[1] & ~TYPE_FLAGS;
  const s1 = socreate(a[0], type, a[2], lwp.proc.cred);
  if (s1 instanceof Errno) return s1;
  const s2 = socreate(a[0], type, a[2], lwp.proc.cred);
  if (s2 instanceof Errno) {
    soclose(s1);
    return s2;
  }
  let e = s1.proto.connect2(s1, s2, lwp);
  // Datagram sockets are connected each way.
  if (e === null && type === 2) e = s2.proto.connect2(s2, s1, lwp);
  const nb = (a[1] & SOCK_NONBLOCK) !== 0 ? O_NONBLOCK : 0;
  const f1 = e ?? sockFile(lwp, s1, nb, fdflagsOf(a[1]));
  const f2 = f1 instanceof Errno ? f1 : sockFile(lwp, s2, nb, fdflagsOf(a[1]));
  let r: number | Errno = 0;
  if (f2 instanceof Errno) r = f2;
  else {
    const b = new Uint8Array(Int32Array.of(f1 as number, f2).buffer);
    r = (yield* copyoutB(lwp.proc.vm, b, 0, a[3], 8)) ?? 0;
  }
  if (r !== 0) {
    if (typeof f1 === 'number') yield* fdclose(lwp.proc, f1);
    else soclose(s1);
    if (typeof f2 === 'number') yield* fdclose(lwp.proc, f2);
    else soclose(s2);
  }
  return r;
}

/** Run `f` with a hold on the socket behind `fd`. */
function* withSock(
  lwp: Lwp,
  fd: number,
  f: (so: Socket, fp: File) => Blocking<number | Errno>,
): Blocking<number | Errno> {
  const fp = getsock(lwp, fd);
  if (fp instanceof Errno) return fp;
  fhold(fp);
  try {
    return yield* f(sockOf(fp), fp);
  } finally {
    yield* fdrop(fp);
  }
}

/** Copy a sockaddr in; ENAMETOOLONG, EDOM. */
function addrCheck(len: number): Errno | null {
  return len > 255 || len < 0 ? ENAMETOOLONG : len < 2 ? EDOM : null;
}
function* getaddr(lwp: Lwp, uva: number, len: number): Blocking<Uint8Array | Errno> {
  const bad = addrCheck(len);
  if (bad !== null) return bad;
  const b = new Uint8Array(len);
  const e = yield* copyinB(lwp.proc.vm, uva, b, 0, len);
  if (e !== null) return e;
  b[0] = len;
  return b;
}

/** Copy a sockaddr out as far as there is room, and its length. Nothing when `uva` is null. */
function* putaddr(lwp: Lwp, sa: Uint8Array | null, uva: number, lenp: number): Blocking<Errno | null> {
  if (uva === 0) return null;
  const { vm } = lwp.proc;
  const lb = new Uint8Array(4);
  const lv = new DataView(lb.buffer);
  let e = yield* copyinB(vm, lenp, lb, 0, 4);
  if (e !== null) return e;
  const room = lv.getInt32(0, true);
  if (room < 0) return EINVAL;
  const n = Math.min(room, sa?.length ?? 0);
  if (sa !== null && n > 0) {
    e = yield* copyoutB(vm, sa, 0, uva, n);
    if (e !== null) return e;
  }
  lv.setInt32(0, n, true);
  return yield* copyoutB(vm, lb, 0, lenp, 4);
}

/** The restart of a socket call that a signal interrupted would lose what was waited for: EINTR instead. */
const noRestart = (e: Errno): Errno => (e === ERESTART ? EINTR : e);

function* acceptOn(
  lwp: Lwp,
  fd: number,
  name: number,
  lenp: number,
  nonblock: boolean | null,
  fflags: number | null,
  fdflags: number,
): Blocking<number | Errno> {
  return yield* withSock(lwp, fd, function* (head, fp) {
    const none = fdcheck(lwp.proc);
    if (none !== null) return none;
    const nb = nonblock ?? (fp.flags & O_NONBLOCK) !== 0;
    let so = soacceptTry(head, nb);
    while (so === NOTNOW) {
      const e = yield* tsleep(head.timeo, 'accept', PCATCH);
      if (e !== null) return e;
      so = soacceptTry(head, nb);
    }
    if (so instanceof Errno) return so;
    const sa = so.proto.peeraddr(so);
    const nfd = sockFile(lwp, so, fflags ?? fp.flags & (O_NONBLOCK | O_ASYNC), fdflags);
    if (nfd instanceof Errno) {
      soclose(so);
      return nfd;
    }
    const e = yield* putaddr(lwp, sa instanceof Errno ? null : sa, name, lenp);
    if (e !== null) {
      yield* fdclose(lwp.proc, nfd);
      return e;
    }
    return nfd;
  });
}

function* connectOn(lwp: Lwp, fd: number, name: number, len: number, ext: number): Blocking<number | Errno> {
  return yield* withSock(lwp, fd, function* (so, fp) {
    const nb = (ext & MSG_FNONBLOCKING) !== 0 || ((ext & MSG_FBLOCKING) === 0 && (fp.flags & O_NONBLOCK) !== 0);
    if (nb && (so.state & SS_ISCONNECTING) !== 0) return EALREADY;
    const sa = yield* getaddr(lwp, name, len);
    if (sa instanceof Errno) return sa;
    const e = yield* soconnect(so, sa, nb, lwp);
    if (e !== null) return noRestart(e);
    return nb && (so.state & SS_ISCONNECTING) !== 0 ? EINPROGRESS : 0;
  });
}

/** What a send that ended with `e` returns. */
function sent(lwp: Lwp, so: Socket, fp: File, e: Errno | null, moved: number, flags: number): number | Errno {
  if (e === null) return moved;
  if (moved > 0 && (e === ERESTART || e === EINTR || e === EWOULDBLOCK) && (so.proto.flags & PR_ATOMIC) === 0)
    return moved;
  if (e === EPIPE && (flags & MSG_NOSIGNAL) === 0 && !fp.noSigpipe) sendSigpipe(lwp.proc);
  return e;
}

const MAX_LEN = 2 ** 31 - 1;

/** A message header and its vectors, read from the user. */
class Msghdr {
  name = 0;
  namelen = 0;
  control = 0;
  controllen = 0;
  uio: Uio | null = null;
}
function* getmsg(lwp: Lwp, uva: number, rw: 'read' | 'write'): Blocking<Msghdr | Errno> {
  const b = new Uint8Array(48);
  let e = yield* copyinB(lwp.proc.vm, uva, b, 0, 48);
  if (e !== null) return e;
  const v = new DataView(b.buffer);
  const ptr = (o: number): number => v.getUint32(o + 4, true) * 0x1_0000_0000 + v.getUint32(o, true);
  const m = new Msghdr();
  m.name = ptr(0);
  m.namelen = v.getUint32(8, true);
  const iovlen = v.getInt32(24, true);
  m.control = ptr(32);
  m.controllen = v.getUint32(40, true);
  if (iovlen < 0 || iovlen > UIO_MAXIOV) return EMSGSIZE;
  const raw = new Uint8Array(iovlen * 16);
  e = yield* copyinB(lwp.proc.vm, ptr(16), raw, 0, raw.length);
  if (e !== null) return e;
  const iv = new DataView(raw.buffer);
  const uio = new Uio(lwp.proc.vm, rw, 0);
  for (let i = 0; i < iovlen; i++) {
    const at = (o: number): number => iv.getUint32(o + 4, true) * 0x1_0000_0000 + iv.getUint32(o, true);
    const len = at(i * 16 + 8);
    if (uio.resid + len > MAX_LEN) return EINVAL;
    uio.add(at(i * 16), len);
  }
  m.uio = uio;
  return m;
}

/** Take a buffer of control messages apart; EINVAL when its lengths do not fit. */
function parseControl(b: Uint8Array): Control[] | Errno {
  const v = new DataView(b.buffer, b.byteOffset, b.length);
  const out: Control[] = [];
  for (let at = 0; at + 12 <= b.length;) {
    const len = v.getUint32(at, true);
    if (len < 16 || at + len > b.length) return EINVAL;
    out.push({
      level: v.getInt32(at + 4, true),
      type: v.getInt32(at + 8, true),
      data: b.slice(at + 16, at + len),
      files: null,
    });
    at += (len + 7) & ~7;
  }
  return out;
}

function* sysSendmsg(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  return yield* withSock(lwp, a[0], function* (so, fp) {
    const m = yield* getmsg(lwp, a[1], 'write');
    if (m instanceof Errno) return m;
    let sa: Uint8Array | Errno | null = null;
    if (m.name !== 0) {
      sa = yield* getaddr(lwp, m.name, m.namelen);
      if (sa instanceof Errno) return sa;
    }
    let control: Control[] | null = null;
    if (m.control !== 0) {
      if (m.controllen < 12 || m.controllen > MAX_CONTROL) return EINVAL;
      const b = new Uint8Array(m.controllen);
      const e = yield* copyinB(lwp.proc.vm, m.control, b, 0, b.length);
      if (e !== null) return e;
      const c = parseControl(b);
      if (c instanceof Errno) return c;
      control = c;
      if (so.proto.family === AF_LOCAL) {
        const r = unpInternalize(lwp, control);
        if (r instanceof Errno) return r;
        control = r;
      }
    }
    const uio = m.uio!;
    const want = uio.resid;
    const e = yield* sosend(so, sa, uio, control, a[2], fp.flags, lwp);
    // What has gone out took the control messages along.
    if (e !== null && control !== null && uio.resid === want) disposeControl(control);
    return sent(lwp, so, fp, e, want - uio.resid, a[2]);
  });
}

/** Lay control messages out for a buffer of `room` bytes. Files that do not fit are closed. */
function layControl(lwp: Lwp, cs: Control[], room: number, flags: number): { bytes: Uint8Array; trunc: boolean } {
  const out = new Uint8Array(room);
  const v = new DataView(out.buffer);
  let at = 0;
  let trunc = false;
  const fdf = ((flags & MSG_CMSG_CLOEXEC) !== 0 ? FD_CLOEXEC : 0) | ((flags & MSG_CMSG_CLOFORK) !== 0 ? FD_CLOFORK : 0);
  for (const c of cs) {
    let { data } = c;
    if (c.files !== null) {
      const fits = Math.floor((room - at - 16) / 4);
      if (fits < c.files.length) trunc = true;
      data = unpExternalize(lwp, c, Math.max(0, fits), fdf);
      if (data.length === 0) {
        trunc = true;
        continue;
      }
    }
    if (at + 16 + data.length > room) {
      trunc = true;
      continue;
    }
    v.setUint32(at, 16 + data.length, true);
    v.setInt32(at + 4, c.level, true);
    v.setInt32(at + 8, c.type, true);
    out.set(data, at + 16);
    at += 16 + data.length;
    at = Math.min(room, (at + 7) & ~7);
  }
  return { bytes: out.subarray(0, at), trunc };
}

function* sysRecvmsg(lwp: Lwp, a: Float64Array): Blocking<number | Errno> {
  return yield* withSock(lwp, a[0], function* (so, fp) {
    const m = yield* getmsg(lwp, a[1], 'read');
    if (m instanceof Errno) return m;
    const uio = m.uio!;
    const want = uio.resid;
    const out = new RecvOut();
    const e = yield* soreceive(so, uio, a[2], fp.flags, out);
    const moved = want - uio.resid;
    if (e !== null && !(moved > 0 && (e === ERESTART || e === EINTR || e === EWOULDBLOCK))) {
      if (out.control !== null) disposeControl(out.control);
      return e;
    }
    const { vm } = lwp.proc;
    const hb = new Uint8Array(8);
    const hv = new DataView(hb.buffer);
    let err: Errno | null = null;
    if (m.name !== 0) {
      const n = Math.min(m.namelen, out.addr?.length ?? 0);
      if (out.addr !== null && n > 0) err = yield* copyoutB(vm, out.addr, 0, m.name, n);
      hv.setUint32(0, n, true);
      err ??= yield* copyoutB(vm, hb, 0, a[1] + 8, 4);
    }
    let got = 0;
    if (out.control !== null) {
      const room = m.control === 0 ? 0 : Math.min(m.controllen, MAX_CONTROL);
      const c = layControl(lwp, out.control, room, a[2]);
      if (c.trunc) out.flags |= MSG_CTRUNC;
      got = c.bytes.length;
      if (got > 0) err ??= yield* copyoutB(vm, c.bytes, 0, m.control, got);
    }
    hv.setUint32(0, got, true);
    hv.setInt32(4, out.flags, true);
    err ??= yield* copyoutB(vm, hb, 0, a[1] + 40, 8);
    return err ?? moved;
  });
}

const NOADDR = new Uint8Array(0);
/** Address of a sendto without sleeping: NOADDR for none. */
function tryAddr(lwp: Lwp, uva: number, len: number): Uint8Array | Errno {
  if (uva === 0) return NOADDR;
  const bad = addrCheck(len);
  if (bad !== null) return bad;
  const b = new Uint8Array(len);
  const e = copyin(lwp.proc.vm, uva, b, 0, len);
  if (e !== null) return e;
  b[0] = len;
  return b;
}

export const socketSyscalls: SyscallImpls = {
  socket: { try: sysSocket },
  socketpair: { block: sysSocketpair },
  bind: {
    *block(lwp, a) {
      return yield* withSock(lwp, a[0], function* (so) {
        const sa = yield* getaddr(lwp, a[1], a[2]);
        return sa instanceof Errno ? sa : ((yield* so.proto.bind(so, sa, lwp)) ?? 0);
      });
    },
  },
  listen: {
    try(lwp, a) {
      const fp = getsock(lwp, a[0]);
      return fp instanceof Errno ? fp : (solisten(sockOf(fp), a[1], lwp) ?? 0);
    },
  },
  accept: { block: (lwp, a) => acceptOn(lwp, a[0], a[1], a[2], null, null, 0) },
  extaccept: {
    block: (lwp, a) =>
      acceptOn(
        lwp,
        a[0],
        a[2],
        a[3],
        (a[1] & MSG_FBLOCKING) !== 0 ? false : (a[1] & MSG_FNONBLOCKING) !== 0 ? true : null,
        null,
        0,
      ),
  },
  accept4: {
    *block(lwp, a) {
      if ((a[3] & ~TYPE_FLAGS) !== 0) return EINVAL;
      const ff = (a[3] & SOCK_NONBLOCK) !== 0 ? O_NONBLOCK : 0;
      return yield* acceptOn(lwp, a[0], a[1], a[2], null, ff, fdflagsOf(a[3]));
    },
  },
  connect: { block: (lwp, a) => connectOn(lwp, a[0], a[1], a[2], 0) },
  extconnect: { block: (lwp, a) => connectOn(lwp, a[0], a[2], a[3], a[1]) },
  sendto: {
    try(lwp, a) {
      const fp = getsock(lwp, a[0]);
      if (fp instanceof Errno) return fp;
      if (a[2] > MAX_LEN) return EINVAL;
      const sa = tryAddr(lwp, a[4], a[5]);
      if (sa instanceof Errno) return sa;
      const so = sockOf(fp);
      const uio = uioUser(lwp.proc.vm, a[1], a[2], 'write', 0);
      const e = sosendTry(so, sa === NOADDR ? null : sa, uio, a[3], fp.flags, lwp);
      return e === NOTNOW ? NOTNOW : sent(lwp, so, fp, e, a[2] - uio.resid, a[3]);
    },
    *block(lwp, a) {
      return yield* withSock(lwp, a[0], function* (so, fp) {
        let sa: Uint8Array | Errno | null = null;
        if (a[4] !== 0) {
          sa = yield* getaddr(lwp, a[4], a[5]);
          if (sa instanceof Errno) return sa;
        }
        const uio = uioUser(lwp.proc.vm, a[1], a[2], 'write', 0);
        const e = yield* sosend(so, sa, uio, null, a[3], fp.flags, lwp);
        return sent(lwp, so, fp, e, a[2] - uio.resid, a[3]);
      });
    },
  },
  sendmsg: { block: sysSendmsg },
  recvfrom: {
    try(lwp, a) {
      const fp = getsock(lwp, a[0]);
      if (fp instanceof Errno) return fp;
      if (a[2] > MAX_LEN) return EINVAL;
      if (a[4] !== 0) return NOTNOW;
      const uio = uioUser(lwp.proc.vm, a[1], a[2], 'read', 0);
      const out = new RecvOut();
      const e = soreceiveTry(sockOf(fp), uio, a[3], fp.flags, out);
      if (out.control !== null) disposeControl(out.control);
      return e ?? a[2] - uio.resid;
    },
    *block(lwp, a) {
      return yield* withSock(lwp, a[0], function* (so, fp) {
        const uio = uioUser(lwp.proc.vm, a[1], a[2], 'read', 0);
        const out = new RecvOut();
        const e = yield* soreceive(so, uio, a[3], fp.flags, out);
        if (out.control !== null) disposeControl(out.control);
        const moved = a[2] - uio.resid;
        if (e !== null && !(moved > 0 && (e === ERESTART || e === EINTR || e === EWOULDBLOCK))) return e;
        return (yield* putaddr(lwp, out.addr, a[4], a[5])) ?? moved;
      });
    },
  },
  recvmsg: { block: sysRecvmsg },
  shutdown: {
    try(lwp, a) {
      const fp = fdget(lwp.proc, a[0]);
      if (fp instanceof Errno) return fp;
      return fp.ops.shutdown(fp, a[1]) ?? 0;
    },
  },
  setsockopt: {
    *block(lwp, a) {
      return yield* withSock(lwp, a[0], function* (so) {
        if (a[4] < 0 || a[4] > 4096) return EINVAL;
        const b = new Uint8Array(a[4]);
        const e = yield* copyinB(lwp.proc.vm, a[3], b, 0, b.length);
        if (e !== null) return e;
        if (a[1] === SOL_SOCKET) return sosetopt(so, a[2], b) ?? 0;
        const r = so.proto.ctloutput(so, a[1], a[2], b, lwp);
        return r instanceof Errno ? r : 0;
      });
    },
  },
  getsockopt: {
    *block(lwp, a) {
      return yield* withSock(lwp, a[0], function* (so) {
        const r = a[1] === SOL_SOCKET ? sogetopt(so, a[2]) : so.proto.ctloutput(so, a[1], a[2], null, lwp);
        if (r instanceof Errno) return r;
        return (yield* putaddr(lwp, r ?? new Uint8Array(0), a[3], a[4])) ?? 0;
      });
    },
  },
  getsockname: {
    *block(lwp, a) {
      return yield* withSock(lwp, a[0], function* (so) {
        const sa = so.proto.sockaddr(so);
        return sa instanceof Errno ? sa : ((yield* putaddr(lwp, sa, a[1], a[2])) ?? 0);
      });
    },
  },
  getpeername: {
    *block(lwp, a) {
      return yield* withSock(lwp, a[0], function* (so) {
        const sa = so.proto.peeraddr(so);
        return sa instanceof Errno ? sa : ((yield* putaddr(lwp, sa, a[1], a[2])) ?? 0);
      });
    },
  },
};
