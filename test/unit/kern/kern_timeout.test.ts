import { expect } from 'chai';
import { Callout, calloutReset, calloutStop } from '../../../vkernel/kern/kern_timeout.js';
import { lwktNextTimerNs } from '../../../vkernel/kern/lwkt_thread.js';
import { Heap } from '../../../vkernel/sys/heap.js';
import { bootFake, run } from './fake_machine.js';

describe('callouts', () => {
  it('fire in the order of their times, and of arming when equal', () => {
    const m = bootFake();
    const log: number[] = [];
    for (const [i, t] of [30, 10, 20, 10, 30].entries()) calloutReset(new Callout(() => log.push(i)), t);
    m.advance(9);
    expect(log).to.deep.equal([]);
    m.advance(100);
    expect(log).to.deep.equal([1, 3, 2, 0, 4]);
  });

  it('can be stopped and moved', () => {
    const m = bootFake();
    const log: string[] = [];
    const a = new Callout(() => log.push('a'));
    const b = new Callout(() => log.push('b'));
    calloutReset(a, 10);
    calloutReset(b, 20);
    calloutReset(a, 30);
    expect(lwktNextTimerNs()).to.equal(20);
    m.advance(25);
    expect(log).to.deep.equal(['b']);
    expect(calloutStop(a)).to.equal(true);
    expect(calloutStop(a)).to.equal(false);
    m.advance(100);
    expect(log).to.deep.equal(['b']);
    expect(lwktNextTimerNs()).to.equal(Infinity);
  });

  it('that arm themselves for now do not fire twice in one go', () => {
    bootFake();
    let n = 0;
    const c: Callout = new Callout(() => {
      n++;
      calloutReset(c, 0);
    });
    calloutReset(c, 0);
    run();
    expect(n).to.equal(1);
    run();
    expect(n).to.equal(2);
  });

  it('survive random arming and stopping (against a sorted list)', () => {
    let seed = 12345;
    const rnd = (n: number) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) % n;
    const heap = new Heap<{ heapIdx: number; k: number }>((x, y) => x.k < y.k);
    const items = Array.from({ length: 200 }, (_, i) => ({ heapIdx: -1, k: i }));
    const model = new Set<number>();
    for (let step = 0; step < 5000; step++) {
      const it = items[rnd(200)];
      if (it.heapIdx < 0) {
        heap.insert(it);
        model.add(it.k);
      } else expect(heap.remove(it)).to.equal(model.delete(it.k));
      expect(heap.size).to.equal(model.size);
      if (model.size > 0) expect(heap.top()?.k).to.equal(Math.min(...model));
    }
  });
});
