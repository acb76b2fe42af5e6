import { expect } from 'chai';
import {
  RTP_PRIO_IDLE,
  RTP_PRIO_REALTIME,
  USCHED_SLICE_NS,
  UschedState,
  loadAverages,
  uschedCharge,
  uschedExit,
  uschedInit,
  uschedNew,
  uschedRelease,
  uschedReturn,
  uschedRunnable,
  uschedSetNice,
  uschedTrap,
  uschedYield,
  type UschedLwp,
} from '../../../vkernel/kern/usched.js';
import { cpTimes } from '../../../vkernel/kern/kern_clock.js';
import { lwktNextTimerNs } from '../../../vkernel/kern/lwkt_thread.js';
import { gd } from '../../../vkernel/sys/globaldata.js';
import { bootFake, type FakeMachine } from './fake_machine.js';

/** A lwp that computes for ever; preemption makes it trap in the next step of the test. */
class Hog implements UschedLwp {
  readonly us = new UschedState();
  inUser = false;
  preempted = false;
  constructor(
    readonly name: string,
    nice = 0,
  ) {
    uschedNew(this);
    uschedSetNice(this, nice);
  }
  goUser(): void {
    expect(this.us.vcpu, this.name + ' runs without a cpu').to.be.at.least(0);
    expect(gd.usched.running[this.us.vcpu]).to.equal(this);
    this.inUser = true;
  }
  preemptUser(): void {
    if (this.inUser) this.preempted = true;
  }
  trapIfPreempted(): void {
    if (!this.preempted) return;
    this.preempted = false;
    this.inUser = false;
    uschedTrap(this);
    uschedReturn(this);
  }
}

function boot(ncpus: number): FakeMachine {
  const m = bootFake(ncpus);
  uschedInit(ncpus);
  return m;
}

/** Let `hogs` compute for `ns`, in steps of a millisecond. */
function compute(m: FakeMachine, hogs: Hog[], ns: number): void {
  for (let t = 0; t < ns; t += 1e6) {
    m.advance(1e6);
    for (const h of hogs) h.trapIfPreempted();
    expect(hogs.filter((h) => h.inUser).length).to.equal(Math.min(gd.usched.ncpus, hogs.length));
  }
  for (const h of hogs) uschedCharge(h);
}

describe('usched', () => {
  it('runs as many lwps as there are virtual CPUs', () => {
    boot(2);
    const [a, b, c] = ['a', 'b', 'c'].map((n) => new Hog(n));
    for (const h of [a, b, c]) uschedReturn(h);
    expect([a.inUser, b.inUser, c.inUser]).to.deep.equal([true, true, false]);
    a.inUser = false;
    uschedRelease(a);
    expect(c.inUser).to.equal(true);
    expect(uschedRunnable()).to.equal(2);
    uschedReturn(a);
    expect(a.inUser).to.equal(false);
    uschedExit(a);
    expect(uschedRunnable()).to.equal(2);
  });

  it('needs no timer while nobody waits', () => {
    boot(1);
    const a = new Hog('a');
    uschedReturn(a);
    expect(lwktNextTimerNs()).to.equal(Infinity);
    uschedReturn(new Hog('b'));
    expect(lwktNextTimerNs()).to.equal(USCHED_SLICE_NS);
  });

  it('shares fairly in slices of 10 ms', () => {
    const m = boot(2);
    const hogs = ['a', 'b', 'c', 'd', 'e'].map((n) => new Hog(n));
    for (const h of hogs) uschedReturn(h);
    compute(m, hogs, 2e9);
    for (const h of hogs) expect(h.us.cpuNs / 1e6).to.be.within(780, 820);
    const switches = hogs.reduce((n, h) => n + h.us.nivcsw, 0);
    expect(switches).to.be.within(300, 420);
  });

  it('honours nice', () => {
    const m = boot(1);
    const hogs = [new Hog('norm'), new Hog('nice5', 5), new Hog('nice20', 20)];
    for (const h of hogs) uschedReturn(h);
    compute(m, hogs, 10e9);
    const [n0, n5, n20] = hogs.map((h) => h.us.cpuNs);
    expect(n0 / n5).to.be.within(2.5, 3.6);
    expect(n20).to.be.within(10e6, 0.03 * n0);
  });

  it('serves realtime before normal before idle', () => {
    const m = boot(1);
    const idle = new Hog('idle');
    idle.us.rtpClass = RTP_PRIO_IDLE;
    const norm = new Hog('norm');
    const rt = new Hog('rt');
    rt.us.rtpClass = RTP_PRIO_REALTIME;
    uschedReturn(idle);
    uschedReturn(norm);
    idle.trapIfPreempted();
    expect(norm.inUser).to.equal(true);
    uschedReturn(rt);
    norm.trapIfPreempted();
    compute(m, [idle, norm, rt], 1e8);
    expect(rt.inUser).to.equal(true);
    rt.inUser = false;
    uschedExit(rt);
    expect(norm.inUser).to.equal(true);
    compute(m, [idle, norm], 1e8);
    expect(idle.us.cpuNs).to.equal(0);
  });

  for (const [name, self] of [
    ['at the next trap of who has the cpu', true],
    ['by a preemption when there is none within 100 us', false],
  ] as const)
    it(`lets a lwp that sleeps a lot run when it wakes, ${name}`, () => {
      const m = boot(1);
      const hogs = [new Hog('a'), new Hog('b')];
      for (const h of hogs) uschedReturn(h);
      const shell = new Hog('shell');
      uschedReturn(shell);
      compute(m, [...hogs, shell], 50e6);
      while (!shell.inUser) compute(m, [...hogs, shell], 1e6);
      shell.inUser = false;
      uschedRelease(shell);
      compute(m, hogs, 500e6);
      const runner = hogs.find((h) => h.inUser)!;
      expect(runner.preempted).to.equal(false);
      uschedReturn(shell);
      m.advance(50e3);
      expect(runner.preempted).to.equal(false);
      if (self) {
        runner.inUser = false;
        uschedTrap(runner);
        uschedReturn(runner);
        m.advance(200e3);
        expect(runner.preempted).to.equal(false);
      } else {
        m.advance(60e3);
        expect(runner.preempted).to.equal(true);
        runner.trapIfPreempted();
      }
      expect(runner.inUser).to.equal(false);
      expect(shell.inUser).to.equal(true);
    });

  it('lets all others go first after uschedYield', () => {
    const m = boot(1);
    const [a, b, c] = ['a', 'b', 'c'].map((n) => new Hog(n));
    uschedReturn(a);
    uschedReturn(b);
    uschedReturn(c);
    m.advance(1e5);
    const order: string[] = [];
    let run: Hog = a;
    for (let i = 0; i < 6; i++) {
      order.push(run.name);
      run.inUser = false;
      m.nowNs += 1000;
      uschedYield(run);
      uschedReturn(run);
      run = [a, b, c].find((h) => h.inUser) as Hog;
    }
    expect(order.join('')).to.equal('abcabc');
  });

  it('goes straight back when nobody waits, also after a yield', () => {
    boot(1);
    const a = new Hog('a');
    uschedReturn(a);
    a.inUser = false;
    uschedYield(a);
    uschedReturn(a);
    expect(a.inUser).to.equal(true);
    expect(a.us.nivcsw).to.equal(0);
  });

  it('accounts user and system time by samples', () => {
    const m = boot(1);
    const a = new Hog('a');
    uschedReturn(a);
    for (let i = 0; i < 8000; i++) {
      m.nowNs += 3000;
      uschedTrap(a);
      m.nowNs += 1000;
      uschedReturn(a);
    }
    uschedCharge(a);
    expect(a.us.uticksNs).to.equal(24e6);
    expect(a.us.sticksNs).to.equal(8e6);
    const [user, nice, sys, intr, idle] = cpTimes();
    expect([user, nice, sys, intr, idle]).to.deep.equal([24e6, 0, 8e6, 0, 0]);
  });

  it('keeps load averages without a timer', () => {
    const m = boot(2);
    const hogs = ['a', 'b', 'c'].map((n) => new Hog(n));
    for (const h of hogs) uschedReturn(h);
    compute(m, hogs, 60e9);
    const l1 = loadAverages()[0];
    expect(l1).to.be.closeTo(3 * (1 - Math.exp(-1)), 0.01);
    for (const h of hogs) uschedExit(h);
    m.nowNs += 60e9;
    expect(loadAverages()[0]).to.be.closeTo(l1 * Math.exp(-1), 0.01);
    m.nowNs += 3600e9;
    expect(loadAverages()[0]).to.be.below(0.001);
  });
});
