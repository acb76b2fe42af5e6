/**
 * Message ports: how threads hand work to each other.
 *
 * A message is owned by whoever has it: the sender before sendmsg, the target port's owner until replymsg, then the reply port. A
 * port's `putport` may handle a message at once and return its result instead of EASYNC: then the message never
 * left its sender.
 *
 * Counterpart: sys/kern/lwkt_msgport.c
 */
import type { Blocking } from '../sys/blocking.js';
import { EASYNC, ECANCELED, type Errno } from '../sys/errno.js';
import { KASSERT } from './kern_shutdown.js';
import { WaitQ, tsleep, wakeup, wakeupOne } from './lwkt_thread.js';

export const enum MsgState {
  /** With its owner: not sent, or its result has been fetched. */
  IDLE = 0,
  /** On the target port, or being worked on. */
  SENT = 1,
  /** Answered. */
  DONE = 2,
}

export class LwktMsg {
  state = MsgState.IDLE;
  error: Errno | null = null;
  /** Someone asked to abort it; the worker should look at this when it sleeps. */
  aborted = false;
  targetPort: MsgPort | null = null;
  /** Where the answer goes; null: whoever sent it waits in domsg or waitmsg. */
  replyPort: MsgPort | null = null;
  /** Woken when a message without a reply port is answered. */
  readonly doneq = new WaitQ();
  /** Queue links. */
  next: LwktMsg | null = null;
  queued = false;
}

export class MsgPort {
  head: LwktMsg | null = null;
  tail: LwktMsg | null = null;
  readonly q = new WaitQ();
  constructor(
    readonly name: string,
    /** Handle the message now (return null or an errno), or queue it with msgEnqueue and return EASYNC. */
    readonly putport: (port: MsgPort, msg: LwktMsg) => Errno | null = queuePutport,
    /** Ask the worker to finish early. Default: a message still on the queue is answered ECANCELED. */
    readonly abortport: (port: MsgPort, msg: LwktMsg) => void = queueAbortport,
  ) {}
}

/** Append to a port's queue and wake one waiter. */
export function msgEnqueue(port: MsgPort, msg: LwktMsg): void {
  KASSERT(!msg.queued, 'message is already on a port');
  msg.queued = true;
  msg.next = null;
  if (port.tail === null) port.head = msg;
  else port.tail.next = msg;
  port.tail = msg;
  wakeupOne(port.q);
}

function msgRemove(port: MsgPort, msg: LwktMsg): void {
  let prev: LwktMsg | null = null;
  let m = port.head;
  while (m !== null && m !== msg) {
    prev = m;
    m = m.next;
  }
  KASSERT(m !== null, 'message is not on the port');
  if (prev === null) port.head = msg.next;
  else prev.next = msg.next;
  if (port.tail === msg) port.tail = prev;
  msg.next = null;
  msg.queued = false;
}

function queuePutport(port: MsgPort, msg: LwktMsg): Errno | null {
  msgEnqueue(port, msg);
  return EASYNC;
}

function queueAbortport(port: MsgPort, msg: LwktMsg): void {
  if (!msg.queued) return;
  msgRemove(port, msg);
  lwktReplymsg(msg, ECANCELED);
}

/** Send without waiting. The answer arrives on msg.replyPort (also when the port answers at once). */
export function lwktSendmsg(port: MsgPort, msg: LwktMsg): void {
  const e = beginmsg(port, msg);
  if (e !== EASYNC) lwktReplymsg(msg, e);
}

function beginmsg(port: MsgPort, msg: LwktMsg): Errno | null {
  KASSERT(msg.state !== MsgState.SENT, 'message sent twice');
  msg.state = MsgState.SENT;
  msg.error = null;
  msg.aborted = false;
  msg.targetPort = port;
  return port.putport(port, msg);
}

/**
 * Send and wait for the answer.
 *
 * @returns the worker's errno or null
 * Sleeps: unless the port answers at once. With PCATCH a signal aborts the message; the answer is awaited nevertheless,
 * because the worker may still be using it.
 */
export function* lwktDomsg(port: MsgPort, msg: LwktMsg, flags = 0): Blocking<Errno | null> {
  const saved = msg.replyPort;
  msg.replyPort = null;
  try {
    const e = beginmsg(port, msg);
    if (e !== EASYNC) {
      msg.state = MsgState.DONE;
      msg.error = e;
      return e;
    }
    return yield* lwktWaitmsg(msg, flags);
  } finally {
    msg.replyPort = saved;
  }
}

/** Wait for the answer of a message that has no reply port. */
export function* lwktWaitmsg(msg: LwktMsg, flags = 0): Blocking<Errno | null> {
  let f = flags;
  while (msg.state !== MsgState.DONE) {
    const e = yield* tsleep(msg.doneq, 'waitmsg', f);
    if (e !== null) {
      lwktAbortmsg(msg);
      f = 0;
    }
  }
  return msg.error;
}

/** Take the next message, or null. */
export function lwktGetport(port: MsgPort): LwktMsg | null {
  const msg = port.head;
  if (msg !== null) msgRemove(port, msg);
  return msg;
}

/** Take the next message. Sleeps: while there is none. */
export function* lwktWaitport(port: MsgPort): Blocking<LwktMsg> {
  for (;;) {
    const msg = lwktGetport(port);
    if (msg !== null) return msg;
    yield* tsleep(port.q, port.name);
  }
}

/** Answer a message. */
export function lwktReplymsg(msg: LwktMsg, error: Errno | null): void {
  KASSERT(msg.state === MsgState.SENT && !msg.queued, 'reply to a message that is not being handled');
  msg.state = MsgState.DONE;
  msg.error = error;
  if (msg.replyPort !== null) msgEnqueue(msg.replyPort, msg);
  else wakeup(msg.doneq);
}

/** Ask the worker to finish early; no effect on an answered message. */
export function lwktAbortmsg(msg: LwktMsg): void {
  if (msg.state !== MsgState.SENT || msg.targetPort === null) return;
  msg.aborted = true;
  msg.targetPort.abortport(msg.targetPort, msg);
}
