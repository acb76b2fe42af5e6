/**
 * DirBuf: directory records on their way to getdirentries (dragonfly-abi.md 3.1, struct dirent).
 *
 * A record is 16 bytes of header, the name, NUL and padding to 8; its length is not stored. A file system's readdir
 * starts at `cookie` and calls put() for each entry until that answers false; put() moves `cookie` behind the entry.
 * Cookies: 0 is the start ('.'), others are the file system's choice and stay valid while entries come and go.
 */
const HEADER = 16;

export class DirBuf {
  readonly buf: Uint8Array;
  private readonly view: DataView;
  len = 0;
  cookie = 0;

  constructor(readonly size: number) {
    this.buf = new Uint8Array(size);
    this.view = new DataView(this.buf.buffer);
  }

  /**
   * Add a record.
   * @param nextCookie where to go on after this entry
   * @returns false when it does not fit: stop here
   */
  put(ino: number, dtype: number, name: string, nextCookie: number): boolean {
    const n = name.length;
    const reclen = (HEADER + n + 1 + 7) & ~7;
    const at = this.len;
    if (at + reclen > this.size) return false;
    const v = this.view;
    v.setUint32(at, ino >>> 0, true);
    v.setUint32(at + 4, Math.floor(ino / 0x1_0000_0000) >>> 0, true);
    v.setUint16(at + 8, n, true);
    v.setUint16(at + 10, dtype & 0xff, true);
    v.setUint32(at + 12, 0, true);
    const b = this.buf;
    for (let i = 0; i < n; i++) b[at + HEADER + i] = name.charCodeAt(i);
    for (let i = at + HEADER + n; i < at + reclen; i++) b[i] = 0;
    this.len = at + reclen;
    this.cookie = nextCookie;
    return true;
  }
}
