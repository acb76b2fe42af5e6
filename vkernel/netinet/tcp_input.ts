/**
 * Segments that arrive, in the order of RFC 9293 section 3.10.7: sequence, RST, SYN, ACK, URG, text, FIN.
 *
 * Counterpart: sys/netinet/tcp_input.c
 */
import { gd } from '../sys/globaldata.js';
import { ECONNREFUSED, ECONNRESET } from '../sys/errno.js';
import { SO_OOBINLINE } from '../sys/socket.js';
import { calloutReset, calloutStop } from '../kern/kern_timeout.js';
import { type Mbuf, madjFront, mcopym, mfreem, mlength, mpullup, mtrim } from '../kern/uipc_mbuf.js';
import {
  socantrcvmore,
  soisconnected,
  sorwakeup,
  sowwakeup,
  SS_CANTRCVMORE,
  SS_RCVATMARK,
} from '../kern/uipc_socket.js';
import { sbappendstream, sbdrop } from '../kern/uipc_sockbuf.js';
import { inPseudo, inSum, IPPROTO_TCP } from './in.js';
import { listenLookup, pcbLookup } from './tcp_pcb.js';
import {
  armRexmt,
  initialWindow,
  markLost,
  segLen,
  sendRst,
  sendSegment,
  setMss,
  splitTx,
  tcpOutput,
} from './tcp_output.js';
import { seqAdd, seqDiff, seqGeq, seqGt, seqLeq, seqLt, seqMax } from './tcp_seq.js';
import { syncacheAdd, syncacheExpand } from './tcp_syncache.js';
import { armKeep, enterTimeWait, tcpClose, tcpDrop } from './tcp_timer.js';
import { parseTcp, TcpSeg, TCP_MAXHLEN, TH_ACK, TH_FIN, TH_RST, TH_SYN, TH_URG } from './tcp_wire.js';
import { Ca, pipe, type RxBlock, type Tcpcb, Ts, tsNow } from './tcp_var.js';

const seg = new TcpSeg();
const MAX_BLOCKS = 256;

/** A segment for `dst` came from `src`; takes `m`, whose first byte is the header's. */
export function tcpInput(m: Mbuf, src: Uint8Array, dst: Uint8Array, csumOk: boolean): void {
  const { stats } = gd.tcp;
  stats.rcvtotal++;
  const total = mlength(m);
  const c = mpullup(m, Math.min(TCP_MAXHLEN, total)) as Mbuf;
  const s = seg;
  if (!parseTcp(c.data, c.off, c.len, total, s)) {
    stats.rcvshort++;
    mfreem(c);
    return;
  }
  if (!csumOk && inSum(c, 0, total, inPseudo(src, dst, total, IPPROTO_TCP)) !== 0xffff) {
    stats.rcvbadsum++;
    mfreem(c);
    return;
  }
  const data = madjFront(c, s.hlen);
  let tp = pcbLookup(dst, s.dport, src, s.sport);
  // RFC 6191, RFC 9293 section 3.6.1: a new SYN takes the place of a connection in TIME-WAIT.
  if (tp?.state === Ts.TIME_WAIT && (s.flags & (TH_SYN | TH_ACK | TH_RST)) === TH_SYN) {
    if (seqGt(s.seq, tp.rcvNxt) || (tp.tsOk && s.hasTs && seqGt(s.tsVal, tp.tsRecent))) {
      stats.twrecycled++;
      tcpClose(tp);
      tp = null;
    }
  }
  if (tp === null) {
    const l = listenLookup(dst, s.dport, src, s.sport);
    if (l === null) {
      mfreem(data);
      if (gd.tcp.p.blackhole === 0) sendRst(s, src, dst);
      return;
    }
    if ((s.flags & (TH_SYN | TH_ACK | TH_RST)) === TH_SYN) {
      mfreem(data);
      syncacheAdd(l, s, src, dst);
      return;
    }
    tp = (s.flags & (TH_SYN | TH_RST)) === TH_SYN ? null : syncacheExpand(s, src, dst);
    if (tp === null) {
      if ((s.flags & TH_SYN) !== 0) sendRst(s, src, dst);
      mfreem(data);
      return;
    }
  }
  tp.rcvTimeNs = gd.machine.now();
  tp.keepProbes = 0;
  if (tp.state === Ts.SYN_SENT) synSent(tp, s, data);
  else synchronized(tp, s, data);
}

/** RFC 9293 section 3.10.7.3. */
function synSent(tp: Tcpcb, s: TcpSeg, data: Mbuf | null): void {
  const hasAck = (s.flags & TH_ACK) !== 0;
  const bad = hasAck && (seqLeq(s.ack, tp.iss) || seqGt(s.ack, tp.sndMax));
  if (bad) sendRst(s, tp.faddr, tp.laddr);
  else if ((s.flags & TH_RST) !== 0) {
    if (hasAck) {
      tp.so.error = ECONNREFUSED;
      tcpClose(tp);
    }
  }
  if (bad || (s.flags & (TH_RST | TH_SYN)) !== TH_SYN) {
    mfreem(data);
    return;
  }
  tp.irs = s.seq;
  tp.rcvNxt = tp.lastAckSent = tp.rcvUp = seqAdd(s.seq, 1);
  tp.rcvAdv = seqAdd(tp.rcvNxt, Math.min(tp.so.rcv.space, 65535));
  if (s.mss > 0) tp.peerMss = s.mss;
  const { p } = gd.tcp;
  tp.tsOk = s.hasTs && p.rfc1323 !== 0 && !tp.noopt;
  tp.tsRecent = s.tsVal;
  tp.tsRecentNs = gd.machine.now();
  tp.sackOk = s.sackOk && p.sack !== 0 && !tp.noopt;
  tp.wsOk = s.wscale >= 0 && p.rfc1323 !== 0 && !tp.noopt;
  if (tp.wsOk) tp.sndScale = Math.min(14, s.wscale);
  else tp.rcvScale = 0;
  setMss(tp);
  const lost = tp.backoff > 0;
  tp.sndWnd = tp.maxSndWnd = s.win;
  tp.sndWl1 = s.seq;
  tp.sndWl2 = s.ack;
  if (!hasAck) {
    // Simultaneous open: the SYN again, with an acknowledgement (RFC 9293 section 3.5, figure 8).
    tp.state = Ts.SYN_RCVD;
    mfreem(data);
    sendSegment(tp, tp.iss, 0, TH_SYN | TH_ACK);
    return;
  }
  acked(tp, s.ack, s);
  if (lost) tp.rto = Math.max(tp.rto, 3e9);
  established(tp, lost);
  tp.ackNow = true;
  s.seq = seqAdd(s.seq, 1);
  text(tp, s, data);
}

function established(tp: Tcpcb, lost: boolean): void {
  tp.state = Ts.ESTABLISHED;
  gd.tcp.stats.connects++;
  tp.cwnd = lost ? tp.mss : initialWindow(tp);
  tp.ca = Ca.OPEN;
  armKeep(tp);
  soisconnected(tp.so);
  if (tp.finQueued) tp.state = Ts.FIN_WAIT_1;
}

/** Answer to what may be forged (RFC 5961 section 7: so many a second). */
function challenge(tp: Tcpcb): void {
  const g = gd.tcp;
  const sec = Math.floor(gd.machine.now() / 1e9);
  if (g.challengeSec !== sec) {
    g.challengeSec = sec;
    g.challenges = 0;
  }
  if (g.challenges++ >= g.p.challenge_ack_limit) return;
  g.stats.challengeacks++;
  sendSegment(tp, tp.sndNxt, 0, TH_ACK);
}

/** RFC 9293 section 3.10.7.4. */
function synchronized(tp: Tcpcb, s: TcpSeg, data: Mbuf | null): void {
  const { stats } = gd.tcp;
  const rst = (s.flags & TH_RST) !== 0;
  // The peer's SYN|ACK of a simultaneous open.
  if (tp.state === Ts.SYN_RCVD && (s.flags & TH_SYN) !== 0 && s.seq === tp.irs) {
    s.flags &= ~TH_SYN;
    s.seq = seqAdd(s.seq, 1);
  }
  // PAWS (RFC 7323 section 5.3), for 24 days.
  if (tp.tsOk && s.hasTs && !rst && seqLt(s.tsVal, tp.tsRecent) && tp.rcvTimeNs - tp.tsRecentNs < 24 * 86400e9) {
    stats.pawsdrop++;
    mfreem(data);
    sendSegment(tp, tp.sndNxt, 0, TH_ACK);
    return;
  }
  const wnd = Math.max(tp.so.rcv.space, seqDiff(tp.rcvAdv, tp.rcvNxt), 0);
  const edge = seqAdd(tp.rcvNxt, Math.min(wnd, 65535 * 2 ** tp.rcvScale));
  // First: the sequence number.
  if (rst) {
    mfreem(data);
    // Second: RST (RFC 5961 section 3.2).
    if (s.seq === tp.rcvNxt) {
      const quiet = tp.state === Ts.CLOSING || tp.state === Ts.LAST_ACK || tp.state === Ts.TIME_WAIT;
      if (!quiet) tp.so.error = tp.state === Ts.SYN_RCVD ? ECONNREFUSED : ECONNRESET;
      tcpClose(tp);
    } else if (seqGt(s.seq, tp.rcvNxt) && seqLt(s.seq, edge)) challenge(tp);
    return;
  }
  if ((s.flags & TH_SYN) !== 0) {
    // RFC 5961 section 4.2.
    stats.badsyn++;
    mfreem(data);
    challenge(tp);
    return;
  }
  const dup = seqDiff(tp.rcvNxt, s.seq);
  if (dup > 0) {
    // What we have already; a FIN counts one.
    const all = s.len + ((s.flags & TH_FIN) !== 0 ? 1 : 0);
    tp.ackNow = all > 0 || seqLt(seqAdd(s.seq, all), tp.rcvNxt);
    if (s.len > 0) {
      stats.rcvdup++;
      if (tp.sackOk) {
        tp.dsackL = s.seq;
        tp.dsackR = seqAdd(s.seq, Math.min(dup, s.len));
      }
    }
    if (dup >= all) {
      mfreem(data);
      data = null;
      s.flags &= ~TH_FIN;
      // Retransmitted FIN in TIME-WAIT: acknowledge and start 2 MSL anew (section 3.10.7.4, eighth).
      if (tp.state === Ts.TIME_WAIT && all > 0) calloutReset(tp.t2msl, 2e6 * gd.tcp.p.msl);
      s.len = 0;
    } else {
      data = madjFront(data, Math.min(dup, s.len));
      s.len -= Math.min(dup, s.len);
    }
    s.seq = tp.rcvNxt;
  }
  const over = seqDiff(seqAdd(s.seq, s.len), edge);
  if (over > 0 || seqGt(s.seq, edge)) {
    stats.rcvafterwin++;
    tp.ackNow = true;
    if (seqGt(s.seq, edge) || (s.seq === edge && s.seq !== tp.rcvNxt)) {
      mfreem(data);
      tcpOutput(tp);
      return;
    }
    s.len -= over;
    data = mtrim(data, s.len);
    s.flags &= ~TH_FIN;
  }
  if ((s.flags & TH_ACK) === 0) {
    mfreem(data);
    return;
  }
  if (tp.tsOk && s.hasTs && seqLeq(s.seq, tp.lastAckSent) && seqGeq(s.tsVal, tp.tsRecent)) {
    tp.tsRecent = s.tsVal;
    tp.tsRecentNs = gd.machine.now();
  }
  // Data for a program that is gone (section 3.6.1).
  if (tp.detached && s.len > 0 && tp.state !== Ts.TIME_WAIT) {
    mfreem(data);
    tcpDrop(tp, ECONNRESET);
    return;
  }
  // Fifth: ACK.
  if (tp.state === Ts.SYN_RCVD) {
    if (seqLeq(s.ack, tp.sndUna) || seqGt(s.ack, tp.sndMax)) {
      mfreem(data);
      sendRst(s, tp.faddr, tp.laddr);
      return;
    }
    tp.sndWl1 = seqAdd(s.seq, -1);
    established(tp, false);
  }
  // RFC 5961 section 5.2.
  if (seqGt(s.ack, tp.sndMax) || seqLt(s.ack, seqAdd(tp.sndUna, -tp.maxSndWnd))) {
    mfreem(data);
    challenge(tp);
    return;
  }
  const win = s.win * 2 ** tp.sndScale;
  ackProcess(tp, s, win);
  // SND.WND by WL1 and WL2.
  if (seqLt(tp.sndWl1, s.seq) || (tp.sndWl1 === s.seq && seqLeq(tp.sndWl2, s.ack))) {
    tp.sndWnd = win;
    tp.maxSndWnd = Math.max(tp.maxSndWnd, win);
    tp.sndWl1 = s.seq;
    tp.sndWl2 = s.ack;
    if (win > 0) {
      tp.persistShift = 0;
      calloutStop(tp.tPersist);
    }
  }
  // The FIN is acknowledged.
  if (tp.finSent && tp.sndUna === tp.sndNxt) {
    if (tp.state === Ts.FIN_WAIT_1) {
      tp.state = Ts.FIN_WAIT_2;
      if (tp.detached) calloutReset(tp.t2msl, gd.tcp.p.finwait2_timeout * 1e6);
    } else if (tp.state === Ts.CLOSING) enterTimeWait(tp);
    else if (tp.state === Ts.LAST_ACK) {
      mfreem(data);
      tcpClose(tp);
      return;
    }
  }
  text(tp, s, data);
}

/** RFC 6298 section 2. */
function rttSample(tp: Tcpcb, r: number): void {
  if (tp.srtt === 0) {
    tp.srtt = r;
    tp.rttvar = r / 2;
  } else {
    tp.rttvar = 0.75 * tp.rttvar + 0.25 * Math.abs(tp.srtt - r);
    tp.srtt = 0.875 * tp.srtt + 0.125 * r;
  }
  tp.minRtt = Math.min(tp.minRtt, r);
  const { p } = gd.tcp;
  tp.rto = Math.min(p.rexmit_max * 1e6, Math.max(p.rexmit_min * 1e6, tp.srtt + Math.max(1e6, 4 * tp.rttvar)));
}

/** SND.UNA advances to `ack`. */
function acked(tp: Tcpcb, ack: number, s: TcpSeg): void {
  const now = gd.machine.now();
  let rtt = -1;
  for (let t = tp.txHead; t !== null && seqLt(t.seq, ack); t = tp.txHead) {
    if (seqGt(t.end, ack)) splitTx(tp, t, ack);
    if (t.sacked) {
      tp.sackedBytes -= segLen(t);
      tp.sackedSegs--;
    }
    if (t.lost) tp.lostBytes -= segLen(t);
    // Karn's rule: not of what was sent twice (RFC 6298 section 3).
    if (t.rexmits === 0 && seqGeq(t.end, tp.rttSeq)) rtt = now - t.xmitNs;
    tp.txHead = t.next;
    if (t.next === null) tp.txTail = null;
    else t.next.prev = null;
  }
  // ... unless the time stamp tells which (RFC 7323 section 4).
  if (rtt < 0 && tp.tsOk && s.tsEcr !== 0 && seqGeq(ack, tp.rttSeq)) {
    const ms = seqDiff(tsNow(tp), s.tsEcr);
    if (ms >= 0) rtt = ms * 1e6;
  }
  if (rtt >= 0) {
    rttSample(tp, rtt);
    tp.rttSeq = seqMax(tp.sndNxt, seqAdd(ack, 1));
  }
  const n = Math.min(Math.max(0, seqDiff(ack, tp.sbSeq)), tp.so.snd.cc);
  tp.sndUna = ack;
  if (seqLt(tp.sndNxt, ack)) tp.sndNxt = ack;
  if (seqLt(tp.sndUp, ack)) tp.sndUp = ack;
  if (n > 0) {
    sbdrop(tp.so.snd, n);
    tp.sbSeq = seqAdd(tp.sbSeq, n);
    sowwakeup(tp.so);
  }
  tp.backoff = 0;
  tp.persistShift = 0;
  if (tp.txHead === null) calloutStop(tp.tRexmt);
  else armRexmt(tp);
}

/** Enter SACK blocks in the list; true when they told something new (RFC 6675 section 4). */
function sacked(tp: Tcpcb, s: TcpSeg): boolean {
  let news = false;
  for (let i = 0; i < s.sack.length; i += 2) {
    const l = s.sack[i];
    const r = s.sack[i + 1];
    if (!seqLt(l, r) || seqLt(l, tp.sndUna) || seqGt(r, tp.sndMax)) continue;
    for (let t = tp.txHead; t !== null && seqLt(t.seq, r); t = t.next) {
      if (t.sacked || seqLeq(t.end, l)) continue;
      if (seqLt(t.seq, l)) {
        splitTx(tp, t, l);
        continue;
      }
      if (seqGt(t.end, r)) splitTx(tp, t, r);
      t.sacked = news = true;
      tp.sackedBytes += segLen(t);
      tp.sackedSegs++;
      if (t.lost) {
        t.lost = false;
        tp.lostBytes -= segLen(t);
      }
    }
  }
  return news;
}

/** IsLost() of RFC 6675 section 4: more than two full segments above it are known to have arrived. */
function sackLoss(tp: Tcpcb): void {
  let above = 0;
  for (let t = tp.txTail; t !== null; t = t.prev) {
    if (t.sacked) above += segLen(t);
    else if (!t.lost && t.rexmits === 0 && above > 2 * tp.mss) {
      t.lost = true;
      tp.lostBytes += segLen(t);
    }
  }
}

function ackProcess(tp: Tcpcb, s: TcpSeg, win: number): void {
  const news = tp.sackOk && s.sack.length > 0 && sacked(tp, s);
  if (seqLeq(s.ack, tp.sndUna)) {
    const plain = s.len === 0 && (s.flags & TH_FIN) === 0 && s.ack === tp.sndUna && win === tp.sndWnd;
    if (tp.txHead !== null && (tp.sackOk ? news : plain)) {
      tp.dupacks++;
      // What left the network; also lets limited transmit happen (RFC 3042, RFC 5681 section 3.2).
      if (!tp.sackOk) tp.renoBytes = Math.min(tp.renoBytes + tp.mss, seqDiff(tp.sndNxt, tp.sndUna) - tp.lostBytes);
    }
  } else {
    const n = seqDiff(s.ack, tp.sndUna);
    const flight = seqDiff(tp.sndNxt, tp.sndUna);
    tp.dupacks = 0;
    acked(tp, s.ack, s);
    tp.renoBytes = tp.ca === Ca.RECOVERY ? Math.max(0, tp.renoBytes - Math.max(0, n - tp.mss)) : 0;
    if (tp.ca !== Ca.OPEN && seqGeq(s.ack, tp.recover)) {
      if (tp.ca === Ca.RECOVERY) tp.cwnd = Math.min(tp.ssthresh, Math.max(pipe(tp), tp.mss) + tp.mss);
      tp.ca = Ca.OPEN;
      tp.renoBytes = 0;
    } else if (tp.ca === Ca.RECOVERY && !tp.sackOk && tp.txHead !== null) {
      // A partial acknowledgement: the next one is lost as well (RFC 6582 section 3.2, step 3).
      if (!tp.txHead.lost) markLost(tp, tp.txHead.end);
    } else if (tp.ca !== Ca.RECOVERY && flight + tp.mss > tp.cwnd / 2) {
      // RFC 5681 section 3.1, by bytes; what a small flight earned is not added.
      if (tp.cwnd < tp.ssthresh) tp.cwnd += Math.min(n, tp.mss);
      else tp.cwnd += Math.max(1, Math.floor((tp.mss * Math.min(n, tp.mss)) / tp.cwnd));
    }
  }
  if (tp.ca === Ca.LOSS) return;
  if (tp.ca === Ca.OPEN) {
    const enough = tp.sackOk ? tp.dupacks >= 3 || tp.sackedBytes > 2 * tp.mss : tp.dupacks >= 3;
    if (!enough || tp.txHead === null || tp.txHead.sacked) return;
    gd.tcp.stats.fastrecoveries++;
    tp.ca = Ca.RECOVERY;
    tp.recover = tp.sndNxt;
    tp.ssthresh = Math.max(Math.floor(seqDiff(tp.sndNxt, tp.sndUna) / 2), 2 * tp.mss);
    tp.cwnd = tp.ssthresh;
    if (!tp.txHead.lost) markLost(tp, tp.txHead.end);
  }
  if (tp.sackOk) sackLoss(tp);
}

/** Sixth to eighth: URG, text, FIN. */
function text(tp: Tcpcb, s: TcpSeg, data: Mbuf | null): void {
  const { so } = tp;
  const open = tp.state === Ts.ESTABLISHED || tp.state === Ts.FIN_WAIT_1 || tp.state === Ts.FIN_WAIT_2;
  if (!open) {
    mfreem(data);
    tcpOutput(tp);
    return;
  }
  if ((s.flags & TH_URG) !== 0 && s.urp > 0) {
    const up = seqAdd(s.seq, s.urp);
    if (seqGt(up, tp.rcvUp) && seqGt(up, tp.rcvNxt)) {
      tp.rcvUp = up;
      so.oobmark = so.rcv.cc + seqDiff(up, tp.rcvNxt) - 1;
      if (so.oobmark === 0) so.state |= SS_RCVATMARK;
      tp.oobByte = -1;
      tp.oobHad = false;
      sorwakeup(so);
    }
    // The urgent byte leaves the stream.
    const at = seqDiff(up, s.seq) - 1;
    if (up === tp.rcvUp && (so.options & SO_OOBINLINE) === 0 && at < s.len && tp.oobByte < 0 && !tp.oobHad) {
      const b = mcopym(data, at, 1) as Mbuf;
      tp.oobByte = b.data[b.off];
      mfreem(b);
    }
  }
  const fin = (s.flags & TH_FIN) !== 0;
  if (s.len === 0 && !fin) {
    tcpOutput(tp);
    return;
  }
  tp.rcvMss = Math.max(tp.rcvMss, s.len);
  if (s.seq !== tp.rcvNxt) {
    gd.tcp.stats.rcvoo++;
    tp.ackNow = true;
    insert(tp, s, data, fin);
    tcpOutput(tp);
    return;
  }
  let gotFin = fin;
  deliver(tp, data, s.len);
  if (tp.reass.length > 0) {
    tp.ackNow = true;
    while (tp.reass.length > 0 && seqLeq(tp.reass[0].seq, tp.rcvNxt)) {
      const b = tp.reass.shift() as RxBlock;
      const k = seqDiff(tp.rcvNxt, b.seq);
      const n = seqDiff(b.end, b.seq);
      if (k < n) deliver(tp, madjFront(b.m, k), n - k);
      else mfreem(b.m);
      if (b.fin) gotFin = true;
    }
  }
  if (s.len > 0 && !gotFin) {
    // At least every second full segment at once (RFC 9293 section 3.8.6.3).
    if (gd.tcp.p.delayed_ack === 0 || seqDiff(tp.rcvNxt, tp.lastAckSent) >= 2 * tp.rcvMss) tp.ackNow = true;
    else if (!tp.tDelack.active) calloutReset(tp.tDelack, gd.tcp.p.delacktime * 1e6);
  }
  sorwakeup(so);
  if (gotFin) {
    tp.rcvNxt = seqAdd(tp.rcvNxt, 1);
    tp.ackNow = true;
    socantrcvmore(so);
    if (tp.state === Ts.ESTABLISHED) tp.state = Ts.CLOSE_WAIT;
    else if (tp.state === Ts.FIN_WAIT_1) tp.state = Ts.CLOSING;
    else enterTimeWait(tp);
  }
  tcpOutput(tp);
}

/** Data in order, for the program; shut down for reading, it is acknowledged and thrown away. */
function deliver(tp: Tcpcb, m: Mbuf | null, len: number): void {
  const from = tp.rcvNxt;
  tp.rcvNxt = seqAdd(from, len);
  if (len === 0 || m === null) return;
  const { so } = tp;
  if ((so.state & SS_CANTRCVMORE) !== 0) {
    mfreem(m);
    return;
  }
  const at = seqDiff(tp.rcvUp, from) - 1;
  if (tp.oobByte >= 0 && at >= 0 && at < len && (so.options & SO_OOBINLINE) === 0) {
    const rest = mcopym(m, at + 1, len - at - 1);
    const front = mtrim(m, at);
    if (front !== null) sbappendstream(so.rcv, front);
    if (rest !== null) sbappendstream(so.rcv, rest);
  } else sbappendstream(so.rcv, m);
}

/** Keep what came too early, in pieces without holes. What is there already stays. */
function insert(tp: Tcpcb, s: TcpSeg, data: Mbuf | null, fin: boolean): void {
  if (tp.reass.length >= MAX_BLOCKS) {
    mfreem(data);
    return;
  }
  let n: RxBlock = { seq: s.seq, end: seqAdd(s.seq, s.len), m: data, tail: null, fin, stamp: ++tp.stamps };
  const keep: RxBlock[] = [];
  for (const b of tp.reass) {
    if (seqLt(b.end, n.seq) || seqLt(n.end, b.seq)) {
      keep.push(b);
      continue;
    }
    const [a, z] = seqLeq(b.seq, n.seq) ? [b, n] : [n, b];
    const cut = seqDiff(a.end, z.seq);
    const len = seqDiff(z.end, z.seq);
    const more = cut >= len ? null : madjFront(z.m, cut);
    if (cut >= len) mfreem(z.m);
    if (a.m === null) a.m = more;
    else {
      let t = a.m;
      while (t.next !== null) t = t.next;
      t.next = more;
    }
    n = { seq: a.seq, end: seqMax(a.end, z.end), m: a.m, tail: null, fin: a.fin || z.fin, stamp: tp.stamps };
  }
  keep.push(n);
  tp.reass = keep.sort((x, y) => seqDiff(x.seq, y.seq));
}
