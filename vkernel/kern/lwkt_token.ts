/**
 * Serialising tokens.
 *
 * DragonFly's rule: a thread holds its tokens only while it runs; when it sleeps or is switched out they are given up, and they are taken
 * again before it goes on. One JavaScript thread runs one LWKT thread at a time, so a token is never contended, and what is left is the
 * discipline: who holds what is recorded, asserted, and released in order. Take a token where DragonFly does: it documents which state
 * may change across a `yield*`.
 *
 * Counterpart: sys/kern/lwkt_token.c
 */
import type { Blocking } from '../sys/blocking.js';
import { gd } from '../sys/globaldata.js';
import { KASSERT } from './kern_shutdown.js';

export class LwktToken {
  constructor(readonly name: string) {}
}

/** Take `t` (recursively if need be). Never sleeps; a generator by agreement, because in DragonFly it may. */
export function* lwktGettoken(t: LwktToken): Blocking<void> {
  lwktTrytoken(t);
}

/** The same for plain functions of a thread. Always succeeds; see above. */
export function lwktTrytoken(t: LwktToken): boolean {
  const td = gd.lwkt.cur;
  KASSERT(td !== null, 'lwktGettoken: no thread');
  td.tokens.push(t);
  return true;
}

export function lwktReltoken(t: LwktToken): void {
  const td = gd.lwkt.cur;
  KASSERT(td !== null, 'lwktReltoken: no thread');
  KASSERT(
    td.tokens.length > 0 && td.tokens[td.tokens.length - 1] === t,
    'lwktReltoken: ' + t.name + ' is not the last taken',
  );
  td.tokens.pop();
}

export function lwktTokenHeld(t: LwktToken): boolean {
  return gd.lwkt.cur !== null && gd.lwkt.cur.tokens.includes(t);
}
