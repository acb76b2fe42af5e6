/**
 * Programs of scripts as ELF images, fit for the kernel's execve: a text page of script markers and a data segment.
 */
import { SIM_MAGIC, type Script } from './guest.js';

export const SIM_TEXT = 0x401000;
export const SIM_DATA = 0x600000;
const SLOTS = 256;
const SLOT_BYTES = 16;
const OSRELDATE = 600400;

export class SimProgram {
  /** Scripts by slot; slot 0 is the entry. */
  readonly scripts: Script[] = [];
  constructor(
    readonly id: number,
    main: Script,
    /** Writable data at SIM_DATA. */
    readonly data: Uint8Array,
    /** Zeroed bytes after it. */
    readonly bssBytes: number,
  ) {
    this.scripts.push(main);
  }

  /** Slot of a script, given one if it has none. */
  slot(fn: Script): number {
    const i = this.scripts.indexOf(fn);
    if (i >= 0) return i;
    if (this.scripts.length === SLOTS) throw new Error('sim: too many scripts in a program');
    return this.scripts.push(fn) - 1;
  }

  /** The ELF file: 64 bit, static, DragonFly note. */
  image(): Uint8Array {
    const noteAt = 0x200;
    const textAt = 0x1000;
    const dataAt = 0x2000;
    const b = new Uint8Array(dataAt + this.data.length);
    const v = new DataView(b.buffer);
    b.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]);
    v.setUint16(16, 2, true); // ET_EXEC
    v.setUint16(18, 62, true); // x86-64
    v.setUint32(20, 1, true);
    v.setBigUint64(24, BigInt(SIM_TEXT), true);
    v.setBigUint64(32, 64n, true); // program headers
    v.setUint16(52, 64, true);
    v.setUint16(54, 56, true);
    v.setUint16(56, 3, true);
    v.setUint16(58, 64, true);
    const phdr = (
      i: number,
      type: number,
      flags: number,
      off: number,
      va: number,
      filesz: number,
      memsz: number,
    ): void => {
      const o = 64 + 56 * i;
      v.setUint32(o, type, true);
      v.setUint32(o + 4, flags, true);
      v.setBigUint64(o + 8, BigInt(off), true);
      v.setBigUint64(o + 16, BigInt(va), true);
      v.setBigUint64(o + 24, BigInt(va), true);
      v.setBigUint64(o + 32, BigInt(filesz), true);
      v.setBigUint64(o + 40, BigInt(memsz), true);
      v.setBigUint64(o + 48, 0x1000n, true);
    };
    const textBase = SIM_TEXT - textAt;
    phdr(0, 1, 5, 0, textBase, textAt + SLOTS * SLOT_BYTES, textAt + SLOTS * SLOT_BYTES);
    phdr(1, 1, 6, dataAt, SIM_DATA, this.data.length, this.data.length + this.bssBytes);
    phdr(2, 4, 4, noteAt, textBase + noteAt, 28, 28);
    v.setUint32(noteAt, 10, true);
    v.setUint32(noteAt + 4, 4, true);
    v.setUint32(noteAt + 8, 1, true);
    b.set(
      [...'DragonFly'].map((c) => c.charCodeAt(0)),
      noteAt + 12,
    );
    v.setUint32(noteAt + 24, OSRELDATE, true);
    for (let i = 0; i < SLOTS; i++) {
      const o = textAt + i * SLOT_BYTES;
      b.set(SIM_MAGIC, o);
      v.setUint32(o + 8, this.id, true);
      v.setUint32(o + 12, i, true);
    }
    b.set(this.data, dataAt);
    return b;
  }
}
