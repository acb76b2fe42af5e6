/**
 * What happens when TCP's timers fire, and how a connection ends.
 */
import { gd } from '../sys/globaldata.js';
import { ETIMEDOUT, type Errno } from '../sys/errno.js';
import { SO_KEEPALIVE } from '../sys/socket.js';
import { calloutReset, calloutStop } from '../kern/kern_timeout.js';
import { mfreem } from '../kern/uipc_mbuf.js';
import { type Socket, soisdisconnected, sounqueue } from '../kern/uipc_socket.js';
import { sbflush } from '../kern/uipc_sockbuf.js';
import { pcbRemove } from './tcp_pcb.js';
import { armPersist, armRexmt, markLost, sendProbe, sendSegment, tcpOutput, tcpRespond } from './tcp_output.js';
import { seqAdd, seqDiff } from './tcp_seq.js';
import { TH_ACK, TH_RST } from './tcp_wire.js';
import { Ca, Tcpcb, type TcpTimers, Ts } from './tcp_var.js';

export function dropReass(tp: Tcpcb): void {
  for (const b of tp.reass) mfreem(b.m);
  tp.reass = [];
}
function stopTimers(tp: Tcpcb): void {
  for (const c of [tp.tRexmt, tp.tPersist, tp.tKeep, tp.t2msl, tp.tDelack]) calloutStop(c);
}

/** Delete the TCB: CLOSED. What was received can still be read. */
export function tcpClose(tp: Tcpcb): void {
  if (tp.state === Ts.CLOSED && !tp.hashed && tp.lport === 0) return;
  pcbRemove(tp);
  tp.state = Ts.CLOSED;
  stopTimers(tp);
  dropReass(tp);
  tp.txHead = tp.txTail = null;
  tp.sackedBytes = tp.lostBytes = tp.renoBytes = 0;
  sbflush(tp.so.snd, () => {});
  sounqueue(tp.so);
  soisdisconnected(tp.so);
}

/** End with an error for the program; the peer gets a RST when it knows of the connection. */
export function tcpDrop(tp: Tcpcb, e: Errno | null): void {
  gd.tcp.stats.drops++;
  if (tp.state >= Ts.SYN_RCVD && tp.state !== Ts.TIME_WAIT)
    tcpRespond(tp.laddr, tp.lport, tp.faddr, tp.fport, tp.sndNxt, tp.rcvNxt, TH_RST | TH_ACK);
  if (e !== null) tp.so.error = e;
  tcpClose(tp);
}

export function enterTimeWait(tp: Tcpcb): void {
  stopTimers(tp);
  tp.state = Ts.TIME_WAIT;
  dropReass(tp);
  calloutReset(tp.t2msl, 2e6 * gd.tcp.p.msl);
  soisdisconnected(tp.so);
}

const keepIdle = (tp: Tcpcb): number => (tp.keepIdleMs || gd.tcp.p.keepidle) * 1e6;
export function armKeep(tp: Tcpcb): void {
  tp.keepProbes = 0;
  calloutReset(tp.tKeep, keepIdle(tp));
}

export const tcpTimers: TcpTimers = {
  /** RFC 6298 section 5.4 to 5.7, RFC 5681 section 3.1. */
  rexmt(tp) {
    gd.tcp.stats.rexmttimeo++;
    if (++tp.backoff > gd.tcp.p.maxrexmit) {
      tcpDrop(tp, tp.softError ?? ETIMEDOUT);
      return;
    }
    const flight = seqDiff(tp.sndNxt, tp.sndUna);
    if (tp.backoff === 1) tp.ssthresh = Math.max(Math.floor(Math.min(flight, tp.cwnd) / 2), 2 * tp.mss);
    // The peer threw away what it had (RFC 2018 section 8).
    if (tp.txHead?.sacked === true) {
      gd.tcp.stats.reneged++;
      for (let t: typeof tp.txHead | null = tp.txHead; t !== null; t = t.next) t.sacked = false;
      tp.sackedBytes = tp.sackedSegs = 0;
    }
    tp.renoBytes = tp.dupacks = 0;
    markLost(tp, tp.sndNxt);
    tp.cwnd = tp.mss;
    tp.ca = Ca.LOSS;
    tp.recover = tp.sndNxt;
    armRexmt(tp);
    tcpOutput(tp);
  },
  persist(tp) {
    gd.tcp.stats.persisttimeo++;
    if (tp.persistShift < 16) tp.persistShift++;
    // A peer that is gone while its window is closed: nobody reads, give up as for data.
    if (tp.detached && gd.machine.now() - tp.rcvTimeNs > 16 * gd.tcp.p.persmax * 1e6) {
      tcpDrop(tp, ETIMEDOUT);
      return;
    }
    sendProbe(tp);
    if (!tp.tRexmt.active) armPersist(tp);
  },
  /** RFC 9293 section 3.8.4. */
  keep(tp) {
    if (tp.state < Ts.ESTABLISHED) {
      tcpDrop(tp, tp.softError ?? ETIMEDOUT);
      return;
    }
    const idle = gd.machine.now() - tp.rcvTimeNs;
    if ((tp.so.options & SO_KEEPALIVE) === 0 || idle < keepIdle(tp) || tp.state === Ts.TIME_WAIT) {
      tp.keepProbes = 0;
      calloutReset(tp.tKeep, idle < keepIdle(tp) ? keepIdle(tp) - idle : keepIdle(tp));
      return;
    }
    if (tp.keepProbes++ >= (tp.keepCnt || gd.tcp.p.keepcnt)) {
      gd.tcp.stats.keepdrops++;
      tcpDrop(tp, tp.softError ?? ETIMEDOUT);
      return;
    }
    gd.tcp.stats.keepprobe++;
    sendSegment(tp, seqAdd(tp.sndUna, -1), 0, TH_ACK);
    calloutReset(tp.tKeep, (tp.keepIntvlMs || gd.tcp.p.keepintvl) * 1e6);
  },
  msl(tp) {
    tcpClose(tp);
  },
  delack(tp) {
    tp.ackNow = true;
    tcpOutput(tp);
  },
};

export const newTcpcb = (so: Socket, v6: boolean): Tcpcb => new Tcpcb(so, v6, tcpTimers);
