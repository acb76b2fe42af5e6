/** The kernel's side of FUSE, for tests: makes requests, takes replies apart. */
import { constants } from 'node:os';
import { FuseSession } from '../../tools/fuse/session.js';
import * as w from '../../tools/fuse/wire.js';

export interface SeenAttr {
  ino: number;
  size: number;
  blocks: number;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  mtimeNs: bigint;
  ctimeNs: bigint;
}
export interface SeenEntry {
  name: string;
  ino: number;
  off: number;
  type: number;
  /** READDIRPLUS: 0 when the entry has no attributes. */
  nodeid: number;
}

const errnoName = new Map(Object.entries(constants.errno).map(([k, n]) => [n, k]));
errnoName.set(constants.errno.EOPNOTSUPP, 'EOPNOTSUPP');

type Field = [at: number, bits: 32 | 64, value: number];
const u32 = (at: number, n: number): Field => [at, 32, n];
const u64 = (at: number, n: number): Field => [at, 64, n];

/** A reply's body, or the name of the errno. */
export type Body = DataView | string;

export class FuseClient {
  private unique = 1;
  uid = 0;
  gid = 0;
  constructor(readonly s: FuseSession) {}

  /** Send a request. @returns the body, the name of an errno, or null for no reply at all */
  raw(op: number, node: number, body: Uint8Array): Body | null {
    const { s } = this;
    const len = w.InHdr.SIZE + body.length;
    s.in.fill(0xee, 0, len + 64); // what lies behind is not a terminator
    const v = s.iv;
    v.setUint32(w.InHdr.LEN, len, true);
    v.setUint32(w.InHdr.OPCODE, op, true);
    const unique = this.unique++;
    v.setBigUint64(w.InHdr.UNIQUE, BigInt(unique) | (0x55n << 40n), true);
    v.setBigUint64(w.InHdr.NODEID, BigInt(node), true);
    v.setUint32(w.InHdr.UID, this.uid, true);
    v.setUint32(w.InHdr.GID, this.gid, true);
    v.setUint32(w.InHdr.PID, 1, true);
    v.setUint32(36, 0, true);
    s.in.set(body, w.InHdr.SIZE);
    const n = s.handle(len);
    if (n === 0) return null;
    const out = s.ov;
    if (out.getUint32(w.OutHdr.LEN, true) !== n) throw new Error('length of the reply');
    if (out.getBigUint64(w.OutHdr.UNIQUE, true) !== (BigInt(unique) | (0x55n << 40n)))
      throw new Error('unique of the reply');
    const e = out.getInt32(w.OutHdr.ERROR, true);
    if (e !== 0) {
      if (n !== w.OutHdr.SIZE) throw new Error('an error with a body');
      return errnoName.get(-e) ?? `errno ${-e}`;
    }
    const copy = s.out.slice(w.OutHdr.SIZE, n);
    const own = new Uint8Array(copy.length);
    own.set(copy);
    return new DataView(own.buffer);
  }

  call(op: number, node: number, size: number, fields: Field[] = [], ...strings: (string | Uint8Array)[]): Body {
    const tails = strings.map((t) => (typeof t === 'string' ? Buffer.from(`${t}\0`, 'latin1') : t));
    const b = new Uint8Array(size + tails.reduce((n, t) => n + t.length, 0));
    const v = new DataView(b.buffer);
    for (const [at, bits, n] of fields) {
      if (bits === 32) v.setUint32(at, n, true);
      else v.setBigInt64(at, BigInt(n), true);
    }
    let at = size;
    for (const t of tails) {
      b.set(t, at);
      at += t.length;
    }
    const r = this.raw(op, node, b);
    if (r === null) throw new Error('no reply');
    return r;
  }

  init(flags = 0x7fffffff, minor = 40): Body {
    return this.call(w.Op.INIT, 0, w.InitIn.SIZE, [
      u32(w.InitIn.MAJOR, 7),
      u32(w.InitIn.MINOR, minor),
      u32(w.InitIn.MAX_READAHEAD, 131072),
      u32(w.InitIn.FLAGS, flags),
    ]);
  }

  private attr(v: DataView, at: number): SeenAttr {
    const n64 = (o: number): number => Number(v.getBigUint64(at + o, true));
    const n32 = (o: number): number => v.getUint32(at + o, true);
    return {
      ino: n64(w.Attr.INO),
      size: n64(w.Attr.SIZE_BYTES),
      blocks: n64(w.Attr.BLOCKS),
      mode: n32(w.Attr.MODE),
      nlink: n32(w.Attr.NLINK),
      uid: n32(w.Attr.UID),
      gid: n32(w.Attr.GID),
      rdev: n32(w.Attr.RDEV),
      mtimeNs: BigInt(n64(w.Attr.MTIME)) * 1_000_000_000n + BigInt(n32(w.Attr.MTIME_NS)),
      ctimeNs: BigInt(n64(w.Attr.CTIME)) * 1_000_000_000n + BigInt(n32(w.Attr.CTIME_NS)),
    };
  }
  private entry(b: Body): SeenAttr | string {
    if (typeof b === 'string') return b;
    const node = Number(b.getBigUint64(w.EntryOut.NODEID, true));
    if (node === 0) return 'ENOENT';
    const a = this.attr(b, w.EntryOut.ATTR);
    if (a.ino !== node) throw new Error('node and inode differ');
    return a;
  }
  private attrOut(b: Body): SeenAttr | string {
    return typeof b === 'string' ? b : this.attr(b, w.AttrOut.ATTR);
  }
  private nothing(b: Body): string {
    if (typeof b === 'string') return b;
    if (b.byteLength !== 0) throw new Error('a body where there should be none');
    return 'ok';
  }

  lookup(dir: number, name: string): SeenAttr | string {
    return this.entry(this.call(w.Op.LOOKUP, dir, 0, [], name));
  }
  forget(node: number, n: number): void {
    const b = new DataView(new ArrayBuffer(8));
    b.setBigUint64(0, BigInt(n), true);
    if (this.raw(w.Op.FORGET, node, new Uint8Array(b.buffer)) !== null) throw new Error('a reply to FORGET');
  }
  batchForget(list: [node: number, n: number][]): void {
    const b = new DataView(new ArrayBuffer(w.BatchForgetIn.SIZE + list.length * w.ForgetOne.SIZE));
    b.setUint32(w.BatchForgetIn.COUNT, list.length, true);
    list.forEach(([node, n], i) => {
      b.setBigUint64(w.BatchForgetIn.SIZE + i * w.ForgetOne.SIZE + w.ForgetOne.NODEID, BigInt(node), true);
      b.setBigUint64(w.BatchForgetIn.SIZE + i * w.ForgetOne.SIZE + w.ForgetOne.NLOOKUP, BigInt(n), true);
    });
    if (this.raw(w.Op.BATCH_FORGET, 0, new Uint8Array(b.buffer)) !== null) throw new Error('a reply to BATCH_FORGET');
  }
  getattr(node: number): SeenAttr | string {
    return this.attrOut(this.call(w.Op.GETATTR, node, 16));
  }
  setattr(node: number, valid: number, fields: Field[]): SeenAttr | string {
    return this.attrOut(this.call(w.Op.SETATTR, node, w.SetattrIn.SIZE, [u32(w.SetattrIn.VALID, valid), ...fields]));
  }
  truncate(node: number, size: number): SeenAttr | string {
    return this.setattr(node, w.Fattr.SIZE, [u64(w.SetattrIn.SIZE_BYTES, size)]);
  }
  create(dir: number, name: string, mode: number): SeenAttr | string {
    const b = this.call(w.Op.CREATE, dir, w.CreateIn.SIZE, [u32(w.CreateIn.MODE, 0o100000 | mode)], name);
    if (typeof b !== 'string' && b.byteLength !== w.EntryOut.SIZE + w.OpenOut.SIZE) throw new Error('CREATE: length');
    return this.entry(b);
  }
  mknod(dir: number, name: string, mode: number, rdev = 0): SeenAttr | string {
    return this.entry(
      this.call(w.Op.MKNOD, dir, w.MknodIn.SIZE, [u32(w.MknodIn.MODE, mode), u32(w.MknodIn.RDEV, rdev)], name),
    );
  }
  mkdir(dir: number, name: string, mode: number): SeenAttr | string {
    return this.entry(this.call(w.Op.MKDIR, dir, w.MkdirIn.SIZE, [u32(w.MkdirIn.MODE, mode)], name));
  }
  symlink(dir: number, name: string, target: string): SeenAttr | string {
    return this.entry(this.call(w.Op.SYMLINK, dir, 0, [], name, target));
  }
  readlink(node: number): string {
    const b = this.call(w.Op.READLINK, node, 0);
    return typeof b === 'string' ? b : Buffer.from(b.buffer as ArrayBuffer).toString('latin1');
  }
  link(node: number, dir: number, name: string): SeenAttr | string {
    return this.entry(this.call(w.Op.LINK, dir, w.LinkIn.SIZE, [u64(w.LinkIn.OLDNODEID, node)], name));
  }
  unlink(dir: number, name: string): string {
    return this.nothing(this.call(w.Op.UNLINK, dir, 0, [], name));
  }
  rmdir(dir: number, name: string): string {
    return this.nothing(this.call(w.Op.RMDIR, dir, 0, [], name));
  }
  rename(dir: number, from: string, to: number, name: string, flags?: number): string {
    const f = [u64(w.RenameIn.NEWDIR, to)];
    return this.nothing(
      flags === undefined
        ? this.call(w.Op.RENAME, dir, w.RenameIn.SIZE, f, from, name)
        : this.call(w.Op.RENAME2, dir, w.Rename2In.SIZE, [...f, u32(w.Rename2In.FLAGS, flags)], from, name),
    );
  }
  write(node: number, off: number, data: Uint8Array): number | string {
    const b = this.call(
      w.Op.WRITE,
      node,
      w.WriteIn.SIZE,
      [u64(w.WriteIn.OFFSET, off), u32(w.WriteIn.SIZE_BYTES, data.length)],
      data,
    );
    return typeof b === 'string' ? b : b.getUint32(w.WriteOut.SIZE_BYTES, true);
  }
  read(node: number, off: number, size: number): Uint8Array | string {
    const b = this.call(w.Op.READ, node, w.ReadIn.SIZE, [u64(w.ReadIn.OFFSET, off), u32(w.ReadIn.SIZE_BYTES, size)]);
    return typeof b === 'string' ? b : new Uint8Array(b.buffer);
  }
  lseek(node: number, off: number, whence: number): number | string {
    const b = this.call(w.Op.LSEEK, node, w.LseekIn.SIZE, [u64(w.LseekIn.OFFSET, off), u32(w.LseekIn.WHENCE, whence)]);
    return typeof b === 'string' ? b : Number(b.getBigUint64(0, true));
  }
  fallocate(node: number, off: number, len: number, mode: number): string {
    return this.nothing(
      this.call(w.Op.FALLOCATE, node, w.FallocateIn.SIZE, [
        u64(w.FallocateIn.OFFSET, off),
        u64(w.FallocateIn.LENGTH, len),
        u32(w.FallocateIn.MODE, mode),
      ]),
    );
  }

  /** All entries, asked for in pieces of `room` bytes. */
  readdir(node: number, room: number, plus: boolean): SeenEntry[] | string {
    const list: SeenEntry[] = [];
    for (let off = 0; ;) {
      const b = this.call(plus ? w.Op.READDIRPLUS : w.Op.READDIR, node, w.ReadIn.SIZE, [
        u64(w.ReadIn.OFFSET, off),
        u32(w.ReadIn.SIZE_BYTES, room),
      ]);
      if (typeof b === 'string') return b;
      if (b.byteLength > room) throw new Error('more than asked for');
      if (b.byteLength === 0) return list;
      for (let at = 0; at < b.byteLength;) {
        const nodeid = plus ? Number(b.getBigUint64(at, true)) : 0;
        const d = at + (plus ? w.EntryOut.SIZE : 0);
        const len = b.getUint32(d + w.Dirent.NAMELEN, true);
        off = Number(b.getBigUint64(d + w.Dirent.OFF, true));
        list.push({
          name: Buffer.from(b.buffer as ArrayBuffer, d + w.Dirent.NAME, len).toString('latin1'),
          ino: Number(b.getBigUint64(d + w.Dirent.INO, true)),
          off,
          type: b.getUint32(d + w.Dirent.TYPE, true),
          nodeid,
        });
        at = (d + w.Dirent.NAME + len + 7) & ~7;
      }
    }
  }
}
