/**
 * TCP as the socket layer sees it, and its place above IP.
 *
 * Counterpart: sys/netinet/tcp_usrreq.c
 */
import type { Blocking } from '../sys/blocking.js';
import {
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  ECONNREFUSED,
  ECONNRESET,
  EINVAL,
  ENOPROTOOPT,
  ENOTCONN,
  EOPNOTSUPP,
  EPIPE,
  EWOULDBLOCK,
  Errno,
} from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { AF_INET, AF_INET6, MSG_EOF, MSG_OOB, MSG_PEEK, SO_LINGER, SO_OOBINLINE, SOCK_STREAM } from '../sys/socket.js';
import { calloutReset } from '../kern/kern_timeout.js';
import { sysctlAdd, sysctlNumber } from '../kern/kern_sysctl.js';
import type { Lwp } from '../kern/proc.js';
import { type Mbuf, mfreem } from '../kern/uipc_mbuf.js';
import {
  domainAdd,
  PR_CONNREQUIRED,
  PR_WANTRCVD,
  type Protosw,
  type Socket,
  socantsendmore,
  soisconnecting,
  soisdisconnecting,
} from '../kern/uipc_socket.js';
import { sbappendstream } from '../kern/uipc_sockbuf.js';
import { ifaLocal } from '../net/if.js';
import {
  addrIsBroadcast,
  addrIsLoopback,
  addrIsMapped,
  addrIsMulticast,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  sinDecode,
  sinEncode,
} from './in.js';
import { Ctl, ipMtu, ipOutput, ipProtoRegister, ipSourceFor } from './ip_var.js';
import { newIss, pcbBind, pcbConnect, pcbListen, pcbLookup } from './tcp_pcb.js';
import { announcedMss, markLost, sendSyn, setMss, tcpOutput } from './tcp_output.js';
import { seqAdd, seqGeq, seqLt } from './tcp_seq.js';
import { rcvScaleFor, syncacheClose } from './tcp_syncache.js';
import { newTcpcb, tcpClose, tcpDrop } from './tcp_timer.js';
import { tcpInput } from './tcp_input.js';
import { pipe, type Tcpcb, TcpGlobal, type TcpNet, TcpParams, Ts } from './tcp_var.js';

const tcpOf = (so: Socket): Tcpcb => so.pcb as Tcpcb;

/** The program sends no more (RFC 9293 section 3.10.4). */
function usrClosed(tp: Tcpcb): void {
  if (tp.state === Ts.LISTEN) syncacheClose(tp);
  if (tp.state < Ts.SYN_RCVD) {
    tcpClose(tp);
    return;
  }
  if (tp.finQueued) return;
  tp.finQueued = true;
  if (tp.state === Ts.ESTABLISHED) tp.state = Ts.FIN_WAIT_1;
  else if (tp.state === Ts.CLOSE_WAIT) tp.state = Ts.LAST_ACK;
  tcpOutput(tp);
}

function disconnect(tp: Tcpcb): void {
  const { so } = tp;
  if (tp.state < Ts.ESTABLISHED) usrClosed(tp);
  else if ((so.options & SO_LINGER) !== 0 && so.lingerSec === 0) tcpDrop(tp, null);
  else {
    soisdisconnecting(so);
    usrClosed(tp);
  }
}

/** A sockaddr to connect or bind to. */
function decode(so: Socket, sa: Uint8Array): { addr: Uint8Array; port: number } | Errno {
  const a = sinDecode(sa, so.proto.family === AF_INET6);
  if (a instanceof Errno) return a;
  if (addrIsMulticast(a.addr)) return EAFNOSUPPORT;
  return addrIsMapped(a.addr) ? EADDRNOTAVAIL : a;
}

function connect(so: Socket, sa: Uint8Array): Errno | null {
  const tp = tcpOf(so);
  const a = decode(so, sa);
  if (a instanceof Errno) return a;
  if (addrIsBroadcast(a.addr)) return EADDRNOTAVAIL;
  if (tp.state !== Ts.CLOSED || tp.fport !== 0) return EINVAL;
  const e = pcbConnect(tp, a.addr, a.port);
  if (e !== null) return e;
  const { p } = gd.tcp;
  [tp.iss, tp.tsOff] = newIss(tp.laddr, tp.lport, tp.faddr, tp.fport);
  tp.sndUna = tp.sndNxt = tp.sndMax = tp.sndUp = tp.recover = tp.iss;
  tp.sbSeq = seqAdd(tp.iss, 1);
  tp.peerMss = p.mssdflt;
  tp.rcvScale = p.rfc1323 !== 0 ? rcvScaleFor(p.recvbuf_max) : 0;
  tp.rto = Math.max(1e9, p.rexmit_min * 1e6);
  tp.cwnd = announcedMss(gd.tcp.net.mtu(tp.faddr), tp.v6);
  setMss(tp);
  tp.state = Ts.SYN_SENT;
  gd.tcp.stats.connattempt++;
  soisconnecting(so);
  calloutReset(tp.tKeep, (tp.keepInitMs || p.keepinit) * 1e6);
  const err = sendSyn(tp);
  if (err === null) return null;
  tcpClose(tp);
  return err;
}

function send(so: Socket, flags: number, m: Mbuf | null): Errno | null {
  const tp = tcpOf(so);
  if (tp.state < Ts.SYN_SENT || tp.finQueued) {
    mfreem(m);
    return tp.finQueued ? EPIPE : ENOTCONN;
  }
  if (m !== null) sbappendstream(so.snd, m);
  if ((flags & MSG_OOB) !== 0) tp.sndUp = seqAdd(tp.sbSeq, so.snd.cc);
  if ((flags & MSG_EOF) !== 0) {
    socantsendmore(so);
    usrClosed(tp);
  } else tcpOutput(tp);
  return null;
}

type Opts = Readonly<Record<number, { get: (tp: Tcpcb) => number; set: (tp: Tcpcb, n: number) => Errno | null }>>;

/** A byte of every packet of the connection; -1, in IPv6: the default. */
const packetOpt = (field: 'ttl' | 'tos', least: number): Opts[number] => ({
  get: (tp) => (field === 'ttl' && tp.ttl === 0 ? gd.ip.ttl : tp[field]),
  set(tp, n) {
    if (n < least || n > 255) return EINVAL;
    tp[field] = Math.max(0, n);
    return null;
  },
});
/** IP_TOS, IP_TTL. */
const IP_OPTIONS: Opts = { 3: packetOpt('tos', 0), 4: packetOpt('ttl', 0) };
/** IPV6_UNICAST_HOPS, IPV6_V6ONLY (always so: sockets of one family never see the other), IPV6_TCLASS. */
const IPV6_OPTIONS: Opts = {
  4: packetOpt('ttl', -1),
  27: { get: () => 1, set: (tp, n) => (tp.lport !== 0 || n < 0 || n > 1 ? EINVAL : null) },
  61: packetOpt('tos', -1),
};

/** TCP_* of level 6: name, get, set. Keep-alive times are in ms. */
const OPTIONS: Opts = {
  1: {
    get: (tp) => Number(tp.nodelay),
    set(tp, n) {
      tp.nodelay = n !== 0;
      if (tp.nodelay) tcpOutput(tp);
      return null;
    },
  },
  2: {
    get: (tp) => (tp.userMss > 0 && tp.state < Ts.ESTABLISHED ? tp.userMss : tp.mss),
    set(tp, n) {
      if (n < gd.tcp.p.minmss || n > 65535) return EINVAL;
      tp.userMss = n;
      if (tp.state >= Ts.ESTABLISHED) setMss(tp);
      return null;
    },
  },
  4: {
    get: (tp) => Number(tp.nopush),
    set(tp, n) {
      tp.nopush = n !== 0;
      if (!tp.nopush) tcpOutput(tp);
      return null;
    },
  },
  8: {
    get: (tp) => Number(tp.noopt),
    set(tp, n) {
      tp.noopt = n !== 0;
      return null;
    },
  },
  0x20: keepOpt('keepInitMs', 'keepinit'),
  0x100: keepOpt('keepIdleMs', 'keepidle'),
  0x200: keepOpt('keepIntvlMs', 'keepintvl'),
  0x400: keepOpt('keepCnt', 'keepcnt'),
};
function keepOpt(
  field: 'keepInitMs' | 'keepIdleMs' | 'keepIntvlMs' | 'keepCnt',
  dflt: 'keepinit' | 'keepidle' | 'keepintvl' | 'keepcnt',
): Opts[number] {
  return {
    get: (tp) => tp[field] || gd.tcp.p[dflt],
    set(tp, n) {
      if (n <= 0) return EINVAL;
      tp[field] = n;
      // The timer looks at what is set when it fires: let it fire soon enough.
      if (field === 'keepIdleMs' && tp.state >= Ts.ESTABLISHED && tp.state < Ts.TIME_WAIT)
        calloutReset(tp.tKeep, n * 1e6);
      return null;
    },
  };
}

function tcpProto(v6: boolean): Protosw {
  return Object.freeze({
    family: v6 ? AF_INET6 : AF_INET,
    type: SOCK_STREAM,
    protocol: IPPROTO_TCP,
    flags: PR_CONNREQUIRED | PR_WANTRCVD,
    sndHiwat: 65536,
    rcvHiwat: 65536,
    attach(so: Socket): Errno | null {
      so.pcb = newTcpcb(so, v6);
      so.snd.hiwat = gd.tcp.p.sendspace;
      so.rcv.hiwat = gd.tcp.p.recvspace;
      return null;
    },
    detach(so: Socket): void {
      const tp = tcpOf(so);
      tp.detached = true;
      // What was received and not read is lost, and the peer is told (RFC 9293 section 3.6.1).
      if (so.rcv.cc > 0 && tp.state >= Ts.ESTABLISHED && tp.state < Ts.TIME_WAIT) tcpDrop(tp, null);
      else if (tp.state < Ts.TIME_WAIT) disconnect(tp);
      if (tp.state === Ts.FIN_WAIT_2) calloutReset(tp.t2msl, gd.tcp.p.finwait2_timeout * 1e6);
    },
    abort(so: Socket): void {
      tcpOf(so).detached = true;
      tcpDrop(tcpOf(so), null);
    },
    *bind(so: Socket, sa: Uint8Array, lwp: Lwp): Blocking<Errno | null> {
      const a = decode(so, sa);
      if (a instanceof Errno) return a;
      return pcbBind(tcpOf(so), a.addr, a.port, lwp.proc.cred.uid);
    },
    listen(so: Socket, lwp: Lwp): Errno | null {
      const tp = tcpOf(so);
      if (tp.state !== Ts.CLOSED && tp.state !== Ts.LISTEN) return EINVAL;
      if (tp.lport === 0) {
        const e = pcbBind(tp, tp.laddr, 0, lwp.proc.cred.uid);
        if (e !== null) return e;
      }
      tp.state = Ts.LISTEN;
      pcbListen(tp);
      return null;
    },
    *connect(so: Socket, sa: Uint8Array): Blocking<Errno | null> {
      return connect(so, sa);
    },
    connect2: (): Errno => EOPNOTSUPP,
    disconnect(so: Socket): Errno | null {
      disconnect(tcpOf(so));
      return null;
    },
    send,
    lookup: null,
    space: (so: Socket): number => so.snd.space,
    rcvd(so: Socket): void {
      tcpOutput(tcpOf(so));
    },
    rcvoob(so: Socket, flags: number): number | Errno {
      const tp = tcpOf(so);
      if ((so.options & SO_OOBINLINE) !== 0 || tp.oobHad || (so.oobmark < 0 && tp.oobByte < 0)) return EINVAL;
      const b = tp.oobByte;
      if (b < 0) return EWOULDBLOCK;
      if ((flags & MSG_PEEK) === 0) {
        tp.oobByte = -1;
        tp.oobHad = true;
      }
      return b;
    },
    shutdown(so: Socket): Errno | null {
      const tp = tcpOf(so);
      if (tp.state < Ts.SYN_RCVD || tp.state === Ts.TIME_WAIT) return ENOTCONN;
      socantsendmore(so);
      usrClosed(tp);
      return null;
    },
    sockaddr: (so: Socket): Uint8Array => sinEncode(tcpOf(so).laddr, tcpOf(so).lport),
    peeraddr(so: Socket): Uint8Array | Errno {
      const tp = tcpOf(so);
      return tp.fport === 0 || tp.state < Ts.SYN_RCVD ? ENOTCONN : sinEncode(tp.faddr, tp.fport);
    },
    ctloutput(so: Socket, level: number, name: number, val: Uint8Array | null): Uint8Array | Errno | null {
      const level3 = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
      const table = level === IPPROTO_TCP ? OPTIONS : level === level3 ? (v6 ? IPV6_OPTIONS : IP_OPTIONS) : {};
      const o = table[name] as Opts[number] | undefined;
      if (o === undefined) return ENOPROTOOPT;
      if (val === null) return new Uint8Array(Int32Array.of(o.get(tcpOf(so))).buffer);
      if (val.length < 4) return EINVAL;
      return o.set(tcpOf(so), sysctlNumber(val.subarray(0, 4)));
    },
    *control(): Blocking<Errno> {
      return EOPNOTSUPP;
    },
  });
}
export const tcp4 = tcpProto(false);
export const tcp6 = tcpProto(true);

/**
 * An ICMP error about a segment of ours. One whose sequence number is not in flight is not believed (RFC 5927 section 4.1), and an
 * established connection outlives what says "unreachable" (section 4.2).
 */
export function tcpCtlinput(
  src: Uint8Array,
  lport: number,
  dst: Uint8Array,
  fport: number,
  seq: number,
  kind: Ctl,
  errno: Errno | null,
): void {
  const tp = pcbLookup(src, lport, dst, fport);
  if (tp === null || seqLt(seq, tp.sndUna) || seqGeq(seq, tp.sndMax)) return;
  if (kind === Ctl.MSGSIZE) {
    if (gd.tcp.p.path_mtu_discovery === 0) return;
    const old = tp.mss;
    setMss(tp);
    if (tp.mss >= old) return;
    tp.cwnd = Math.max(tp.mss, pipe(tp));
    markLost(tp, tp.sndNxt);
    tcpOutput(tp);
  } else if (errno !== null) {
    const hard = kind === Ctl.UNREACH_PORT || kind === Ctl.UNREACH_PROTO || kind === Ctl.UNREACH_ADMIN;
    if (tp.state === Ts.SYN_SENT && hard) tcpDrop(tp, kind === Ctl.UNREACH_PORT ? ECONNREFUSED : errno);
    else tp.softError = errno === ECONNRESET ? null : errno;
  }
}

/** The layer below, by IP. */
const ipNet: TcpNet = {
  output: (m, src, dst, ttl, tos) => ipOutput(m, { src, dst, proto: IPPROTO_TCP, ttl, tos, df: true, csumOff: 16 }),
  mtu: ipMtu,
  source: (dst) => ipSourceFor(dst),
  isLocal: (a) => addrIsLoopback(a) || ifaLocal(a) !== null,
};

/** Which parameters of TcpParams are sysctls of net.inet.tcp; each acts. */
const SYSCTLS: readonly [keyof TcpParams, string][] = [
  ['rfc1323', 'window scaling and time stamps'],
  ['sack', 'selective acknowledgements'],
  ['mssdflt', 'segment size when the peer names none'],
  ['minmss', 'smallest segment size'],
  ['sendspace', 'send buffer of new sockets'],
  ['recvspace', 'receive buffer of new sockets'],
  ['keepidle', 'ms of silence before keep-alive probes'],
  ['keepintvl', 'ms between keep-alive probes'],
  ['keepcnt', 'keep-alive probes before giving up'],
  ['keepinit', 'ms to establish a connection'],
  ['delayed_ack', 'delay acknowledgements'],
  ['delacktime', 'ms an acknowledgement is delayed'],
  ['msl', 'ms a segment may live'],
  ['finwait2_timeout', 'ms in FIN_WAIT_2 after close'],
  ['rexmit_min', 'shortest retransmission time-out, ms'],
  ['rexmit_max', 'longest retransmission time-out, ms'],
  ['blackhole', 'no RST for segments to closed ports'],
  ['path_mtu_discovery', 'believe ICMP about packet sizes'],
];

export function tcpInit(net: TcpNet): void {
  gd.tcp = new TcpGlobal(net);
  gd.syncache = new Map();
  domainAdd(tcp4, tcp6);
}

/** At boot. */
export function tcpBoot(): void {
  tcpInit(ipNet);
  for (const [name, descr] of SYSCTLS)
    sysctlAdd({
      name: 'net.inet.tcp.' + name,
      kind: 'int',
      descr,
      get: () => gd.tcp.p[name],
      set(_p, b) {
        const n = sysctlNumber(b);
        if (n < 0) return EINVAL;
        gd.tcp.p[name] = n;
        return null;
      },
    });
  ipProtoRegister(IPPROTO_TCP, {
    input: (m, src, dst, _ifp, hdr) => {
      if (hdr.bcast || hdr.mcast) mfreem(m);
      else tcpInput(m, src, dst, hdr.csumOk);
    },
    ctlinput(kind, src, dst, info) {
      const h = info.head;
      if (h.length < 8) return;
      const seq = ((h[4] << 24) | (h[5] << 16) | (h[6] << 8) | h[7]) >>> 0;
      tcpCtlinput(src, info.lport, dst, info.fport, seq, kind, info.errno);
    },
  });
}
