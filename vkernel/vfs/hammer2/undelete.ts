/**
 * Undelete: bring back what was deleted or overwritten.
 *
 * Nothing is overwritten in place, so every root a PFS has had, and all below it, stays on the medium until bulkfree has
 * freed its blocks and they are used again. The whole medium is searched for blockrefs of inodes whose block still is what the
 * check code says. Each PFS root found is a tree as it was at some sync: the path is looked up in all of them, and every
 * version of what it names is restored once, as NAME.00000, NAME.00001 ... Where a block of such a tree is gone, other
 * versions of the same inode stand in. What can be restored in part only gets `.corrupted` behind its name.
 *
 * Devices are read as they are, without a mount: their headers may be lost. Where things go is the caller's (a sink).
 * Counterpart: sbin/hammer2/cmd_recover.c
 */
import type { BlockDevice } from '../../sys/blockdev.js';
import type { Blocking } from '../../sys/blocking.js';
import { Errno } from '../../sys/errno.js';
import { decode } from './block.js';
import { Checker } from './check.js';
import type { Codecs } from './codec/codecs.js';
import * as d from './disk.js';
import { Bref, BrefDirent, BrefType, Check, Ino, ObjType, OpFlag, rd64, Vol } from './disk.js';
import { inodeFault } from './inode.js';

/** Takes what is restored. Paths are relative, one char per byte; any Errno ends the work. */
export interface H2RecoverSink {
  /** The directory, and those above it, exist afterwards. */
  mkdir(path: string): Blocking<Errno | null>;
  /** A new file, open for write() and close(). */
  create(path: string, size: number): Blocking<Errno | null>;
  write(off: number, buf: Uint8Array, len: number): Blocking<Errno | null>;
  /** @param path  where it is to be in the end */
  close(path: string, mode: number, mtimeUs: number): Blocking<Errno | null>;
  symlink(path: string, target: string): Blocking<Errno | null>;
}

export interface H2RecoverOptions {
  /** Take blocks without check code as well. */
  readonly relaxed?: boolean;
  /** The last part of the path is a file. */
  readonly file?: boolean;
  /** Bound of inodes noted in the search, in memory some hundred bytes each. */
  readonly maxInodes?: number;
  readonly progress?: (done: number, total: number) => void;
  /** Called after about a megabyte that was searched. */
  readonly pause?: (bytes: number) => Blocking<void>;
  readonly log?: (line: string) => void;
}

/** A blockref of its own, and for inodes the block. */
class Ref {
  readonly v: DataView;
  constructor(readonly u8: Uint8Array) {
    this.v = new DataView(u8.buffer, u8.byteOffset, u8.length);
  }
  get type(): number {
    return this.u8[Bref.TYPE];
  }
  get size(): number {
    const radix = this.u8[Bref.DATA_OFF] & 0x3f;
    return radix === 0 ? 0 : 2 ** radix;
  }
  get off(): number {
    return rd64(this.v, Bref.DATA_OFF) - (this.u8[Bref.DATA_OFF] & 0x3f);
  }
  /** Inode number or file offset. */
  get key(): number {
    return rd64(this.v, Bref.KEY_LO);
  }
  get id(): string {
    return `${this.off} ${this.v.getUint32(Bref.CHECK, true)} ${this.v.getUint32(Bref.CHECK + 4, true)}`;
  }
}

interface Found {
  readonly r: Ref;
  readonly b: Uint8Array;
  readonly v: DataView;
}
const found = (r: Ref, b: Uint8Array): Found => ({ r, b, v: new DataView(b.buffer, b.byteOffset, b.length) });
const isDir = (f: Found): boolean => f.b[Ino.TYPE] === ObjType.DIRECTORY;

const CHUNK = 65536;
const BREATH = 1024 * 1024;
const MAX_DEPTH = 100;

class Undelete {
  private readonly places: { off: number; dev: BlockDevice }[] = [];
  private readonly checker: Checker;
  /** Blockrefs of inodes that are good, by number. */
  private readonly inodes = new Map<number, Ref[]>();
  private noted = 0;
  private readonly roots: Found[] = [];
  private readonly done = new Set<string>();
  private readonly numbers = new Map<string, number>();
  count = 0;

  constructor(
    private readonly codecs: Codecs,
    private readonly sink: H2RecoverSink,
    private readonly o: H2RecoverOptions,
  ) {
    this.checker = new Checker(codecs);
  }

  /** Any header copy tells where the volume is in the common space. */
  *add(dev: BlockDevice): Blocking<void> {
    const b = new Uint8Array(CHUNK);
    const v = new DataView(b.buffer);
    let off = 0;
    for (let i = 0; i < d.NUM_VOLHDRS && i * d.ZONE_BYTES + CHUNK <= dev.sizeBytes; i++) {
      if ((yield* dev.read(i * d.ZONE_BYTES, b)) !== null) continue;
      const magic = v.getUint32(0, true) === d.VOLUME_MAGIC_LO && v.getUint32(4, true) === d.VOLUME_MAGIC_HI;
      if (!magic || v.getUint32(Vol.VERSION, true) < 2) continue;
      off = rd64(v, Vol.VOLU_LOFF + 8 * (b[Vol.VOLU_ID] & 63));
      break;
    }
    this.places.push({ off, dev });
  }

  /** A block of its own if it is there and what its check code says. */
  private *load(r: Ref): Blocking<Uint8Array | null> {
    const radix = r.u8[Bref.DATA_OFF] & 0x3f;
    const check = r.u8[Bref.METHODS] >> 4;
    if (radix < d.RADIX_MIN || radix > d.RADIX_MAX || check > Check.SHA192) return null;
    if (check <= Check.DISABLED && this.o.relaxed !== true && r.type !== BrefType.DATA) return null;
    const { off, size } = r;
    if (off % 1024 !== 0) return null;
    for (const p of this.places) {
      if (off < p.off || off + size > p.off + p.dev.sizeBytes) continue;
      const b = new Uint8Array(size);
      if ((yield* p.dev.read(off - p.off, b)) !== null) return null;
      return this.checker.fault(r.u8, r.v, 0, b, size) === null ? b : null;
    }
    return null;
  }

  *scan(): Blocking<void> {
    const seen = new Set<string>();
    const total = this.places.reduce((n, p) => n + p.dev.sizeBytes, 0);
    const b = new Uint8Array(CHUNK);
    let before = 0;
    let breath = 0;
    for (const { dev } of this.places) {
      for (let off = 0; off + CHUNK <= dev.sizeBytes; off += CHUNK) {
        this.o.progress?.(before + off, total);
        breath += CHUNK;
        if (breath >= BREATH && this.o.pause !== undefined) {
          yield* this.o.pause(breath);
          breath = 0;
        }
        if ((yield* dev.read(off, b)) !== null) continue;
        for (let at = 0; at < CHUNK; at += Bref.SIZE) {
          if (b[at] !== BrefType.INODE || b[at + Bref.KEYBITS] !== 0) continue;
          if ((b[at + Bref.DATA_OFF] & 0x3f) !== d.RADIX_MIN) continue;
          yield* this.candidate(new Ref(b.slice(at, at + Bref.SIZE)), seen);
        }
      }
      before += dev.sizeBytes;
    }
    if (this.noted > (this.o.maxInodes ?? Infinity))
      this.o.log?.('more inodes than can be noted: some versions may be missed');
  }

  private *candidate(r: Ref, seen: Set<string>): Blocking<void> {
    const { id } = r;
    if (seen.has(id)) return;
    const full = this.noted >= (this.o.maxInodes ?? Infinity);
    if (!full) seen.add(id);
    const b = yield* this.load(r);
    if (b === null || inodeFault(b) !== null) return;
    const f = found(r, b);
    if ((b[Ino.OP_FLAGS] & OpFlag.PFSROOT) !== 0) {
      this.roots.push(f);
      return;
    }
    const inum = rd64(f.v, Ino.INUM);
    if (inum !== r.key || inum < 2) return;
    this.noted++;
    if (full) return;
    const list = this.inodes.get(inum);
    if (list === undefined) this.inodes.set(inum, [r]);
    else list.push(r);
  }

  /** Good blockrefs of a tree whose range has `key` (null: all), in order; `lost` is set when a part of it is gone. */
  private *leaves(
    b: Uint8Array,
    base: number,
    n: number,
    key: number | null,
    lost: { any: boolean },
    depth = 0,
  ): Blocking<Ref[]> {
    const out: Ref[] = [];
    const v = new DataView(b.buffer, b.byteOffset, b.length);
    for (let i = 0; i < n; i++) {
      const at = base + Bref.SIZE * i;
      if (b[at] === BrefType.EMPTY) continue;
      const from = rd64(v, at + Bref.KEY_LO);
      if (key !== null && (key < from || key >= from + 2 ** b[at + Bref.KEYBITS])) continue;
      const r = new Ref(b.slice(at, at + Bref.SIZE));
      if (r.type !== BrefType.INDIRECT) {
        out.push(r);
        continue;
      }
      const block = depth < MAX_DEPTH ? yield* this.load(r) : null;
      if (block === null) lost.any = true;
      else for (const x of yield* this.leaves(block, 0, r.size / Bref.SIZE, key, lost, depth + 1)) out.push(x);
    }
    return out;
  }

  private *entries(f: Found): Blocking<{ name: string; inum: number; type: number }[]> {
    const out: { name: string; inum: number; type: number }[] = [];
    if ((f.b[Ino.OP_FLAGS] & OpFlag.DIRECTDATA) !== 0) return out;
    for (const r of yield* this.leaves(f.b, Ino.BLOCKSET, d.SET_COUNT, null, { any: false })) {
      if (r.type !== BrefType.DIRENT) continue;
      const len = r.v.getUint16(BrefDirent.NAMLEN, true);
      if (len === 0 || len > 255) continue;
      const src = len <= d.DIRENT_INLINE_NAME ? r.u8.subarray(Bref.CHECK) : yield* this.load(r);
      if (src === null) continue;
      const name = d.latin1(src, 0, len);
      if (name.includes('\0') || name.includes('/') || name === '.' || name === '..') continue;
      out.push({ name, inum: rd64(r.v, BrefDirent.INUM), type: r.u8[BrefDirent.TYPE] });
    }
    return out;
  }

  /** The inode an entry of a tree means: its own version, else every one that was ever in that directory. */
  private *versions(root: Found, dir: Found, inum: number, type: number): Blocking<Found[]> {
    const own: Found[] = [];
    for (const r of yield* this.leaves(root.b, Ino.BLOCKSET, d.SET_COUNT, inum, { any: false })) {
      if (r.type !== BrefType.INODE || r.key !== inum) continue;
      const b = yield* this.load(r);
      if (b !== null && inodeFault(b) === null) own.push(found(r, b));
    }
    if (own.length > 0) return own;
    const parent = rd64(dir.v, Ino.INUM);
    for (const r of this.inodes.get(inum) ?? []) {
      const b = yield* this.load(r);
      if (b === null || b[Ino.TYPE] !== type) continue;
      const f = found(r, b);
      if (rd64(f.v, Ino.IPARENT) === parent) own.push(f);
    }
    return own;
  }

  /** @param path  one char per byte, from the root of a PFS */
  *restore(path: string): Blocking<Errno | null> {
    const parts = path.split('/').filter((p) => p !== '' && p !== '.');
    // Newest first, so that .00000 is the latest version.
    const tid = (f: Found, at: number): number => rd64(f.r.v, at);
    this.roots.sort(
      (a, b) => tid(b, Bref.MIRROR_TID) - tid(a, Bref.MIRROR_TID) || tid(b, Bref.MODIFY_TID) - tid(a, Bref.MODIFY_TID),
    );
    for (const root of this.roots) {
      const e = yield* this.walk(root, root, parts, 0, '');
      if (e !== null) return e;
    }
    return null;
  }

  private *walk(root: Found, dir: Found, parts: string[], i: number, into: string): Blocking<Errno | null> {
    if (i === parts.length) return yield* this.tree(root, dir, into, 0);
    const last = i + 1 === parts.length;
    for (const e of yield* this.entries(dir)) {
      if (e.name !== parts[i]) continue;
      for (const f of yield* this.versions(root, dir, e.inum, e.type)) {
        const to = into === '' ? e.name : `${into}/${e.name}`;
        let r: Errno | null = null;
        if (last && !isDir(f)) r = yield* this.file(f, to);
        else if (last && this.o.file !== true) r = yield* this.tree(root, f, to, 0);
        else if (!last && isDir(f)) r = yield* this.walk(root, f, parts, i + 1, to);
        if (r !== null) return r;
      }
    }
    return null;
  }

  private *tree(root: Found, dir: Found, to: string, depth: number): Blocking<Errno | null> {
    const id = `${to} ${dir.r.id} ${root.r.id}`;
    if (this.done.has(id) || depth > MAX_DEPTH) return null;
    this.done.add(id);
    let r = yield* this.sink.mkdir(to);
    for (const e of r === null ? yield* this.entries(dir) : []) {
      const path = to === '' ? e.name : `${to}/${e.name}`;
      for (const f of yield* this.versions(root, dir, e.inum, e.type)) {
        r = isDir(f) ? yield* this.tree(root, f, path, depth + 1) : yield* this.file(f, path);
        if (r !== null) return r;
      }
    }
    return r;
  }

  private *file(f: Found, path: string): Blocking<Errno | null> {
    const type = f.b[Ino.TYPE];
    const id = `${path} ${f.r.id}`;
    const size = rd64(f.v, Ino.SIZE);
    if (this.done.has(id) || (type !== ObjType.REGFILE && type !== ObjType.SOFTLINK)) return null;
    this.done.add(id);
    if (!Number.isSafeInteger(size)) return null;
    const n = this.numbers.get(path) ?? 0;
    this.numbers.set(path, n + 1);
    const name = `${path}.${String(n).padStart(5, '0')}`;
    const up = name.lastIndexOf('/');
    const e = yield* this.sink.mkdir(up < 0 ? '' : name.slice(0, up));
    if (e !== null) return e;
    const good = type === ObjType.REGFILE ? yield* this.regular(f, size, name) : yield* this.link(f, size, name);
    if (good instanceof Errno) return good;
    this.count++;
    this.o.log?.(good ? name : `${name}.corrupted: parts are missing`);
    return null;
  }

  /** Hand the pieces of a file's content to `take`. False when some are gone. */
  private *pieces(
    f: Found,
    size: number,
    take: (off: number, b: Uint8Array, len: number) => Blocking<Errno | null>,
  ): Blocking<boolean | Errno> {
    if ((f.b[Ino.OP_FLAGS] & OpFlag.DIRECTDATA) !== 0) {
      const len = Math.min(d.EMBEDDED_BYTES, size);
      return (yield* take(0, f.b.subarray(Ino.BLOCKSET, Ino.BLOCKSET + len), len)) ?? true;
    }
    const lost = { any: false };
    const out = new Uint8Array(CHUNK);
    for (const r of yield* this.leaves(f.b, Ino.BLOCKSET, d.SET_COUNT, null, lost)) {
      const off = r.key;
      if (r.type !== BrefType.DATA || off >= size) continue;
      const b = yield* this.load(r);
      if (b === null || decode(this.codecs, r.u8[Bref.METHODS] & 15, b, b.length, out, 0) !== null) lost.any = true;
      else {
        const e = yield* take(off, out, Math.min(CHUNK, size - off));
        if (e !== null) return e;
      }
    }
    return !lost.any;
  }

  private *regular(f: Found, size: number, name: string): Blocking<boolean | Errno> {
    const e = yield* this.sink.create(name, size);
    if (e !== null) return e;
    const good = yield* this.pieces(f, size, (off, b, len) => this.sink.write(off, b, len));
    const final = good === true ? name : `${name}.corrupted`;
    const c = yield* this.sink.close(final, f.v.getUint32(Ino.MODE, true) & 0o777, rd64(f.v, Ino.MTIME));
    return good instanceof Errno ? good : (c ?? good);
  }

  private *link(f: Found, size: number, name: string): Blocking<boolean | Errno> {
    const target = new Uint8Array(Math.min(size, CHUNK));
    const good = yield* this.pieces(f, target.length, function* (off, b, len) {
      target.set(b.subarray(0, Math.min(len, target.length - off)), off);
      return null;
    });
    if (good !== true || target.length === 0 || target.includes(0)) return good instanceof Errno ? good : false;
    return (yield* this.sink.symlink(name, d.latin1(target, 0, target.length))) ?? true;
  }
}

/**
 * Restore all versions of `path` (one char per byte, from the root of any PFS) that are still on the devices.
 *
 * @returns number of files and symbolic links restored; what the sink returned
 * Sleeps: in the devices, the sink and o.pause.
 */
export function* undelete(
  devs: readonly BlockDevice[],
  codecs: Codecs,
  path: string,
  sink: H2RecoverSink,
  o: H2RecoverOptions = {},
): Blocking<number | Errno> {
  const u = new Undelete(codecs, sink, o);
  for (const dev of devs) yield* u.add(dev);
  yield* u.scan();
  const e = yield* u.restore(path);
  return e ?? u.count;
}
