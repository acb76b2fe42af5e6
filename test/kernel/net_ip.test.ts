/**
 * IP on the simulated machine: checksums, what goes out on lo0 comes back whole in both families, with and without fragments, and no mbuf
 * is lost; ports and addresses of control blocks.
 */
import { expect } from 'chai';
import { gd } from '../../vkernel/sys/globaldata.js';
import { mflat, mfreem, mfrom, mget, type Mbuf } from '../../vkernel/kern/uipc_mbuf.js';
import { bufSum, IN6ADDR_LOOPBACK, inCksum, type InAddr, INADDR_LOOPBACK } from '../../vkernel/netinet/in.js';
import { ipOutput, ipProtoRegister } from '../../vkernel/netinet/ip_var.js';
import { ipInput } from '../../vkernel/netinet/ip_input.js';
import { netisrQueue } from '../../vkernel/net/netisr.js';
import { loif } from '../../vkernel/net/if.js';
import { bootSim } from './kit.js';

const PROTO = 200;

/** Send `sizes` to `addr` from a booted kernel; what came, and mbufs left over. */
function echo(addr: InAddr, sizes: number[]): { got: Uint8Array[]; left: number; errors: (string | null)[] } {
  const got: Uint8Array[] = [];
  const errors: (string | null)[] = [];
  const k = bootSim({
    seed: 5,
    init: function* (g) {
      ipProtoRegister(PROTO, {
        input(m) {
          got.push(mflat(m));
          mfreem(m);
        },
      });
      for (const n of sizes) {
        const b = Uint8Array.from({ length: n }, (_, i) => (i * 7 + n) & 255);
        const e = ipOutput(mfrom(b) as Mbuf, { src: addr, dst: addr, proto: PROTO, ttl: 0, tos: 0 });
        errors.push(e?.name ?? null);
      }
      yield* g.compute(1000000);
      for (let i = 0; i < 10; i++) yield* g.sys(20);
    },
  });
  k.run();
  return { got, errors, left: gd.mbufs ?? 0 };
}

describe('IP', () => {
  it('checksums do not depend on how a chain is cut', () => {
    bootSim({ seed: 1, init: function* () {} });
    const b = Uint8Array.from({ length: 1999 }, (_, i) => (i * 31 + (i >> 3)) & 255);
    let plain = 0;
    for (let i = 0; i < b.length; i += 2) plain += (b[i] << 8) | (b[i + 1] ?? 0);
    while (plain > 0xffff) plain = (plain & 0xffff) + (plain >> 16);
    expect(bufSum(b, 0, b.length)).to.equal(plain);
    for (const cuts of [[1], [3, 500], [1, 2, 3, 1000], [129, 130, 777]]) {
      let head: Mbuf | null = null;
      let at = b.length;
      for (const c of [...cuts].reverse().concat(0)) {
        const m = mget(2048);
        m.off = (c * 3) % 40;
        m.len = at - c;
        m.data.set(b.subarray(c, at), m.off);
        m.next = head;
        head = m;
        at = c;
      }
      expect(inCksum(head, 0, b.length)).to.equal(~plain & 0xffff);
      mfreem(head);
    }
  });

  for (const [name, addr] of [
    ['IPv4', INADDR_LOOPBACK],
    ['IPv6', IN6ADDR_LOOPBACK],
  ] as const)
    it(`${name}: lo0 gives back what was sent, whole`, () => {
      const sizes = [1, 20, 1500, 16344, 16384, 40000, 65400];
      const r = echo(addr, sizes);
      expect(r.errors).to.deep.equal(sizes.map(() => null));
      expect(r.got.map((x) => x.length)).to.deep.equal(sizes);
      r.got.forEach((x, i) => expect(x.every((v, j) => v === ((j * 7 + sizes[i]) & 255))).to.equal(true));
      expect(r.left).to.equal(0);
    });

  it('refuses what does not fit and what has no way', () => {
    expect(echo(INADDR_LOOPBACK, [65530]).errors).to.deep.equal(['EMSGSIZE']);
    expect(echo(Uint8Array.of(192, 0, 2, 1), [10]).errors).to.deep.equal(['ENETUNREACH']);
  });

  it('mutated packets are refused or delivered, never lost', () => {
    let left = -1;
    const k = bootSim({
      seed: 9,
      init: function* (g) {
        ipProtoRegister(PROTO, { input: (m) => mfreem(m) });
        let x = 12345;
        const rnd = (n: number): number => ((x = (Math.imul(x, 1103515245) + 12345) >>> 0) >>> 8) % n;
        for (let i = 0; i < 3000; i++) {
          const v6 = (i & 1) !== 0;
          const n = (v6 ? 40 : 20) + rnd(120);
          const b = new Uint8Array(n).map(() => rnd(256));
          b[0] = v6 ? 0x60 : 0x40 | (5 + rnd(3));
          b[v6 ? 6 : 9] = [PROTO, 0, 43, 44, 60, 17, 1, 58][rnd(8)];
          b[v6 ? 4 : 2] = 0;
          b[v6 ? 5 : 3] = v6 ? n - 40 : n;
          if (v6) b.set(IN6ADDR_LOOPBACK, 24);
          else b.set(INADDR_LOOPBACK, 16);
          if (rnd(3) === 0) b[rnd(n)] ^= 1 << rnd(8);
          if (!v6) {
            b[10] = b[11] = 0;
            const h = Math.min(n, (b[0] & 15) * 4);
            const c = ~bufSum(b, 0, h) & 0xffff;
            b[10] = c >> 8;
            b[11] = c & 255;
          }
          netisrQueue(ipInput, mfrom(b) as Mbuf, loif());
          if (i % 100 === 0) yield* g.sys(20);
        }
        yield* g.sys(20);
        expect(gd.ip.stat.received).to.be.at.least(3000);
        expect(gd.ip.stat.fragments).to.be.above(50);
        // Fragments wait for the rest until their time is over.
        yield* g.compute(40e9);
        left = gd.mbufs ?? 0;
      },
    });
    k.run();
    expect(left).to.equal(0);
  });
});
