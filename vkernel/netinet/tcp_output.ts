/**
 * What TCP sends and when: retransmissions first, then new data as windows, Nagle and SWS avoidance allow, then what is to be
 * acknowledged (RFC 9293 sections 3.7, 3.8).
 */
import { gd } from '../sys/globaldata.js';
import { EMSGSIZE, type Errno } from '../sys/errno.js';
import { calloutReset, calloutStop } from '../kern/kern_timeout.js';
import { mcopym } from '../kern/uipc_mbuf.js';
import { seqAdd, seqDiff, seqGt, seqLeq, seqLt, seqMax } from './tcp_seq.js';
import { emitTcp, sackRoom, TcpSeg, TH_ACK, TH_FIN, TH_PUSH, TH_RST, TH_SYN, TH_URG } from './tcp_wire.js';
import { ipHdrLen, pipe, type Tcpcb, Ts, tsNow, TxSeg } from './tcp_var.js';

const out = new TcpSeg();

/** Full-sized payload for the path now. */
export function setMss(tp: Tcpcb): void {
  const own = gd.tcp.net.mtu(tp.faddr) - ipHdrLen(tp) - 20;
  const m = Math.max(gd.tcp.p.minmss, Math.min(own, tp.peerMss, tp.userMss > 0 ? tp.userMss : own));
  tp.mss = m - (tp.tsOk ? 12 : 0);
}
/** What to announce in a SYN (RFC 9293 section 3.7.1). */
export const announcedMss = (mtu: number, v6: boolean): number => Math.min(65535, mtu - (v6 ? 60 : 40));

/** RCV.WND to announce; its right edge never moves left, nor in small steps (RFC 9293 section 3.8.6.2.2). */
export function recvWindow(tp: Tcpcb): number {
  const { rcv } = tp.so;
  const shown = Math.max(0, seqDiff(tp.rcvAdv, tp.rcvNxt));
  let win = Math.min(rcv.space, 65535 * 2 ** tp.rcvScale);
  if (win - shown < Math.min(tp.mss, rcv.hiwat / 2)) win = shown;
  return Math.max(win, shown);
}

/** Send one segment with `len` bytes of the send buffer at `seq`. */
export function sendSegment(tp: Tcpcb, seq: number, len: number, flags: number): Errno | null {
  const { net, stats } = gd.tcp;
  const { so } = tp;
  const s = out;
  s.clear();
  s.sport = tp.lport;
  s.dport = tp.fport;
  s.seq = seq;
  s.flags = flags;
  const syn = (flags & TH_SYN) !== 0;
  if (syn && !tp.noopt) {
    s.mss = tp.userMss > 0 ? tp.userMss : announcedMss(net.mtu(tp.faddr), tp.v6);
    // An answer carries what the peer offered (RFC 7323 section 2.2, 3.2; RFC 2018 section 2).
    const first = tp.state === Ts.SYN_SENT;
    if (first ? gd.tcp.p.rfc1323 !== 0 : tp.wsOk) s.wscale = tp.rcvScale;
    if (first ? gd.tcp.p.sack !== 0 : tp.sackOk) s.sackOk = true;
  }
  s.hasTs = syn && tp.state === Ts.SYN_SENT ? gd.tcp.p.rfc1323 !== 0 && !tp.noopt : tp.tsOk;
  if (s.hasTs) {
    s.tsVal = tsNow(tp);
    s.tsEcr = (flags & TH_ACK) !== 0 ? tp.tsRecent : 0;
  }
  if ((flags & TH_ACK) !== 0) {
    s.ack = tp.rcvNxt;
    if (!syn && tp.sackOk) sackBlocks(tp, s);
  }
  const win = syn ? Math.min(so.rcv.space, 65535) : recvWindow(tp);
  s.win = syn ? win : Math.floor(win / 2 ** tp.rcvScale);
  if (seqGt(tp.sndUp, seq) && !syn) {
    s.flags |= TH_URG;
    s.urp = Math.min(65535, seqDiff(tp.sndUp, seq));
  }
  const off = seqDiff(seq, tp.sbSeq);
  if (len > 0 && off + len === so.snd.cc) s.flags |= TH_PUSH;
  const m = emitTcp(s);
  if (len > 0) m.next = mcopym(so.snd.head?.m ?? null, off, len);
  stats.sndtotal++;
  if ((flags & TH_ACK) !== 0) {
    const edge = seqAdd(tp.rcvNxt, syn ? win : s.win * 2 ** tp.rcvScale);
    if (seqGt(edge, tp.rcvAdv)) tp.rcvAdv = edge;
    tp.lastAckSent = tp.rcvNxt;
    tp.ackNow = false;
    calloutStop(tp.tDelack);
  }
  tp.sndTimeNs = gd.machine.now();
  return net.output(m, tp.laddr, tp.faddr, tp.ttl, tp.tos);
}

/** What came out of order, the newest first, a duplicate before all (RFC 2018 section 4, RFC 2883). */
function sackBlocks(tp: Tcpcb, s: TcpSeg): void {
  const room = 2 * sackRoom(s.hasTs);
  if (tp.dsackL !== tp.dsackR) {
    s.sack.push(tp.dsackL, tp.dsackR);
    tp.dsackL = tp.dsackR = 0;
  }
  if (tp.reass.length === 0) return;
  for (const b of [...tp.reass].sort((x, y) => y.stamp - x.stamp)) {
    if (s.sack.length >= room) break;
    s.sack.push(b.seq, b.end);
  }
}

/** Enter what was sent in the list. */
function record(tp: Tcpcb, seq: number, end: number, flags: number): void {
  const t = new TxSeg(seq, end, flags);
  t.xmitNs = gd.machine.now();
  t.prev = tp.txTail;
  if (tp.txTail === null) tp.txHead = t;
  else tp.txTail.next = t;
  tp.txTail = t;
  if (tp.sndUna === seq) tp.rttSeq = end;
  tp.sndNxt = end;
  tp.sndMax = seqMax(tp.sndMax, end);
  if (!tp.tRexmt.active) armRexmt(tp);
}
export function armRexmt(tp: Tcpcb): void {
  calloutStop(tp.tPersist);
  calloutReset(tp.tRexmt, Math.min(tp.rto * 2 ** tp.backoff, gd.tcp.p.rexmit_max * 1e6));
}

/** Start a connection: the SYN, or for a simultaneous open the SYN that also acknowledges. */
export function sendSyn(tp: Tcpcb): Errno | null {
  record(tp, tp.iss, seqAdd(tp.iss, 1), TH_SYN);
  return sendSegment(tp, tp.iss, 0, TH_SYN);
}

export const segLen = (t: TxSeg): number => seqDiff(t.end, t.seq);
/** Cut a TxSeg in two at `at`, which is inside it. */
export function splitTx(tp: Tcpcb, t: TxSeg, at: number): void {
  const r = new TxSeg(at, t.end, t.flags & TH_FIN);
  t.end = at;
  t.flags &= ~TH_FIN;
  r.xmitNs = t.xmitNs;
  r.rexmits = t.rexmits;
  r.lost = t.lost;
  r.sacked = t.sacked;
  if (t.sacked) tp.sackedSegs++;
  r.prev = t;
  r.next = t.next;
  if (t.next === null) tp.txTail = r;
  else t.next.prev = r;
  t.next = r;
}

/** Send a lost piece again. */
function resend(tp: Tcpcb, t: TxSeg): Errno | null {
  const ctl = (t.flags & TH_FIN) !== 0 ? 1 : 0;
  if (segLen(t) - ctl > tp.mss) splitTx(tp, t, seqAdd(t.seq, tp.mss));
  t.lost = false;
  tp.lostBytes -= segLen(t);
  t.rexmits++;
  t.xmitNs = gd.machine.now();
  gd.tcp.stats.sndrexmit++;
  if (!tp.tRexmt.active) armRexmt(tp);
  if ((t.flags & TH_SYN) !== 0) return sendSegment(tp, t.seq, 0, TH_SYN | (tp.state === Ts.SYN_SENT ? 0 : TH_ACK));
  const fin = (t.flags & TH_FIN) !== 0;
  return sendSegment(tp, t.seq, segLen(t) - (fin ? 1 : 0), TH_ACK | (fin ? TH_FIN : 0));
}

/** Send what may be sent now. The errno of the layer below is for who asked; lost segments come again by themselves. */
export function tcpOutput(tp: Tcpcb): Errno | null {
  if (tp.state < Ts.SYN_SENT || tp.state === Ts.TIME_WAIT) {
    if (tp.state === Ts.TIME_WAIT && tp.ackNow) return sendSegment(tp, tp.sndNxt, 0, TH_ACK);
    return null;
  }
  const { snd } = tp.so;
  // After an idle RTO the old window means nothing (RFC 5681 section 4.1).
  if (tp.sndNxt === tp.sndUna && gd.machine.now() - tp.sndTimeNs > tp.rto && tp.state >= Ts.ESTABLISHED)
    tp.cwnd = Math.min(tp.cwnd, initialWindow(tp));
  for (let t = tp.txHead; t !== null && tp.lostBytes > 0; t = t.next) {
    if (!t.lost || t.sacked) continue;
    const p = pipe(tp);
    if (p > 0 && p + Math.min(segLen(t), tp.mss) > tp.cwnd) break;
    const e = resend(tp, t);
    if (e === EMSGSIZE) setMss(tp);
    if (e !== null) return e;
  }
  while (tp.state >= Ts.ESTABLISHED && !tp.finSent) {
    const avail = snd.cc - seqDiff(tp.sndNxt, tp.sbSeq);
    const idle = tp.sndNxt === tp.sndUna;
    const wnd = Math.max(0, tp.sndWnd - seqDiff(tp.sndNxt, tp.sndUna));
    const len = Math.min(avail, tp.mss, wnd);
    const fin = tp.finQueued && len === avail;
    if (len === 0 && !fin) {
      if (avail > 0 && idle) armPersist(tp);
      break;
    }
    const p = pipe(tp);
    tp.cwndLimited = p > 0 && p + len > tp.cwnd;
    if (tp.cwndLimited || tp.lostBytes > 0) break;
    const urgent = seqGt(tp.sndUp, tp.sndNxt);
    if (len < tp.mss && !fin && !urgent) {
      // RFC 9293 section 3.8.6.2.1 with Nagle's rule (3.7.4).
      const all = len === avail && (tp.nodelay || idle) && !tp.nopush;
      if (!all && len < tp.maxSndWnd / 2) {
        if (idle && len < avail) armPersist(tp);
        break;
      }
    }
    const seq = tp.sndNxt;
    record(tp, seq, seqAdd(seq, len + (fin ? 1 : 0)), fin ? TH_FIN : 0);
    if (fin) tp.finSent = true;
    const e = sendSegment(tp, seq, len, TH_ACK | (fin ? TH_FIN : 0));
    if (e === EMSGSIZE) setMss(tp);
    if (e !== null) return null;
  }
  // A window that opened by two segments or half the buffer is told (RFC 9293 section 3.8.6.2.2).
  if (!tp.ackNow && tp.state >= Ts.ESTABLISHED && tp.state < Ts.CLOSING) {
    const more = recvWindow(tp) - Math.max(0, seqDiff(tp.rcvAdv, tp.rcvNxt));
    if (more > 0 && (more >= 2 * tp.mss || more >= tp.so.rcv.hiwat / 2)) tp.ackNow = true;
  }
  if (tp.ackNow && tp.state !== Ts.SYN_SENT) return sendSegment(tp, tp.sndNxt, 0, TH_ACK);
  return null;
}

/** RFC 6928. */
export const initialWindow = (tp: Tcpcb): number => Math.min(gd.tcp.p.initcwnd * tp.mss, Math.max(2 * tp.mss, 14600));

/** A closed window is probed, and a small one overridden, at growing times (RFC 9293 section 3.8.6.1). */
export function armPersist(tp: Tcpcb): void {
  if (tp.tPersist.active || tp.tRexmt.active) return;
  calloutReset(tp.tPersist, Math.min(tp.rto * 2 ** tp.persistShift, gd.tcp.p.persmax * 1e6));
}
/** The probe: one byte of new data, or as much as the window takes. */
export function sendProbe(tp: Tcpcb): void {
  const avail = tp.so.snd.cc - seqDiff(tp.sndNxt, tp.sbSeq);
  const wnd = Math.max(0, tp.sndWnd - seqDiff(tp.sndNxt, tp.sndUna));
  const len = Math.min(avail, tp.mss, Math.max(1, wnd));
  if (len <= 0) return;
  const seq = tp.sndNxt;
  if (wnd > 0) record(tp, seq, seqAdd(seq, len), 0);
  else tp.sndMax = seqMax(tp.sndMax, seqAdd(seq, len));
  sendSegment(tp, seq, len, TH_ACK);
}

const answer = new TcpSeg();
/** A segment of no connection, or of one that `as` listens for. Ports and addresses as it is sent. */
export function tcpRespond(
  src: Uint8Array,
  sport: number,
  dst: Uint8Array,
  dport: number,
  seq: number,
  ack: number,
  flags: number,
  fill: ((s: TcpSeg) => void) | null = null,
  as: Tcpcb | null = null,
): Errno | null {
  const s = answer;
  s.clear();
  s.sport = sport;
  s.dport = dport;
  s.seq = seq;
  s.ack = ack;
  s.flags = flags;
  fill?.(s);
  const m = emitTcp(s);
  gd.tcp.stats.sndtotal++;
  return gd.tcp.net.output(m, src, dst, as?.ttl ?? 0, as?.tos ?? 0);
}
/** RST for a segment that nobody wants (RFC 9293 section 3.10.7.1). */
export function sendRst(s: TcpSeg, src: Uint8Array, dst: Uint8Array): void {
  if ((s.flags & TH_RST) !== 0) return;
  const n = s.len + ((s.flags & TH_SYN) !== 0 ? 1 : 0) + ((s.flags & TH_FIN) !== 0 ? 1 : 0);
  if ((s.flags & TH_ACK) !== 0) tcpRespond(dst, s.dport, src, s.sport, s.ack, 0, TH_RST);
  else tcpRespond(dst, s.dport, src, s.sport, 0, seqAdd(s.seq, n), TH_RST | TH_ACK);
}

/** Mark everything up to `end` that is not selectively acknowledged as lost. */
export function markLost(tp: Tcpcb, end: number): void {
  for (let t = tp.txHead; t !== null && seqLt(t.seq, end); t = t.next)
    if (!t.lost && !t.sacked && seqLeq(t.end, end)) {
      t.lost = true;
      tp.lostBytes += segLen(t);
    }
}
