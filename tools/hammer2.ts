#!/usr/bin/env node
/** hammer2: the directives of hammer2(8) that make sense on an image that is not mounted. */
import { runSync } from '../vkernel/sys/blocking.js';
import { Errno } from '../vkernel/sys/errno.js';
import type { H2PfsOptions, H2QuotaLimits } from '../vkernel/vfs/hammer2/api.js';
import type { Check, Comp } from '../vkernel/vfs/hammer2/disk.js';
import { crc32c, dirhash, xxh64 } from './hammer2/check/digest.js';
import { checkNames, compNames } from './hammer2/check/wire.js';
import {
  EX_NOINPUT,
  Failure,
  Progress,
  UsageError,
  getopt,
  openImages,
  parseSize,
  run,
  sizeText,
  usage,
  version,
} from './hammer2/cli.js';
import { Dump, inodeFields } from './hammer2/dump.js';
import { imageReader } from './hammer2/image_reader.js';
import { Locator } from './hammer2/locate.js';
import { checkByName, compByName } from './hammer2/names.js';
import { recover } from './hammer2/recover.js';
import { type Session, bytes, must, text, withImage } from './hammer2/session.js';
import { countText, pfsTypeNames, subTypeNames } from './hammer2/text.js';

const usageText = `usage: hammer2 [-qrv] [-s image[@label]] [-m mem[kmg]] [-t type] [-u uuid] directive [argument ...]
`;
const helpText = `${usageText}
Administer a HAMMER2 file system in image files: image[:image...][@label]. Paths are paths in the PFS, from its root.

  with -s:
    snapshot [path [label]]     a writable snapshot of the PFS; default label PFS.YYYYMMDD.hhmmss
    pfs-create label            make a PFS (-t type, -u cluster id: a slave)
    destroy path ...            remove names, nothing of what they lead to
    destroy-inum inum ...       remove inodes, nothing of their names
    pfs-delete label ...        delete PFSs and snapshots; bulkfree frees their space
    pfs-clid label              print the cluster id of a PFS
    pfs-fsid label              print its own id
    stat [path ...]             use of space, compression and check code
    setcomp algo[:level] path ... (-r: and everything below) none, autozero, lz4, zlib[:6-9]
    setcheck algo path ...      none, disabled, crc32, xxhash64, sha192, default
    clrcheck, setcrc32, setxxhash64, setsha192 path ...
    setquota dir [data=SIZE] [inodes=N] | none   limits of a directory; the same again: count anew
    quota [dir ...]             limits, and what counts against them
    printinode path             the inode as it is on the disk
  with -s, or images as arguments:
    pfs-list [image ...]        list PFSs
    volume-list [image ...]     list volumes
    scrub [image ...]           read all that is in use and verify its check codes
    bulkfree, cleanup [image]   free space that nothing refers to any more
    growfs [image ...]          grow to the size of the image file
  with an image:
    show image [spec]           dump the topology (-v: read data as well; -vvv: all volume headers)
    freemap image               dump the freemap
    volhdr image                dump the volume header
    recover image path dir      undelete: all versions of path still on the image, into dir of the host
    recover-relaxed, recover-file  also without check codes; the last part of path is a file
  without:
    hash name ...               directory hash of names
    dhash name ...              check code of long names

  -m mem   memory for bulkfree      -q  less output      -r  recurse      -v  more output
  --help, --version

Exit status: 0; 1 when a directive failed, 64 wrong usage, 66 an image that cannot be opened.
`;

interface Context {
  readonly sel: string | null;
  readonly verbose: number;
  readonly quiet: boolean;
  readonly recurse: boolean;
  readonly memory: number | undefined;
  readonly type: string | undefined;
  readonly uuid: string | undefined;
}

const out = (s: string): void => void process.stdout.write(s + '\n');
const need = (c: Context): string => {
  if (c.sel === null) throw usage('this directive needs -s image[@label]');
  return c.sel;
};
/** Images given as arguments, or the selected one. */
const images = (c: Context, args: readonly string[]): readonly string[] => (args.length > 0 ? args : [need(c)]);

function pfsList(s: Session): void {
  const list = must(s.special, s.image.device.pfsList());
  list.sort((a, b) => (a.label < b.label ? -1 : 1));
  out(`Type        ClusterId (pfs_clid)                 Label on ${s.special}`);
  for (const p of list) {
    const type = p.type === 6 && p.subtype !== 0 ? subTypeNames[p.subtype] : pfsTypeNames[p.type];
    out(`${(type ?? String(p.type)).padEnd(11)} ${p.clid} ${text(p.label)}`);
  }
}

function pfsId(s: Session, label: string, which: 'clid' | 'fsid'): void {
  const p = must(s.special, s.image.device.pfsList()).find((x) => x.label === bytes(label));
  if (p === undefined) throw new Failure(`${s.special}: no PFS ${label}`);
  out(p[which]);
}

function pfsDelete(s: Session, labels: readonly string[]): number {
  let code = 0;
  for (const l of labels) {
    const e = runSync(s.image.device.pfsDelete(bytes(l)));
    out(`hammer2: pfs_delete(${l}): ${e === null ? 'SUCCESS' : e.text}`);
    if (e !== null) code = 1;
  }
  return code;
}

function snapshot(s: Session, label: string | undefined): void {
  const from = s.pfs.label;
  const d = new Date();
  const p = (n: number, len = 2): string => String(n).padStart(len, '0');
  const stamp = `${p(d.getFullYear(), 4)}${p(d.getMonth() + 1)}${p(d.getDate())}.${p(d.getHours())}${p(d.getMinutes())}${p(d.getSeconds())}`;
  const name = label ?? `${text(from)}.${stamp}`;
  must(`snapshot ${name}`, s.image.device.snapshot(from, bytes(name)));
  out(`created snapshot ${name}`);
}

function stat(s: Session, paths: readonly string[]): void {
  const width = Math.max(16, ...paths.map((p) => p.length));
  out(`${'PATH'.padEnd(width)} ncp  data-use inode-use comp               check        quota`);
  const disk = new Locator(s.image.files.map(imageReader));
  for (const path of paths) {
    const inum = s.inum(path);
    const at = disk.inode(s.pfs.label, inum);
    if (at === null) throw new Failure(`${path}: no inode ${inum} on the disk`);
    const b = at.block;
    const v = new DataView(b.buffer, b.byteOffset);
    const level = b[0x83] >> 4;
    const comp = `${compNames[b[0x83] & 15]}${level > 0 ? `:${level}` : ''}`;
    const quota = Number(v.getBigUint64(0xb0, true));
    const inodes = Number(v.getBigUint64(0xc0, true));
    out(
      `${path.padEnd(width)} ${String(b[0x82]).padStart(3)} ${sizeText(at.ref.dataCount).padStart(9)} ` +
        `${countText(at.ref.inodeCount).padStart(9)} ${comp.padEnd(18)} ${checkNames[b[0x85] & 15].padEnd(12)} ` +
        (quota > 0 || inodes > 0 ? `${sizeText(quota)}/${countText(inodes)}` : ''),
    );
  }
}

function setAlgo(c: Context, s: Session, paths: readonly string[], f: (inum: number) => string | Errno): void {
  for (const path of paths) {
    const inum = s.inum(path);
    for (const [p, n] of c.recurse ? s.walk(path, inum) : [[path, inum] as [string, number]]) {
      const r = f(n);
      if (r instanceof Errno) throw new Failure(`${p}: ${r.text}`);
      out(`${p}\t${r}`);
    }
  }
}
function setcomp(c: Context, s: Session, algo: string, paths: readonly string[]): void {
  const [comp, level] = compByName(algo);
  const shown = `comp_algo=0x${(comp | (level << 4)).toString(16).padStart(2, '0')}`;
  setAlgo(c, s, paths, (n) => runSync(s.pfs.setcomp(n, comp as Comp, level)) ?? shown);
}
function setcheck(c: Context, s: Session, algo: string, paths: readonly string[]): void {
  const check = checkByName(algo);
  setAlgo(
    c,
    s,
    paths,
    (n) => runSync(s.pfs.setcheck(n, check as Check)) ?? `check_algo=0x${check.toString(16).padStart(2, '0')}`,
  );
}

/** `data=SIZE`, `inodes=N`, `none`. */
function quotaLimits(args: readonly string[]): H2QuotaLimits {
  const lim: { dataBytes?: number; inodes?: number } = {};
  for (const a of args) {
    const m = /^(data|inodes)=(.+)$/.exec(a);
    if (a === 'none') Object.assign(lim, { dataBytes: 0, inodes: 0 });
    else if (m === null) throw usage(`${a}: data=SIZE, inodes=N or none expected`);
    else if (m[1] === 'data') lim.dataBytes = m[2] === '0' ? 0 : parseSize(m[2], 'quota');
    else if (/^\d+$/.test(m[2]) && Number.isSafeInteger(Number(m[2]))) lim.inodes = Number(m[2]);
    else throw usage(`${m[2]}: bad number of inodes`);
  }
  return lim;
}
function quota(s: Session, paths: readonly string[]): void {
  const width = Math.max(16, ...paths.map((p) => p.length));
  out(`${'PATH'.padEnd(width)} ${'data/limit'.padStart(17)} ${'inodes/limit'.padStart(17)}`);
  for (const path of paths) {
    const q = must(path, s.pfs.quota(s.inum(path)));
    const data = q.active ? `${sizeText(q.usedBytes)}/${q.dataBytes > 0 ? sizeText(q.dataBytes) : '-'}` : 'none';
    const inodes = q.active ? `${countText(q.usedInodes)}/${q.inodes > 0 ? countText(q.inodes) : '-'}` : 'none';
    out(`${path.padEnd(width)} ${data.padStart(17)} ${inodes.padStart(17)}`);
  }
}

function destroy(s: Session, arg: string, byNumber: boolean): void {
  if (byNumber) {
    if (!/^\d+$/.test(arg)) throw usage(`${arg}: bad inode number`);
    const e = runSync(s.pfs.destroyInode(Number(arg)));
    if (e !== null) throw new Failure(`${arg}: ${e.text}`);
    return;
  }
  const i = arg.lastIndexOf('/');
  const e = runSync(s.pfs.destroyEntry(s.inum(arg.slice(0, Math.max(0, i))), bytes(arg.slice(i + 1))));
  if (e !== null) throw new Failure(`${arg}: ${e.text}`);
}

/** Bits of `-t` and `-u`. */
function pfsOptions(c: Context): H2PfsOptions {
  const types: Record<string, number> = { cache: 1, slave: 3, 'soft-slave': 4, 'soft-master': 5, master: 6 };
  const o: { type?: number; clid?: Uint8Array } = {};
  if (c.uuid !== undefined) {
    const hex = c.uuid.replaceAll('-', '');
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(c.uuid)) throw usage(`${c.uuid}: bad uuid`);
    const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    o.clid = new Uint8Array(16);
    order.forEach((to, i) => ((o.clid as Uint8Array)[to] = parseInt(hex.slice(i * 2, i * 2 + 2), 16)));
    o.type = types.slave;
  }
  if (c.type !== undefined) {
    o.type = types[c.type.toLowerCase()];
    if (o.type === undefined) throw usage(`${c.type}: master, slave, soft-master, soft-slave or cache expected`);
  }
  return o;
}

function scrub(c: Context, list: readonly string[]): number {
  let code = 0;
  for (const x of list) {
    withImage(x, false, (s) => {
      const progress = new Progress('verifying', c.quiet);
      const st = s.image.device.statfs();
      const total = (st.blocks - st.bfree) * st.bsize;
      let done = 0;
      const r = must(
        s.special,
        s.image.device.scrub({
          *pause(n) {
            done += n;
            progress.show(done, Math.max(done, total));
          },
        }),
      );
      progress.end();
      for (const e of r.errors)
        out(
          `${s.special}: PFS ${text(e.pfs)} inode ${e.inum} offset ${e.fileOffset}: block at 0x${e.diskOffset.toString(16)}: ${e.what}`,
        );
      out(
        `${s.special}: ${r.blocks} blocks, ${sizeText(r.bytes)}, ${r.inodes} inodes, ${r.unchecked} without check code, ${r.errorCount} errors`,
      );
      if (r.errorCount > 0) code = 1;
    });
  }
  return code;
}

function bulkfree(c: Context, s: Session): void {
  const r = must(s.special, s.image.device.bulkfree({ memoryBytes: c.memory }));
  out(`total scanned:   ${r.scannedBlocks} blocks`);
  out(`total allocated: ${sizeText(r.allocatedBytes)}`);
  out(`total freed:     ${sizeText(r.freedBytes)}`);
}

function volumeList(c: Context, s: Session): void {
  const disk = s.image.files.map(imageReader);
  const vols = disk.map((d) => {
    const b = d.read(0, 65536);
    const v = new DataView(b.buffer, b.byteOffset);
    const ver = v.getUint32(0x30, true);
    const id = ver === 1 ? 0 : b[0x3b];
    return {
      path: d.name ?? '',
      ver,
      id,
      off: ver === 1 ? 0n : v.getBigUint64(0xe00 + 8 * id, true),
      size: v.getBigUint64(0x28, true),
    };
  });
  vols.sort((a, b) => a.id - b.id);
  if (c.quiet) {
    for (const v of vols) out(v.path);
    return;
  }
  out(`version ${vols[0].ver}`);
  out(`@${s.label === null ? '' : text(s.label)}`);
  const width = Math.max(...vols.map((v) => v.path.length));
  const hex = (n: bigint): string => `0x${n.toString(16).padStart(16, '0')}`;
  for (const v of vols) {
    const more = c.verbose > 0 ? ` ${hex(v.off)} ${hex(v.size)}` : '';
    out(`volume${String(v.id).padEnd(2)} ${v.path.padEnd(width)} ${sizeText(Number(v.size))}${more}`);
  }
}

function growfs(s: Session): void {
  const r = must(s.special, s.image.device.growfs(0));
  const hex = r.sizeBytes.toString(16).padStart(16, '0');
  out(`${s.special} ${r.modified ? `grown to ${hex}` : `no size change - ${hex}`}`);
}

function dump(c: Context, what: 'show' | 'freemap' | 'volhdr', args: readonly string[]): number {
  if (args.length < 1 || args.length > (what === 'show' ? 2 : 1)) throw usage(`${what}: one image`);
  const devs = openImages(args[0], false);
  try {
    const d = new Dump(devs.map(imageReader), { verbose: c.verbose, quiet: c.quiet, out });
    if (args[1] !== undefined) {
      d.spec(args[1]);
      return 0;
    }
    if (!d.run(what)) throw new UsageError(EX_NOINPUT, `${args[0]}: no valid volume header`);
  } finally {
    for (const x of devs) x.close();
  }
  return 0;
}

const HEX = (n: readonly [number, number]): string => [n[1], n[0]].map((x) => x.toString(16).padStart(8, '0')).join('');

/** Directives that only read the image, with -s or images as arguments. */
const ONLINE = new Set([
  'emergency-mode-enable',
  'emergency-mode-disable',
  'dumpchain',
  'info',
  'mountall',
  'connect',
  'disconnect',
  'status',
  'service',
  'leaf',
  'shell',
  'debugspan',
  'rsainit',
  'rsaenc',
  'rsadec',
]);

function directive(c: Context, name: string, args: string[]): number {
  const count = (min: number, max: number, what: string): void => {
    if (args.length < min || args.length > max) throw usage(`${name}: ${what}`);
  };
  const read = (f: (s: Session) => void): number => (withImage(need(c), false, f), 0);
  const write = (f: (s: Session) => void): number => (withImage(need(c), true, f), 0);
  const each = (rw: boolean, f: (s: Session) => void): number => {
    for (const [i, x] of images(c, args).entries()) {
      if (i > 0) out('');
      withImage(x, rw, f);
    }
    return 0;
  };
  switch (name) {
    case 'hash':
      for (const n of args) out(`${dirhash(Buffer.from(n)).toString(16).padStart(16, '0')} ${n}`);
      return 0;
    case 'dhash':
      for (const n of args) {
        const b = new Uint8Array(1024);
        b.set(Buffer.from(n).subarray(0, 1023));
        out(`${HEX(xxh64(b, 0, 1024))} ${n}`);
      }
      return 0;
    case 'icrc32':
      for (const n of args)
        out(`${crc32c(Buffer.from(n), 0, Buffer.from(n).length).toString(16).padStart(8, '0')} ${n}`);
      return 0;
    case 'show':
    case 'freemap':
    case 'volhdr':
      return dump(c, name, args);
    case 'pfs-list':
      return each(false, pfsList);
    case 'volume-list':
      return each(false, (s) => volumeList(c, s));
    case 'bulkfree':
    case 'cleanup':
      return each(true, (s) => {
        if (name === 'cleanup') out(`hammer2 cleanup "${s.special}"`);
        bulkfree(c, s);
      });
    case 'growfs':
      return each(true, growfs);
    case 'pfs-clid':
    case 'pfs-fsid':
      count(1, 1, 'one label');
      return read((s) => pfsId(s, args[0], name === 'pfs-clid' ? 'clid' : 'fsid'));
    case 'pfs-create':
      count(1, 1, 'one label');
      return write((s) => {
        must(`hammer2: pfs_create(${args[0]})`, s.image.device.pfsCreate(bytes(args[0]), pfsOptions(c)));
        out(`hammer2: pfs_create(${args[0]}): SUCCESS`);
      });
    case 'pfs-delete':
      count(1, Infinity, 'at least one label');
      return withImage(need(c), true, (s) => pfsDelete(s, args));
    case 'snapshot':
      count(0, 2, 'at most a path and a label');
      return write((s) => snapshot(s, args[1]));
    case 'stat':
      return read((s) => stat(s, args.length > 0 ? args : ['/']));
    case 'quota':
      return read((s) => quota(s, args.length > 0 ? args : ['/']));
    case 'setquota': {
      count(2, 3, 'a directory, and limits');
      const lim = quotaLimits(args.slice(1));
      return write((s) => void must(args[0], s.pfs.setquota(s.inum(args[0]), lim)));
    }
    case 'printinode':
      count(1, 1, 'one path');
      return read((s) => {
        const inum = s.inum(args[0]);
        const at = new Locator(s.image.files.map(imageReader)).inode(s.pfs.label, inum);
        if (at === null) throw new Failure(`${args[0]}: no inode ${inum} on the disk`);
        for (const [k, v] of inodeFields(at.block)) out(`${k} = ${v}`);
      });
    case 'setcomp':
      count(2, Infinity, 'an algorithm and at least one path');
      compByName(args[0]);
      return write((s) => setcomp(c, s, args[0], args.slice(1)));
    case 'setcheck':
      count(2, Infinity, 'an algorithm and at least one path');
      checkByName(args[0]);
      return write((s) => setcheck(c, s, args[0], args.slice(1)));
    case 'clrcheck':
    case 'setcrc32':
    case 'setxxhash64':
    case 'setsha192':
      count(1, Infinity, 'at least one path');
      return write((s) => setcheck(c, s, name === 'clrcheck' ? 'none' : name.slice(3), args));
    case 'recover':
    case 'recover-relaxed':
    case 'recover-file': {
      count(3, 3, 'image, path and directory');
      const devs = openImages(args[0], false);
      const progress = new Progress('scanning', c.quiet);
      try {
        const o = { relaxed: name === 'recover-relaxed', file: name === 'recover-file' };
        const n = recover(devs, args[1], args[2], {
          ...o,
          progress: (a, b) => progress.show(a, b),
          log: (l) => {
            progress.end();
            if (!c.quiet) out(l);
          },
        });
        progress.end();
        if (n === 0) throw new Failure(`${args[1]}: nothing of it is left on ${args[0]}`);
      } finally {
        progress.end();
        for (const d of devs) d.close();
      }
      return 0;
    }
    case 'scrub':
      return scrub(c, images(c, args));
    case 'destroy':
    case 'destroy-inum':
      count(1, Infinity, name === 'destroy' ? 'at least one path' : 'at least one inode number');
      return write((s) => {
        for (const a of args) destroy(s, a, name === 'destroy-inum');
      });
  }
  if (ONLINE.has(name)) throw new Failure(`${name}: only on a mounted file system`);
  throw usage(`unknown directive '${name}'`);
}

function main(argv: string[]): number {
  const { set, values, args } = getopt(argv, 's:t:u:m:dqrvh', ['help', 'version']);
  if (set.has('help') || set.has('h')) {
    process.stdout.write(helpText);
    return 0;
  }
  if (set.has('version')) {
    process.stdout.write(`hammer2 (vkernel) ${version()}\n`);
    return 0;
  }
  if (args.length === 0) throw usage('no directive given');
  const mem = values.get('m')?.at(-1);
  const c: Context = {
    sel: values.get('s')?.at(-1) ?? null,
    verbose: set.get('v') ?? 0,
    quiet: set.has('q'),
    recurse: set.has('r'),
    type: values.get('t')?.at(-1),
    uuid: values.get('u')?.at(-1),
    memory: mem === undefined ? undefined : parseSize(mem, 'memory size'),
  };
  return directive(c, args[0], args.slice(1));
}

run('hammer2', usageText, main);
