/** `h2 cp`: from the host into images, out of them, and between them. */
import { ObjType } from '../../vkernel/vfs/hammer2/index.js';
import { Failure, Progress, usage } from '../hammer2/cli.js';
import type { Info, Side } from './sides.js';

export interface CopyOptions {
  readonly recurse: boolean;
  /** Mode, owner (where allowed) and time of modification too. */
  readonly preserve: boolean;
}

const PIECE = 1024 * 1024;

/** Bytes below a side. */
function total(s: Side, recurse: boolean): number {
  const i = s.info(!recurse);
  if (i === null) return 0;
  if (i.type !== ObjType.DIRECTORY) return i.type === ObjType.REGFILE ? i.size : 0;
  return recurse ? s.children().reduce((n, c) => n + total(s.child(c), recurse), 0) : 0;
}

export class Copier {
  private readonly buf = new Uint8Array(PIECE);
  private readonly bar = new Progress('cp');
  private bytes = 0;
  private total = 0;
  /** What was left out, for the exit code. */
  problems = 0;

  constructor(private readonly o: CopyOptions) {}

  private complain(text: string): void {
    this.bar.end();
    process.stderr.write(`h2: ${text}\n`);
    this.problems++;
  }

  /** Copy each source to `to`, or into it if that is a directory. */
  run(sources: readonly Side[], to: Side): void {
    const intoDir = to.info(true)?.type === ObjType.DIRECTORY;
    if (sources.length > 1 && !intoDir) throw usage(`${to.name}: not a directory`);
    if (process.stderr.isTTY) this.total = sources.reduce((n, s) => n + total(s, this.o.recurse), 0);
    for (const s of sources) {
      try {
        this.one(s, intoDir && s.base !== '' ? to.child(s.base) : to, true);
      } catch (e) {
        if (!(e instanceof Failure)) throw e;
        this.complain(e.message);
      }
    }
    this.bar.end();
  }

  private one(from: Side, to: Side, top: boolean): void {
    // Links are followed where they are named, as cp does, and copied where they are found.
    const i = from.info(!this.o.recurse);
    if (i === null) throw new Failure(`${from.name}: No such file or directory`);
    const old = to.info(false);
    if (old !== null && old.id === i.id) throw new Failure(`${from.name}: is the same file as ${to.name}`);
    if (i.type === ObjType.DIRECTORY) this.dir(from, i, to, old, top);
    else {
      if (old?.type === ObjType.DIRECTORY) throw new Failure(`${to.name}: is a directory`);
      if (i.type === ObjType.REGFILE) this.file(from, i, to, old);
      else this.other(from, i, to, old);
    }
  }

  private dir(from: Side, i: Info, to: Side, old: Info | null, top: boolean): void {
    if (!this.o.recurse) throw new Failure(`${from.name}: is a directory (not copied: no -r)`);
    if (top && `${to.name}/`.startsWith(`${from.name}/`))
      throw new Failure(`${from.name}: cannot be copied into itself`);
    if (old === null) to.mkdir();
    else if (old.type !== ObjType.DIRECTORY) throw new Failure(`${to.name}: is not a directory`);
    for (const c of from.children()) {
      try {
        this.one(from.child(c), to.child(c), false);
      } catch (e) {
        if (!(e instanceof Failure)) throw e;
        this.complain(e.message);
      }
    }
    this.finish(i, to, old);
  }

  private file(from: Side, i: Info, to: Side, old: Info | null): void {
    if (old !== null && old.type !== ObjType.REGFILE) to.unlink();
    const r = from.reader();
    try {
      const w = to.writer();
      let off = 0;
      for (;;) {
        const at = r.nextData(off);
        if (at === null) break;
        const n = r.read(at, this.buf.subarray(0, Math.min(PIECE, r.nextHole(at) - at)));
        if (n === 0) {
          off = Math.max(off, at);
          break;
        }
        w.write(at, this.buf, n);
        off = at + n;
        this.bar.show(this.bytes + off, this.total);
      }
      // A hole at the end; or the file grew or shrank while it was copied.
      w.end(Math.max(off, r.nextData(off) === null ? i.size : off));
      this.bytes += i.size;
    } finally {
      r.close();
    }
    this.finish(i, to, old);
  }

  private other(from: Side, i: Info, to: Side, old: Info | null): void {
    if (old !== null) to.unlink();
    if (i.type === ObjType.SOFTLINK) to.symlink(i.target);
    else if (!to.special(i)) throw new Failure(`${from.name}: a special file, which is not copied to the host`);
    this.finish(i, to, null);
  }

  private finish(i: Info, to: Side, old: Info | null): void {
    if (this.o.preserve) to.setInfo(i, true, true);
    else if (old === null && i.type !== ObjType.SOFTLINK)
      to.setInfo({ ...i, mode: i.mode & 0o777 & ~process.umask() }, false, false);
  }
}
