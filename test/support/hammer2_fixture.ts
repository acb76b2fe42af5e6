/**
 * HAMMER2 test volumes: real images made by DragonFly (test/fixtures/hammer2, with manifests) and block devices over
 * them that can flip bits.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Reader } from '../../tools/hammer2/check/check.js';
import type { BlockDevice } from '../../vkernel/sys/blockdev.js';
import type { Blocking } from '../../vkernel/sys/blocking.js';
import { ENXIO, EROFS, Errno } from '../../vkernel/sys/errno.js';

export interface ManifestEntry {
  path: string;
  type: 'file' | 'dir' | 'symlink' | 'fifo';
  mode: string;
  nlink: number;
  size?: number;
  sha256?: string;
  target?: string;
  mtime_us?: number;
}
export interface Manifest {
  image: string;
  uncompressed_size: number;
  pfs: Record<string, ManifestEntry[]>;
}
export type FixtureName = 'lz4-xxhash64-tree' | 'zlib-indirect-sparse';
export const FIXTURES: readonly FixtureName[] = ['lz4-xxhash64-tree', 'zlib-indirect-sparse'];

// Compiled tests run from dist/test/support; fixtures stay in the source tree.
const dir = resolve(fileURLToPath(import.meta.url), '../../../../test/fixtures/hammer2');

export function readManifest(name: FixtureName): Manifest {
  const m = JSON.parse(readFileSync(join(dir, `${name}.json`), 'utf8')) as Manifest;
  // The kernel's names have one char per byte.
  const bytes = (s: string): string => Buffer.from(s, 'utf8').toString('latin1');
  for (const e of Object.values(m.pfs).flat()) {
    e.path = bytes(e.path);
    if (e.target !== undefined) e.target = bytes(e.target);
  }
  return m;
}

const open = new Map<FixtureName, number>();

/** Descriptor of the uncompressed image: a sparse temporary file, already unlinked. Shared by the tests of a process. */
function fixtureFd(name: FixtureName): number {
  let fd = open.get(name);
  if (fd !== undefined) return fd;
  const tmp = mkdtempSync(join(tmpdir(), 'vkernel-h2-'));
  try {
    const path = join(tmp, 'img');
    const out = openSync(path, 'wx');
    const r = spawnSync('xz', ['-dc', join(dir, `${name}.img.xz`)], { stdio: ['ignore', out, 'pipe'] });
    closeSync(out);
    if (r.status !== 0) throw new Error(`xz: ${r.error?.message ?? r.stderr.toString()}`);
    fd = openSync(path, 'r');
  } finally {
    rmSync(tmp, { recursive: true });
  }
  open.set(name, fd);
  return fd;
}

/** A fixture for the checker and for damage. Keeps the 64 KiB blocks it has read. */
export function fixtureReader(name: FixtureName): Reader {
  const fd = fixtureFd(name);
  const blocks = new Map<number, Uint8Array>();
  const block = (base: number): Uint8Array => {
    let b = blocks.get(base);
    if (b === undefined) {
      blocks.set(base, (b = new Uint8Array(65536)));
      readSync(fd, b, 0, 65536, base);
    }
    return b;
  };
  return {
    size: fstatSync(fd).size,
    name,
    read(off, len) {
      const o = off % 65536;
      if (o + len > 65536) throw new Error(`read across blocks: ${off}+${len}`);
      return block(off - o).subarray(o, o + len);
    },
  };
}

/** Make an image file of one's own of a fixture, sparse. */
export function fixtureImage(name: FixtureName, path: string): void {
  const r = spawnSync('cp', ['--sparse=always', `/proc/${process.pid}/fd/${fixtureFd(name)}`, path], {
    encoding: 'utf8',
  });
  if (r.status !== 0) throw new Error(`cp: ${r.error?.message ?? r.stderr}`);
}

/** Device over a host file that never sleeps and keeps the 64 KiB blocks it has read. Bits can be flipped. */
export class ImageDevice implements BlockDevice {
  readonly sizeBytes: number;
  readonly readonly = true;
  reads = 0;
  private readonly blocks = new Map<number, Uint8Array>();
  private readonly flips = new Map<number, number>();

  constructor(
    readonly name: string,
    private readonly fd: number,
  ) {
    this.sizeBytes = fstatSync(fd).size;
  }

  /** XOR the byte at `off` with `mask` in all later reads. */
  flip(off: number, mask: number): void {
    this.flips.set(off, (this.flips.get(off) ?? 0) ^ mask);
  }
  unflip(): void {
    this.flips.clear();
  }

  *read(off: number, buf: Uint8Array): Blocking<Errno | null> {
    if (off % 512 !== 0 || buf.length % 512 !== 0) throw new Error(`unaligned read ${off}+${buf.length}`);
    if (off < 0 || off + buf.length > this.sizeBytes) return ENXIO;
    this.reads++;
    for (let done = 0; done < buf.length;) {
      const base = Math.floor((off + done) / 65536) * 65536;
      let b = this.blocks.get(base);
      if (b === undefined) {
        b = new Uint8Array(65536);
        readSync(this.fd, b, 0, 65536, base);
        this.blocks.set(base, b);
      }
      const o = off + done - base;
      const n = Math.min(65536 - o, buf.length - done);
      buf.set(b.subarray(o, o + n), done);
      done += n;
    }
    for (const [at, mask] of this.flips) if (at >= off && at < off + buf.length) buf[at - off] ^= mask;
    return null;
  }
  *write(): Blocking<Errno | null> {
    return EROFS;
  }
  *flush(): Blocking<Errno | null> {
    return null;
  }
}

export function fixtureDevice(name: FixtureName, devName = 'vkd0'): ImageDevice {
  return new ImageDevice(devName, fixtureFd(name));
}
