/**
 * The crash matrix of HAMMER2: a seeded workload on a volume in memory, cut after every block write, with the writes since
 * the last flush dropped, torn at 512 bytes, or carried out in another order. After each cut the volume mounts, shows
 * exactly the state after some operation that is not older than the last sync, takes a write, and passes the stand-alone checker.
 */
import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { hostCodecs } from '../../vkernel/machine/host/codecs.js';
import { runSync } from '../../vkernel/sys/blocking.js';
import { ENOSPC, Errno } from '../../vkernel/sys/errno.js';
import type { Fs } from '../../vkernel/vfs/hammer2/fs.js';
import { Rng } from '../support/hammer2_model.js';
import { ByPath, CowDevice, faults, freshVolume, LogDevice, openRw } from '../support/hammer2_rw.js';
import { must } from '../support/hammer2_tree.js';

const MIB = 1024 * 1024;
/** Native arithmetic: a hundred thousand volumes are opened and checked. */
const codecs = hostCodecs();
const DIRECTORY = 1;
const REGFILE = 2;

/** Every PFS in full: names, attributes that operations change, and contents. */
function state(fs: Fs): string {
  const h = createHash('sha256');
  for (const { label } of must(runSync(fs.pfsList())).sort((a, b) => (a.label < b.label ? -1 : 1))) {
    const mounted = fs.mounts.get(label) ?? null;
    const m = new ByPath(mounted ?? must(runSync(fs.mount(label, { readonly: true })), label));
    h.update(`${label}\0`);
    const visit = (path: string): void => {
      for (const name of m.list(path).sort()) {
        const p = `${path}/${name}`;
        const a = must(runSync(m.p.getattr(m.inum(p))), p);
        h.update(`${p} ${a.type} ${a.mode} ${a.nlinks} ${a.size}\0`);
        if (a.type === DIRECTORY) visit(p);
        else if (a.type === REGFILE) h.update(m.read(p));
      }
    };
    visit('');
    if (mounted === null) must(runSync(m.p.unmount()) ?? 0);
  }
  return h.digest('hex');
}

const NAMES = ['a', 'b', 'c', 'd/a', 'd/b', 'e/a', 'e/' + 'long'.repeat(30), 'd/f/a'];

/** One operation; true when everything before it is durable now. What has no room must change nothing. */
function step(fs: Fs, m: ByPath, rng: Rng, snaps: string[]): boolean {
  const path = rng.pick(NAMES);
  const other = rng.pick(NAMES);
  const isFile = (p: string): boolean => typeof m.tryInum(p) === 'number';
  for (const dir of ['d', 'd/f', 'e']) if (typeof m.tryInum(dir) !== 'number') m.mkdir(dir);
  const op = rng.below(100);
  const quiet = (r: unknown): void => {
    if (r instanceof Errno && r !== ENOSPC) throw r;
  };
  if (op < 40) {
    const n = isFile(path)
      ? m.inum(path)
      : runSync(m.p.create(...m.split(path), { type: REGFILE, mode: 0o644, uid: 0, gid: 0 }));
    if (n instanceof Errno) return (quiet(n), false);
    // Some of the data is there already.
    const b = (rng.below(3) === 0 ? new Rng(rng.below(3)) : rng).bytes(
      1 + rng.below(rng.below(6) === 0 ? 900_000 : 90_000),
    );
    quiet(runSync(m.p.write(n, rng.below(3) * rng.below(70_000), b, 0, b.length)));
  } else if (op < 48) {
    if (isFile(path)) quiet(runSync(m.p.truncate(m.inum(path), rng.below(120_000))));
  } else if (op < 58) {
    if (isFile(path)) quiet(runSync(m.p.rename(...m.split(path), ...m.split(other))));
  } else if (op < 64) {
    if (isFile(path) && !isFile(other)) quiet(runSync(m.p.link(m.inum(path), ...m.split(other))));
  } else if (op < 74) {
    if (isFile(path)) quiet(runSync(m.p.unlink(...m.split(path))));
  } else if (op < 77) {
    if (isFile(path)) quiet(runSync(m.p.setattr(m.inum(path), { mode: rng.below(512) })));
  } else if (op < 84) {
    if (isFile(path)) return runSync(m.p.fsync(m.inum(path))) === null;
  } else if (op < 91) return runSync(fs.sync()) === null;
  else if (op < 95) {
    if (snaps.length > 1) {
      const gone = snaps.shift() as string;
      must(runSync(fs.pfsDelete(gone)) ?? 0, gone);
      return true;
    }
    const label = `snap${rng.next()}`;
    const r = runSync(fs.snapshot('DATA', label));
    if (r !== null) return (quiet(r), false);
    snaps.push(label);
    return true;
  } else if (op < 98) {
    const r = runSync(fs.bulkfree());
    if (!(r instanceof Errno)) return true;
    quiet(r);
  }
  return false;
}

interface Mark {
  /** Length of the log when the operation returned. */
  readonly at: number;
  readonly state: string;
  readonly durable: boolean;
}

/** Run the workload of a seed. */
function workload(
  seed: number,
  ops: number,
): { base: CowDevice; log: LogDevice['log']; marks: Mark[]; older: boolean } {
  const rng = new Rng(seed);
  const bytes = seed % 8 === 7 ? 5 * 1024 * MIB : (32 + 8 * (seed % 3)) * MIB;
  // Some have a few MiB of room only: their operations meet ENOSPC, and bulkfree of its own accord.
  const tight = seed % 8 === 3 ? { bootBytes: 8 * MIB, auxBytes: 8 * MIB } : {};
  const base = new CowDevice(freshVolume(tight.bootBytes === undefined ? bytes : 32 * MIB, tight));
  const dev = new LogDevice(new CowDevice(base));
  const log = (l: string): void => {
    if (!/out of space: bulkfree gave back/.test(l)) expect.fail(`seed ${seed}: ${l}`);
  };
  const fs = openRw(dev, { codecs, log });
  const m = new ByPath(must(runSync(fs.mount('DATA'))));
  const marks: Mark[] = [{ at: 0, state: state(fs), durable: true }];
  const snaps: string[] = [];
  for (let i = 0; i < ops; i++) {
    const durable = step(fs, m, rng, snaps);
    marks.push({ at: dev.log.length, state: state(fs), durable });
  }
  must(runSync(fs.close()) ?? 0);
  marks.push({ at: dev.log.length, state: marks[marks.length - 1].state, durable: true });
  return { base, log: dev.log, marks, older: bytes > 2048 * MIB };
}

/** The writes since the last flush, as a power cut may leave them. */
function applyTail(
  img: CowDevice,
  tail: readonly { off: number; data: Uint8Array }[],
  rng: Rng,
  variant: number,
): void {
  const put = (off: number, data: Uint8Array): void => void must(runSync(img.write(off, data)) ?? 0);
  const order = tail.slice();
  if (variant === 2)
    for (let i = order.length - 1; i > 0; i--) {
      const j = rng.below(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
  for (const w of order) {
    const fate = variant === 0 ? 1 : rng.below(3);
    if (fate === 1) put(w.off, w.data);
    else if (fate === 2)
      for (let o = 0; o < w.data.length; o += 512) if (rng.below(2) === 0) put(w.off + o, w.data.subarray(o, o + 512));
  }
}

/** What a volume shows after a cut; throws when it cannot be mounted, written to, or is not clean. */
function afterCut(img: CowDevice, older: boolean, where: string): string {
  const seen = openRw(img, { codecs, readonly: true });
  const s = state(seen);
  const fs = openRw(img, { codecs });
  const m = must(runSync(fs.mount('DATA')), where);
  const r = runSync(m.create(m.rootInum, 'after the cut', { type: REGFILE, mode: 0o600, uid: 0, gid: 0 }));
  if (r instanceof Errno && r !== ENOSPC) throw new Error(`${where}: ${r.name}`);
  must(runSync(m.unmount()) ?? 0, where);
  must(runSync(fs.close()) ?? 0, where);
  const found = faults(img, { older });
  if (found.length > 0) throw new Error(`${where}: ${found.join('; ')}`);
  return s;
}

/** Cut the run of `seed` after each of its writes. @returns how many cuts that were */
export function cutEverywhere(seed: number, ops: number): number {
  const { base, log, marks, older } = workload(seed, ops);
  const rng = new Rng(seed * 7 + 1);
  const flushed = new CowDevice(base);
  let tail: { off: number; data: Uint8Array }[] = [];
  let cuts = 0;
  for (let cut = 0; cut <= log.length; cut++) {
    const entry = cut === 0 ? null : log[cut - 1];
    if (entry === 'flush') {
      for (const w of tail) must(runSync(flushed.write(w.off, w.data)) ?? 0);
      tail = [];
    } else if (entry !== null) tail.push(entry);
    // States from the last durable one to the operation that was under way.
    let first = 0;
    let last = 0;
    for (const [i, k] of marks.entries()) {
      if (k.at <= cut && k.durable) first = i;
      if (k.at < cut) last = i;
    }
    const allowed = marks.slice(first, Math.max(first + 1, last + 2)).map((k) => k.state);
    const img = new CowDevice(flushed);
    const where = `seed ${seed} cut ${cut}/${log.length} variant ${cut % 3}`;
    applyTail(img, tail, rng, cut % 3);
    const got = afterCut(img, older, where);
    if (!allowed.includes(got)) {
      const at = marks.findIndex((k) => k.state === got);
      throw new Error(`${where}: shows ${at < 0 ? 'what never was' : `operation ${at}`}, not ${first} to ${last + 1}`);
    }
    cuts++;
  }
  return cuts;
}
