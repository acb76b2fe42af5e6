/** Host devices as the checker reads them: whole 64 KiB blocks, the last ones kept. */
import type { HostBlockDevice } from '../host_blockdev.js';
import type { Reader } from './check/check.js';

const BLOCK = 65536;
const KEEP = 256;

export function imageReader(dev: HostBlockDevice): Reader {
  const cache = new Map<number, Uint8Array>();
  const readNow = (off: number, len: number): Uint8Array => {
    const b = new Uint8Array(len);
    const e = dev.readNow(off, b);
    if (e !== null) throw new Error(`read error at ${off}: ${e.text}`);
    return b;
  };
  return {
    size: dev.sizeBytes,
    name: dev.name,
    read(off, len) {
      const base = off - (off % BLOCK);
      const o = off - base;
      if (o + len > BLOCK || len === BLOCK || base + BLOCK > dev.sizeBytes) return readNow(off, len);
      let b = cache.get(base);
      if (b === undefined) {
        b = readNow(base, BLOCK);
        if (cache.size >= KEEP)
          for (const k of cache.keys()) {
            cache.delete(k);
            break;
          }
        cache.set(base, b);
      }
      return b.subarray(o, o + len);
    },
  };
}
