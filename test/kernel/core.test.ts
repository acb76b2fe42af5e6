import { expect } from 'chai';
import type { Guest, GuestCode } from '../../vkernel/machine/sim/guest.js';
import { fork, inInit, mmapAnon, must, nanosleep, sys, thread, wait4 } from './kit.js';

const RLIMIT_CORE = 4;
const [SIGABRT, SIGTERM] = [6, 15];
const CORE = 0x80;

function* limitCore(g: Guest, bytes: bigint): GuestCode<void> {
  yield* must(g, 'setrlimit', RLIMIT_CORE, new Uint8Array(BigInt64Array.of(bytes, bytes).buffer));
}
/** A child that dies by `sig`; its wait status. */
function* die(g: Guest, sig: number, before: (c: Guest) => GuestCode<void>): GuestCode<number> {
  const pid = yield* fork(g, function* (c) {
    yield* before(c);
    yield* must(c, 'kill', yield* must(c, 'getpid'), sig);
    yield* nanosleep(c, 1e12);
  });
  return (yield* wait4(g, pid))[1];
}
/** Bytes of a file, or null. */
function* slurp(g: Guest, path: string): GuestCode<Uint8Array | null> {
  const fd = yield* sys(g, 'open', path, 0, 0);
  if (fd < 0) return null;
  const st = g.alloc(128);
  yield* must(g, 'fstat', fd, st);
  const parts: Uint8Array[] = [];
  const at = g.alloc(4096);
  for (;;) {
    const n = yield* must(g, 'read', fd, at, 4096);
    if (n === 0) break;
    parts.push(yield* g.read(at, n));
  }
  return Uint8Array.from(Buffer.concat(parts));
}

interface Core {
  type: number;
  notes: { type: number; desc: DataView }[];
  loads: { va: number; off: number; size: number; flags: number }[];
}
function parse(b: Uint8Array): Core {
  const v = new DataView(b.buffer, b.byteOffset);
  const n64 = (o: number): number => Number(v.getBigUint64(o, true));
  expect(v.getUint32(0)).to.equal(0x7f454c46);
  const core: Core = { type: v.getUint16(16, true), notes: [], loads: [] };
  for (let i = 0; i < v.getUint16(56, true); i++) {
    const o = n64(32) + i * 56;
    if (v.getUint32(o, true) === 1)
      core.loads.push({ va: n64(o + 16), off: n64(o + 8), size: n64(o + 32), flags: v.getUint32(o + 4, true) });
    if (v.getUint32(o, true) !== 4) continue;
    for (let at = n64(o + 8); at < n64(o + 8) + n64(o + 32);) {
      const size = v.getUint32(at + 4, true);
      core.notes.push({ type: v.getUint32(at + 8, true), desc: new DataView(b.buffer, b.byteOffset + at + 20, size) });
      at += 20 + Math.ceil(size / 4) * 4;
    }
  }
  return core;
}

describe('core dumps', () => {
  it('hold memory and registers of all threads', () => {
    inInit(function* (g) {
      yield* must(g, 'chdir', '/tmp');
      yield* limitCore(g, 1n << 30n);
      let at = 0;
      const status = yield* die(g, SIGABRT, function* (c) {
        at = yield* mmapAnon(c, 1 << 20);
        yield* c.write32(at + 4096 * 77, 0x1234abcd);
        yield* thread(c, function* (t) {
          yield* nanosleep(t, 1e12);
        });
        yield* nanosleep(c, 1e6);
      });
      expect(status).to.equal(SIGABRT | CORE);
      const file = yield* slurp(g, '/tmp/init.core');
      if (file === null) throw new Error('no core file');
      const core = parse(file);
      expect(core.type).to.equal(4);
      expect(core.notes.map((n) => n.type)).to.deep.equal([3, 1, 2, 1, 2, 1, 2, 1, 2]);
      const status1 = core.notes[1].desc;
      expect(status1.byteLength).to.equal(248);
      expect(status1.getInt32(36, true)).to.equal(SIGABRT);
      expect(Number(status1.getBigUint64(48 + 184, true))).to.be.greaterThan(0x7fff00000000);
      const seg = core.loads.find((l) => l.va <= at && at < l.va + l.size);
      if (seg === undefined) throw new Error('the memory is not in the core');
      const v = new DataView(file.buffer, file.byteOffset);
      expect(v.getUint32(seg.off + (at - seg.va) + 4096 * 77, true)).to.equal(0x1234abcd);
      expect(v.getUint32(seg.off + (at - seg.va) + 4096 * 78, true)).to.equal(0);
      const last = core.loads[core.loads.length - 1];
      expect(file.length).to.equal(last.off + last.size);
    });
  });
  it('are not written without a limit that allows them, nor for other signals, set-id programs and foreign files', () => {
    inInit(
      function* (g) {
        yield* must(g, 'chdir', '/tmp');
        expect(yield* die(g, SIGABRT, function* () {})).to.equal(SIGABRT);
        yield* limitCore(g, 4096n);
        expect(yield* die(g, SIGABRT, function* () {})).to.equal(SIGABRT);
        expect(yield* slurp(g, '/tmp/init.core')).to.equal(null);
        yield* limitCore(g, 1n << 30n);
        expect(yield* die(g, SIGTERM, function* () {})).to.equal(SIGTERM);
        const setid = yield* die(g, SIGABRT, function* (c) {
          yield* must(c, 'setuid', 1000);
        });
        expect(setid).to.equal(SIGABRT);
        yield* must(g, 'symlink', '/etc/precious', '/tmp/init.core');
        expect(yield* die(g, SIGABRT, function* () {})).to.equal(SIGABRT);
        expect(Buffer.from((yield* slurp(g, '/etc/precious')) ?? []).toString()).to.equal('keep');
      },
      { files: { '/etc/precious': 'keep' } },
    );
  });
});
