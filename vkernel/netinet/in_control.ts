/**
 * Control messages of datagram and raw sockets: what a receiver asked to be told, and what a sender says about one packet.
 *
 * Counterpart: sys/netinet/ip_input.c (ip_savecontrol), sys/netinet6/ip6_input.c, ip6_output.c (ip6_setpktopts); RFC 3542
 */
import { EINVAL, ENXIO, Errno } from '../sys/errno.js';
import { SCM_TIMESTAMP, SO_TIMESTAMP, SOL_SOCKET } from '../sys/socket.js';
import { ifByIndex, type Ifnet } from '../net/if.js';
import { wallNs } from '../kern/kern_time.js';
import type { Control } from '../kern/uipc_sockbuf.js';
import { addrIsAny, addrWithZone, type InAddr, IPPROTO_IP, IPPROTO_IPV6 } from './in.js';
import { type Inpcb, INP_RECVDSTADDR, INP_RECVPKTINFO, INP_RECVTTL } from './in_pcb.js';
import type { IpHdr } from './ip_proto.js';

const IP_SENDSRCADDR = 7;
const IP_RECVTTL = 65;
const IPV6_PKTINFO = 46;
const IPV6_HOPLIMIT = 47;
const IPV6_TCLASS = 61;
const PKTINFO_SIZE = 20;

function timestamp(): Control {
  const data = new Uint8Array(16);
  const v = new DataView(data.buffer);
  const ns = wallNs();
  v.setBigInt64(0, ns / 1000000000n, true);
  v.setBigInt64(8, (ns % 1000000000n) / 1000n, true);
  return { level: SOL_SOCKET, type: SCM_TIMESTAMP, data, files: null };
}

/** What `inp` wants to be told about a packet; null: nothing. */
export function inRecvControl(inp: Inpcb, ifp: Ifnet, hdr: IpHdr): Control[] | null {
  const out: Control[] = [];
  const add = (level: number, type: number, data: Uint8Array): void =>
    void out.push({ level, type, data, files: null });
  if ((inp.so.options & SO_TIMESTAMP) !== 0) out.push(timestamp());
  if (!inp.v6) {
    if ((inp.flags & INP_RECVDSTADDR) !== 0) add(IPPROTO_IP, IP_SENDSRCADDR, hdr.dst);
    if ((inp.flags & INP_RECVTTL) !== 0) add(IPPROTO_IP, IP_RECVTTL, Uint8Array.of(hdr.ttl));
  } else {
    if ((inp.flags & INP_RECVPKTINFO) !== 0) {
      const data = new Uint8Array(PKTINFO_SIZE);
      data.set(addrWithZone(hdr.dst, 0));
      new DataView(data.buffer).setUint32(16, ifp.index, true);
      add(IPPROTO_IPV6, IPV6_PKTINFO, data);
    }
    if ((inp.flags & INP_RECVTTL) !== 0)
      add(IPPROTO_IPV6, IPV6_HOPLIMIT, new Uint8Array(Int32Array.of(hdr.ttl).buffer));
  }
  return out.length === 0 ? null : out;
}

/** What control messages say about one packet; what they leave open is as the socket has it. */
export interface SendControl {
  src: InAddr;
  ttl: number;
  tos: number;
  ifp: Ifnet | null;
}

/**
 * Overwrite in `s` what `control` says; messages of other levels and types are passed over.
 * @returns null, EINVAL (size, value), ENXIO (no such interface)
 */
export function inSendControl(inp: Inpcb, control: Control[] | null, s: SendControl): Errno | null {
  for (const c of control ?? []) {
    const v = new DataView(c.data.buffer, c.data.byteOffset, c.data.length);
    if (!inp.v6) {
      if (c.level !== IPPROTO_IP || c.type !== IP_SENDSRCADDR) continue;
      if (c.data.length < 4) return EINVAL;
      s.src = c.data.slice(0, 4);
      continue;
    }
    if (c.level !== IPPROTO_IPV6) continue;
    if (c.type === IPV6_PKTINFO) {
      if (c.data.length < PKTINFO_SIZE) return EINVAL;
      const index = v.getUint32(16, true);
      if (index !== 0 && (s.ifp = ifByIndex(index)) === null) return ENXIO;
      if (!addrIsAny(c.data.subarray(0, 16))) s.src = addrWithZone(c.data.slice(0, 16), index);
    } else if (c.type === IPV6_HOPLIMIT || c.type === IPV6_TCLASS) {
      const n = c.data.length < 4 ? -2 : v.getInt32(0, true);
      if (n < -1 || n > 255) return EINVAL;
      // -1: the default, which the socket's setting may be (RFC 3542 sections 6.3, 6.5).
      if (n >= 0 && c.type === IPV6_HOPLIMIT) s.ttl = n;
      else if (n >= 0) s.tos = n;
    }
  }
  return null;
}
