/**
 * The image `vkernel --root` boots from: a HAMMER2 volume with the base system in its PFS ROOT, made on first use.
 */
import { randomFillSync } from 'node:crypto';
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, renameSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { hostCodecs } from '../vkernel/machine/host/codecs.js';
import { buildDir } from '../vkernel/machine/host/native.js';
import { runSync } from '../vkernel/sys/blocking.js';
import { Errno } from '../vkernel/sys/errno.js';
import { newfs } from '../vkernel/vfs/hammer2/newfs.js';
import { hammer2Open } from '../vkernel/vfs/hammer2/open.js';
import { HostBlockDevice } from './host_blockdev.js';
import { unpackTarInto } from './hammer2/unpack_tar.js';

export const ROOT_LABEL = 'ROOT';

const random = (b: Uint8Array): void => void randomFillSync(b);
const nowUs = (): number => Date.now() * 1000;

/** Throw what went wrong as one line. */
function must<T>(what: string, r: T | Errno): T {
  if (r instanceof Errno) throw new Error(`${what}: ${r.text}`);
  return r;
}

function fillImage(path: string): void {
  const codecs = hostCodecs();
  const dev = new HostBlockDevice(path, { write: true });
  try {
    must('newfs', runSync(newfs([dev], { nowUs: nowUs(), random, labels: [ROOT_LABEL], blank: true, codecs })));
    const fs = must('open', runSync(hammer2Open([dev], { nowUs, random, codecs })));
    const m = must('mount', runSync(fs.mount(ROOT_LABEL)));
    const archive = readFileSync(join(buildDir(), 'base', 'base.tar'));
    const bad = runSync(unpackTarInto(m, archive));
    if (bad !== null) throw new Error(`${bad.name}: ${bad.error.text}`);
    const e = runSync(m.unmount()) ?? runSync(fs.close());
    if (e !== null) must('close', e);
  } finally {
    dev.close();
  }
}

/**
 * Make the image: sparse, beside its final name until it is whole, so that a half-made one is never booted from. Throws.
 */
export function makeRootImage(path: string, sizeBytes: number): void {
  mkdirSync(dirname(path), { recursive: true });
  const tmp = `${path}.new.${process.pid}`;
  try {
    const fd = openSync(tmp, 'wx', 0o644);
    try {
      ftruncateSync(fd, sizeBytes);
    } finally {
      closeSync(fd);
    }
    fillImage(tmp);
    renameSync(tmp, path);
  } catch (e) {
    try {
      unlinkSync(tmp);
    } catch {
      // It was not there.
    }
    throw e;
  }
}
