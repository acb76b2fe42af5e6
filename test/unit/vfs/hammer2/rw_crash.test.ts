/**
 * Power cuts: the log of a run is cut after every write, with writes since the last flush dropped or torn; the state that
 * comes back is that of a sync that was finished or under way, and everything synced is in it.
 */
import { expect } from 'chai';
import { runSync } from '../../../../vkernel/sys/blocking.js';
import { tsCodecs } from '../../../../vkernel/vfs/hammer2/index.js';
import { signHeader } from '../../../../vkernel/vfs/hammer2/volume.js';
import type { Fs } from '../../../../vkernel/vfs/hammer2/fs.js';
import type { MemDevice } from '../../../support/hammer2_build.js';
import { Rng } from '../../../support/hammer2_model.js';
import {
  ByPath,
  CowDevice,
  faults,
  freshVolume,
  LogDevice,
  type LogEntry,
  openRw,
} from '../../../support/hammer2_rw.js';
import { must } from '../../../support/hammer2_tree.js';

const MIB = 1024 * 1024;

/** Everything in a PFS as text: paths with their contents. */
function contents(fs: Fs): string {
  const m = new ByPath(must(runSync(fs.mount('DATA', { readonly: true }))));
  const out: string[] = [];
  const visit = (path: string): void => {
    for (const name of m.list(path).sort()) {
      const p = `${path}/${name}`;
      const a = must(runSync(m.p.getattr(m.inum(p))));
      out.push(a.type === 1 ? `${p}/` : `${p} ${a.size} ${Buffer.from(m.read(p).subarray(0, 40)).toString('hex')}`);
      if (a.type === 1) visit(p);
    }
  };
  visit('');
  return out.join('\n');
}

describe('hammer2 power cuts', function () {
  this.timeout(120_000);

  // Seed 104: a sync of the freemap alone is torn so that only the CRC of the second sector can tell.
  for (const [bytes, seed] of [
    [512 * MIB, 0],
    [512 * MIB, 104],
    [5 * 1024 * MIB, 0],
  ]) {
    it(`come back with what was synced (${bytes / MIB} MiB: ${bytes > 2048 * MIB ? 'three headers' : 'one header'}, seed ${seed})`, () => {
      const rng = new Rng(bytes + seed);
      const base = freshVolume(bytes);
      const dev = new LogDevice(new CowDevice(base));
      const fs = openRw(dev, { log: (l) => expect.fail(l) });
      const m = new ByPath(must(runSync(fs.mount('DATA'))));
      // What each sync promised, with the length of the log when it returned.
      const states: { at: number; text: string }[] = [{ at: 0, text: '' }];
      for (let s = 0; s < 8; s++) {
        for (let i = 0; i < 6; i++) {
          const d = `d${rng.below(3)}`;
          if (typeof m.tryInum(d) !== 'number') m.mkdir(d);
          const f = `${d}/f${rng.below(5)}`;
          if (rng.below(4) > 0) m.file(f, rng.bytes(rng.below(150_000)));
          else if (typeof m.tryInum(f) === 'number') {
            if (rng.below(2) === 0) must(runSync(m.p.unlink(...m.split(f))) ?? 0);
            else must(runSync(m.p.rename(...m.split(f), m.p.rootInum, `r${rng.below(3)}`)) ?? 0);
          }
        }
        // Each of these syncs what is pending, and more than once.
        if (s % 3 === 1) must(runSync(fs.bulkfree()));
        if (s % 4 === 2) must(runSync(fs.snapshot('DATA', `s${s}`)) ?? 0);
        if (s === 5) must(runSync(fs.pfsDelete('s2')) ?? 0);
        must(runSync(fs.sync()) ?? 0);
        const now = openRw(applied(base, dev.log, dev.log.length, null), { readonly: true });
        states.push({ at: dev.log.length, text: contents(now) });
      }
      expect(new Set(states.map((x) => x.text)).size).to.equal(states.length);
      let cuts = 0;
      for (let cut = 0; cut <= dev.log.length; cut++) {
        for (let v = 0; v < 3; v++) {
          const img = applied(base, dev.log, cut, v === 0 ? null : rng);
          const got = contents(openRw(img, { readonly: true }));
          const done = states.filter((x) => x.at <= cut).length - 1;
          const may = states.slice(done, done + 2).map((x) => x.text);
          expect(may, `cut ${cut} of ${dev.log.length}, variant ${v}`).to.include(got);
          if (v === 1 && cut % 5 === 0) {
            // and it can be written to: the first sync makes the headers good again
            const more = openRw(img);
            const q = new ByPath(must(runSync(more.mount('DATA'))));
            q.file('after', 'the cut');
            must(runSync(more.close()) ?? 0);
            expect(faults(img, { older: bytes > 2048 * MIB })).to.deep.equal([]);
          }
          cuts++;
        }
      }
      expect(cuts).to.be.greaterThan(150);
    });
  }

  it('are not fooled by a header whose first sector is new, whose freemap is old, and whose CRCs are all right', () => {
    for (const bytes of [512 * MIB, 5 * 1024 * MIB]) {
      const dev = new CowDevice(freshVolume(bytes));
      const fs = openRw(dev);
      const m = new ByPath(must(runSync(fs.mount('DATA'))));
      const headers: Uint8Array[] = [];
      for (let i = 0; i < 9; i++) {
        m.file(`f${i}`, new Rng(i).bytes(100_000));
        must(runSync(fs.sync()) ?? 0);
        headers.push(dev.peek(0, 65536));
      }
      must(runSync(fs.close()) ?? 0);
      // Header 0 as it was written last, with the freemap of the time before. (That its CRCs are right takes a sync that
      // does not move the super-root: the reference's growfs, for one.)
      const torn = headers[8].slice();
      const old = headers.filter((h) => Buffer.compare(h, torn) !== 0).at(-1) as Uint8Array;
      torn.set(old.subarray(0x800, 0xa00), 0x800);
      signHeader(torn, new DataView(torn.buffer), tsCodecs);
      must(runSync(dev.write(0, torn)) ?? 0);
      const said: string[] = [];
      const again = openRw(dev, { log: (l) => said.push(l) });
      expect(said.join()).to.match(/torn volume header, not used/);
      const q = new ByPath(must(runSync(again.mount('DATA'))));
      q.file('more', new Rng(99).bytes(200_000));
      must(runSync(again.close()) ?? 0);
      expect(faults(dev)).to.deep.equal([]);
      expect(contents(openRw(dev, { readonly: true }))).to.include('/more 200000');
    }
  });
});

/** The image after a cut: writes up to the last flush before it are there; of those since, `rng` drops and tears some. */
function applied(base: MemDevice, log: readonly LogEntry[], cut: number, rng: Rng | null): CowDevice {
  const dev = new CowDevice(base);
  const last = log.lastIndexOf('flush', cut - 1);
  for (let i = 0; i < cut; i++) {
    const w = log[i];
    if (w === 'flush') continue;
    if (i < last || rng === null) must(runSync(dev.write(w.off, w.data)) ?? 0);
    else {
      const kind = rng.below(3);
      if (kind === 0) continue;
      if (kind === 1) must(runSync(dev.write(w.off, w.data)) ?? 0);
      else
        for (let o = 0; o < w.data.length; o += 512)
          if (rng.below(2) === 0) must(runSync(dev.write(w.off + o, w.data.subarray(o, o + 512))) ?? 0);
    }
  }
  return dev;
}
