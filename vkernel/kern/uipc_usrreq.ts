/**
 * Unix-domain sockets: streams, datagrams, and sequenced packets.
 *
 * Two connected sockets point at each other; sending appends to the peer's receive buffer at once, and how much fits there is what
 * the sender may send. A bound socket hangs on its vnode (Vnode.extra), which it holds.
 *
 * Counterpart: sys/kern/uipc_usrreq.c
 */
import type { Blocking } from '../sys/blocking.js';
import {
  EADDRINUSE,
  EAFNOSUPPORT,
  ECONNREFUSED,
  ECONNRESET,
  EDESTADDRREQ,
  EEXIST,
  EINVAL,
  EISCONN,
  ENOBUFS,
  ENOPROTOOPT,
  ENOTCONN,
  ENOTSOCK,
  EOPNOTSUPP,
  EPIPE,
  EPROTOTYPE,
  Errno,
} from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import {
  AF_LOCAL,
  MSG_EOF,
  MSG_EOR,
  MSG_OOB,
  SCM_CREDS,
  SO_ACCEPTCONN,
  SO_PASSCRED,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  SOL_SOCKET,
} from '../sys/socket.js';
import { NLC_CREATE, NLC_FOLLOW, type Nlookup, nlookup } from '../vfs/nlookup.js';
import { vnAccess, VWRITE } from '../vfs/vfs_subr.js';
import { type Vnode, vref, vrele, VType } from '../vfs/vnode.js';
import type { Lwp, Ucred } from './proc.js';
import { mfreem, type Mbuf } from './uipc_mbuf.js';
import {
  PR_ADDR,
  PR_ATOMIC,
  PR_CONNREQUIRED,
  PR_WANTRCVD,
  type Protosw,
  domainAdd,
  type Socket,
  socantrcvmore,
  socantsendmore,
  soisconnected,
  soisdisconnected,
  sonewconn,
  sorflush,
  SS_CANTRCVMORE,
  SS_CANTSENDMORE,
  SS_ISCONNECTED,
} from './uipc_socket.js';
import { type Control, sbappendrecord, sbappendstream } from './uipc_sockbuf.js';
import { cmsgcred, rightsInit, unpGc } from './uipc_rights.js';
import { createName, createAttr } from './vfs_names.js';

const LOCAL_PEERCRED = 1;
const XUCRED_SIZE = 88;
const SUN_PATH = 104;

class Unpcb {
  conn: Unpcb | null = null;
  /** Datagram sockets connected to this one. */
  readonly refs = new Set<Unpcb>();
  vnode: Vnode | null = null;
  addr: Uint8Array | null = null;
  /** Credentials of the peer at connect; of the listener at listen. */
  peercred: Ucred | null = null;
  /** Found by lookup for the datagram that is sent next. */
  target: Unpcb | null = null;
  constructor(readonly so: Socket) {}
}

declare module '../sys/globaldata.js' {
  interface GlobalData {
    unpSockets: Set<Socket>;
  }
}

const unpOf = (so: Socket): Unpcb => so.pcb as Unpcb;

/** What an unbound socket is called. */
function noName(): Uint8Array {
  const b = new Uint8Array(16);
  b[0] = 16;
  b[1] = AF_LOCAL;
  return b;
}

/** The path of a sockaddr_un; EAFNOSUPPORT, EINVAL. */
function pathOf(addr: Uint8Array): string | Errno {
  if (addr[1] !== AF_LOCAL) return EAFNOSUPPORT;
  if (addr.length <= 2 || addr.length > 2 + SUN_PATH) return EINVAL;
  let end = addr.indexOf(0, 2);
  if (end < 0) end = addr.length;
  if (end === 2) return EINVAL;
  let s = '';
  for (let i = 2; i < end; i++) s += String.fromCharCode(addr[i]);
  return s;
}

/** What the name leads to now. */
const vnodeOf = (nd: Nlookup): Vnode | null => nd.ncp.vp;

function* unpBind(so: Socket, addr: Uint8Array, lwp: Lwp): Blocking<Errno | null> {
  const unp = unpOf(so);
  if (unp.vnode !== null) return EINVAL;
  const path = pathOf(addr);
  if (path instanceof Errno) return path;
  const fdp = lwp.proc.fd;
  const nd = yield* nlookup(fdp, lwp.proc.cred, fdp.cwd, path, NLC_FOLLOW | NLC_CREATE);
  if (nd instanceof Errno) return nd;
  try {
    if (nd.ncp.vp !== null) return EADDRINUSE;
    const mode = 0o777 & ~fdp.cmask;
    const e = yield* createName(lwp, nd, (dvp, name) =>
      dvp.ops.ncreate(dvp, name, createAttr(lwp, dvp, VType.VSOCK, mode)),
    );
    if (e !== null) return e === EEXIST ? EADDRINUSE : e;
    const vp = vnodeOf(nd);
    if (vp === null || unp.vnode !== null) return EINVAL;
    vp.extra = so;
    unp.vnode = vref(vp);
    unp.addr = addr;
    return null;
  } finally {
    nd.done();
  }
}

/** The socket bound to the path in `addr` that `so` may connect to. */
function* unpFind(so: Socket, addr: Uint8Array, lwp: Lwp): Blocking<Unpcb | Errno> {
  const path = pathOf(addr);
  if (path instanceof Errno) return path;
  const fdp = lwp.proc.fd;
  const nd = yield* nlookup(fdp, lwp.proc.cred, fdp.cwd, path, NLC_FOLLOW);
  if (nd instanceof Errno) return nd;
  try {
    const { vp } = nd.ncp;
    if (vp === null || vp.type !== VType.VSOCK) return ENOTSOCK;
    const e = vnAccess(vp, VWRITE, lwp.proc.cred, nd.ncp);
    if (e !== null) return e;
    const peer = vp.extra as Socket | null;
    if (peer === null) return ECONNREFUSED;
    return peer.proto.type === so.proto.type ? unpOf(peer) : EPROTOTYPE;
  } finally {
    nd.done();
  }
}

function unpLink(a: Unpcb, b: Unpcb): void {
  a.conn = b;
  if (a.so.proto.type === SOCK_DGRAM) {
    b.refs.add(a);
    soisconnected(a.so);
  } else {
    b.conn = a;
    soisconnected(a.so);
    soisconnected(b.so);
  }
}

function* unpConnect(so: Socket, addr: Uint8Array, lwp: Lwp): Blocking<Errno | null> {
  const peer = yield* unpFind(so, addr, lwp);
  if (peer instanceof Errno) return peer;
  const unp = unpOf(so);
  if ((so.state & SS_ISCONNECTED) !== 0) return EISCONN;
  if (so.proto.type === SOCK_DGRAM) {
    unpLink(unp, peer);
    return null;
  }
  if ((peer.so.options & SO_ACCEPTCONN) === 0) return ECONNREFUSED;
  const so2 = sonewconn(peer.so, 0);
  if (so2 === null) return ECONNREFUSED;
  const unp2 = unpOf(so2);
  unp2.addr = peer.addr;
  unp2.peercred = lwp.proc.cred;
  unp.peercred = peer.peercred;
  unpLink(unp, unp2);
  return null;
}

/** Let go of the peer; it hears of it. */
function unpDisconnect(unp: Unpcb): void {
  const peer = unp.conn;
  if (peer === null) return;
  unp.conn = null;
  if (unp.so.proto.type === SOCK_DGRAM) {
    peer.refs.delete(unp);
    unp.so.state &= ~SS_ISCONNECTED;
    return;
  }
  peer.conn = null;
  soisdisconnected(unp.so);
  soisdisconnected(peer.so);
}

function unpDetach(so: Socket): void {
  const unp = unpOf(so);
  if (unp.vnode !== null) {
    unp.vnode.extra = null;
    vrele(unp.vnode);
    unp.vnode = null;
  }
  unpDisconnect(unp);
  for (const r of [...unp.refs]) {
    r.so.error = ECONNRESET;
    unpDisconnect(r);
    r.so.rcv.notify();
    r.so.snd.notify();
  }
  gd.unpSockets.delete(so);
  sorflush(so);
  unpGc(gd.unpSockets);
}

/** Credentials for a receiver that asks for them. */
const withCreds = (peer: Socket, control: Control[] | null, lwp: Lwp): Control[] | null =>
  (peer.options & SO_PASSCRED) === 0 || (control?.some((c) => c.type === SCM_CREDS) ?? false)
    ? control
    : [...(control ?? []), { level: SOL_SOCKET, type: SCM_CREDS, data: cmsgcred(lwp), files: null }];

function refuse(m: Mbuf | null, e: Errno): Errno {
  mfreem(m);
  return e;
}

function unpSend(
  so: Socket,
  flags: number,
  m: Mbuf | null,
  addr: Uint8Array | null,
  control: Control[] | null,
  lwp: Lwp,
): Errno | null {
  if ((flags & MSG_OOB) !== 0) return refuse(m, EOPNOTSUPP);
  const unp = unpOf(so);
  if (so.proto.type === SOCK_DGRAM) {
    const peer = addr !== null ? unp.target : unp.conn;
    unp.target = null;
    if (peer === null) return refuse(m, addr === null ? ENOTCONN : EDESTADDRREQ);
    if ((peer.so.state & SS_CANTRCVMORE) !== 0) return refuse(m, ENOBUFS);
    let n = 0;
    for (let x = m; x !== null; x = x.next) n += x.len;
    const { rcv } = peer.so;
    if (n > rcv.space || (n === 0 && rcv.space === 0)) return refuse(m, ENOBUFS);
    sbappendrecord(rcv, unp.addr ?? noName(), m, withCreds(peer.so, control, lwp), true);
    rcv.notify();
    return null;
  }
  const peer = unp.conn;
  if (peer === null) return refuse(m, (so.state & SS_CANTSENDMORE) !== 0 ? EPIPE : ENOTCONN);
  if ((peer.so.state & SS_CANTRCVMORE) !== 0) return refuse(m, EPIPE);
  const { rcv } = peer.so;
  const c = withCreds(peer.so, control, lwp);
  if (so.proto.type === SOCK_STREAM) sbappendstream(rcv, m, c);
  else sbappendrecord(rcv, null, m, c, (flags & MSG_EOR) !== 0);
  rcv.notify();
  if ((flags & MSG_EOF) !== 0) unpShutdown(so);
  return null;
}

function unpShutdown(so: Socket): Errno | null {
  socantsendmore(so);
  const peer = unpOf(so).conn;
  if (peer !== null && so.proto.type !== SOCK_DGRAM) socantrcvmore(peer.so);
  return null;
}

function unpCtl(so: Socket, level: number, name: number, val: Uint8Array | null): Uint8Array | Errno | null {
  if (level !== 0 || name !== LOCAL_PEERCRED || val !== null) return ENOPROTOOPT;
  const c = unpOf(so).peercred;
  if (c === null || (so.options & SO_ACCEPTCONN) !== 0) return so.proto.type === SOCK_STREAM ? ENOTCONN : EINVAL;
  const b = new Uint8Array(XUCRED_SIZE);
  const v = new DataView(b.buffer);
  v.setUint32(4, c.uid, true);
  const n = Math.min(16, c.groups.length);
  v.setInt16(8, n, true);
  for (let i = 0; i < n; i++) v.setUint32(12 + 4 * i, c.groups[i], true);
  return b;
}

const common = {
  family: AF_LOCAL,
  protocol: 0,
  attach(so: Socket): Errno | null {
    so.pcb = new Unpcb(so);
    gd.unpSockets.add(so);
    return null;
  },
  detach: unpDetach,
  abort(so: Socket): void {
    unpDetach(so);
  },
  bind: unpBind,
  listen(so: Socket, lwp: Lwp): Errno | null {
    if (so.proto.type === SOCK_DGRAM) return EOPNOTSUPP;
    if (unpOf(so).vnode === null) return EINVAL;
    unpOf(so).peercred = lwp.proc.cred;
    return null;
  },
  connect: unpConnect,
  connect2(a: Socket, b: Socket, lwp: Lwp): Errno | null {
    if (a.proto !== b.proto) return EPROTOTYPE;
    unpOf(a).peercred = lwp.proc.cred;
    unpOf(b).peercred = lwp.proc.cred;
    unpLink(unpOf(a), unpOf(b));
    return null;
  },
  disconnect(so: Socket): Errno | null {
    if (unpOf(so).conn === null) return ENOTCONN;
    unpDisconnect(unpOf(so));
    return null;
  },
  send: unpSend,
  lookup: null,
  space(so: Socket): number {
    const peer = unpOf(so).conn;
    return peer === null ? so.snd.hiwat : peer.so.rcv.space;
  },
  rcvd(so: Socket): void {
    unpOf(so).conn?.so.snd.notify();
  },
  rcvoob: (): Errno => EOPNOTSUPP,
  shutdown: unpShutdown,
  sockaddr: (so: Socket): Uint8Array => unpOf(so).addr ?? noName(),
  peeraddr(so: Socket): Uint8Array | Errno {
    const { conn } = unpOf(so);
    if (conn === null) return (so.state & SS_CANTRCVMORE) !== 0 && so.file === null ? noName() : ENOTCONN;
    return conn.addr ?? noName();
  },
  ctloutput: unpCtl,
  *control(): Blocking<Errno> {
    return EOPNOTSUPP;
  },
};

const STREAM_SPACE = 65536;
const DGRAM_MAX = 16384;

export const unpStream: Protosw = Object.freeze({
  ...common,
  type: SOCK_STREAM,
  flags: PR_CONNREQUIRED | PR_WANTRCVD,
  sndHiwat: STREAM_SPACE,
  rcvHiwat: STREAM_SPACE,
});
export const unpSeqpacket: Protosw = Object.freeze({
  ...common,
  type: SOCK_SEQPACKET,
  flags: PR_ATOMIC | PR_CONNREQUIRED | PR_WANTRCVD,
  sndHiwat: STREAM_SPACE,
  rcvHiwat: STREAM_SPACE,
});
export const unpDgram: Protosw = Object.freeze({
  ...common,
  type: SOCK_DGRAM,
  flags: PR_ATOMIC | PR_ADDR,
  sndHiwat: DGRAM_MAX,
  rcvHiwat: STREAM_SPACE,
  // A datagram that does not fit is refused (ENOBUFS), its sender does not wait.
  space: (so: Socket): number => so.snd.hiwat,
  *lookup(so: Socket, addr: Uint8Array, lwp: Lwp): Blocking<Errno | null> {
    const r = yield* unpFind(so, addr, lwp);
    if (r instanceof Errno) return r;
    unpOf(so).target = r;
    return null;
  },
});

export function unpInit(): void {
  gd.unpSockets = new Set();
  rightsInit();
  domainAdd(unpStream, unpDgram, unpSeqpacket);
}
