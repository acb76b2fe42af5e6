/**
 * A ustar archive from names and bytes: the base system of kernel tests.
 */

export interface TarFile {
  /** File contents; null for a directory. */
  readonly data: Uint8Array | null;
  readonly mode: number;
}

const BLOCK = 512;

function header(name: string, size: number, mode: number, type: string): Uint8Array {
  const b = new Uint8Array(BLOCK);
  const put = (at: number, s: string): void => {
    for (let i = 0; i < s.length; i++) b[at + i] = s.charCodeAt(i);
  };
  const octal = (at: number, len: number, n: number): void => put(at, n.toString(8).padStart(len - 1, '0'));
  put(0, name);
  octal(100, 8, mode);
  octal(108, 8, 0);
  octal(116, 8, 0);
  octal(124, 12, size);
  octal(136, 12, 1_600_000_000);
  put(148, '        ');
  put(156, type);
  put(257, 'ustar\0' + '00');
  let sum = 0;
  for (const c of b) sum += c;
  put(148, sum.toString(8).padStart(6, '0') + '\0 ');
  return b;
}

/** Members in the order given; names without a leading slash, at most 99 bytes. */
export function makeTar(files: ReadonlyMap<string, TarFile>): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [name, f] of files) {
    if (name.length > 99) throw new Error(`tar: name too long: ${name}`);
    const data = f.data ?? new Uint8Array(0);
    parts.push(header(f.data === null ? name + '/' : name, data.length, f.mode, f.data === null ? '5' : '0'));
    const padded = new Uint8Array(Math.ceil(data.length / BLOCK) * BLOCK);
    padded.set(data);
    parts.push(padded);
  }
  parts.push(new Uint8Array(2 * BLOCK));
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}
