#!/usr/bin/env -S node --max-semi-space-size=64
/**
 * h2: files of HAMMER2 images, without mounting them.
 *
 * Exit codes: 0; 1 something was not done; 64 wrong usage; 66 an image that cannot be used.
 */
import { writeSync } from 'node:fs';
import { constants } from 'node:os';
import { runSync } from '../vkernel/sys/blocking.js';
import { EEXIST, ENOENT, Errno } from '../vkernel/sys/errno.js';
import { checkName, compName } from '../vkernel/vfs/hammer2/disk.js';
import { type H2Attr, ObjType } from '../vkernel/vfs/hammer2/index.js';
import { type Flags, Failure, getopt, run, sizeText, usage, UsageError, version } from './hammer2/cli.js';
import { Copier } from './h2/copy.js';
import {
  done,
  entries,
  find,
  fromLatin1,
  Images,
  inside,
  isImageArg,
  must,
  parent,
  type Place,
  toLatin1,
  tryFind,
  walk,
} from './h2/paths.js';
import { HostSide, ImageSide } from './h2/sides.js';

const usageText = `usage: h2 ls [-alR] [--json] IMAGE[:PATH]...     h2 mkdir [-p] [-m mode] IMAGE:PATH...
       h2 cat IMAGE:PATH...                     h2 mv IMAGE:PATH... IMAGE:PATH
       h2 cp [-rp] FROM... TO                   h2 ln [-s] TARGET IMAGE:PATH
       h2 rm [-rf] IMAGE:PATH...                h2 stat [--json] IMAGE:PATH...
       h2 df [--json] IMAGE...
`;
const helpText = `${usageText}
Work on the files of HAMMER2 images of this host without mounting them. IMAGE is FILE[:FILE...][@LABEL]: the volumes of a file
system, and the name of a PFS in it (the only one needs no naming). A name without a colon is a file of the host, for cp.
Nobody else may be writing to the image; what a command did is on the disk when it ends.

  ls    -a names with a dot too; -l with attributes; -R whole trees
  cp    -r directories too; -p keep mode, owner and time
  rm    -r directories too; -f what is not there is no error
  mkdir -p what is there is no error, parents too
`;

const TYPE_LETTER: Readonly<Record<number, string>> = {
  [ObjType.DIRECTORY]: 'd',
  [ObjType.SOFTLINK]: 'l',
  [ObjType.FIFO]: 'p',
  [ObjType.CDEV]: 'c',
  [ObjType.BDEV]: 'b',
  [ObjType.SOCKET]: 's',
};
const TYPE_NAME: Readonly<Record<number, string>> = {
  [ObjType.DIRECTORY]: 'directory',
  [ObjType.REGFILE]: 'file',
  [ObjType.SOFTLINK]: 'symlink',
  [ObjType.FIFO]: 'fifo',
  [ObjType.CDEV]: 'cdev',
  [ObjType.BDEV]: 'bdev',
  [ObjType.SOCKET]: 'socket',
};

/** drwxr-xr-x */
function modeText(a: H2Attr): string {
  let s = TYPE_LETTER[a.type] ?? '-';
  for (let shift = 6; shift >= 0; shift -= 3) {
    const b = (a.mode >> shift) & 7;
    const special = (a.mode >> (9 + shift / 3)) & 1;
    const x = (b & 1) !== 0;
    const mark = shift === 0 ? 't' : 's';
    s += `${(b & 4) !== 0 ? 'r' : '-'}${(b & 2) !== 0 ? 'w' : '-'}`;
    s += special !== 0 ? (x ? mark : mark.toUpperCase()) : x ? 'x' : '-';
  }
  return s;
}

const iso = (us: number): string => new Date(us / 1000).toISOString();

/** What stat and ls --json say of a file. */
function attrJson(p: Place, a: H2Attr, path: string): Record<string, unknown> {
  return {
    path: fromLatin1(path),
    type: TYPE_NAME[a.type] ?? 'unknown',
    mode: a.mode.toString(8).padStart(4, '0'),
    uid: a.uid,
    gid: a.gid,
    size: a.size,
    dataBytes: a.dataBytes,
    nlinks: a.nlinks,
    inum: a.inum,
    mtime: iso(a.mtimeUs),
    ctime: iso(a.ctimeUs),
    btime: iso(a.btimeUs),
    uflags: a.uflags,
    compression: compName(a.comp),
    check: checkName(a.check),
    ...(a.type === ObjType.SOFTLINK ? { target: fromLatin1(must(p.arg, p.pfs.readlink(a.inum))) } : {}),
    ...(a.type === ObjType.CDEV || a.type === ObjType.BDEV ? { major: a.rmajor, minor: a.rminor } : {}),
  };
}

const printJson = (x: unknown): void => void process.stdout.write(`${JSON.stringify(x, null, 2)}\n`);

// --- commands ---------------------------------------------------------------------------------------------------------

type Command = (f: Flags, images: Images) => number;

/** Do something to each; what fails is told, and the rest is done all the same. */
function each(args: readonly string[], f: (arg: string) => void): number {
  if (args.length === 0) throw usage('nothing to work on');
  let code = 0;
  for (const a of args) {
    try {
      f(a);
    } catch (e) {
      if (!(e instanceof Failure)) throw e;
      process.stderr.write(`h2: ${e.message}\n`);
      code = 1;
    }
  }
  return code;
}

const ls: Command = (f, images) => {
  const json: unknown[] = [];
  const long = f.set.has('l');
  const lines: string[] = [];
  const line = (p: Place, name: string, a: H2Attr): string => {
    if (!long) return fromLatin1(name);
    const to = a.type === ObjType.SOFTLINK ? ` -> ${fromLatin1(must(p.arg, p.pfs.readlink(a.inum)))}` : '';
    const size = a.type === ObjType.CDEV || a.type === ObjType.BDEV ? `${a.rmajor}, ${a.rminor}` : String(a.size);
    const time = iso(a.mtimeUs).slice(0, 16).replace('T', ' ');
    return `${modeText(a)} ${String(a.nlinks).padStart(2)} ${String(a.uid).padStart(5)} ${String(a.gid).padStart(5)} ${size.padStart(11)} ${time} ${fromLatin1(name)}${to}`;
  };
  const list = (p: Place, dir: number, prefix: string, title: boolean): void => {
    if (title) lines.push(`${lines.length > 0 ? '\n' : ''}${p.arg}:`);
    const below: [Place, number, string][] = [];
    for (const e of entries(p, dir)) {
      if (!f.set.has('a') && e.name.startsWith('.')) continue;
      const a = must(p.arg, p.pfs.getattr(e.inum));
      const path = prefix === '' ? e.name : `${prefix}/${e.name}`;
      if (f.set.has('json')) json.push(attrJson(p, a, path));
      else lines.push(line(p, e.name, a));
      if (f.set.has('R') && a.type === ObjType.DIRECTORY) below.push([inside(p, e.name), e.inum, path]);
    }
    for (const [q, inum, path] of below) list(q, inum, path, !f.set.has('json'));
  };
  const code = each(f.args, (arg) => {
    const p = images.place(arg);
    const a = find(p, !long);
    if (a.type === ObjType.DIRECTORY) list(p, a.inum, '', f.args.length > 1 || f.set.has('R'));
    else if (f.set.has('json')) json.push(attrJson(p, a, p.path));
    else lines.push(line(p, p.path, a));
  });
  if (f.set.has('json')) printJson(json);
  else if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`);
  return code;
};

const stat: Command = (f, images) => {
  const json: Record<string, unknown>[] = [];
  const code = each(f.args, (arg) => {
    const p = images.place(arg);
    json.push(attrJson(p, find(p, false), p.path === '' ? '/' : p.path));
  });
  if (f.set.has('json')) printJson(json);
  else {
    const text = json.map((j) =>
      Object.entries(j)
        .map(([k, v]) => `${k.padStart(12)}: ${String(v)}\n`)
        .join(''),
    );
    process.stdout.write(text.join('\n'));
  }
  return code;
};

const cat: Command = (f, images) =>
  each(f.args, (arg) => {
    const p = images.place(arg);
    const a = find(p);
    if (a.type === ObjType.DIRECTORY) throw new Failure(`${arg}: is a directory`);
    for (let off = 0; ;) {
      const buf = new Uint8Array(Math.min(2 ** 20, Math.max(1, a.size - off)));
      const n = must(arg, p.pfs.read(a.inum, off, buf, 0, buf.length));
      if (n === 0) return;
      writeAll(buf.subarray(0, n));
      off += n;
    }
  });

const cp: Command = (f, images) => {
  if (f.args.length < 2) throw usage('cp: expected sources and a target');
  const side = (arg: string): HostSide | ImageSide =>
    isImageArg(arg) ? new ImageSide(images.place(arg)) : new HostSide(toLatin1(arg));
  const c = new Copier({ recurse: f.set.has('r') || f.set.has('R'), preserve: f.set.has('p') });
  c.run(f.args.slice(0, -1).map(side), side(f.args[f.args.length - 1]));
  return c.problems > 0 ? 1 : 0;
};

/** Remove an entry, and what is below it. */
function remove(p: Place, dir: number, name: string, recurse: boolean): void {
  const inum = must(p.arg, p.pfs.lookup(dir, name));
  if (must(p.arg, p.pfs.getattr(inum)).type !== ObjType.DIRECTORY) return done(p.arg, p.pfs.unlink(dir, name));
  if (!recurse) throw new Failure(`${p.arg}: is a directory`);
  for (const e of entries(p, inum)) remove(inside(p, e.name), inum, e.name, true);
  done(p.arg, p.pfs.rmdir(dir, name));
}

const rm: Command = (f, images) =>
  each(f.args, (arg) => {
    const p = images.place(arg);
    if (f.set.has('f') && tryFind(p, false) === null) return;
    const { dir, name } = parent(p);
    remove(p, dir, name, f.set.has('r') || f.set.has('R'));
  });

const mkdir: Command = (f, images) => {
  const text = f.values.get('m')?.at(-1);
  if (text !== undefined && !/^[0-7]{1,4}$/.test(text)) throw usage(`bad mode '${text}': expected octal digits`);
  const mode = text === undefined ? 0o777 & ~process.umask() : parseInt(text, 8);
  const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  return each(f.args, (arg) => {
    const p = images.place(arg);
    const make = (q: Place): void => {
      const { dir, name } = parent(q);
      const r = runSync(q.pfs.create(dir, name, { type: ObjType.DIRECTORY, mode, ...owner }));
      const there = r === EEXIST && f.set.has('p') && find(q).type === ObjType.DIRECTORY;
      if (r instanceof Errno && !there) throw new Failure(`${arg}: ${r.text}`);
    };
    const parts = p.path.split('/').filter((s) => s !== '');
    if (f.set.has('p')) for (let i = 1; i < parts.length; i++) make({ ...p, path: parts.slice(0, i).join('/') });
    make(p);
  });
};

/** The name something gets: `to` itself, or its own name in there if that is a directory. */
function destination(to: Place, name: string): { dir: number; name: string } {
  const n = walk(to.pfs, to.path, true);
  if (!(n instanceof Errno) && must(to.arg, to.pfs.getattr(n)).type === ObjType.DIRECTORY) return { dir: n, name };
  if (n instanceof Errno && n !== ENOENT) throw new Failure(`${to.arg}: ${n.text}`);
  return parent(to);
}

const mv: Command = (f, images) => {
  if (f.args.length < 2) throw usage('mv: expected sources and a target');
  const to = images.place(f.args[f.args.length - 1]);
  const isDir = tryFind(to)?.type === ObjType.DIRECTORY;
  if (f.args.length > 2 && !isDir) throw usage(`${to.arg}: not a directory`);
  return each(f.args.slice(0, -1), (arg) => {
    const p = images.place(arg);
    if (p.pfs !== to.pfs) throw new Failure(`${arg}: not in the same file system as ${to.arg}: use cp and rm`);
    const from = parent(p);
    const at = destination(to, from.name);
    done(arg, p.pfs.rename(from.dir, from.name, at.dir, at.name));
  });
};

const ln: Command = (f, images) => {
  if (f.args.length !== 2) throw usage('ln: expected a target and a name');
  const [target, name] = f.args;
  const to = images.place(name);
  if (f.set.has('s')) {
    const at = destination(to, toLatin1(target).replace(/\/+$/, '').split('/').at(-1) ?? '');
    const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
    must(
      name,
      to.pfs.create(at.dir, at.name, { type: ObjType.SOFTLINK, mode: 0o777, ...owner, target: toLatin1(target) }),
    );
    return 0;
  }
  const p = images.place(target);
  if (p.pfs !== to.pfs) throw new Failure(`${target}: not in the same file system as ${name}`);
  const at = destination(to, parent(p).name);
  done(target, p.pfs.link(find(p, false).inum, at.dir, at.name));
  return 0;
};

const df: Command = (f, images) => {
  const rows: Record<string, string | number>[] = [];
  const code = each(f.args, (arg) => {
    const p = images.place(arg);
    const s = p.pfs.statfs();
    const [total, free, avail] = [s.blocks, s.bfree, s.bavail].map((n) => n * s.bsize);
    rows.push({
      image: arg,
      label: p.pfs.label,
      totalBytes: total,
      usedBytes: total - free,
      freeBytes: free,
      availableBytes: avail,
      files: s.files,
    });
  });
  if (f.set.has('json')) {
    printJson(rows);
    return code;
  }
  const cols = ['totalBytes', 'usedBytes', 'availableBytes'];
  process.stdout.write(
    `${'Size'.padStart(10)} ${'Used'.padStart(10)} ${'Avail'.padStart(10)} ${'Files'.padStart(9)}  File system\n`,
  );
  for (const r of rows) {
    const sizes = cols.map((c) => sizeText(r[c] as number).padStart(10)).join(' ');
    process.stdout.write(`${sizes} ${String(r.files).padStart(9)}  ${String(r.image)} (${String(r.label)})\n`);
  }
  return code;
};

const commands: Readonly<Record<string, { f: Command; flags: string; words?: string[]; write: boolean }>> = {
  ls: { f: ls, flags: 'alR', words: ['json'], write: false },
  stat: { f: stat, flags: '', words: ['json'], write: false },
  cat: { f: cat, flags: '', write: false },
  df: { f: df, flags: '', words: ['json'], write: false },
  cp: { f: cp, flags: 'rRp', write: true },
  rm: { f: rm, flags: 'rRf', write: true },
  mkdir: { f: mkdir, flags: 'pm:', write: true },
  mv: { f: mv, flags: '', write: true },
  ln: { f: ln, flags: 's', write: true },
};

/** To stdout, to the last byte: a pipe whose reader has gone ends the program as it does any other. */
function writeAll(b: Uint8Array): void {
  for (let n = 0; n < b.length;) {
    try {
      n += writeSync(1, b, n);
    } catch (e) {
      const { code } = e as NodeJS.ErrnoException;
      if (code === 'EPIPE') process.exit(128 + constants.signals.SIGPIPE);
      if (code !== 'EAGAIN') throw new Failure(`stdout: ${String(code)}`);
    }
  }
}

function main(argv: string[]): number {
  const [name, ...rest] = argv;
  if (name === undefined) throw usage('no command');
  if (name === '-h' || name === '--help') {
    process.stdout.write(helpText);
    return 0;
  }
  if (name === '--version') {
    process.stdout.write(`h2 ${version()}\n`);
    return 0;
  }
  const c = commands[name];
  if (!Object.hasOwn(commands, name)) throw usage(`unknown command '${name}'`);
  const flags = getopt(rest, c.flags, c.words ?? []);
  // Copying out of images needs no writing.
  const write = c.write && !(name === 'cp' && !isImageArg(flags.args.at(-1) ?? ''));
  const images = new Images(write);
  let code: number;
  try {
    code = c.f(flags, images);
  } catch (e) {
    if (e instanceof Failure || e instanceof UsageError) images.close();
    throw e;
  }
  images.close();
  return code;
}

run('h2', usageText, main);
