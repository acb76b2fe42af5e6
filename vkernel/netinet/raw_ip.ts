/**
 * Raw sockets, IPv4 and IPv6, for the super-user.
 *
 * They see what is not TCP's or UDP's, and no echo requests, which are answered. An IPv4 reader gets the header too, with length (less the
 * header's) and offset in the machine's byte order, as BSD programs expect; a writer with IP_HDRINCL gives them so.
 *
 * Counterpart: sys/netinet/raw_ip.c, sys/netinet6/raw_ip6.c
 */
import type { Blocking } from '../sys/blocking.js';
import {
  EADDRNOTAVAIL,
  EDESTADDRREQ,
  EINVAL,
  EISCONN,
  EMSGSIZE,
  ENOTCONN,
  EOPNOTSUPP,
  EPERM,
  Errno,
} from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { AF_INET, AF_INET6, SO_BROADCAST, SOCK_RAW } from '../sys/socket.js';
import { type Ifnet, ifaLocal } from '../net/if.js';
import { credIsSuper, type Lwp } from '../kern/proc.js';
import { madjFront, mcat, mcopym, mflat, mfreem, mget, mlength, mpullup, type Mbuf } from '../kern/uipc_mbuf.js';
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
  type InAddr,
  inCksum,
  inPseudo,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  sinDecode,
  sinEncode,
} from './in.js';
import { inRecvControl, inSendControl, type SendControl } from './in_control.js';
import { inCtloutput } from './in_ctloutput.js';
import {
  type Inpcb,
  INP_DONTFRAG,
  INP_HDRINCL,
  inPcballoc,
  inPcbdetach,
  InpcbInfo,
  inPcbset,
  inpOf,
  inPeeraddr,
  inSockaddr,
} from './in_pcb.js';
import { IP_DF, ipOutput, ipSourceFor } from './ip_output.js';
import { IP_ALLOWBROADCAST, type IpHdr } from './ip_proto.js';

const SPACE = 8192;
const IP_HDRINCL = 2;
const ICMP6_FILTER = 18;
const ECHO = 8;
const ECHO6 = 128;

declare module '../sys/globaldata.js' {
  interface GlobalData {
    rip: InpcbInfo;
  }
}

/** The IPv4 header as readers get it. */
function header4(hdr: IpHdr, len: number): Mbuf {
  const h = mget(hdr.raw.length);
  h.data.set(hdr.raw);
  h.len = hdr.raw.length;
  const v = new DataView(h.data.buffer, h.data.byteOffset, h.len);
  v.setUint16(2, len, true);
  v.setUint16(6, v.getUint16(6, false), true);
  return h;
}

function input(m: Mbuf, hdr: IpHdr, ifp: Ifnet): boolean {
  const v6 = hdr.dst.length === 16;
  const type = m.len > 0 ? m.data[m.off] : 0;
  if (v6 ? hdr.proto === IPPROTO_ICMPV6 && type === ECHO6 : hdr.proto === IPPROTO_ICMP && type === ECHO) return false;
  const len = mlength(m);
  let any = false;
  for (const inp of gd.rip.all) {
    if (inp.v6 !== v6 || (inp.rawProto !== 0 && inp.rawProto !== hdr.proto)) continue;
    if (!addrIsAny(inp.laddr) && !addrEq(inp.laddr, hdr.dst)) continue;
    if (!addrIsAny(inp.faddr) && !addrEq(inp.faddr, hdr.src)) continue;
    any = true;
    if (hdr.ttl < inp.minttl) continue;
    const f = inp.icmp6filter;
    if (f !== null && hdr.proto === IPPROTO_ICMPV6 && (f[type >> 5] & (1 << (type & 31))) !== 0) continue;
    const { so } = inp;
    if ((so.state & SS_CANTRCVMORE) !== 0 || so.rcv.space < len + hdr.raw.length) continue;
    const data = mcopym(m, 0, len);
    const whole = v6 ? data : mcat(header4(hdr, len), data);
    sbappendrecord(so.rcv, sinEncode(hdr.src, 0), whole, inRecvControl(inp, ifp, hdr), true);
    so.rcv.notify();
  }
  return any;
}

function send(
  so: Socket,
  _flags: number,
  m0: Mbuf | null,
  sa: Uint8Array | null,
  control: Control[] | null,
): Errno | null {
  const inp = inpOf(so);
  const refuse = (e: Errno): Errno => {
    mfreem(m0);
    return e;
  };
  let dst = inp.faddr;
  if (sa !== null) {
    if (!addrIsAny(inp.faddr)) return refuse(EISCONN);
    const to = sinDecode(sa, inp.v6);
    if (to instanceof Errno) return refuse(to);
    dst = to.addr;
  } else if (addrIsAny(dst)) return refuse(EDESTADDRREQ);
  if (m0 === null) return EMSGSIZE;
  const flags = (so.options & SO_BROADCAST) !== 0 ? IP_ALLOWBROADCAST : 0;
  if ((inp.flags & INP_HDRINCL) !== 0) return sendHdrincl(m0, dst, flags);
  const group = addrIsMulticast(dst);
  const c: SendControl = {
    src: inp.laddr,
    ttl: group ? (inp.moptions?.ttl ?? 1) : inp.ttl,
    tos: inp.tos,
    ifp: group ? (inp.moptions?.ifp ?? null) : null,
  };
  const bad = inSendControl(inp, control, c);
  if (bad !== null) return refuse(bad);
  const src = addrIsAny(c.src) ? ipSourceFor(dst, c.ifp) : c.src;
  if (src instanceof Errno) return refuse(src);
  let m = m0;
  if (inp.rawProto === IPPROTO_ICMPV6) {
    const p = mpullup(m0, 4);
    if (p === null) return EINVAL;
    m = p;
    p.data[p.off + 2] = p.data[p.off + 3] = 0;
    const len = mlength(p);
    const sum = inCksum(p, 0, len, inPseudo(src, dst, len, IPPROTO_ICMPV6));
    p.data[p.off + 2] = sum >> 8;
    p.data[p.off + 3] = sum & 255;
  }
  return ipOutput(m, {
    src,
    dst,
    proto: inp.rawProto,
    ttl: c.ttl,
    tos: c.tos,
    df: (inp.flags & INP_DONTFRAG) !== 0,
    flags,
    ifp: c.ifp,
    noloop: inp.moptions?.loop === false,
    options: inp.options,
  });
}

/** The caller's header says everything but the identification. */
function sendHdrincl(m0: Mbuf, dst: InAddr, flags: number): Errno | null {
  const b = mflat(m0).subarray(0, 60);
  const v = new DataView(b.buffer, b.byteOffset, b.length);
  const hlen = (b[0] & 15) << 2;
  if (b.length < 20 || hlen < 20 || hlen > b.length || v.getUint16(2, true) !== mlength(m0)) {
    mfreem(m0);
    return EINVAL;
  }
  const m = madjFront(m0, hlen);
  if (m === null) return EINVAL;
  return ipOutput(m, {
    src: b.slice(12, 16),
    dst: addrIsAny(b.subarray(16, 20)) ? dst : b.slice(16, 20),
    proto: b[9],
    ttl: b[8],
    tos: b[1],
    df: (v.getUint16(6, true) & IP_DF) !== 0,
    flags,
    options: hlen > 20 ? b.slice(20, hlen) : null,
  });
}

function ctloutput(so: Socket, level: number, name: number, val: Uint8Array | null): Uint8Array | Errno | null {
  const inp = inpOf(so);
  if (level === 0 && name === IP_HDRINCL && !inp.v6) {
    const on = (inp.flags & INP_HDRINCL) !== 0;
    if (val === null) return new Uint8Array(Int32Array.of(on ? 1 : 0).buffer);
    if (val.length < 4) return EINVAL;
    inp.flags = val.some((x) => x !== 0) ? inp.flags | INP_HDRINCL : inp.flags & ~INP_HDRINCL;
    return null;
  }
  if (level === IPPROTO_ICMPV6 && name === ICMP6_FILTER && inp.v6) {
    if (val === null) return new Uint8Array((inp.icmp6filter ?? new Uint32Array(8)).slice().buffer);
    if (val.length !== 32) return EINVAL;
    inp.icmp6filter = new Uint32Array(val.slice().buffer);
    return null;
  }
  return inCtloutput(inp, level, name, val);
}

/** The address in a sockaddr, for bind. */
function* bind(so: Socket, sa: Uint8Array): Blocking<Errno | null> {
  const inp: Inpcb = inpOf(so);
  const a = sinDecode(sa, inp.v6);
  if (a instanceof Errno) return a;
  if (!addrIsAny(a.addr) && !addrIsMulticast(a.addr) && ifaLocal(a.addr) === null) return EADDRNOTAVAIL;
  inPcbset(inp, a.addr, 0, inp.faddr, 0);
  return null;
}

const ripsw = (family: number): Protosw => {
  const v6 = family === AF_INET6;
  return Object.freeze({
    family,
    type: SOCK_RAW,
    protocol: 0,
    flags: PR_ATOMIC | PR_ADDR,
    sndHiwat: SPACE,
    rcvHiwat: SPACE,
    attach(so: Socket, protocol: number): Errno | null {
      if (!credIsSuper(so.cred)) return EPERM;
      inPcballoc(so, gd.rip, v6).rawProto = protocol & 255;
      return null;
    },
    detach: (so: Socket): void => inPcbdetach(inpOf(so)),
    abort: (so: Socket): void => inPcbdetach(inpOf(so)),
    bind,
    listen: (): Errno => EOPNOTSUPP,
    *connect(so: Socket, sa: Uint8Array, _lwp: Lwp): Blocking<Errno | null> {
      const a = sinDecode(sa, v6);
      if (a instanceof Errno) return a;
      inPcbset(inpOf(so), inpOf(so).laddr, 0, a.addr, 0);
      soisconnected(so);
      return null;
    },
    connect2: (): Errno => EOPNOTSUPP,
    disconnect(so: Socket): Errno | null {
      if ((so.state & SS_ISCONNECTED) === 0) return ENOTCONN;
      inPcbset(inpOf(so), inpOf(so).laddr, 0, anyOf(v6), 0);
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
    ctloutput,
    *control(): Blocking<Errno> {
      return EOPNOTSUPP;
    },
  });
};

export function rawInit(): void {
  gd.rip = new InpcbInfo('raw', false);
  gd.ip.raw = input;
  domainAdd(ripsw(AF_INET), ripsw(AF_INET6));
}
