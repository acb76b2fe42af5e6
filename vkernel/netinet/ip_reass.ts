/**
 * Reassembly of fragments, of both families.
 *
 * A datagram whose fragments overlap is dropped whole (RFC 5722; for IPv4 nobody sends such but attackers); a fragment that
 * came already is ignored. Counterpart: sys/netinet/ip_input.c (ip_reass), sys/netinet6/frag6.c
 */
import { gd } from '../sys/globaldata.js';
import { Callout, calloutReset, calloutStop } from '../kern/kern_timeout.js';
import { type Mbuf, mcat, mfreem, mlength } from '../kern/uipc_mbuf.js';

const MAX_DATAGRAMS = 256;
const MAX_FRAGMENTS = 128;
const LIFE_NS = 30e9;
const MAX_BYTES = 65535;

interface Piece {
  off: number;
  len: number;
  m: Mbuf;
}

class Datagram {
  readonly pieces: Piece[] = [];
  got = 0;
  /** Known when the last fragment is here. */
  total = -1;
  readonly timer: Callout;
  constructor(readonly key: string) {
    this.timer = new Callout(() => drop(this));
    calloutReset(this.timer, LIFE_NS);
  }
}

declare module '../sys/globaldata.js' {
  interface GlobalData {
    reass: Map<string, Datagram>;
  }
}
export function reassInit(): void {
  gd.reass = new Map();
}

function drop(d: Datagram): void {
  gd.ip.stat.fragDropped += d.pieces.length;
  for (const p of d.pieces) mfreem(p.m);
  calloutStop(d.timer);
  gd.reass.delete(d.key);
}

/** A fragment; takes `m`. The datagram's payload when it is the last that was missing. */
export function reassemble(key: string, m: Mbuf, off: number, more: boolean): Mbuf | null {
  const len = mlength(m);
  gd.ip.stat.fragments++;
  const refuse = (): null => {
    gd.ip.stat.fragDropped++;
    mfreem(m);
    return null;
  };
  if (len === 0 || off + len > MAX_BYTES || (more && (len & 7) !== 0)) return refuse();
  let d = gd.reass.get(key);
  if (d === undefined) {
    if (gd.reass.size >= MAX_DATAGRAMS) drop(gd.reass.values().next().value as Datagram);
    gd.reass.set(key, (d = new Datagram(key)));
  }
  const { pieces } = d;
  let i = 0;
  while (i < pieces.length && pieces[i].off < off) i++;
  if (i < pieces.length && pieces[i].off === off && pieces[i].len === len) return refuse();
  const bad =
    (i > 0 && pieces[i - 1].off + pieces[i - 1].len > off) ||
    (i < pieces.length && off + len > pieces[i].off) ||
    (d.total >= 0 && (off + len > d.total || !more)) ||
    (!more && i < pieces.length) ||
    pieces.length >= MAX_FRAGMENTS;
  if (bad) {
    drop(d);
    return refuse();
  }
  pieces.splice(i, 0, { off, len, m });
  d.got += len;
  if (!more) d.total = off + len;
  if (d.got !== d.total) return null;
  let whole: Mbuf | null = null;
  for (const p of pieces) whole = mcat(whole, p.m);
  pieces.length = 0;
  calloutStop(d.timer);
  gd.reass.delete(key);
  gd.ip.stat.reassembled++;
  return whole;
}
