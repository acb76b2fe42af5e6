/**
 * hammer2 recover: bring back what was deleted or overwritten.
 *
 * Nothing is overwritten in place, so every root a PFS has had, and all below it, stays on the medium until bulkfree has
 * freed its blocks and they are used again. The whole image is searched for blockrefs of inodes whose block still is what the
 * check code says. Each PFS root found is a tree as it was at some sync: the path is looked up in all of them, and every
 * version of what it names is restored once, as NAME.00000, NAME.00001 ... Where a block of such a tree is gone, other
 * versions of the same inode stand in. What can be restored in part only gets `.corrupted` behind its name.
 * Counterpart: sbin/hammer2/cmd_recover.c
 */
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { checkFault } from './check/blocks.js';
import { lz4, zlib } from './check/unpack.js';
import type { Reader } from './check/check.js';
import * as w from './check/wire.js';
import { Failure } from './cli.js';

export interface RecoverOptions {
  /** Take blocks without check code as well. */
  readonly relaxed?: boolean;
  /** The last part of the path is a file. */
  readonly file?: boolean;
  readonly progress?: (done: number, total: number) => void;
  readonly log?: (line: string) => void;
}

interface Found {
  readonly r: w.Ref;
  readonly block: Uint8Array;
}
const idOf = (f: Found): string => `${f.r.off} ${f.r.v.getBigUint64(f.r.at + 0x40, true)}`;
const inumOf = (f: Found): bigint => w.view(f.block).getBigUint64(0x58, true);
const isDir = (f: Found): boolean => f.block[0x50] === w.O_DIR;

const CHUNK = 65536;
const MAX_DEPTH = 100;

class Recovery {
  private readonly places: { off: number; dev: Reader }[] = [];
  /** Every good inode block, by inode number, each once. */
  private readonly inodes = new Map<bigint, Found[]>();
  private readonly roots: Found[] = [];
  /** What has been restored, by destination and inode block. */
  private readonly done = new Set<string>();
  private readonly numbers = new Map<string, number>();
  count = 0;

  constructor(
    devs: readonly Reader[],
    private readonly o: RecoverOptions,
  ) {
    for (const dev of devs) {
      // Any header copy tells where the volume is in the common space.
      let off = 0;
      for (let i = 0; i < 4 && i * w.HEADER_DISTANCE + CHUNK <= dev.size; i++) {
        const v = w.view(dev.read(i * w.HEADER_DISTANCE, CHUNK));
        if (v.getBigUint64(0, true) !== w.MAGIC || v.getUint32(0x30, true) < 2) continue;
        off = w.num64(v, 0xe00 + 8 * (v.getUint8(0x3b) & 63));
        break;
      }
      this.places.push({ off, dev });
    }
  }

  /** A block if it is there and what its check code says. */
  private load(r: w.Ref): Uint8Array | null {
    if (r.radix < 10 || r.radix > 16 || r.off % 1024 !== 0) return null;
    if (r.check > w.CHECK_SHA || (r.check <= w.CHECK_DISABLED && this.o.relaxed !== true && r.type !== w.T_DATA))
      return null;
    for (const p of this.places) {
      if (r.off < p.off || r.off + r.size > p.off + p.dev.size) continue;
      try {
        const b = p.dev.read(r.off - p.off, r.size);
        return checkFault(r, b) === null ? b : null;
      } catch {
        return null;
      }
    }
    return null;
  }

  scan(): void {
    const seen = new Set<string>();
    const total = this.places.reduce((n, p) => n + p.dev.size, 0);
    let before = 0;
    for (const { dev } of this.places) {
      for (let off = 0; off + CHUNK <= dev.size; off += CHUNK) {
        this.o.progress?.(before + off, total);
        let b: Uint8Array;
        try {
          b = dev.read(off, CHUNK);
        } catch {
          continue;
        }
        for (let at = 0; at < CHUNK; at += 128) {
          if (b[at] !== w.T_INODE || b[at + 3] !== 0 || (b[at + 0x20] & 0x3f) !== 10) continue;
          this.candidate(b.slice(at, at + 128), seen);
        }
      }
      before += dev.size;
    }
  }

  private candidate(bytes: Uint8Array, seen: Set<string>): void {
    const r = w.ref(bytes, w.view(bytes), 0);
    const id = `${r.off} ${r.v.getBigUint64(0x40, true)}`;
    if (seen.has(id)) return;
    seen.add(id);
    const block = this.load(r);
    if (block === null) return;
    const f = { r, block: block.slice() };
    const v = w.view(f.block);
    if (v.getUint16(0, true) !== 1 || w.objNames[f.block[0x50]] === undefined) return;
    if ((f.block[0x51] & w.OP_PFSROOT) !== 0) {
      this.roots.push(f);
      return;
    }
    const inum = inumOf(f);
    if (inum !== r.key || inum < 2n) return;
    const list = this.inodes.get(inum);
    if (list === undefined) this.inodes.set(inum, [f]);
    else list.push(f);
  }

  /** Good blockrefs of a tree whose range has `key` (null: all), in order; `lost` is set when a part of it is gone. */
  private *leaves(
    b: Uint8Array,
    base: number,
    n: number,
    key: bigint | null,
    lost: { any: boolean },
    depth = 0,
  ): Generator<w.Ref> {
    const v = w.view(b);
    for (let i = 0; i < n; i++) {
      const at = base + 128 * i;
      if (b[at] === w.T_EMPTY) continue;
      const r = w.ref(b, v, at);
      if (key !== null && (key < r.key || key > r.end)) continue;
      if (r.type !== w.T_INDIRECT) {
        yield r;
        continue;
      }
      const block = depth < MAX_DEPTH ? this.load(r) : null;
      if (block === null) lost.any = true;
      else yield* this.leaves(block, 0, r.size / 128, key, lost, depth + 1);
    }
  }

  private *entries(dir: Found): Generator<{ name: Uint8Array; inum: bigint; type: number }> {
    if ((dir.block[0x51] & w.OP_DIRECTDATA) !== 0) return;
    for (const r of this.leaves(dir.block, 0x200, 4, null, { any: false })) {
      if (r.type !== w.T_DIRENT) continue;
      const len = r.v.getUint16(r.at + 0x38, true);
      const src = len <= 64 ? r.b.subarray(r.at + 0x40) : this.load(r);
      if (src === null || len === 0 || len > 255) continue;
      const name = src.slice(0, len);
      if (name.includes(0) || name.includes(0x2f) || /^\.\.?$/.test(w.printable(name))) continue;
      yield { name, inum: r.v.getBigUint64(r.at + 0x30, true), type: r.b[r.at + 0x3a] };
    }
  }

  /** The inode an entry of a tree means: its own version, else every one that was ever in that directory. */
  private versions(root: Found, dir: Found, inum: bigint, type: number): Found[] {
    const own: Found[] = [];
    for (const r of this.leaves(root.block, 0x200, 4, inum, { any: false })) {
      if (r.type !== w.T_INODE || r.key !== inum) continue;
      const block = this.load(r);
      if (block !== null) own.push({ r, block: block.slice() });
    }
    if (own.length > 0) return own;
    const parent = inumOf(dir);
    return (this.inodes.get(inum) ?? []).filter(
      (f) => f.block[0x50] === type && w.view(f.block).getBigUint64(0x70, true) === parent,
    );
  }

  restore(path: string, dest: string): void {
    const parts = path.split('/').filter((p) => p !== '' && p !== '.');
    const walk = (root: Found, dir: Found, i: number, into: Buffer): void => {
      if (i === parts.length) {
        this.tree(root, dir, into, 0);
        return;
      }
      const want = Buffer.from(parts[i]);
      for (const e of this.entries(dir)) {
        if (Buffer.compare(e.name, want) !== 0) continue;
        const last = i + 1 === parts.length;
        for (const f of this.versions(root, dir, e.inum, e.type)) {
          const to = Buffer.concat([into, Buffer.from('/'), want]);
          if (last && !isDir(f)) this.file(f, to);
          else if (last && this.o.file !== true) this.tree(root, f, to, 0);
          else if (!last && isDir(f)) walk(root, f, i + 1, to);
        }
      }
    };
    // Newest first, so that .00000 is the latest version.
    this.roots.sort((a, b) => b.r.mirrorTid - a.r.mirrorTid || b.r.modifyTid - a.r.modifyTid);
    for (const root of this.roots) walk(root, root, 0, Buffer.from(dest));
  }

  private tree(root: Found, dir: Found, to: Buffer, depth: number): void {
    const id = `${to.toString('latin1')} ${idOf(dir)} ${idOf(root)}`;
    if (this.done.has(id) || depth > MAX_DEPTH) return;
    this.done.add(id);
    mkdirSync(to, { recursive: true });
    for (const e of this.entries(dir)) {
      const path = Buffer.concat([to, Buffer.from('/'), e.name]);
      for (const f of this.versions(root, dir, e.inum, e.type)) {
        if (isDir(f)) this.tree(root, f, path, depth + 1);
        else this.file(f, path);
      }
    }
  }

  private file(f: Found, path: Buffer): void {
    const type = f.block[0x50];
    const id = `${path.toString('latin1')} ${idOf(f)}`;
    if (this.done.has(id) || (type !== w.O_FILE && type !== w.O_SYMLINK)) return;
    this.done.add(id);
    const n = this.numbers.get(path.toString('latin1')) ?? 0;
    this.numbers.set(path.toString('latin1'), n + 1);
    const name = Buffer.concat([path, Buffer.from(`.${String(n).padStart(5, '0')}`)]);
    mkdirSync(name.subarray(0, name.lastIndexOf(0x2f)), { recursive: true });
    const v = w.view(f.block);
    const size = w.num64(v, 0x60);
    if (size > Number.MAX_SAFE_INTEGER) return;
    const good = type === w.O_FILE ? this.write(f, size, name) : this.link(f, size, name);
    const final = good ? name : Buffer.concat([name, Buffer.from('.corrupted')]);
    if (!good && type === w.O_FILE) renameSync(name, final);
    if (type === w.O_FILE) {
      const mtime = w.num64(v, 0x18) / 1e6;
      utimesSync(final, mtime, mtime);
      chmodSync(final, v.getUint32(0x54, true) & 0o777);
    }
    this.count++;
    this.o.log?.(`${w.printable(final)}${good ? '' : ': parts are missing'}`);
  }

  /** Pieces of a file's content; `lost` is set when some are gone. */
  private *pieces(f: Found, size: number, lost: { any: boolean }): Generator<[number, Uint8Array]> {
    if ((f.block[0x51] & w.OP_DIRECTDATA) !== 0) {
      yield [0, f.block.subarray(0x200, 0x200 + Math.min(512, size))];
      return;
    }
    const out = new Uint8Array(CHUNK);
    for (const r of this.leaves(f.block, 0x200, 4, null, lost)) {
      const off = Number(r.key);
      if (r.type !== w.T_DATA || off >= size) continue;
      const b = this.load(r);
      let got: Uint8Array | string = b ?? 'gone';
      if (b !== null && r.comp === w.COMP_LZ4) {
        const len = w.view(b).getUint32(0, true);
        const n = len <= b.length - 4 ? lz4(b, 4, len, out) : 'length';
        got = typeof n === 'number' ? out.subarray(0, n) : n;
      } else if (b !== null && r.comp === w.COMP_ZLIB) got = zlib(b, CHUNK);
      if (typeof got === 'string') lost.any = true;
      else yield [off, got.subarray(0, Math.min(got.length, size - off))];
    }
  }

  private write(f: Found, size: number, name: Buffer): boolean {
    const lost = { any: false };
    const fd = openSync(name, 'w', 0o600);
    try {
      ftruncateSync(fd, size);
      for (const [off, b] of this.pieces(f, size, lost)) writeSync(fd, b, 0, b.length, off);
    } finally {
      closeSync(fd);
    }
    return !lost.any;
  }

  private link(f: Found, size: number, name: Buffer): boolean {
    const lost = { any: false };
    const target = Buffer.alloc(Math.min(size, CHUNK));
    for (const [off, b] of this.pieces(f, target.length, lost)) target.set(b, off);
    if (lost.any || target.length === 0 || target.includes(0)) return false;
    symlinkSync(target, name);
    return true;
  }
}

/**
 * Restore all versions of `path` into the directory `dest` of the host.
 *
 * @returns number of files and symbolic links restored
 * @throws Failure when the host refuses
 */
export function recover(devs: readonly Reader[], path: string, dest: string, o: RecoverOptions = {}): number {
  const r = new Recovery(devs, o);
  r.scan();
  try {
    mkdirSync(dest, { recursive: true });
    r.restore(path, dest);
  } catch (e) {
    if (e instanceof Error && 'code' in e) throw new Failure(e.message);
    throw e;
  }
  return r.count;
}
