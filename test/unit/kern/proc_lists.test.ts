import { expect } from 'chai';
import fc from 'fast-check';
import { Link, LinkedList, PidTable } from '../../../vkernel/kern/proc_lists.js';

class Item {
  readonly link = new Link<Item>();
  constructor(readonly n: number) {}
}

describe('PidTable', () => {
  it('is a Map in the order of the numbers', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(50))), (steps) => {
        const t = new PidTable<Item>();
        const model = new Map<number, Item>();
        for (const [put, n] of steps) {
          if (put) {
            const item = new Item(n);
            t.set(n, item);
            model.set(n, item);
          } else {
            t.delete(n);
            model.delete(n);
          }
          expect(t.size).to.equal(model.size);
          expect(t.has(n)).to.equal(model.has(n));
          expect(t.get(n)).to.equal(model.get(n));
        }
        expect([...t.values()]).to.deep.equal([...model.values()].sort((a, b) => a.n - b.n));
      }),
      { seed: 7 },
    );
  });
});

describe('LinkedList', () => {
  it('is a Set whose items are on one list at a time', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(0, 1, 2), fc.nat(9))), (steps) => {
        const items = Array.from({ length: 10 }, (_, n) => new Item(n));
        const lists = [0, 1].map(() => new LinkedList<Item>((i) => i.link));
        const model = [new Set<Item>(), new Set<Item>()];
        for (const [what, n] of steps) {
          const item = items[n];
          if (what === 2) {
            for (let i = 0; i < 2; i++) {
              lists[i].delete(item);
              model[i].delete(item);
            }
          } else if (!model[what].has(item)) {
            lists[what].add(item);
            model[1 - what].delete(item);
            model[what].add(item);
          } else lists[what].add(item);
          for (let i = 0; i < 2; i++) {
            expect([...lists[i]]).to.deep.equal([...model[i]]);
            expect(lists[i].size).to.equal(model[i].size);
          }
        }
      }),
      { seed: 7 },
    );
  });
  it('may lose the item that iteration is at', () => {
    const l = new LinkedList<Item>((i) => i.link);
    for (let n = 0; n < 5; n++) l.add(new Item(n));
    for (const i of l) if (i.n % 2 === 0) l.delete(i);
    expect([...l].map((i) => i.n)).to.deep.equal([1, 3]);
  });
});
