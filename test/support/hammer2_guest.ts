/**
 * HAMMER2 images in a booted guest: shell commands on its console, what its programs should print of a fixture, and
 * bits flipped in image files.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { runSync } from '../../vkernel/sys/blocking.js';
import { ObjType } from '../../vkernel/vfs/hammer2/index.js';
import { ccGuest, scratchDir, Terminal, top } from '../guest/support/guest.js';
import { fixtureDevice, type FixtureName } from './hammer2_fixture.js';
import { hammer2Mount } from './hammer2_mount.js';
import { must, type RawRef, walkImage, walkTree } from './hammer2_tree.js';

const BLOCK = 65536;

/** A booted vkernel with a shell on a wide terminal. */
export class Boot {
  private readonly t: Terminal;
  constructor(args: string[]) {
    this.t = new Terminal(args, 24, 4000);
  }
  /** Everything on the console so far. */
  get console(): string {
    return this.t.text.replaceAll('\r', '');
  }
  async ready(): Promise<this> {
    await this.t.expect(/# /, 20_000);
    return this;
  }
  /** Run a line of shell. Kernel messages are between its output unless that went to a file first. */
  async sh(line: string, timeoutMs = 60_000): Promise<{ out: string; status: number }> {
    // The echo of the typed line ends with its first newline; it has no digits between the marks.
    this.t.send(`echo '@'@; ${line}; echo @'@'$?@@\n`);
    await this.t.expect(/\n@@\r*\n/, timeoutMs);
    const text = (await this.t.expect(/@@\d+@@\r*\n/, timeoutMs)).replaceAll('\r', '');
    const m = /@@(\d+)@@\n$/.exec(text) as RegExpExecArray;
    return { out: text.slice(0, m.index), status: Number(m[1]) };
  }
  /** As sh, by way of a file, so that console messages do not come between. */
  async output(line: string, timeoutMs = 60_000): Promise<string> {
    await this.sh(`{ ${line}; } > /tmp/out 2>&1`, timeoutMs);
    return (await this.sh('cat /tmp/out', timeoutMs)).out;
  }
  /** Put a host program's bytes into the guest: it comes as the raw disk `dev`. */
  async install(dev: string, as: string): Promise<void> {
    const r = await this.sh(`dd if=/dev/${dev} of=${as} bs=2048 && chmod 755 ${as}`);
    if (r.status !== 0) throw new Error(r.out);
  }
  async halt(): Promise<number> {
    this.t.send('halt\n');
    return (await this.t.end(20_000)).code;
  }
  close(): void {
    this.t.close();
  }
}

/** test/interop/h2blocks.c for the guest, as a disk image of whole sectors. */
export function h2blocksDisk(): string {
  const dir = scratchDir();
  const prog = ccGuest(dir, 'h2blocks', readFileSync(join(top, 'test/interop/h2blocks.c'), 'latin1'), [
    '-Wall',
    '-Wextra',
  ]);
  const b = readFileSync(prog);
  writeFileSync(prog, Buffer.concat([b, Buffer.alloc((2048 - (b.length % 2048)) % 2048)]));
  return prog;
}

/** The digest of h2blocks.c. @param b 65536 bytes, zero after `len` */
function digest(b: Uint8Array, len: number): string {
  const w = new Int32Array(b.buffer, b.byteOffset, BLOCK / 4);
  let x = 0x811c9dc5 | 0;
  let y = len | 0;
  for (let i = 0; i < (len + 3) >> 2; i++) {
    x = Math.imul(x ^ w[i], 0x01000193);
    y = (((y << 5) | (y >>> 27)) + w[i]) | 0;
  }
  return (x >>> 0).toString(16).padStart(8, '0') + (y >>> 0).toString(16).padStart(8, '0');
}

export interface FixtureFile {
  /** A symbolic link: its target is the contents. */
  readonly link: boolean;
  readonly path: string;
  readonly inum: number;
  readonly size: number;
  /** Digest by block, '0' for a whole block of zeros. */
  readonly blocks: string[];
  /** Bytes of its data and indirect blocks, each time they are referred to: what st_blocks counts. */
  readonly stored: number;
  /** Physical block by logical one, where there is one. */
  readonly refs: Map<number, RawRef>;
}

const cache = new Map<FixtureName, { files: FixtureFile[]; blocks: RawRef[] }>();

/** The regular files and symbolic links of a fixture block by block, and its distinct data blocks (live dedup shares some). */
export function fixtureFiles(name: FixtureName): { files: FixtureFile[]; blocks: RawRef[] } {
  let r = cache.get(name);
  if (r !== undefined) return r;
  const dev = fixtureDevice(name);
  const all = walkImage(dev);
  const refs = all.filter((b) => b.type === 3);
  const stored = new Map<number, number>();
  for (const b of all)
    if (b.type === 2 || b.type === 3) stored.set(Number(b.inum), (stored.get(Number(b.inum)) ?? 0) + b.size);
  const byInum = new Map<number, RawRef[]>();
  for (const b of refs) byInum.set(Number(b.inum), [...(byInum.get(Number(b.inum)) ?? []), b]);
  const m = must(runSync(hammer2Mount([dev], 'DATA')));
  const buf = new Uint8Array(BLOCK);
  const zero = new Uint8Array(BLOCK);
  const files: FixtureFile[] = [];
  for (const [path, ip] of walkTree(m)) {
    const link = ip.type === ObjType.SOFTLINK;
    if (!link && ip.type !== ObjType.REGFILE) continue;
    const mine = new Map((byInum.get(ip.inum) ?? []).map((b) => [Number(b.key / BigInt(BLOCK)), b]));
    const blocks: string[] = [];
    for (let lbn = 0; lbn * BLOCK < ip.size; lbn++) {
      const n = Math.min(BLOCK, ip.size - lbn * BLOCK);
      if (ip.size > 512 && !mine.has(lbn) && n === BLOCK) blocks.push('0');
      else {
        must(runSync(m.readBlock(ip, lbn, buf, 0)) ?? 0);
        blocks.push(n === BLOCK && Buffer.compare(buf, zero) === 0 ? '0' : digest(buf, n));
      }
    }
    files.push({ link, path, inum: ip.inum, size: ip.size, blocks, stored: stored.get(ip.inum) ?? 0, refs: mine });
  }
  r = { files, blocks: [...new Map(refs.map((b) => [b.dataOff, b])).values()] };
  cache.set(name, r);
  return r;
}

/**
 * What `h2blocks DIR` prints of a fixture in which the blocks of `bad` are unreadable: lines by path. Each of these
 * blocks is EIO for pread and a signal for who looks through a mapping; everything else is right.
 */
export function expectedBlocks(name: FixtureName, bad: ReadonlySet<bigint>): Map<string, string> {
  const out = new Map<string, string>();
  for (const f of fixtureFiles(name).files) {
    const line: string[] = [];
    const faults: number[] = [];
    let zeros = 0;
    f.blocks.forEach((b, lbn) => {
      const ref = f.refs.get(lbn);
      const eio = ref !== undefined && bad.has(ref.dataOff);
      if (!eio && b === '0') return void zeros++;
      if (zeros > 0) line.push(`z${zeros}`);
      zeros = 0;
      line.push(eio ? 'EIO' : b);
      if (eio && !f.link) faults.push(lbn);
    });
    if (zeros > 0) line.push(`z${zeros}`);
    out.set(f.path, [['B', ...line].join(' '), ...faults.map((n) => `M ${n}`)].join('\n'));
  }
  return out;
}

/** The output of h2blocks taken apart in the same way. */
export function parseBlocks(text: string, dir: string): Map<string, string> {
  if (!text.endsWith('\nend\n')) throw new Error(`h2blocks ended early:\n${text.slice(-500)}`);
  const out = new Map<string, string>();
  for (const part of text.slice(0, -'end\n'.length).split(/^F /m).slice(1)) {
    const nl = part.indexOf('\n');
    out.set(part.slice(dir.length + 1, nl), part.slice(nl + 1).trimEnd());
  }
  return out;
}

/** Flip one bit of a block in an image file; which one depends on `seed`. */
export function flipBit(image: string, r: RawRef, seed: number): void {
  const fd = openSync(image, 'r+');
  const b = Buffer.alloc(1);
  const at = r.off + ((Math.imul(seed + 1, 2654435761) >>> 0) % r.size);
  readSync(fd, b, 0, 1, at);
  b[0] ^= 1 << (seed & 7);
  writeSync(fd, b, 0, 1, at);
  closeSync(fd);
}

/** Digest of a sparse file: every byte that is not in a hole, and where the holes are. */
export function imageDigest(path: string): string {
  const py = `
import hashlib, os, sys
f = os.open(sys.argv[1], os.O_RDONLY); end = os.fstat(f).st_size; at = 0; h = hashlib.sha256(str(end).encode())
while at < end:
    try: lo = os.lseek(f, at, os.SEEK_DATA)
    except OSError: break
    at = os.lseek(f, lo, os.SEEK_HOLE)
    h.update(("%d %d " % (lo, at)).encode())
    while lo < at:
        b = os.pread(f, min(1 << 20, at - lo), lo); h.update(b); lo += len(b)
print(h.hexdigest())`;
  const r = spawnSync('python3', ['-c', py, path], { encoding: 'utf8' });
  if (r.status !== 0) throw new Error(r.stderr);
  return r.stdout.trim();
}
