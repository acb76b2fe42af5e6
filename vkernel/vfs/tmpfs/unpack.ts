/**
 * Unpack a ustar archive into a tmpfs tree.
 *
 * File contents are not copied: a file refers to its bytes in the archive until a page is first used (TmpPager).
 * Understood: ustar names with prefix, GNU long names ('L', 'K'), pax headers' path and linkpath; regular files, hard and
 * symbolic links, directories, devices, FIFOs. A member that makes no sense is skipped and counted.
 */
import { Errno } from '../../sys/errno.js';
import { VType } from '../vnode.js';
import type { CreateAttr } from '../vop.js';
import { tmpCreate, tmpEnter, type TmpNode } from './tmpfs.js';
import { tmpSetArchive } from './tmpfs_file.js';

const BLOCK = 512;

export interface TarEntry {
  name: string;
  /** ustar type flag: '0' file, '1' hard link, '2' symlink, '3' chr, '4' blk, '5' directory, '6' fifo. */
  type: string;
  mode: number;
  uid: number;
  gid: number;
  mtime: number;
  link: string;
  major: number;
  minor: number;
  data: Uint8Array;
}

/** Bytes up to NUL as a latin1 string. */
function str(b: Uint8Array, at: number, len: number): string {
  let s = '';
  for (let i = at; i < at + len && b[i] !== 0; i++) s += String.fromCharCode(b[i]);
  return s;
}

/** Octal number, or base-256 with the top bit set. */
function num(b: Uint8Array, at: number, len: number): number {
  if ((b[at] & 0x80) !== 0) {
    let n = b[at] & 0x7f;
    for (let i = 1; i < len; i++) n = n * 256 + b[at + i];
    return n;
  }
  const n = parseInt(str(b, at, len).trim(), 8);
  return Number.isNaN(n) ? 0 : n;
}

/** The header's checksum, its own field counted as spaces. */
function sumOk(b: Uint8Array, at: number): boolean {
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 32 : b[at + i];
  return sum === num(b, at + 148, 8);
}

/** pax records: "<len> <key>=<value>\n". */
function pax(b: Uint8Array): Map<string, string> {
  const out = new Map<string, string>();
  const text = str(b, 0, b.length);
  for (let at = 0; at < text.length;) {
    const sp = text.indexOf(' ', at);
    const len = sp < 0 ? NaN : parseInt(text.slice(at, sp), 10);
    if (!(len > 0)) break;
    const rec = text.slice(sp + 1, at + len - 1);
    const eq = rec.indexOf('=');
    if (eq > 0) out.set(rec.slice(0, eq), rec.slice(eq + 1));
    at += len;
  }
  return out;
}

/**
 * Members of an archive. Ends at the end mark, at the end of the bytes, or at a header with a bad checksum.
 */
export function* tarEntries(b: Uint8Array): Generator<TarEntry, void, void> {
  let longName = '';
  let longLink = '';
  for (let at = 0; at + BLOCK <= b.length;) {
    if (b[at] === 0 || !sumOk(b, at)) return;
    const size = num(b, at + 124, 12);
    const type = String.fromCharCode(b[at + 156] === 0 ? 48 : b[at + 156]);
    const body = at + BLOCK;
    if (!(size >= 0) || body + size > b.length) return;
    const data = b.subarray(body, body + size);
    const ustar = str(b, at + 257, 5) === 'ustar';
    const prefix = ustar ? str(b, at + 345, 155) : '';
    let name = str(b, at, 100);
    if (prefix !== '') name = `${prefix}/${name}`;
    const next = body + Math.ceil(size / BLOCK) * BLOCK;
    if (type === 'L') longName = str(data, 0, size);
    else if (type === 'K') longLink = str(data, 0, size);
    else if (type === 'x') {
      const rec = pax(data);
      longName = rec.get('path') ?? longName;
      longLink = rec.get('linkpath') ?? longLink;
    } else if (type !== 'g') {
      yield {
        name: longName !== '' ? longName : name,
        type,
        mode: num(b, at + 100, 8) & 0o7777,
        uid: num(b, at + 108, 8),
        gid: num(b, at + 116, 8),
        mtime: num(b, at + 136, 12),
        link: longLink !== '' ? longLink : str(b, at + 157, 100),
        major: num(b, at + 329, 8),
        minor: num(b, at + 337, 8),
        data: type === '0' || type === '7' ? data : data.subarray(0, 0),
      };
      longName = '';
      longLink = '';
    }
    at = next;
  }
}

/** Components of a member's name; null when it would leave the tree. */
function split(name: string): string[] | null {
  const parts = name.split('/').filter((c) => c !== '' && c !== '.');
  return parts.some((c) => c === '..' || c.length > 255) ? null : parts;
}

function walk(root: TmpNode, parts: string[]): TmpNode | null {
  let n: TmpNode = root;
  for (const part of parts) {
    const de = n.dir?.entries.get(part);
    if (de === undefined) return null;
    n = de.node;
  }
  return n;
}

/** The directory `parts`, made as needed. */
function mkdirs(root: TmpNode, parts: string[]): TmpNode | null {
  let n: TmpNode = root;
  for (const part of parts) {
    const de = n.dir?.entries.get(part);
    if (de !== undefined) n = de.node;
    else {
      const d = tmpCreate(n, part, { type: VType.VDIR, mode: 0o755, uid: 0, gid: 0, rdev: 0 });
      if (d instanceof Errno) return null;
      n = d;
    }
    if (n.dir === null) return null;
  }
  return n;
}

const types: Readonly<Record<string, VType>> = {
  '0': VType.VREG,
  '7': VType.VREG,
  '2': VType.VLNK,
  '3': VType.VCHR,
  '4': VType.VBLK,
  '5': VType.VDIR,
  '6': VType.VFIFO,
};

/**
 * Unpack `archive` below `root`. The archive's bytes must not change afterwards.
 * @returns how many members were skipped
 */
export function unpackTar(archive: Uint8Array, root: TmpNode): number {
  let skipped = 0;
  for (const t of tarEntries(archive)) if (!unpackOne(t, root)) skipped++;
  return skipped;
}

function unpackOne(t: TarEntry, root: TmpNode): boolean {
  const parts = split(t.name);
  if (parts === null) return false;
  const attr: CreateAttr = {
    type: types[t.type] ?? VType.VNON,
    mode: t.mode,
    uid: t.uid,
    gid: t.gid,
    rdev: ((t.minor & 0xffff00) << 8) | ((t.major & 0xff) << 8) | (t.minor & 0xff),
  };
  const name = parts.pop();
  let node: TmpNode;
  if (name === undefined) {
    if (attr.type !== VType.VDIR) return false;
    node = root;
  } else {
    const dir = mkdirs(root, parts);
    if (dir === null || dir.dir === null) return false;
    if (t.type === '1') {
      const target = split(t.link);
      const n = target === null ? null : walk(root, target);
      if (n === null || n.dir !== null || dir.dir.entries.has(name)) return false;
      tmpEnter(dir, name, n);
      return true;
    }
    if (attr.type === VType.VNON) return false;
    const old = dir.dir.entries.get(name)?.node;
    if (old !== undefined) {
      if (old.dir === null || attr.type !== VType.VDIR) return false;
      node = old;
    } else {
      const n = tmpCreate(dir, name, attr);
      if (n instanceof Errno) return false;
      node = n;
    }
  }
  const va = node.vp.va;
  va.mode = t.mode;
  va.uid = t.uid;
  va.gid = t.gid;
  if (attr.type === VType.VREG) tmpSetArchive(node, t.data);
  if (attr.type === VType.VLNK) {
    node.link = t.link;
    va.size = t.link.length;
  }
  va.mtimeSec = va.atimeSec = va.ctimeSec = t.mtime;
  va.mtimeNsec = va.atimeNsec = va.ctimeNsec = 0;
  return true;
}
