#!/usr/bin/env node
/** mkimage: a directory or tar archive into a HAMMER2 image, and back. */
import { randomFillSync } from 'node:crypto';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { hostCodecs } from '../vkernel/machine/host/codecs.js';
import { runSync } from '../vkernel/sys/blocking.js';
import { Errno } from '../vkernel/sys/errno.js';
import type { Check, Comp } from '../vkernel/vfs/hammer2/disk.js';
import { hammer2Open } from '../vkernel/vfs/hammer2/index.js';
import { newfs } from '../vkernel/vfs/hammer2/newfs.js';
import {
  EX_NOINPUT,
  Failure,
  Progress,
  UsageError,
  getopt,
  parseSize,
  run,
  seededRandom,
  sizeText,
  usage,
  version,
  wrap,
} from './hammer2/cli.js';
import { type Entry, hostTree } from './hammer2/entry.js';
import { checkByName, compByName } from './hammer2/names.js';
import { pack, pfsBytes, pfsTree, unpack } from './hammer2/pack.js';
import { bytes, must, text, withImage } from './hammer2/session.js';
import { readTar, tarEnd, tarHeader, tarPadding } from './hammer2/tar.js';
import { openHostDevices } from './host_blockdev.js';
import { fileError } from './options.js';

const usageText = `usage: mkimage [-fq] [-s size] [-L label] [-C algo[:level]] [--check algo] [--time t] [--seed s]
               [--owner uid:gid] source image
       mkimage -x [-q] image[@label] destination
`;
const helpText = `${usageText}
Make a HAMMER2 image of a directory or a tar archive (also .tar.gz; - for standard input), with owners, modes, times, hard
links and device nodes; blocks of zeros become holes. With -x, the other way round: into a directory that is not there yet,
or into a file that ends in .tar, or - for a tar archive on standard output.

  -s size       size of the image (default: what the files need, and some more)
  -L label      PFS to fill (default DATA)
  -C algo       compression: none, autozero, lz4 (default), zlib[:6-9]
  --check algo  check code: none, disabled, crc32, xxhash64 (default), sha192
  --time t      seconds since 1970: nothing in the image is newer (default: SOURCE_DATE_EPOCH, or now)
  --seed s      derive the uuids from this text. With --time the same files give the same image
  --owner u:g   everything belongs to this user and group
  -f            overwrite an image that is there
  -q            print nothing
  --help, --version

Exit status: 0; 1 when it failed, 64 wrong usage, 66 a file that cannot be opened.
`;

const MIB = 2 ** 20;

/** Files of a source, and the bytes they have together where that is known beforehand. */
function openSource(path: string): { entries: () => Iterable<Entry>; total: number; objects: number } {
  if (path !== '-') {
    let dir: boolean;
    try {
      dir = statSync(path).isDirectory();
    } catch (e) {
      throw fileError(path, e);
    }
    if (dir) {
      let total = 0;
      let objects = 0;
      for (const e of hostTree(path)) {
        total += Math.ceil(e.size / 1024) * 1024;
        objects++;
      }
      return { entries: () => hostTree(path), total, objects };
    }
  }
  const gz = path !== '-' && /gz$/.test(path);
  if (gz) {
    let b: Buffer;
    try {
      b = gunzipSync(readFileSync(path));
    } catch (e) {
      throw fileError(path, e);
    }
    let at = 0;
    const read = (to: Uint8Array, off: number, len: number): number => {
      const n = Math.min(len, b.length - at);
      to.set(b.subarray(at, at + n), off);
      at += n;
      return n;
    };
    return { entries: () => readTar(read), total: b.length, objects: Math.ceil(b.length / 512) };
  }
  const fd = path === '-' ? 0 : wrapOpen(path);
  const size = path === '-' ? 0 : statSync(path).size;
  return {
    entries: () => readTar((b, off, len) => readSync(fd, b, off, len, null)),
    total: size,
    objects: Math.ceil(size / 1024),
  };
}
function wrapOpen(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (e) {
    throw fileError(path, e);
  }
}

function create(set: Map<string, number>, values: Map<string, string[]>, source: string, image: string): number {
  const last = (f: string): string | undefined => values.get(f)?.at(-1);
  const [comp, compLevel] = compByName(last('C') ?? 'lz4');
  const check = checkByName(last('check') ?? 'xxhash64');
  const seed = last('seed');
  const time = Number(last('time') ?? process.env['SOURCE_DATE_EPOCH'] ?? Date.now() / 1000);
  if (!(time >= 0 && time < 2 ** 43)) throw usage(`bad time '${last('time')}': seconds since 1970`);
  const timeUs = Math.round(time * 1e6);
  const o = /^(\d+):(\d+)$/.exec(last('owner') ?? '0:0');
  if (o === null) throw usage(`bad owner '${last('owner')}': uid:gid in numbers`);
  const owner = values.has('owner') ? { uid: Number(o[1]), gid: Number(o[2]) } : undefined;
  const label = last('L') ?? 'DATA';
  const asked = last('s') === undefined ? undefined : parseSize(last('s') ?? '', 'size');
  if (existsSync(image) && !set.has('f'))
    throw new UsageError(EX_NOINPUT, `${image}: is there already (-f overwrites it)`);
  const src = openSource(source);
  if (asked === undefined && source === '-') throw usage('an archive from standard input needs -s');
  // Inodes, directories, indirect blocks; reserve of 5 %; and the areas newfs sets aside, a fifth at most.
  const need = (src.total * 1.02 + src.objects * 2048 + 32 * MIB) * 1.06 + 44 * MIB;
  const size = Math.ceil((asked ?? Math.max(64 * MIB, need / 0.9)) / (8 * MIB)) * 8 * MIB;

  // Made beside its place, so that nothing half done is ever there.
  const tmp = `${image}.${process.pid}.tmp`;
  const random = seed === undefined ? (b: Uint8Array): void => void randomFillSync(b) : seededRandom(seed);
  const progress = new Progress(`${source} -> ${image}`, set.has('q'));
  try {
    try {
      const fd = openSync(tmp, 'wx', 0o644);
      ftruncateSync(fd, size);
      closeSync(fd);
    } catch (e) {
      throw fileError(tmp, e);
    }
    const devs = wrap(() => openHostDevices([tmp], { write: true }));
    let count: number;
    try {
      let why = '';
      const codecs = hostCodecs();
      const shape = {
        nowUs: timeUs,
        random,
        comp: comp as Comp,
        compLevel,
        check: check as Check,
        blank: true,
        codecs,
      };
      const labels = label === 'LOCAL' ? [] : [bytes(label)];
      const made = runSync(newfs(devs, { ...shape, labels, log: (l) => (why = l) }));
      if (made instanceof Errno) throw new Failure(`${image}: ${why !== '' ? why : made.text}`);
      const h2 = must(image, hammer2Open(devs, { nowUs: () => timeUs, random, codecs, dirtyBytes: 64 * MIB }));
      const pfs = must(label, h2.mount(bytes(label)));
      count = pack(pfs, src.entries(), { timeUs, owner, progress: (n) => progress.show(n, src.total) });
      must(image, pfs.unmount());
      must(image, h2.close());
    } finally {
      for (const d of devs) d.close();
    }
    renameSync(tmp, image);
    progress.end();
    if (!set.has('q')) process.stdout.write(`${image}: ${count} files, ${sizeText(size)}\n`);
  } finally {
    progress.end();
    if (existsSync(tmp)) unlinkSync(tmp);
  }
  return 0;
}

function extract(set: Map<string, number>, image: string, dest: string): number {
  const tar = dest === '-' || dest.endsWith('.tar');
  if (dest !== '-' && existsSync(dest)) throw new UsageError(EX_NOINPUT, `${dest}: is there already`);
  const progress = new Progress(`${image} -> ${dest}`, set.has('q'));
  let missing = 0;
  const count = withImage(image, false, (s) => {
    const total = pfsBytes(s.pfs);
    try {
      if (tar) return writeTar(pfsTree(s.pfs), dest, (n) => progress.show(n, total));
      const complain = (line: string): void => {
        progress.end();
        missing++;
        process.stderr.write(`mkimage: ${line}\n`);
      };
      return unpack(pfsTree(s.pfs), dest, complain, (n) => progress.show(n, total));
    } catch (e) {
      if (e instanceof Error && 'code' in e && !(e instanceof Failure)) throw new Failure(e.message);
      throw e;
    } finally {
      progress.end();
    }
  });
  if (!set.has('q') && dest !== '-') process.stdout.write(`${dest}: ${count} files\n`);
  return missing > 0 ? 1 : 0;
}

function writeTar(entries: Iterable<Entry>, dest: string, progress: (n: number) => void): number {
  const fd = dest === '-' ? 1 : openSync(dest, 'wx', 0o644);
  const put = (b: Uint8Array): void => {
    for (let done = 0; done < b.length;) done += writeSync(fd, b, done, b.length - done);
  };
  const buf = new Uint8Array(MIB);
  let count = 0;
  let sum = 0;
  for (const e of entries) {
    const h = tarHeader(e.path === '' ? { ...e, path: '.' } : e);
    if (h === null) {
      process.stderr.write(`mkimage: ${text(e.path)}: ${e.type}: has no place in a tar archive\n`);
      continue;
    }
    put(h);
    for (let n = 0; e.size > 0 && (n = e.read(buf, buf.length)) > 0;) {
      put(buf.subarray(0, n));
      sum += n;
      progress(sum);
    }
    put(tarPadding(e.size));
    count++;
  }
  put(tarEnd());
  if (fd !== 1) closeSync(fd);
  return count;
}

function main(argv: string[]): number {
  const { set, values, args } = getopt(argv, 'xfqhs:L:C:', ['check=', 'time=', 'seed=', 'owner=', 'help', 'version']);
  if (set.has('help') || set.has('h')) {
    process.stdout.write(helpText);
    return 0;
  }
  if (set.has('version')) {
    process.stdout.write(`mkimage (vkernel) ${version()}\n`);
    return 0;
  }
  if (args.length !== 2)
    throw usage(set.has('x') ? 'expected an image and a destination' : 'expected a source and an image');
  if (!set.has('x')) return create(set, values, args[0], args[1]);
  if (values.size > 0 || set.has('f')) throw usage('-x takes -q alone');
  return extract(set, args[0], args[1]);
}

run('mkimage', usageText, main);
