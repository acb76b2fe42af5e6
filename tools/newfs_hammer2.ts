#!/usr/bin/env node
/** newfs_hammer2: make a HAMMER2 file system on image files or devices of the host. Counterpart: newfs_hammer2(8) */
import { randomFillSync } from 'node:crypto';
import { closeSync, existsSync, ftruncateSync, openSync, statSync, unlinkSync } from 'node:fs';
import { runSync } from '../vkernel/sys/blocking.js';
import { Errno } from '../vkernel/sys/errno.js';
import { defaultLabel } from '../vkernel/vfs/hammer2/index.js';
import { Check, Comp } from '../vkernel/vfs/hammer2/disk.js';
import { newfs } from '../vkernel/vfs/hammer2/newfs.js';
import {
  EX_NOINPUT,
  Failure,
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
import { checkByName, compByName } from './hammer2/names.js';
import { type HostBlockDevice, openHostDevices } from './host_blockdev.js';
import { fileError } from './options.js';

const usageText = `usage: newfs_hammer2 [-b bootsize] [-r auxsize] [-V version] [-L label ...] [-s size[:size...]]
                     [-C algo[:level]] [--check algo] [--time t] [--seed s] [-q] special ...
`;
const helpText = `${usageText}
Make a HAMMER2 file system on image files or devices, one for each volume. A file that does not exist is created, sparse,
if -s gives its size. The PFS LOCAL is always made.

  -b bootsize   boot area, at most 256m (default 64m, less on small volumes)
  -r auxsize    aux area, at most 1g (default 256m, less on small volumes)
  -V version    1, or 2 for several volumes (default 2)
  -L label      a PFS besides LOCAL, up to three times or separated by commas; none: no other.
                Default by the last letter of the name: a BOOT, d ROOT, otherwise DATA
  -s size       size of each volume, separated by colons: k, m, g, t, p, e (default: the device's)
  -C algo       compression of all PFSs but BOOT: none, autozero, lz4 (default), zlib[:6-9]
  --check algo  check code of all PFSs: none, disabled, crc32, xxhash64 (default), sha192
  --time t      time stamps, seconds since 1970 (default: SOURCE_DATE_EPOCH, or now)
  --seed s      derive the uuids from this text: the same image each time
  -d            accepted as the reference's; without effect
  -q            print nothing
  --help, --version

Exit status: 0; 1 when it failed, 64 wrong usage, 66 a file that cannot be opened.
`;

/** Create what does not exist. Returns those created. */
function createFiles(paths: readonly string[], sizes: readonly number[] | undefined): string[] {
  const made: string[] = [];
  for (const [i, path] of paths.entries()) {
    const size = sizes?.[i];
    if (existsSync(path)) {
      if (size !== undefined && statSync(path).isFile() && statSync(path).size < size) {
        throw new UsageError(EX_NOINPUT, `${path}: has ${statSync(path).size} bytes, less than ${size}`);
      }
      continue;
    }
    if (size === undefined) throw new UsageError(EX_NOINPUT, `${path}: no such file (-s with a size creates it)`);
    try {
      const fd = openSync(path, 'wx', 0o644);
      made.push(path);
      ftruncateSync(fd, size);
      closeSync(fd);
    } catch (e) {
      for (const p of made) unlinkSync(p);
      throw fileError(path, e);
    }
  }
  return made;
}

function main(argv: string[]): number {
  const { set, values, args } = getopt(argv, 'b:r:V:L:s:C:dqh', ['check=', 'time=', 'seed=', 'help', 'version']);
  if (set.has('help') || set.has('h')) {
    process.stdout.write(helpText);
    return 0;
  }
  if (set.has('version')) {
    process.stdout.write(`newfs_hammer2 (vkernel) ${version()}\n`);
    return 0;
  }
  if (args.length === 0) throw usage('no image given');
  const last = (f: string): string | undefined => values.get(f)?.at(-1);
  const sizes = last('s')
    ?.split(':')
    .map((s) => parseSize(s, 'size'));
  if (sizes !== undefined && sizes.length !== args.length)
    throw usage(`${sizes.length} sizes for ${args.length} volumes`);
  const size = (f: string): number | undefined => {
    const v = last(f);
    return v === undefined ? undefined : parseSize(v, `value of -${f}`);
  };
  const ver = Number(last('V') ?? 2);
  if (ver !== 1 && ver !== 2) throw usage(`bad version '${last('V')}': 1 or 2`);
  const labels = values.get('L')?.flatMap((l) => l.split(','));
  const [comp, compLevel] = compByName(last('C') ?? 'lz4');
  const seed = last('seed');
  const time = Number(last('time') ?? process.env['SOURCE_DATE_EPOCH'] ?? Math.floor(Date.now() / 1000));
  if (!(time >= 0 && time < 2 ** 43)) throw usage(`bad time '${last('time')}': seconds since 1970`);

  const made = createFiles(args, sizes);
  let devs: HostBlockDevice[] = [];
  try {
    devs = wrap(() => openHostDevices(args, { write: true }));
    let why = '';
    const r = runSync(
      newfs(devs, {
        nowUs: Math.round(time * 1e6),
        random: seed === undefined ? (b) => void randomFillSync(b) : seededRandom(seed),
        labels: (labels ?? [defaultLabel(args[0])])
          .filter((l) => l.toLowerCase() !== 'none')
          .map((l) => Buffer.from(l).toString('latin1')),
        version: ver,
        sizes,
        bootBytes: size('b'),
        auxBytes: size('r'),
        comp: comp as Comp,
        compLevel,
        check: checkByName(last('check') ?? 'xxhash64') as Check,
        blank: made.length === args.length,
        log: (l) => (why = l),
      }),
    );
    if (r instanceof Errno) throw new Failure(why !== '' ? why : r.text);
    made.length = 0; // they stay
    if (!set.has('q')) {
      const name = (l: string): string => Buffer.from(l, 'latin1').toString();
      process.stdout.write(
        `version:          ${r.version}\n` +
          `total-size:       ${sizeText(r.totalBytes)} (${r.totalBytes} bytes)\n` +
          `boot-area-size:   ${sizeText(r.bootBytes)}\n` +
          `aux-area-size:    ${sizeText(r.auxBytes)}\n` +
          `topo-reserved:    ${sizeText(r.totalBytes - r.freeBytes - r.bootBytes - r.auxBytes)}\n` +
          `free-size:        ${sizeText(r.freeBytes)}\n` +
          `vol-fsid:         ${r.fsid}\n` +
          `sup-clid:         ${r.supClid}\n` +
          `sup-fsid:         ${r.supFsid}\n` +
          r.pfs.map((p) => `PFS "${name(p.label)}"\n    clid ${p.clid}\n    fsid ${p.fsid}\n`).join('') +
          r.volumes.map((v, i) => `volume ${i}: ${args[i]}, offset ${v.off}, ${sizeText(v.sizeBytes)}\n`).join(''),
      );
    }
  } finally {
    for (const d of devs) d.close();
    for (const p of made) unlinkSync(p);
  }
  return 0;
}

run('newfs_hammer2', usageText, main);
