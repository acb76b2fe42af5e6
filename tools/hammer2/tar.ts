/**
 * Tar archives: ustar, pax and GNU long names are read; pax is written where ustar does not suffice. Names are strings of one
 * char per byte.
 */
import { Failure } from './cli.js';
import type { Entry } from './entry.js';

const BLOCK = 512;
const text = (b: Uint8Array): string => Buffer.from(b.buffer, b.byteOffset, b.length).toString('latin1');
const cstring = (b: Uint8Array, o: number, n: number): string => {
  const s = text(b.subarray(o, o + n));
  const end = s.indexOf('\0');
  return end < 0 ? s : s.slice(0, end);
};

/** Octal, or base 256 with the top bit set. */
function number(b: Uint8Array, o: number, n: number): number {
  if ((b[o] & 0x80) !== 0) {
    let v = b[o] & 0x40 ? -1 : 0;
    for (let i = 0; i < n; i++) v = v * 256 + (i === 0 ? b[o] & 0x3f : b[o + i]);
    return v;
  }
  const s = cstring(b, o, n).trim();
  return s === '' ? 0 : parseInt(s, 8);
}

/** `27 path=...\n` records. */
function paxRecords(b: Uint8Array): Map<string, string> {
  const m = new Map<string, string>();
  for (let s = text(b); s !== '' && s[0] !== '\0';) {
    const sp = s.indexOf(' ');
    const len = Number(s.slice(0, sp));
    if (sp <= 0 || !(len > sp) || len > s.length) throw new Failure('tar: bad pax header');
    const rec = s.slice(sp + 1, len - 1);
    const eq = rec.indexOf('=');
    m.set(rec.slice(0, eq), rec.slice(eq + 1));
    s = s.slice(len);
  }
  return m;
}

const TYPES: Record<string, Entry['type']> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'cdev',
  '4': 'bdev',
  '5': 'dir',
  '6': 'fifo',
};

/**
 * Entries of an archive, in its order. The content of one must be read before the next one is asked for, or not at all.
 *
 * @param read  up to `len` bytes of what follows; 0 at the end
 */
export function* readTar(read: (b: Uint8Array, off: number, len: number) => number): Generator<Entry> {
  const full = (n: number): Uint8Array => {
    const b = new Uint8Array(n);
    for (let done = 0; done < n;) {
      const r = read(b, done, n - done);
      if (r === 0) throw new Failure('tar: archive ends early');
      done += r;
    }
    return b;
  };
  const body = (size: number): Uint8Array => full(Math.ceil(size / BLOCK) * BLOCK).subarray(0, size);
  let global = new Map<string, string>();
  let pax = new Map<string, string>();
  let longName: string | null = null;
  let longLink: string | null = null;
  for (;;) {
    const h = full(BLOCK);
    if (h.every((x) => x === 0)) return;
    let sum = 0;
    for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 32 : h[i];
    if (sum !== number(h, 148, 8)) throw new Failure('tar: bad header checksum');
    const flag = String.fromCharCode(h[156]);
    const attr = (k: string): string | undefined => pax.get(k) ?? global.get(k);
    const size = Number(flag === 'x' || flag === 'g' ? number(h, 124, 12) : (attr('size') ?? number(h, 124, 12)));
    if (!Number.isSafeInteger(size) || size < 0) throw new Failure('tar: bad size');
    if (flag === 'x') pax = paxRecords(body(size));
    else if (flag === 'g') global = new Map([...global, ...paxRecords(body(size))]);
    else if (flag === 'L') longName = cstring(body(size), 0, size);
    else if (flag === 'K') longLink = cstring(body(size), 0, size);
    else {
      const ustar = cstring(h, 257, 5) === 'ustar' && h[262] === 0;
      const prefix = ustar ? cstring(h, 345, 155) : '';
      const name = cstring(h, 0, 100);
      const path = attr('path') ?? longName ?? (prefix === '' ? name : `${prefix}/${name}`);
      const type = path.endsWith('/') && TYPES[flag] === 'file' ? 'dir' : TYPES[flag];
      if (type === undefined || [...pax.keys()].some((k) => k.startsWith('GNU.sparse'))) {
        throw new Failure(
          `tar: ${path}: ${flag === 'S' || type !== undefined ? 'sparse' : `type '${flag}'`} entries are not supported`,
        );
      }
      const mtime = Number(attr('mtime') ?? number(h, 136, 12));
      let left = type === 'file' ? size : 0;
      let pad = type === 'file' ? Math.ceil(size / BLOCK) * BLOCK - size : 0;
      yield {
        path,
        type,
        mode: number(h, 100, 8) & 0o7777,
        uid: Number(attr('uid') ?? number(h, 108, 8)),
        gid: Number(attr('gid') ?? number(h, 116, 8)),
        mtimeUs: Math.max(0, Math.round(mtime * 1e6)),
        size: type === 'file' ? size : 0,
        target: attr('linkpath') ?? longLink ?? cstring(h, 157, 100),
        rmajor: number(h, 329, 8),
        rminor: number(h, 337, 8),
        read(b, len) {
          const n = Math.min(len, left);
          for (let done = 0; done < n;) {
            const r = read(b, done, n - done);
            if (r === 0) throw new Failure('tar: archive ends early');
            done += r;
          }
          left -= n;
          return n;
        },
      };
      const skip = new Uint8Array(65536);
      for (left += pad, pad = 0; left > 0;) {
        const r = read(skip, 0, Math.min(left, skip.length));
        if (r === 0) throw new Failure('tar: archive ends early');
        left -= r;
      }
      pax = new Map();
      longName = longLink = null;
    }
  }
}

const FLAGS: Record<Entry['type'], string> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  cdev: '3',
  bdev: '4',
  dir: '5',
  fifo: '6',
  socket: '',
};

/** Write one entry's headers; its content follows, padded by `tarPadding`. Null for what tar does not know. */
export function tarHeader(e: Entry): Uint8Array | null {
  const flag = FLAGS[e.type];
  if (flag === '') return null;
  const path = e.type === 'dir' ? `${e.path}/` : e.path;
  const records: [string, string][] = [];
  if (path.length > 100) records.push(['path', path]);
  if (e.target.length > 100) records.push(['linkpath', e.target]);
  if (e.size >= 8 ** 11) records.push(['size', String(e.size)]);
  if (e.uid >= 8 ** 7) records.push(['uid', String(e.uid)]);
  if (e.gid >= 8 ** 7) records.push(['gid', String(e.gid)]);
  if (e.mtimeUs % 1e6 !== 0) {
    records.push(['mtime', `${Math.floor(e.mtimeUs / 1e6)}.${String(e.mtimeUs % 1e6).padStart(6, '0')}`]);
  }
  const header = (name: string, type: string, size: number): Buffer => {
    const h = Buffer.alloc(BLOCK);
    const octal = (o: number, n: number, v: number): void => {
      const max = 8 ** (n - 1) - 1;
      h.write(
        Math.min(v, max)
          .toString(8)
          .padStart(n - 1, '0'),
        o,
        'latin1',
      );
    };
    h.write(name.slice(0, 100), 0, 'latin1');
    octal(100, 8, e.mode);
    octal(108, 8, e.uid);
    octal(116, 8, e.gid);
    octal(124, 12, size);
    octal(136, 12, Math.floor(e.mtimeUs / 1e6));
    h.fill(0x20, 148, 156);
    h.write(type, 156, 'latin1');
    if (type !== 'x') h.write(e.target.slice(0, 100), 157, 'latin1');
    h.write('ustar\x0000', 257, 'latin1');
    octal(329, 8, e.rmajor);
    octal(337, 8, e.rminor);
    octal(
      148,
      7,
      h.reduce((a, b) => a + b, 0),
    );
    return h;
  };
  if (records.length === 0) return header(path, flag, e.size);
  const data = records
    .map(([k, v]) => {
      const rest = k.length + v.length + 3; // blank, equals sign, newline
      let len = rest + String(rest).length;
      if (rest + String(len).length > len) len++;
      return `${len} ${k}=${v}\n`;
    })
    .join('');
  const padded = Buffer.alloc(Math.ceil(data.length / BLOCK) * BLOCK);
  padded.write(data, 'latin1');
  return Buffer.concat([header('PaxHeaders/pax', 'x', data.length), padded, header(path, flag, e.size)]);
}

export const tarPadding = (size: number): Uint8Array => new Uint8Array(Math.ceil(size / BLOCK) * BLOCK - size);
export const tarEnd = (): Uint8Array => new Uint8Array(2 * BLOCK);
