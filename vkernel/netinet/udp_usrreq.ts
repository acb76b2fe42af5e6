/**
 * UDP over IPv4 and IPv6.
 *
 * Counterpart: sys/netinet/udp_usrreq.c, sys/netinet6/udp6_usrreq.c; RFC 768, 8200
 */
import type { Blocking } from '../sys/blocking.js';
import { EDESTADDRREQ, EISCONN, EMSGSIZE, ENOTCONN, EOPNOTSUPP, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { AF_INET, AF_INET6, MSG_OOB, SO_BROADCAST, SOCK_DGRAM } from '../sys/socket.js';
import type { Ifnet } from '../net/if.js';
import type { Lwp } from '../kern/proc.js';
import { type Mbuf, madjFront, mcat, mcopym, mfreem, mgethdr, mlength, mpullup, mtrim } from '../kern/uipc_mbuf.js';
import { type Control, sbappendrecord } from '../kern/uipc_sockbuf.js';
import {
  domainAdd,
  PR_ADDR,
  PR_ATOMIC,
  type Protosw,
  type Socket,
  socantsendmore,
  soisconnected,
  SS_CANTRCVMORE,
  SS_ISCONNECTED,
} from '../kern/uipc_socket.js';
import {
  addrEq,
  addrIsAny,
  addrIsMulticast,
  anyOf,
  IN6ADDR_LOOPBACK,
  type InAddr,
  INADDR_LOOPBACK,
  inPseudo,
  inSum,
  IPPROTO_UDP,
  sinDecode,
  sinEncode,
} from './in.js';
import { inRecvControl, inSendControl, type SendControl } from './in_control.js';
import { inCtloutput } from './in_ctloutput.js';
import {
  type Inpcb,
  INP_DONTFRAG,
  inPcballoc,
  inPcbbind,
  inPcbconnect,
  inPcbdetach,
  inPcbset,
  InpcbInfo,
  inpOf,
  inPeeraddr,
  inSockaddr,
} from './in_pcb.js';
import { ipOutput, ipSourceFor } from './ip_output.js';
import { Ctl, type CtlInfo, IP_ALLOWBROADCAST, type IpHdr, ipProtoRegister } from './ip_proto.js';

const HDR = 8;
const MAXDGRAM = 9216;
const RECVSPACE = 42080;

declare module '../sys/globaldata.js' {
  interface GlobalData {
    udp: {
      info: InpcbInfo;
      stat: { in: number; out: number; badLength: number; badSum: number; noPort: number; full: number };
    };
  }
}

/** Give `m` (data only) to a socket; takes it. */
function append(inp: Inpcb, m: Mbuf | null, src: InAddr, sport: number, ifp: Ifnet, hdr: IpHdr): void {
  const { so } = inp;
  const n = mlength(m);
  if ((so.state & SS_CANTRCVMORE) !== 0 || n > so.rcv.space || so.rcv.space === 0 || hdr.ttl < inp.minttl) {
    gd.udp.stat.full++;
    return mfreem(m);
  }
  sbappendrecord(so.rcv, sinEncode(src, sport), m, inRecvControl(inp, ifp, hdr), true);
  so.rcv.notify();
}

function input(m0: Mbuf, src: InAddr, dst: InAddr, ifp: Ifnet, hdr: IpHdr): void {
  const { info, stat } = gd.udp;
  const have = mlength(m0);
  let m = mpullup(m0, HDR);
  if (m === null) {
    stat.badLength++;
    return;
  }
  const b = m.data;
  const o = m.off;
  const sport = (b[o] << 8) | b[o + 1];
  const dport = (b[o + 2] << 8) | b[o + 3];
  const len = (b[o + 4] << 8) | b[o + 5];
  const none = b[o + 6] === 0 && b[o + 7] === 0;
  if (len < HDR || len > have || dport === 0) {
    stat.badLength++;
    return mfreem(m);
  }
  if (have > len) m = mtrim(m, len) as Mbuf;
  // Without a checksum: allowed in IPv4, not in IPv6.
  const bad = none ? dst.length === 16 : inSum(m, 0, len, inPseudo(src, dst, len, IPPROTO_UDP)) !== 0xffff;
  if (!hdr.csumOk && bad) {
    stat.badSum++;
    return mfreem(m);
  }
  stat.in++;
  if (hdr.mcast || hdr.bcast) {
    for (const i of info.bound(dport, dst.length === 16)) {
      if (i.fport !== 0 && (i.fport !== sport || !addrEq(i.faddr, src))) continue;
      if (!addrIsAny(i.laddr) && !addrEq(i.laddr, dst)) continue;
      const member = i.moptions?.groups.some((g) => g.ifp === ifp && addrEq(g.group, dst)) ?? false;
      if (hdr.mcast && !member) continue;
      append(i, mcopym(m, HDR, len - HDR), src, sport, ifp, hdr);
    }
    return mfreem(m);
  }
  const inp = info.lookup(src, sport, dst, dport, true);
  if (inp === null) {
    stat.noPort++;
    if (gd.ip.error !== null) gd.ip.error(Ctl.UNREACH_PORT, hdr, m, ifp, 0);
    else mfreem(m);
    return;
  }
  append(inp, madjFront(m, HDR), src, sport, ifp, hdr);
}

/** Only who is connected hears of errors. */
function ctlinput(_kind: Ctl, src: InAddr, dst: InAddr, c: CtlInfo): void {
  const inp = gd.udp.info.lookup(dst, c.fport, src, c.lport, false);
  if (inp === null || c.errno === null) return;
  inp.so.error = c.errno;
  inp.so.rcv.notify();
  inp.so.snd.notify();
}

function send(
  so: Socket,
  flags: number,
  data: Mbuf | null,
  sa: Uint8Array | null,
  control: Control[] | null,
  lwp: Lwp,
): Errno | null {
  const inp = inpOf(so);
  const refuse = (e: Errno): Errno => {
    mfreem(data);
    return e;
  };
  if ((flags & MSG_OOB) !== 0) return refuse(EOPNOTSUPP);
  let dst = inp.faddr;
  let port = inp.fport;
  if (sa !== null) {
    if (inp.fport !== 0) return refuse(EISCONN);
    const to = sinDecode(sa, inp.v6);
    if (to instanceof Errno) return refuse(to);
    dst = to.addr;
    port = to.port;
  } else if (inp.fport === 0) return refuse(EDESTADDRREQ);
  const e = inp.lport === 0 ? inPcbbind(inp, anyOf(inp.v6), 0, lwp) : null;
  if (e !== null) return refuse(e);
  const group = addrIsMulticast(dst);
  const c: SendControl = {
    src: addrIsMulticast(inp.laddr) ? anyOf(inp.v6) : inp.laddr,
    ttl: group ? (inp.moptions?.ttl ?? 1) : inp.ttl,
    tos: inp.tos,
    ifp: group ? (inp.moptions?.ifp ?? null) : null,
  };
  const bad = inSendControl(inp, control, c);
  if (bad !== null) return refuse(bad);
  const { ifp } = c;
  const to = addrIsAny(dst) ? ipSourceFor(inp.v6 ? IN6ADDR_LOOPBACK : INADDR_LOOPBACK) : dst;
  if (to instanceof Errno) return refuse(to);
  const src = addrIsAny(c.src) ? ipSourceFor(to, ifp) : c.src;
  if (src instanceof Errno) return refuse(src);
  const len = HDR + mlength(data);
  if (len > 65535) return refuse(EMSGSIZE);
  const h = mgethdr();
  h.len = HDR;
  const v = new DataView(h.data.buffer, h.data.byteOffset + h.off, HDR);
  v.setUint16(0, inp.lport, false);
  v.setUint16(2, port, false);
  v.setUint16(4, len, false);
  v.setUint16(6, 0, false);
  gd.udp.stat.out++;
  return ipOutput(mcat(h, data) as Mbuf, {
    src,
    dst: to,
    proto: IPPROTO_UDP,
    ttl: c.ttl,
    tos: c.tos,
    df: (inp.flags & INP_DONTFRAG) !== 0,
    flags: (so.options & SO_BROADCAST) !== 0 ? IP_ALLOWBROADCAST : 0,
    csumOff: 6,
    ifp,
    noloop: inp.moptions?.loop === false,
    options: inp.options,
  });
}

const udpsw = (family: number): Protosw => {
  const v6 = family === AF_INET6;
  return Object.freeze({
    family,
    type: SOCK_DGRAM,
    protocol: IPPROTO_UDP,
    flags: PR_ATOMIC | PR_ADDR,
    sndHiwat: MAXDGRAM,
    rcvHiwat: RECVSPACE,
    attach(so: Socket): Errno | null {
      inPcballoc(so, gd.udp.info, v6);
      return null;
    },
    detach: (so: Socket): void => inPcbdetach(inpOf(so)),
    abort: (so: Socket): void => inPcbdetach(inpOf(so)),
    *bind(so: Socket, sa: Uint8Array, lwp: Lwp): Blocking<Errno | null> {
      const a = sinDecode(sa, v6);
      return a instanceof Errno ? a : inPcbbind(inpOf(so), a.addr, a.port, lwp);
    },
    listen: (): Errno => EOPNOTSUPP,
    *connect(so: Socket, sa: Uint8Array): Blocking<Errno | null> {
      const a = sinDecode(sa, v6);
      if (a instanceof Errno) return a;
      const e = inPcbconnect(inpOf(so), a.addr, a.port);
      if (e === null) soisconnected(so);
      return e;
    },
    connect2: (): Errno => EOPNOTSUPP,
    disconnect(so: Socket): Errno | null {
      const inp = inpOf(so);
      if (inp.fport === 0) return ENOTCONN;
      inPcbset(inp, anyOf(v6), inp.lport, anyOf(v6), 0);
      so.state &= ~SS_ISCONNECTED;
      return null;
    },
    send,
    lookup: null,
    space: (so: Socket): number => so.snd.hiwat,
    rcvd(): void {},
    rcvoob: (): Errno => EOPNOTSUPP,
    shutdown(so: Socket): Errno | null {
      socantsendmore(so);
      return null;
    },
    sockaddr: inSockaddr,
    peeraddr: inPeeraddr,
    ctloutput: (so: Socket, level: number, name: number, val: Uint8Array | null) =>
      inCtloutput(inpOf(so), level, name, val),
    *control(): Blocking<Errno> {
      return EOPNOTSUPP;
    },
  });
};

export function udpInit(): void {
  gd.udp = {
    info: new InpcbInfo('udp', false),
    stat: { in: 0, out: 0, badLength: 0, badSum: 0, noPort: 0, full: 0 },
  };
  ipProtoRegister(IPPROTO_UDP, { input, ctlinput });
  domainAdd(udpsw(AF_INET), udpsw(AF_INET6));
}
