/**
 * Corrupted volumes: random bytes changed in any block of a real volume, as they are or with all check codes made right
 * again. Nothing that is done with one may throw or loop.
 */
import type { BlockDevice } from '../../vkernel/sys/blockdev.js';
import { type Blocking, runSync } from '../../vkernel/sys/blocking.js';
import { ENXIO, Errno } from '../../vkernel/sys/errno.js';
import { hostCodecs } from '../../vkernel/machine/host/codecs.js';
import type { H2Device, H2Pfs } from '../../vkernel/vfs/hammer2/api.js';
import { ObjType } from '../../vkernel/vfs/hammer2/disk.js';
import { hammer2Open } from '../../vkernel/vfs/hammer2/open.js';
import type { Reader } from '../../tools/hammer2/check/check.js';
import { Patient, type Path } from './hammer2_damage.js';
import { Rng } from './hammer2_model.js';
import { testOptions } from './hammer2_rw.js';

/** A device over a damaged volume. Whoever loops ends here. */
class PatientDevice implements BlockDevice {
  readonly name = 'vkd0';
  readonly readonly = false;
  readonly sizeBytes: number;
  private left = 200_000;
  constructor(readonly patient: Patient) {
    this.sizeBytes = patient.size;
  }
  private tick(off: number, len: number): Errno | null {
    if (--this.left < 0) throw new Error('endless I/O');
    if (off % 512 !== 0 || len % 512 !== 0) throw new Error(`unaligned I/O ${off}+${len}`);
    return off >= 0 && off + len <= this.sizeBytes ? null : ENXIO;
  }
  *read(off: number, buf: Uint8Array): Blocking<Errno | null> {
    const e = this.tick(off, buf.length);
    if (e !== null) return e;
    buf.set(this.patient.read(off, buf.length));
    return null;
  }
  *write(off: number, buf: Uint8Array): Blocking<Errno | null> {
    const e = this.tick(off, buf.length);
    if (e !== null) return e;
    this.patient.write(off, buf);
    return null;
  }
  *flush(): Blocking<Errno | null> {
    return null;
  }
}

/** Blocks of a volume: how each is reached, and how many bytes it has. */
export interface Target {
  readonly path: Path;
  readonly off: number;
  readonly size: number;
}
export function targets(image: Reader): Target[] {
  const p = new Patient(image);
  const list: Target[] = [{ path: [], off: 0, size: 65536 }];
  for (const from of [0x200, 0x800]) {
    try {
      p.find((r, _b, path) => {
        if (r.size > 0) list.push({ path, off: r.off, size: r.size });
        return false;
      }, from);
    } catch {
      // find() ends by not finding anything
    }
  }
  return list;
}

const codecs = hostCodecs();
const hash = new Uint32Array(2);
function digest(b: Uint8Array): string {
  codecs.xxh64(b, 0, b.length, hash);
  return `${hash[0]} ${hash[1]}`;
}

/** What reading a volume gave: text by `PFS path` and by `PFS path@block`. */
export type Seen = Map<string, string>;

/**
 * Change 1 to 8 bytes of one block.
 *
 * @param signed  make all check codes right again, so that the damage is met by the code behind them
 */
export function corrupt(
  image: Reader,
  list: readonly Target[],
  rng: Rng,
  signed: boolean,
): { p: Patient; what: string } {
  const p = new Patient(image);
  // Data blocks are most of a volume: choose among metadata as often, and among what all hangs from.
  const meta = list.filter((t) => t.size === 1024 || t.size % 4096 !== 0 || t.path.length < 4);
  const top = list.filter((t) => t.path.length < 3);
  const t = rng.pick([list, list, list, meta, meta, meta, meta, top][rng.below(8)]);
  const n = 1 + rng.below(8);
  const what: string[] = [];
  const change = (b: Uint8Array): void => {
    for (let i = 0; i < n; i++) {
      // Around something that is in use rather than in the zeros of half-empty blocks.
      let at = rng.below(t.size);
      for (let k = 0; k < 64 && b[at] === 0; k++) at = rng.below(t.size);
      const to = rng.below(3) === 0 ? rng.below(256) : b[at] ^ (1 << rng.below(8));
      what.push(`0x${(t.off + at).toString(16)}=${to}`);
      b[at] = to;
    }
  };
  if (signed && t.path.length === 0) p.header((_v, b) => change(b));
  else if (signed) p.block(t.path, (_v, b) => change(b));
  else {
    const b = p.read(t.off, t.size).slice();
    change(b);
    p.write(t.off, b);
  }
  return { p, what: what.join(' ') };
}

export interface ExerciseOptions {
  /** Data blocks read of one file. */
  blocks: number;
  write: boolean;
}

/** Open, read, and, if it lets us, write. Throws what the library throws, and for what never ends. */
export function exercise(p: Patient, rng: Rng, o: ExerciseOptions): Seen {
  const seen: Seen = new Map();
  const dev = new PatientDevice(p);
  const opts = testOptions({ codecs, readonly: !o.write });
  const h2 = runSync(hammer2Open([dev], opts));
  if (h2 instanceof Errno) return seen.set('open', h2.name);
  const list = runSync(h2.pfsList());
  const labels = list instanceof Errno ? ['DATA', 'LOCAL'] : list.map((x) => x.label);
  h2.statfs();
  for (const label of labels.slice(0, 6)) {
    const pfs = runSync(h2.mount(label));
    if (pfs instanceof Errno) {
      seen.set(label, pfs.name);
      continue;
    }
    readAll(pfs, label, seen, o.blocks);
    if (o.write) writeSome(h2, pfs, rng);
    runSync(pfs.unmount());
  }
  if (o.write) {
    runSync(h2.bulkfree());
    runSync(h2.snapshot('DATA', 'snap'));
  }
  runSync(h2.close());
  return seen;
}

function readAll(pfs: H2Pfs, label: string, seen: Seen, blocks: number): void {
  const buf = new Uint8Array(65536);
  let budget = 2000;
  const visit = (path: string, inum: number, depth: number): void => {
    if (budget-- < 0 || depth > 40) return;
    const a = runSync(pfs.getattr(inum));
    if (a instanceof Errno) {
      seen.set(`${label} ${path}`, a.name);
      return;
    }
    seen.set(`${label} ${path}`, `${a.type} ${a.mode} ${a.uid} ${a.size} ${a.nlinks} ${a.mtimeUs}`);
    if (a.type === ObjType.SOFTLINK) {
      const l = runSync(pfs.readlink(inum));
      seen.set(`${label} ${path}@link`, l instanceof Errno ? l.name : l);
    }
    if (a.type === ObjType.REGFILE) {
      const last = Math.min(Math.ceil(a.size / 65536), 2 ** 40) - 1;
      const wanted = new Set([...Array(Math.max(0, Math.min(blocks, last + 1))).keys(), Math.max(0, last)]);
      for (const lbn of wanted) {
        const e = runSync(pfs.readBlock(inum, lbn, buf, 0));
        seen.set(`${label} ${path}@${lbn}`, e?.name ?? digest(buf));
      }
      runSync(pfs.seekData(inum, 0));
      runSync(pfs.seekHole(inum, 0));
    }
    if (a.type !== ObjType.DIRECTORY) return;
    const names: [string, number][] = [];
    const e = runSync(
      pfs.readdir(inum, 0, (name, n) => {
        if (name !== '.' && name !== '..') names.push([name, n]);
        return names.length < 2000;
      }),
    );
    seen.set(`${label} ${path}/`, e?.name ?? String(names.length));
    for (const [name, n] of names) {
      runSync(pfs.lookup(inum, name));
      visit(`${path}/${name}`, n, depth + 1);
    }
  };
  visit('', pfs.rootInum, 0);
}

function writeSome(h2: H2Device, pfs: H2Pfs, rng: Rng): void {
  const root = pfs.rootInum;
  const owner = { mode: 0o644, uid: 0, gid: 0 };
  const data = new Uint8Array(70_000).map(() => rng.below(256));
  const names: [string, number][] = [];
  runSync(
    pfs.readdir(root, 0, (name, n) => {
      if (name !== '.' && name !== '..') names.push([name, n]);
      return names.length < 100;
    }),
  );
  runSync(pfs.create(root, 'new-dir', { type: ObjType.DIRECTORY, ...owner }));
  const f = runSync(pfs.create(root, 'new-file', { type: ObjType.REGFILE, ...owner }));
  if (!(f instanceof Errno)) runSync(pfs.write(f, 0, data, 0, data.length));
  for (const [name, n] of names.slice(0, 12)) {
    switch (rng.below(6)) {
      case 0:
        runSync(pfs.write(n, rng.below(200_000), data, 0, 1 + rng.below(60_000)));
        break;
      case 1:
        runSync(pfs.truncate(n, rng.below(100_000)));
        break;
      case 2:
        runSync(pfs.unlink(root, name));
        break;
      case 3:
        runSync(pfs.rename(root, name, root, `${name}.moved`));
        break;
      case 4:
        runSync(pfs.link(n, root, `${name}.link`));
        break;
      default:
        runSync(pfs.rmdir(root, name));
        runSync(pfs.setattr(n, { mode: 0o600, mtimeUs: 1 }));
    }
  }
  runSync(h2.sync());
}

export { Patient, Rng };
