/** hammer2 recover on the host: what the library's undelete finds on image files goes into a directory of the host. */
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { hostCodecs } from '../../vkernel/machine/host/codecs.js';
import type { BlockDevice } from '../../vkernel/sys/blockdev.js';
import { type Blocking, runSync } from '../../vkernel/sys/blocking.js';
import { Errno } from '../../vkernel/sys/errno.js';
import { type H2RecoverOptions, type H2RecoverSink, undelete } from '../../vkernel/vfs/hammer2/undelete.js';
import { Failure } from './cli.js';

/** Files below `dest`; what the host refuses is thrown. */
function hostSink(dest: string): H2RecoverSink {
  const at = (path: string): Buffer => Buffer.concat([Buffer.from(`${dest}/`), Buffer.from(path, 'latin1')]);
  let fd = -1;
  let name: Buffer = Buffer.alloc(0);
  const done = function* (f: () => void): Blocking<Errno | null> {
    f();
    return null;
  };
  return {
    mkdir: (path) => done(() => mkdirSync(at(path), { recursive: true })),
    create: (path, size) =>
      done(() => {
        name = at(path);
        fd = openSync(name, 'w', 0o600);
        ftruncateSync(fd, size);
      }),
    write: (off, buf, len) => done(() => void writeSync(fd, buf, 0, len, off)),
    close: (path, mode, mtimeUs) =>
      done(() => {
        closeSync(fd);
        const final = at(path);
        if (Buffer.compare(final, name) !== 0) renameSync(name, final);
        utimesSync(final, mtimeUs / 1e6, mtimeUs / 1e6);
        chmodSync(final, mode);
      }),
    symlink: (path, target) => done(() => symlinkSync(Buffer.from(target, 'latin1'), at(path))),
  };
}

/**
 * Restore all versions of `path` into the directory `dest` of the host.
 *
 * @returns number of files and symbolic links restored
 * @throws Failure when the host refuses
 */
export function recover(devs: readonly BlockDevice[], path: string, dest: string, o: H2RecoverOptions = {}): number {
  const log = o.log;
  try {
    mkdirSync(dest, { recursive: true });
    const r = runSync(
      undelete(devs, hostCodecs(), Buffer.from(path).toString('latin1'), hostSink(dest), {
        ...o,
        log: (l) => log?.(`${dest}/${Buffer.from(l, 'latin1').toString('utf8')}`),
      }),
    );
    if (r instanceof Errno) throw new Failure(`${path}: ${r.text}`);
    return r;
  } catch (e) {
    if (e instanceof Error && 'code' in e) throw new Failure(e.message);
    throw e;
  }
}
