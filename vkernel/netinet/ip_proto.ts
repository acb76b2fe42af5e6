/**
 * Protocols above IP, of both families: what they register, and what they are given.
 */
import type { Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import type { Ifnet } from '../net/if.js';
import type { Mbuf } from '../kern/uipc_mbuf.js';
import type { InAddr } from './in.js';

/** What IP found out about a packet. */
export class IpHdr {
  ttl = 0;
  tos = 0;
  /** Arrived as a link or IP broadcast or multicast: nothing may answer it with an error. */
  bcast = false;
  mcast = false;
  /** The transport's checksum need not be looked at. */
  csumOk = false;
  /** Flow label and class, IPv6. */
  flow = 0;
  constructor(
    /** All headers before the transport's, as they came. */
    readonly raw: Uint8Array,
    readonly src: InAddr,
    readonly dst: InAddr,
    /** Its number, as IP delivers it. */
    public proto: number,
  ) {}
}

export const enum Ctl {
  /** Did not fit: CtlInfo.mtu says what does. */
  MSGSIZE = 0,
  UNREACH_NET,
  UNREACH_HOST,
  UNREACH_PROTO,
  UNREACH_PORT,
  /** Administratively prohibited. */
  UNREACH_ADMIN,
  TIMXCEED,
  PARAMPROB,
  REDIRECT,
  QUENCH,
}

export interface CtlInfo {
  /** What a socket that asks for it sees; null: nothing. */
  errno: Errno | null;
  mtu: number;
  /** Ports of the packet that failed: ours and the peer's. */
  lport: number;
  fport: number;
  /** At least 8 bytes of its transport header. */
  head: Uint8Array;
}

export interface IpProto {
  /** A whole datagram's payload, on the protocol thread. Takes `m`. */
  input(m: Mbuf, src: InAddr, dst: InAddr, ifp: Ifnet, hdr: IpHdr): void;
  /** A packet that we (`src`) sent to `dst` failed. */
  ctlinput?(kind: Ctl, src: InAddr, dst: InAddr, info: CtlInfo): void;
}

export class IpGlobal {
  readonly v4 = new Map<number, IpProto>();
  readonly v6 = new Map<number, IpProto>();
  ttl = 64;
  id = 0;
  /** Path MTUs by addrKey. */
  readonly pmtu = new Map<string, number>();
  readonly stat = {
    received: 0,
    badHeader: 0,
    badSum: 0,
    notForUs: 0,
    noProto: 0,
    fragments: 0,
    reassembled: 0,
    fragDropped: 0,
    sent: 0,
    fragmented: 0,
    noRoute: 0,
  };
  /** Gives raw sockets their copies; were there any? */
  raw: ((m: Mbuf, hdr: IpHdr, ifp: Ifnet) => boolean) | null = null;
  /** Sends an ICMP error about the packet of `hdr`; `m` is its payload and is taken. */
  error: ((kind: Ctl, hdr: IpHdr, m: Mbuf, ifp: Ifnet, code: number) => void) | null = null;
}

declare module '../sys/globaldata.js' {
  interface GlobalData {
    ip: IpGlobal;
  }
}

export function ipProtoRegister(proto: number, p: IpProto, families: 'both' | 'v4' | 'v6' = 'both'): void {
  if (families !== 'v6') gd.ip.v4.set(proto, p);
  if (families !== 'v4') gd.ip.v6.set(proto, p);
}

/** What to send. Reusable; `src` may be any address (0.0.0.0, ::) for ipSourceFor's. */
export interface IpOut {
  src: InAddr;
  dst: InAddr;
  proto: number;
  /** 0: net.inet.ip.ttl, for multicast 1. */
  ttl: number;
  tos: number;
  df?: boolean;
  flags?: number;
  /**
   * Offset of the transport's checksum in `m`, to be filled in where the link does not do without: 0 there now. Absent: the
   * checksum, if any, is in its place.
   */
  csumOff?: number;
  /** Send here, for multicast. */
  ifp?: Ifnet | null;
  /** No copy of a multicast packet for ourselves. */
  noloop?: boolean;
  /** IPv4 options, padded to 4. */
  options?: Uint8Array | null;
}
export const IP_ALLOWBROADCAST = 0x20;
export const IP_ROUTETOIF = 0x10;
