/** The command lines of `vkernel mount` and `vkernel umount`. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseSpecial } from '../vkernel/vfs/hammer2/index.js';
import { EX_NOINPUT, EX_USAGE, fileError, UsageError } from './options.js';

export interface MountCommand {
  readonly help: boolean;
  foreground: boolean;
  images: string[];
  label: string | null;
  dir: string;
  readonly: boolean;
  allowOther: boolean;
  nosuid: boolean;
  nodev: boolean;
  noexec: boolean;
  writeback: boolean;
  uid: number | undefined;
  gid: number | undefined;
  /** A descriptor on which a parent waits for word. */
  readyFd: number | null;
}

export const mountUsage = `usage: vkernel mount [-f] [-o OPTION[,OPTION...]] IMAGE[:IMAGE...][@LABEL] DIR
       vkernel umount [-l] DIR
`;

export const mountHelp = `${mountUsage}
Make a HAMMER2 file system of an image file or block device visible on a directory of this host, through FUSE.
IMAGE:IMAGE... are the volumes of one file system. LABEL names a PFS; the only one needs no naming.

  -f           stay in the foreground
  -o ro        read only
  -o allow_other   let other users in (not only the one who mounts; without being root this needs
               user_allow_other in /etc/fuse.conf)
  -o uid=N,gid=N   show all files as owned by this user and group
  -o writeback     let the host collect small writes: faster, and a kill of this program loses more
  -o nosuid,nodev,noexec   as for any mount

What is written is on the disk after fsync of the program that wrote it, else within 30 seconds: Linux does not pass sync(2)
on to FUSE file systems.
umount returns when all is written and the image is free; -l takes a mount that is in use out of sight at once.
`;

function number(text: string | undefined, what: string): number {
  if (text === undefined || !/^\d+$/.test(text) || Number(text) > 0xfffffffe)
    throw new UsageError(EX_USAGE, `bad ${what} '${text ?? ''}': expected a number`);
  return Number(text);
}

function option(o: MountCommand, text: string): void {
  const [name, val] = text.split('=');
  switch (name) {
    case 'ro':
      o.readonly = true;
      break;
    case 'rw':
      o.readonly = false;
      break;
    case 'allow_other':
      o.allowOther = true;
      break;
    case 'nosuid':
      o.nosuid = true;
      break;
    case 'nodev':
      o.nodev = true;
      break;
    case 'noexec':
      o.noexec = true;
      break;
    case 'writeback':
      o.writeback = true;
      break;
    case 'uid':
      o.uid = number(val, 'user');
      break;
    case 'gid':
      o.gid = number(val, 'group');
      break;
    default:
      throw new UsageError(EX_USAGE, `unknown mount option '${text}'`);
  }
}

/** Parse what follows `mount`. Throws UsageError; images and the directory are looked at. */
export function parseMountCommand(argv: readonly string[]): MountCommand | 'help' {
  const o: MountCommand = {
    help: false,
    foreground: false,
    images: [],
    label: null,
    dir: '',
    readonly: false,
    allowOther: false,
    nosuid: false,
    nodev: false,
    noexec: false,
    writeback: false,
    uid: undefined,
    gid: undefined,
    readyFd: null,
  };
  const rest = [...argv];
  const value = (flag: string): string => {
    const v = rest.shift();
    if (v === undefined) throw new UsageError(EX_USAGE, `${flag} needs a value`);
    return v;
  };
  while (rest.length > 0 && rest[0].startsWith('-') && rest[0] !== '-') {
    const word = rest.shift() ?? '';
    if (word === '--') break;
    if (word === '-h' || word === '--help') return 'help';
    if (word === '-f') o.foreground = true;
    else if (word === '--ready-fd') o.readyFd = number(value(word), 'descriptor');
    else if (word.startsWith('-o')) for (const t of (word.slice(2) || value('-o')).split(',')) option(o, t);
    else throw new UsageError(EX_USAGE, `unknown flag '${word}'`);
  }
  if (rest.length !== 2) throw new UsageError(EX_USAGE, 'mount: expected an image and a directory');
  const { devs, label } = parseSpecial(rest[0]);
  if (devs.length === 0) throw new UsageError(EX_USAGE, `bad image '${rest[0]}': expected IMAGE[:IMAGE...][@LABEL]`);
  o.images = devs.map((p) => resolve(p));
  o.label = label;
  o.dir = resolve(rest[1]);
  for (const p of o.images) {
    try {
      if (statSync(p).isDirectory()) throw new UsageError(EX_NOINPUT, `${p}: is a directory`);
    } catch (e) {
      throw fileError(p, e);
    }
  }
  try {
    if (!statSync(o.dir).isDirectory()) throw new UsageError(EX_NOINPUT, `${o.dir}: not a directory`);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOTCONN')
      throw new UsageError(EX_NOINPUT, `${o.dir}: a dead mount is there: take it away with vkernel umount`);
    throw fileError(o.dir, e);
  }
  return o;
}

export interface UmountCommand {
  lazy: boolean;
  dir: string;
}

/** Parse what follows `umount`. Throws UsageError. */
export function parseUmountCommand(argv: readonly string[]): UmountCommand | 'help' {
  const rest = [...argv];
  const o: UmountCommand = { lazy: false, dir: '' };
  while (rest.length > 0 && rest[0].startsWith('-')) {
    const word = rest.shift() ?? '';
    if (word === '--') break;
    if (word === '-h' || word === '--help') return 'help';
    if (word === '-l') o.lazy = true;
    else throw new UsageError(EX_USAGE, `unknown flag '${word}'`);
  }
  if (rest.length !== 1) throw new UsageError(EX_USAGE, 'umount: expected a directory');
  o.dir = resolve(rest[0]);
  return o;
}
