/**
 * Half-open passive connections: little is kept until the handshake is complete.
 *
 * Counterpart: sys/netinet/tcp_syncache.c
 */
import { gd } from '../sys/globaldata.js';
import { Callout, calloutReset, calloutStop } from '../kern/kern_timeout.js';
import { sonewconn, soisconnected } from '../kern/uipc_socket.js';
import { newIss, pcbInsert } from './tcp_pcb.js';
import { announcedMss, initialWindow, sendRst, setMss, tcpRespond } from './tcp_output.js';
import { seqAdd } from './tcp_seq.js';
import { type TcpSeg, TH_ACK, TH_RST, TH_SYN } from './tcp_wire.js';
import { armKeep } from './tcp_timer.js';
import { type Tcpcb, Ts, tsNow } from './tcp_var.js';

export class SynEntry {
  rexmits = 0;
  tsOff = 0;
  iss = 0;
  readonly timer = new Callout();
  constructor(
    readonly key: string,
    readonly head: Tcpcb,
    readonly laddr: Uint8Array,
    readonly lport: number,
    readonly faddr: Uint8Array,
    readonly fport: number,
    readonly irs: number,
    readonly mss: number,
    readonly wscale: number,
    readonly sackOk: boolean,
    readonly tsOk: boolean,
    public tsRecent: number,
  ) {}
}

declare module '../sys/globaldata.js' {
  interface GlobalData {
    syncache: Map<string, SynEntry>;
  }
}

const keyOf = (laddr: Uint8Array, lport: number, faddr: Uint8Array, fport: number): string =>
  String.fromCharCode(lport, fport, ...faddr, ...laddr);

/** Scale with which the largest buffer can be announced. */
export function rcvScaleFor(max: number): number {
  let n = 0;
  while (n < 14 && 65535 * 2 ** n < max) n++;
  return n;
}

function drop(e: SynEntry): void {
  calloutStop(e.timer);
  gd.syncache.delete(e.key);
}
/** The listener goes: so do its half-open connections. */
export function syncacheClose(head: Tcpcb): void {
  for (const e of [...gd.syncache.values()]) if (e.head === head) drop(e);
}

function sendSynAck(e: SynEntry): void {
  const { p, net } = gd.tcp;
  const { so } = e.head;
  tcpRespond(
    e.laddr,
    e.lport,
    e.faddr,
    e.fport,
    e.iss,
    seqAdd(e.irs, 1),
    TH_SYN | TH_ACK,
    (s) => {
      s.win = Math.min(so.rcv.hiwat, 65535);
      s.mss = e.head.userMss > 0 ? e.head.userMss : announcedMss(net.mtu(e.faddr), e.head.v6);
      if (e.wscale >= 0) s.wscale = rcvScaleFor(p.recvbuf_max);
      s.sackOk = e.sackOk;
      s.hasTs = e.tsOk;
      s.tsVal = tsNow(e);
      s.tsEcr = e.tsRecent;
    },
    e.head,
  );
}
function arm(e: SynEntry): void {
  calloutReset(e.timer, 1e9 * 2 ** e.rexmits, () => {
    if (++e.rexmits > gd.tcp.p.syncache_rexmtlimit) {
      gd.tcp.stats.sc_dropped++;
      drop(e);
      return;
    }
    gd.tcp.stats.sc_retransmitted++;
    sendSynAck(e);
    arm(e);
  });
}

/** A SYN for a listener (RFC 9293 section 3.10.7.2). */
export function syncacheAdd(head: Tcpcb, s: TcpSeg, src: Uint8Array, dst: Uint8Array): void {
  const { p, stats } = gd.tcp;
  const key = keyOf(dst, s.dport, src, s.sport);
  const old = gd.syncache.get(key);
  if (old !== undefined && old.irs === s.seq) {
    if (s.hasTs) old.tsRecent = s.tsVal;
    stats.sc_retransmitted++;
    sendSynAck(old);
    return;
  }
  if (old !== undefined) drop(old);
  // Nobody accepts: the client tries again.
  if (head.so.comp.length >= Math.max(1, head.so.qlimit) || gd.syncache.size >= p.syncache_limit) {
    stats.sc_dropped++;
    return;
  }
  const opts = p.rfc1323 !== 0 && !head.noopt;
  const e = new SynEntry(
    key,
    head,
    dst.slice(),
    s.dport,
    src.slice(),
    s.sport,
    s.seq,
    s.mss > 0 ? s.mss : p.mssdflt,
    opts ? Math.min(14, s.wscale) : -1,
    s.sackOk && p.sack !== 0 && !head.noopt,
    s.hasTs && opts,
    s.tsVal,
  );
  [e.iss, e.tsOff] = newIss(e.laddr, e.lport, e.faddr, e.fport);
  gd.syncache.set(key, e);
  stats.sc_added++;
  sendSynAck(e);
  arm(e);
}

/** A segment without SYN for a listener: the connection that it completes, or null (it has been answered). */
export function syncacheExpand(s: TcpSeg, src: Uint8Array, dst: Uint8Array): Tcpcb | null {
  const { p, stats } = gd.tcp;
  const e = gd.syncache.get(keyOf(dst, s.dport, src, s.sport));
  if (e === undefined) {
    if ((s.flags & TH_ACK) !== 0) sendRst(s, src, dst);
    return null;
  }
  if ((s.flags & TH_RST) !== 0) {
    // RFC 5961 section 3: only the very next number ends it.
    if (s.seq === seqAdd(e.irs, 1)) drop(e);
    return null;
  }
  if ((s.flags & TH_ACK) === 0) return null;
  if (s.ack !== seqAdd(e.iss, 1)) {
    sendRst(s, src, dst);
    return null;
  }
  const so = sonewconn(e.head.so, 0);
  if (so === null) {
    stats.sc_dropped++;
    return null;
  }
  drop(e);
  const tp = so.pcb as Tcpcb;
  tp.laddr = e.laddr;
  tp.lport = e.lport;
  tp.faddr = e.faddr;
  tp.fport = e.fport;
  pcbInsert(tp);
  tp.nodelay = e.head.nodelay;
  tp.nopush = e.head.nopush;
  tp.ttl = e.head.ttl;
  tp.tos = e.head.tos;
  tp.userMss = e.head.userMss;
  tp.keepIdleMs = e.head.keepIdleMs;
  tp.keepIntvlMs = e.head.keepIntvlMs;
  tp.keepCnt = e.head.keepCnt;
  tp.iss = e.iss;
  tp.irs = e.irs;
  tp.sndUna = tp.sndNxt = tp.sndMax = tp.sndUp = tp.sbSeq = tp.recover = seqAdd(e.iss, 1);
  tp.rcvNxt = tp.lastAckSent = tp.rcvUp = seqAdd(e.irs, 1);
  tp.rcvAdv = seqAdd(tp.rcvNxt, Math.min(so.rcv.hiwat, 65535));
  tp.peerMss = e.mss;
  tp.tsOk = e.tsOk;
  tp.tsOff = e.tsOff;
  tp.tsRecent = e.tsRecent;
  tp.tsRecentNs = tp.rcvTimeNs = gd.machine.now();
  tp.sackOk = e.sackOk;
  tp.wsOk = e.wscale >= 0;
  if (tp.wsOk) {
    tp.sndScale = e.wscale;
    tp.rcvScale = rcvScaleFor(p.recvbuf_max);
  }
  // RFC 6298 section 5.7: the SYN was lost.
  if (e.rexmits > 0) tp.rto = 3e9;
  setMss(tp);
  tp.cwnd = e.rexmits > 0 ? tp.mss : initialWindow(tp);
  tp.sndWnd = tp.maxSndWnd = s.win * 2 ** tp.sndScale;
  tp.sndWl1 = s.seq;
  tp.sndWl2 = s.ack;
  tp.state = Ts.ESTABLISHED;
  armKeep(tp);
  stats.sc_completed++;
  stats.accepts++;
  soisconnected(so);
  return tp;
}
