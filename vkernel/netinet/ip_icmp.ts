/**
 * ICMP and ICMPv6: echo, errors we send (at most 200 a second), and errors that come in, handed to the protocol they are about.
 *
 * Counterpart: sys/netinet/ip_icmp.c, sys/netinet6/icmp6.c; RFC 792, 1122, 1191, 4443
 */
import { ECONNREFUSED, EHOSTUNREACH, EMSGSIZE, ENOPROTOOPT, type Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { type Ifnet, ifaLocal } from '../net/if.js';
import { type Mbuf, mcat, mcopydata, mfreem, mgethdr, mlength, mpullup, mtrim } from '../kern/uipc_mbuf.js';
import {
  addrIsAny,
  addrWithZone,
  anyOf,
  type InAddr,
  inCksum,
  inPseudo,
  inSum,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
} from './in.js';
import { ipOutput, ipSetPmtu } from './ip_output.js';
import { Ctl, type IpHdr, ipProtoRegister } from './ip_proto.js';

const ECHOREPLY = 0;
const ECHO = 8;
const ECHO6 = 128;
const ECHOREPLY6 = 129;
const LIMIT = 200;

/** Type and code by kind. */
const V4: readonly [Ctl, number, number][] = [
  [Ctl.UNREACH_NET, 3, 0],
  [Ctl.UNREACH_HOST, 3, 1],
  [Ctl.UNREACH_PROTO, 3, 2],
  [Ctl.UNREACH_PORT, 3, 3],
  [Ctl.MSGSIZE, 3, 4],
  [Ctl.UNREACH_ADMIN, 3, 13],
  [Ctl.TIMXCEED, 11, 0],
  [Ctl.PARAMPROB, 12, 0],
];
const V6: readonly [Ctl, number, number][] = [
  [Ctl.UNREACH_NET, 1, 0],
  [Ctl.UNREACH_ADMIN, 1, 1],
  [Ctl.UNREACH_HOST, 1, 3],
  [Ctl.UNREACH_PORT, 1, 4],
  [Ctl.MSGSIZE, 2, 0],
  [Ctl.TIMXCEED, 3, 0],
  [Ctl.PARAMPROB, 4, 0],
  [Ctl.UNREACH_PROTO, 4, 1],
];
function errnoOf(k: Ctl): Errno | null {
  switch (k) {
    case Ctl.UNREACH_PORT:
    case Ctl.UNREACH_PROTO:
      return ECONNREFUSED;
    case Ctl.MSGSIZE:
      return EMSGSIZE;
    case Ctl.PARAMPROB:
      return ENOPROTOOPT;
    case Ctl.UNREACH_NET:
    case Ctl.UNREACH_HOST:
    case Ctl.UNREACH_ADMIN:
      return EHOSTUNREACH;
    default:
      return null;
  }
}

declare module '../sys/globaldata.js' {
  interface GlobalData {
    icmp: { second: number; sent: number; limited: number; badSum: number };
  }
}

function mayError(): boolean {
  const s = Math.floor(gd.machine.now() / 1e9);
  if (s !== gd.icmp.second) {
    gd.icmp.second = s;
    gd.icmp.sent = 0;
  }
  if (++gd.icmp.sent <= LIMIT) return true;
  gd.icmp.limited++;
  return false;
}

/** Send type, code and 4 bytes of `word` before `body`. */
function send(src: InAddr, dst: InAddr, type: number, code: number, word: number, body: Mbuf | null): void {
  const v6 = dst.length === 16;
  const h = mgethdr();
  h.len = 8;
  const v = new DataView(h.data.buffer, h.data.byteOffset + h.off, 8);
  v.setUint8(0, type);
  v.setUint8(1, code);
  v.setUint16(2, 0, false);
  v.setUint32(4, word, false);
  const m = mcat(h, body) as Mbuf;
  const len = mlength(m);
  const proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
  v.setUint16(2, inCksum(m, 0, len, v6 ? inPseudo(src, dst, len, proto) : 0), false);
  ipOutput(m, { src, dst, proto, ttl: 0, tos: 0 });
}

/** Tell the sender of a packet what became of it; `m` is its payload and is taken. */
function icmpError(kind: Ctl, hdr: IpHdr, m: Mbuf, _ifp: Ifnet, code: number): void {
  const v6 = hdr.dst.length === 16;
  const t = (v6 ? V6 : V4).find((x) => x[0] === kind);
  // Never about an error, a group, or nobody (RFC 1122 3.2.2, RFC 4443 2.4).
  const isError =
    m.len > 0 &&
    (v6 ? hdr.proto === IPPROTO_ICMPV6 && m.data[m.off] < 128 : hdr.proto === IPPROTO_ICMP && m.data[m.off] !== ECHO);
  if (t === undefined || isError || hdr.bcast || hdr.mcast || addrIsAny(hdr.src) || !mayError()) return mfreem(m);
  const room = (v6 ? 1280 - 48 : 576 - 28) - hdr.raw.length;
  const part = mtrim(m, Math.min(mlength(m), Math.max(8, room)));
  const b = mgethdr();
  b.data.set(hdr.raw, b.off);
  b.len = hdr.raw.length;
  // What was reassembled shows the length that it has now; its base header stays as it came.
  send(ifaLocal(hdr.dst) !== null ? hdr.dst : anyOf(v6), hdr.src, t[1], t[2] + code, 0, mcat(b, part));
}

function input(m0: Mbuf, src: InAddr, dst: InAddr, ifp: Ifnet, hdr: IpHdr): void {
  const v6 = dst.length === 16;
  const len = mlength(m0);
  if (inSum(m0, 0, len, v6 ? inPseudo(src, dst, len, IPPROTO_ICMPV6) : 0) !== 0xffff) {
    gd.icmp.badSum++;
    return mfreem(m0);
  }
  const m = mpullup(m0, 8);
  if (m === null) return;
  const type = m.data[m.off];
  const code = m.data[m.off + 1];
  if (type === (v6 ? ECHO6 : ECHO)) {
    // Not to groups or broadcasts (net.inet.icmp.bmcastecho is off), and the payload is copied: the sender's may be shared.
    if (hdr.bcast || (hdr.mcast && !v6)) return mfreem(m);
    const word = new DataView(m.data.buffer, m.data.byteOffset + m.off, 8).getUint32(4, false);
    m.off += 8;
    m.len -= 8;
    return send(hdr.mcast ? anyOf(v6) : dst, src, v6 ? ECHOREPLY6 : ECHOREPLY, 0, word, m);
  }
  const t = (v6 ? V6 : V4).find(
    (x) => x[1] === type && (x[2] === code || type === 11 || type === 12 || (type === 3 && v6)),
  );
  if (t !== undefined) ctl(t[0], m, len, v6, ifp);
  mfreem(m);
}

/** An error about a packet of ours, quoted after 8 bytes. */
function ctl(kind: Ctl, m: Mbuf, len: number, v6: boolean, ifp: Ifnet): void {
  const q = new Uint8Array(Math.min(len, 256));
  mcopydata(m, 0, q, 0, q.length);
  const v = new DataView(q.buffer);
  const hlen = v6 ? 40 : q.length > 8 ? (q[8] & 15) << 2 : 0;
  if (hlen < 20 || q.length < 8 + hlen + 8) return;
  const src = addrWithZone(v6 ? q.slice(16, 32) : q.slice(20, 24), ifp.index);
  const dst = addrWithZone(v6 ? q.slice(32, 48) : q.slice(24, 28), ifp.index);
  if (ifaLocal(src) === null) return;
  const mtu = kind !== Ctl.MSGSIZE ? 0 : v6 ? v.getUint32(4, false) : v.getUint16(6, false);
  if (mtu !== 0) ipSetPmtu(dst, mtu);
  const at = 8 + hlen;
  const head = q.slice(at);
  const p = (v6 ? gd.ip.v6 : gd.ip.v4).get(v6 ? q[14] : q[17]);
  p?.ctlinput?.(kind, src, dst, {
    errno: errnoOf(kind),
    mtu,
    lport: v.getUint16(at, false),
    fport: v.getUint16(at + 2, false),
    head,
  });
}

export function icmpInit(): void {
  gd.icmp = { second: -1, sent: 0, limited: 0, badSum: 0 };
  gd.ip.error = icmpError;
  ipProtoRegister(IPPROTO_ICMP, { input }, 'v4');
  ipProtoRegister(IPPROTO_ICMPV6, { input }, 'v6');
}
