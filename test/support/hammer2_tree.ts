/** Helpers of HAMMER2 tests: read whole trees through the library, and walk an image's blockrefs without it. */
import { createHash } from 'node:crypto';
import { runSync } from '../../vkernel/sys/blocking.js';
import { Errno } from '../../vkernel/sys/errno.js';
import type { TestInode, TestMount } from './hammer2_mount.js';
import type { ImageDevice } from './hammer2_fixture.js';

/** The value, or an exception naming the errno: for what must succeed. */
export function must<T>(r: T | Errno, what = ''): T {
  if (r instanceof Errno) throw new Error(`${what}: ${r.name}`);
  return r;
}

export interface Dirent {
  name: string;
  inum: number;
  type: number;
  next: number;
}

/** List a directory, `room` entries a call; with `.` and `..`. */
export function listDir(m: TestMount, dir: TestInode, room = Infinity): Dirent[] | Errno {
  const all: Dirent[] = [];
  for (let cookie = 0; ;) {
    let n = 0;
    const e = runSync(
      m.readdir(dir, cookie, (name, inum, type, next) => {
        if (n === room) return false;
        n++;
        all.push({ name, inum, type, next });
        return true;
      }),
    );
    if (e !== null) return e;
    if (n === 0) return all;
    cookie = all[all.length - 1].next;
  }
}

/** Every path below the root with its inode, looked up by name, in readdir order. */
export function* walkTree(m: TestMount): Generator<[string, TestInode]> {
  const stack: [string, TestInode][] = [['', m.root]];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const [path, dir] = top;
    for (const d of must(listDir(m, dir), path)) {
      if (d.name === '.' || d.name === '..') continue;
      const p = path === '' ? d.name : `${path}/${d.name}`;
      const ip = must(runSync(m.lookup(dir, d.name)), p);
      yield [p, ip];
      if (ip.type === 1) stack.push([p, ip]);
    }
  }
}

/** SHA-256 of a whole file, read in pieces of `piece` bytes. */
export function fileSha256(m: TestMount, ip: TestInode, piece = 65536): string | Errno {
  const h = createHash('sha256');
  const buf = new Uint8Array(piece);
  for (let off = 0; off < ip.size;) {
    const n = runSync(m.read(ip, off, buf, 0, piece));
    if (n instanceof Errno) return n;
    if (n === 0) break;
    h.update(buf.subarray(0, n));
    off += n;
  }
  return h.digest('hex');
}

/** One blockref with a block, as found by walking the image itself. */
export interface RawRef {
  type: number;
  methods: number;
  key: bigint;
  /** Byte offset in the (only) volume, and size. */
  off: number;
  size: number;
  dataOff: bigint;
  /** Number of the inode it hangs under (0 for the super-root). */
  inum: bigint;
}

/** All blockrefs of header #0 that have a block, parents before children. */
export function walkImage(dev: ImageDevice): RawRef[] {
  const read = (off: number, size: number): DataView => {
    const b = new Uint8Array(size);
    must(runSync(dev.read(off, b)) ?? 0);
    return new DataView(b.buffer);
  };
  const out: RawRef[] = [];
  const slots = (v: DataView, base: number, n: number, inum: bigint): void => {
    for (let at = base; at < base + n * 128; at += 128) {
      const dataOff = v.getBigUint64(at + 0x20, true);
      if (v.getUint8(at) === 0 || dataOff === 0n) continue;
      const r: RawRef = {
        type: v.getUint8(at),
        methods: v.getUint8(at + 1),
        key: v.getBigUint64(at + 8, true),
        off: Number(dataOff & ~63n),
        size: 1 << Number(dataOff & 63n),
        dataOff,
        inum,
      };
      out.push(r);
      if (r.type === 2) slots(read(r.off, r.size), 0, r.size / 128, inum);
      if (r.type !== 1) continue;
      const ino = read(r.off, r.size);
      if ((ino.getUint8(0x51) & 1) === 0) slots(ino, 0x200, 4, ino.getBigUint64(0x58, true));
    }
  };
  slots(read(0, 65536), 0x200, 4, 0n);
  return out;
}
