/**
 * The state of TCP: one connection (Tcpcb), and what all share (gd.tcp).
 *
 * What has been sent and is not acknowledged yet is a list of TxSeg in order of sequence, SYN and FIN included. It is the scoreboard of
 * RFC 6675. snd.nxt only grows; what is to be sent again is marked `lost` there.
 * pipe, what is thought to be in the network, is (nxt - una) - sackedBytes - lostBytes - renoBytes.
 *
 * Counterpart: sys/netinet/tcp_var.h
 */
import { gd } from '../sys/globaldata.js';
import type { Errno } from '../sys/errno.js';
import { Callout } from '../kern/kern_timeout.js';
import type { Mbuf } from '../kern/uipc_mbuf.js';
import type { Socket } from '../kern/uipc_socket.js';
import { anyOf } from './in.js';

/** Connection states (RFC 9293 section 3.3.2) by DragonFly's numbers. */
export const enum Ts {
  CLOSED = 1,
  LISTEN = 2,
  SYN_SENT = 3,
  SYN_RCVD = 4,
  ESTABLISHED = 5,
  CLOSE_WAIT = 6,
  FIN_WAIT_1 = 7,
  CLOSING = 8,
  LAST_ACK = 9,
  FIN_WAIT_2 = 10,
  TIME_WAIT = 11,
}
export const TCP_STATES = [
  '',
  'CLOSED',
  'LISTEN',
  'SYN_SENT',
  'SYN_RCVD',
  'ESTABLISHED',
  'CLOSE_WAIT',
  'FIN_WAIT_1',
  'CLOSING',
  'LAST_ACK',
  'FIN_WAIT_2',
  'TIME_WAIT',
] as const;

/** What the congestion control is doing. */
export const enum Ca {
  OPEN = 0,
  /** Fast recovery (RFC 6675, RFC 6582) until `recover` is acknowledged. */
  RECOVERY = 1,
  /** After a retransmission time-out, until `recover` is acknowledged. */
  LOSS = 2,
}

export class TxSeg {
  prev: TxSeg | null = null;
  next: TxSeg | null = null;
  /** When it was sent last, ns. */
  xmitNs = 0;
  rexmits = 0;
  sacked = false;
  lost = false;
  constructor(
    public seq: number,
    public end: number,
    /** TH_SYN and TH_FIN of it. */
    public flags: number,
  ) {}
}

/** A hole-free piece of data that lies beyond rcv.nxt. */
export interface RxBlock {
  seq: number;
  end: number;
  m: Mbuf | null;
  tail: Mbuf | null;
  fin: boolean;
  /** Grows with each arrival: the newest block is reported first. */
  stamp: number;
}

export class Tcpcb {
  state: Ts = Ts.CLOSED;
  laddr: Uint8Array;
  faddr: Uint8Array;
  lport = 0;
  fport = 0;
  hash = 0;
  hashNext: Tcpcb | null = null;
  hashed = false;
  /** The descriptor is closed; nobody will read. */
  detached = false;
  softError: Errno | null = null;

  // Send sequence space.
  iss = 0;
  sndUna = 0;
  sndNxt = 0;
  /** Highest sent: beyond sndNxt after a window probe. */
  sndMax = 0;
  sndWnd = 0;
  sndWl1 = 0;
  sndWl2 = 0;
  maxSndWnd = 0;
  /** Sequence number after the urgent byte; sndUna when there is none. */
  sndUp = 0;
  /** Sequence number of the first byte in the send buffer. */
  sbSeq = 0;
  finQueued = false;
  finSent = false;
  sndScale = 0;

  // Receive sequence space.
  irs = 0;
  rcvNxt = 0;
  /** Right edge that was advertised. */
  rcvAdv = 0;
  rcvScale = 0;
  rcvUp = 0;
  oobByte = -1;
  oobHad = false;
  lastAckSent = 0;
  /** Largest payload seen: what full-sized means for delayed acknowledgements. */
  rcvMss = 0;
  ackNow = false;
  reass: RxBlock[] = [];
  stamps = 0;
  /** A duplicate to report (RFC 2883). */
  dsackL = 0;
  dsackR = 0;

  // Options.
  /** Payload bytes of a full segment, options subtracted. */
  mss = 536;
  /** As the peer announced, or the default. */
  peerMss = 536;
  userMss = 0;
  tsOk = false;
  tsOff = 0;
  tsRecent = 0;
  tsRecentNs = 0;
  sackOk = false;
  wsOk = false;
  nodelay = false;
  nopush = false;
  noopt = false;
  /** Of its packets: hop limit, 0 for the default; class of service. */
  ttl = 0;
  tos = 0;

  // Round trip and retransmission (RFC 6298), ns.
  srtt = 0;
  rttvar = 0;
  rto = 1e9;
  backoff = 0;
  minRtt = Infinity;
  /** A sample is taken when this is acknowledged. */
  rttSeq = 0;
  rcvTimeNs = 0;
  sndTimeNs = 0;

  // Scoreboard.
  txHead: TxSeg | null = null;
  txTail: TxSeg | null = null;
  sackedBytes = 0;
  sackedSegs = 0;
  lostBytes = 0;
  renoBytes = 0;
  dupacks = 0;

  // Congestion control.
  cwnd = 0;
  ssthresh = 0x3fffffff;
  ca: Ca = Ca.OPEN;
  recover = 0;
  cwndLimited = false;

  // Timers.
  readonly tRexmt: Callout;
  readonly tPersist: Callout;
  readonly tKeep: Callout;
  readonly t2msl: Callout;
  readonly tDelack: Callout;
  persistShift = 0;
  keepProbes = 0;
  keepIdleMs = 0;
  keepIntvlMs = 0;
  keepCnt = 0;
  keepInitMs = 0;

  constructor(
    readonly so: Socket,
    readonly v6: boolean,
    timers: TcpTimers,
  ) {
    this.laddr = this.faddr = anyOf(v6);
    this.tRexmt = new Callout(() => timers.rexmt(this));
    this.tPersist = new Callout(() => timers.persist(this));
    this.tKeep = new Callout(() => timers.keep(this));
    this.t2msl = new Callout(() => timers.msl(this));
    this.tDelack = new Callout(() => timers.delack(this));
  }
}

export interface TcpTimers {
  rexmt(tp: Tcpcb): void;
  persist(tp: Tcpcb): void;
  keep(tp: Tcpcb): void;
  msl(tp: Tcpcb): void;
  delack(tp: Tcpcb): void;
}

/** What TCP needs of the layer below. Addresses are 4 or 16 bytes. */
export interface TcpNet {
  /** Send; takes `m`, whose checksum is 0 and to be filled in. Never calls tcpInput before it returns. */
  output(m: Mbuf, src: Uint8Array, dst: Uint8Array, ttl: number, tos: number): Errno | null;
  /** Largest IP packet to `dst`, bytes. */
  mtu(dst: Uint8Array): number;
  /** Source address for `dst`, or EHOSTUNREACH, ENETUNREACH. */
  source(dst: Uint8Array): Uint8Array | Errno;
  /** Is it an address of this machine? */
  isLocal(addr: Uint8Array): boolean;
}

/** net.inet.tcp.*: name, meaning. Times in ms. */
export class TcpParams {
  rfc1323 = 1;
  sack = 1;
  mssdflt = 536;
  minmss = 216;
  sendspace = 65536;
  recvspace = 65536;
  recvbuf_max = 2 * 1024 * 1024;
  keepidle = 7200_000;
  keepintvl = 75_000;
  keepcnt = 8;
  keepinit = 180_000;
  delayed_ack = 1;
  delacktime = 100;
  msl = 30_000;
  finwait2_timeout = 60_000;
  rexmit_min = 200;
  rexmit_max = 64_000;
  maxrexmit = 12;
  persmax = 60_000;
  blackhole = 0;
  initcwnd = 10;
  syncache_limit = 4096;
  syncache_rexmtlimit = 4;
  challenge_ack_limit = 100;
  path_mtu_discovery = 1;
}

export class TcpStats {
  connattempt = 0;
  accepts = 0;
  connects = 0;
  drops = 0;
  sndtotal = 0;
  sndrexmit = 0;
  rcvtotal = 0;
  rcvbadsum = 0;
  rcvshort = 0;
  rcvoo = 0;
  rcvdup = 0;
  rcvafterwin = 0;
  pawsdrop = 0;
  rexmttimeo = 0;
  persisttimeo = 0;
  keepprobe = 0;
  keepdrops = 0;
  challengeacks = 0;
  badsyn = 0;
  sc_added = 0;
  sc_completed = 0;
  sc_dropped = 0;
  sc_retransmitted = 0;
  fastrecoveries = 0;
  twrecycled = 0;
  reneged = 0;
}

declare module '../sys/globaldata.js' {
  interface GlobalData {
    tcp: TcpGlobal;
  }
}

export class TcpGlobal {
  readonly p = new TcpParams();
  readonly stats = new TcpStats();
  readonly secret = new Uint8Array(16);
  /** Connections by their four numbers. */
  buckets: (Tcpcb | null)[] = new Array<Tcpcb | null>(1024).fill(null);
  count = 0;
  /** All bound sockets by local port. */
  readonly ports = new Map<number, Set<Tcpcb>>();
  readonly listeners = new Map<number, Tcpcb[]>();
  challengeSec = -1;
  challenges = 0;
  constructor(readonly net: TcpNet) {
    gd.machine.entropy(this.secret);
  }
}

/** Bytes of IP header before a segment. */
export const ipHdrLen = (tp: Tcpcb): number => (tp.v6 ? 40 : 20);
export const pipe = (tp: Tcpcb): number =>
  Math.max(0, ((tp.sndNxt - tp.sndUna) | 0) - tp.sackedBytes - tp.lostBytes - tp.renoBytes);
/** Time stamp clock: ms, and an offset of the connection's (RFC 7323 section 5.4). */
export const tsNow = (tp: { tsOff: number }): number => (Math.floor(gd.machine.now() / 1e6) + tp.tsOff) % 0x1_0000_0000;
