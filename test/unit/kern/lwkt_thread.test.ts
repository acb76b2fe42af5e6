import { expect } from 'chai';
import { EINTR, EINVAL, ERESTART, EWOULDBLOCK, type Errno } from '../../../vkernel/sys/errno.js';
import {
  PCATCH,
  TDPRI_INT_MED,
  TDPRI_KERN_DAEMON,
  TDPRI_USER_NORM,
  TdState,
  WaitQ,
  curthread,
  lwktCreate,
  lwktDescheduleSelf,
  lwktDispatch,
  lwktInterrupt,
  lwktJoin,
  lwktNanosleep,
  lwktNextTimerNs,
  lwktSchedule,
  lwktSetpri,
  lwktYield,
  tsleep,
  wakeup,
  wakeupOne,
} from '../../../vkernel/kern/lwkt_thread.js';
import { KernelPanic } from '../../../vkernel/kern/kern_shutdown.js';
import { Callout, calloutReset } from '../../../vkernel/kern/kern_timeout.js';
import { gd } from '../../../vkernel/sys/globaldata.js';
import { bootFake, run } from './fake_machine.js';

describe('lwkt threads', () => {
  it('run the highest priority first, round robin within one', () => {
    bootFake();
    const log: string[] = [];
    const spin = (name: string) =>
      function* () {
        for (let i = 0; i < 3; i++) {
          log.push(name + i);
          yield* lwktYield();
        }
      };
    lwktCreate(spin('a'), 'a', TDPRI_USER_NORM);
    lwktCreate(spin('b'), 'b', TDPRI_USER_NORM);
    lwktCreate(spin('c'), 'c', TDPRI_INT_MED);
    run();
    expect(log.join(' ')).to.equal('c0 c1 c2 a0 b0 a1 b1 a2 b2');
  });

  it('use priority 31, the sign bit of the mask', () => {
    bootFake();
    const log: string[] = [];
    lwktCreate(function* () { log.push('low'); }, 'low', 30); // prettier-ignore
    lwktCreate(function* () { log.push('max'); }, 'max', 31); // prettier-ignore
    run();
    expect(log).to.deep.equal(['max', 'low']);
  });

  it('take turns between CPUs', () => {
    bootFake(2);
    const log: string[] = [];
    const spin = (name: string) =>
      function* () {
        for (let i = 0; i < 2; i++) {
          log.push(name);
          yield* lwktYield();
        }
      };
    lwktCreate(spin('hi0'), 'hi0', 31, 0);
    lwktCreate(spin('lo1'), 'lo1', 1, 1);
    run();
    expect(log).to.deep.equal(['lo1', 'hi0', 'lo1', 'hi0']);
  });

  it('inherit the CPU of their creator', () => {
    bootFake(2);
    let child = -1;
    lwktCreate(
      function* () {
        child = lwktCreate(function* () {}, 'child', 5).cpu;
      },
      'parent',
      5,
      1,
    );
    run();
    expect(child).to.equal(1);
  });

  it('run when scheduled after descheduling themselves', () => {
    bootFake();
    let n = 0;
    const td = lwktCreate(
      function* () {
        for (;;) {
          n++;
          lwktDescheduleSelf();
          yield;
        }
      },
      'worker',
      10,
    );
    run();
    run();
    expect(n).to.equal(1);
    lwktSchedule(td);
    lwktSchedule(td);
    run();
    expect(n).to.equal(2);
    expect(curthread()).to.equal(null);
  });

  it('change queue when their priority is set', () => {
    bootFake();
    const log: string[] = [];
    const mk = (name: string) => lwktCreate(function* () { log.push(name); }, name, 10); // prettier-ignore
    mk('a');
    const b = mk('b');
    const c = mk('c');
    lwktSetpri(c, 5);
    lwktSetpri(b, 20);
    run();
    expect(log).to.deep.equal(['b', 'a', 'c']);
  });

  it('are joined', () => {
    bootFake();
    let joined = false;
    const q = new WaitQ();
    const td = lwktCreate(function* () { yield* tsleep(q, 'x'); }, 'a', 10); // prettier-ignore
    lwktCreate(function* () { yield* lwktJoin(td); joined = true; }, 'b', 10); // prettier-ignore
    run();
    expect(joined).to.equal(false);
    wakeup(q);
    run();
    expect(joined).to.equal(true);
    expect(td.state).to.equal(TdState.DEAD);
    expect(gd.lwkt.threads.size).to.equal(0);
  });

  it('panic when they yield without sleeping, and when they throw', () => {
    bootFake();
    lwktCreate(function* () { yield; }, 'bad', 10); // prettier-ignore
    expect(run).to.throw(KernelPanic, 'bad yielded');
    const m = bootFake();
    lwktCreate(function* () { throw new TypeError('oops'); }, 'bad', 10); // prettier-ignore
    expect(run).to.throw(TypeError, 'oops');
    expect(curthread()?.name).to.equal('bad');
    expect(run).to.throw(KernelPanic, 'nested');
    expect(m.output).to.contain('panic: lwktDispatch: nested in thread bad');
  });

  it('leave the rest for later when the budget is used up', () => {
    const m = bootFake();
    let n = 0;
    lwktCreate(
      function* () {
        for (;;) {
          n++;
          m.nowNs += 1000;
          yield* lwktYield();
        }
      },
      'spin',
      10,
    );
    expect(lwktDispatch(100_000)).to.equal(true);
    expect(n).to.be.within(100, 108);
    // Sampled time is near the truth.
    expect([...gd.lwkt.threads][0].cpuNs).to.be.within(90_000, 120_000);
  });

  it('let callouts fire while threads are busy', () => {
    const m = bootFake();
    let stop = false;
    calloutReset(new Callout(() => (stop = true)), 50_000);
    lwktCreate(
      function* () {
        while (!stop) {
          m.nowNs += 1000;
          yield* lwktYield();
        }
      },
      'spin',
      10,
    );
    expect(lwktDispatch(1e12)).to.equal(false);
    expect(m.nowNs).to.be.below(150_000);
  });
});

describe('tsleep', () => {
  const sleeper = (q: WaitQ, out: (Errno | null)[], flags = 0, timeoutNs = 0) =>
    lwktCreate(function* () { out.push(yield* tsleep(q, 'test', flags, timeoutNs)); }, 's', TDPRI_KERN_DAEMON); // prettier-ignore

  it('returns null when woken, in the order of sleeping', () => {
    bootFake();
    const q = new WaitQ();
    const log: number[] = [];
    for (let i = 0; i < 4; i++)
      lwktCreate(function* () { yield* tsleep(q, 'x'); log.push(i); }, 's', 10); // prettier-ignore
    run();
    expect(wakeupOne(q)).to.equal(true);
    run();
    expect(log).to.deep.equal([0]);
    wakeup(q);
    run();
    expect(log).to.deep.equal([0, 1, 2, 3]);
    expect(wakeupOne(q)).to.equal(false);
  });

  it('shows its wmesg while it sleeps', () => {
    bootFake();
    const q = new WaitQ();
    const td = sleeper(q, []);
    run();
    expect(td.wmesg).to.equal('test');
    wakeup(q);
    expect(td.wmesg).to.equal('');
  });

  it('returns EWOULDBLOCK when the timeout passes first', () => {
    const m = bootFake();
    const q = new WaitQ();
    const out: (Errno | null)[] = [];
    sleeper(q, out, 0, 5000);
    run();
    expect(lwktNextTimerNs()).to.equal(5000);
    m.advance(4999);
    expect(out).to.deep.equal([]);
    m.advance(1);
    expect(out).to.deep.equal([EWOULDBLOCK]);
    expect(q.head).to.equal(null);
  });

  it('forgets the timeout when woken first', () => {
    const m = bootFake();
    const q = new WaitQ();
    const out: (Errno | null)[] = [];
    sleeper(q, out, 0, 5000);
    run();
    wakeup(q);
    expect(lwktNextTimerNs()).to.equal(Infinity);
    m.advance(10000);
    expect(out).to.deep.equal([null]);
  });

  it('keeps the others in order when one in the middle times out', () => {
    const m = bootFake();
    const q = new WaitQ();
    const log: string[] = [];
    const mk = (n: string, t: number) =>
      lwktCreate(function* () { log.push(n + String(yield* tsleep(q, 'x', 0, t))); }, n, 10); // prettier-ignore
    mk('a', 0);
    mk('b', 10);
    mk('c', 0);
    mk('d', 20);
    run();
    m.advance(10);
    m.advance(10);
    wakeup(q);
    run();
    expect(log).to.deep.equal(['bEAGAIN', 'dEAGAIN', 'anull', 'cnull']);
  });

  it('is interrupted only with PCATCH', () => {
    bootFake();
    const q = new WaitQ();
    const out: (Errno | null)[] = [];
    const deaf = sleeper(q, out);
    const td = sleeper(q, out, PCATCH);
    run();
    expect(lwktInterrupt(deaf, EINTR)).to.equal(false);
    expect(lwktInterrupt(td, ERESTART)).to.equal(true);
    expect(lwktInterrupt(td, ERESTART)).to.equal(false);
    run();
    expect(out).to.deep.equal([ERESTART]);
  });

  it('does not sleep with PCATCH when a signal is pending', () => {
    bootFake();
    const q = new WaitQ();
    const out: (Errno | null)[] = [];
    const td = sleeper(q, out, PCATCH, 5);
    td.sigCheck = () => EINTR;
    run();
    expect(out).to.deep.equal([EINTR]);
    expect(lwktNextTimerNs()).to.equal(Infinity);
  });

  it('sleeps for a time', () => {
    const m = bootFake();
    const out: (Errno | null)[] = [];
    lwktCreate(function* () { out.push(yield* lwktNanosleep(700, 'nap'), yield* lwktNanosleep(0, 'nap')); }, 's', 9); // prettier-ignore
    run();
    m.advance(699);
    expect(out.length).to.equal(0);
    m.advance(1);
    expect(out).to.deep.equal([null, EINVAL]);
  });
});
