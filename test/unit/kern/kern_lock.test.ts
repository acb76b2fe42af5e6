import { expect } from 'chai';
import { EBUSY, ENOLCK, ERESTART, EWOULDBLOCK } from '../../../vkernel/sys/errno.js';
import type { Blocking } from '../../../vkernel/sys/blocking.js';
import {
  LK_CANRECURSE,
  LK_DOWNGRADE,
  LK_EXCLUPGRADE,
  LK_EXCLUSIVE,
  LK_NOWAIT,
  LK_PCATCH,
  LK_RELEASE,
  LK_SHARED,
  LK_SLEEPFAIL,
  LK_TIMELOCK,
  LK_UPGRADE,
  Lock,
  lockRelease,
  lockTry,
  lockmgr,
  lockstatus,
} from '../../../vkernel/kern/kern_lock.js';
import { lwktCreate, lwktInterrupt, lwktNanosleep, lwktYield } from '../../../vkernel/kern/lwkt_thread.js';
import { KernelPanic } from '../../../vkernel/kern/kern_shutdown.js';
import { LwktToken, lwktGettoken, lwktReltoken, lwktTokenHeld } from '../../../vkernel/kern/lwkt_token.js';
import { bootFake, run } from './fake_machine.js';

const go = (body: () => Blocking<void>) => lwktCreate(body, 't', 10);

describe('lockmgr', () => {
  it('lets shared holders in together and an exclusive one alone', () => {
    const m = bootFake();
    const lk = new Lock('test');
    const log: string[] = [];
    const hold = (name: string, flags: number, ns: number) =>
      go(function* () {
        yield* lockmgr(lk, flags);
        log.push('+' + name);
        yield* lwktNanosleep(ns, 'hold');
        log.push('-' + name);
        yield* lockmgr(lk, LK_RELEASE);
      });
    hold('s1', LK_SHARED, 10);
    hold('s2', LK_SHARED, 20);
    hold('x1', LK_EXCLUSIVE, 10);
    hold('s3', LK_SHARED, 10);
    hold('x2', LK_EXCLUSIVE, 10);
    for (let i = 0; i < 10; i++) m.advance(10);
    // s3 waits behind the writer x1; afterwards who comes first takes it.
    expect(log.slice(0, 6)).to.deep.equal(['+s1', '+s2', '-s1', '-s2', '+x1', '-x1']);
    expect(log.length).to.equal(10);
    for (let i = 0, excl = 0, held = 0; i < log.length; i++) {
      const d = log[i][0] === '+' ? 1 : -1;
      held += d;
      if (log[i][1] === 'x') excl += d;
      expect(excl === 0 || held === 1, log.join(' ')).to.equal(true);
    }
    expect(lk.count + lk.excl + lk.exclWaiting).to.equal(0);
  });

  it('answers EBUSY with LK_NOWAIT, EWOULDBLOCK with LK_TIMELOCK, ENOLCK with LK_SLEEPFAIL, the signal with LK_PCATCH', () => {
    const m = bootFake();
    const lk = new Lock('test', 0, 50);
    const out: unknown[] = [];
    go(function* () {
      yield* lockmgr(lk, LK_EXCLUSIVE);
      yield* lwktNanosleep(100, 'hold');
      lockRelease(lk);
    });
    run();
    go(function* () {
      out.push(yield* lockmgr(lk, LK_SHARED | LK_NOWAIT));
      out.push(yield* lockmgr(lk, LK_EXCLUSIVE | LK_TIMELOCK));
      out.push(yield* lockmgr(lk, LK_EXCLUSIVE | LK_SLEEPFAIL));
    });
    const td = go(function* () {
      out.push(yield* lockmgr(lk, LK_EXCLUSIVE | LK_PCATCH));
    });
    run();
    lwktInterrupt(td, ERESTART);
    m.advance(50);
    m.advance(50);
    expect(out).to.deep.equal([EBUSY, ERESTART, EWOULDBLOCK, ENOLCK]);
    expect(lk.exclWaiting).to.equal(0);
  });

  it('upgrades, and refuses the second upgrader', () => {
    bootFake();
    const lk = new Lock('test');
    const out: unknown[] = [];
    go(function* () {
      yield* lockmgr(lk, LK_SHARED);
      yield* lwktYield();
      out.push(yield* lockmgr(lk, LK_UPGRADE));
      out.push(lockstatus(lk));
      yield* lockmgr(lk, LK_DOWNGRADE);
      out.push(lockstatus(lk));
      lockRelease(lk);
    });
    go(function* () {
      yield* lockmgr(lk, LK_SHARED);
      yield* lwktYield();
      out.push(yield* lockmgr(lk, LK_EXCLUPGRADE));
    });
    run();
    expect(out).to.deep.equal([EBUSY, null, LK_EXCLUSIVE, LK_SHARED]);
    expect(lockstatus(lk)).to.equal(0);
  });

  it('recurses only when allowed, and panics on misuse', () => {
    bootFake();
    const lk = new Lock('test');
    go(function* () {
      yield* lockmgr(lk, LK_EXCLUSIVE);
      yield* lockmgr(lk, LK_EXCLUSIVE | LK_CANRECURSE);
      lockRelease(lk);
      expect(lockstatus(lk)).to.equal(LK_EXCLUSIVE);
      lockRelease(lk);
    });
    run();
    expect(lockstatus(lk)).to.equal(0);
    expect(() => lockRelease(lk)).to.throw(KernelPanic, 'free lock');
    bootFake();
    go(function* () {
      yield* lockmgr(lk, LK_EXCLUSIVE);
      yield* lockmgr(lk, LK_EXCLUSIVE);
    });
    expect(run).to.throw(KernelPanic, 'against myself');
  });

  it('is tried by plain functions', () => {
    bootFake();
    const lk = new Lock('test');
    expect(lockTry(lk, LK_EXCLUSIVE)).to.equal(null);
    expect(lockTry(lk, LK_SHARED)).to.equal(EBUSY);
    lockRelease(lk);
    expect(lockTry(lk, LK_SHARED)).to.equal(null);
    expect(lockTry(lk, LK_EXCLUSIVE)).to.equal(EBUSY);
    lockRelease(lk);
  });
});

describe('tokens', () => {
  it('are held by their thread only, and released in order', () => {
    bootFake();
    const a = new LwktToken('a');
    const b = new LwktToken('b');
    go(function* () {
      yield* lwktGettoken(a);
      yield* lwktGettoken(b);
      yield* lwktYield();
      expect(lwktTokenHeld(a)).to.equal(true);
      lwktReltoken(b);
      lwktReltoken(a);
      expect(lwktTokenHeld(a)).to.equal(false);
    });
    go(function* () {
      expect(lwktTokenHeld(a)).to.equal(false);
    });
    run();
    go(function* () {
      yield* lwktGettoken(a);
      yield* lwktGettoken(b);
      lwktReltoken(a);
    });
    expect(run).to.throw(KernelPanic, 'a is not the last taken');
  });
});
