/** HAMMER2's object types and device numbers as Linux has them. */
import { ObjType } from '../../vkernel/vfs/hammer2/index.js';

const S_IFMT = 0o170000;
/** By ObjType. WHITEOUT and what is not known are nothing that Linux could show. */
const bits: Readonly<Record<number, number>> = {
  [ObjType.DIRECTORY]: 0o040000,
  [ObjType.REGFILE]: 0o100000,
  [ObjType.FIFO]: 0o010000,
  [ObjType.CDEV]: 0o020000,
  [ObjType.BDEV]: 0o060000,
  [ObjType.SOFTLINK]: 0o120000,
  [ObjType.SOCKET]: 0o140000,
};
const types = new Map<number, ObjType>();
for (const [t, m] of Object.entries(bits)) types.set(m, Number(t));

/** S_IF* of a type; 0 for what Linux has not. */
export const modeBits = (t: ObjType): number => bits[t] ?? 0;
/** DT_* of a type. */
export const dtOf = (t: ObjType): number => modeBits(t) >> 12;
/** The type of a mode (none at all: a regular file); null for a wrong one. */
export const typeOfMode = (mode: number): ObjType | null =>
  (mode & S_IFMT) === 0 ? ObjType.REGFILE : (types.get(mode & S_IFMT) ?? null);

/** Device number as the kernel's ABI has it in 32 bits: 12 bits of major, 20 of minor. */
export const rdevOf = (major: number, minor: number): number =>
  ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) >>> 0;
