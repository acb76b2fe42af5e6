/**
 * The image `vkernel --root` boots from: a HAMMER2 volume with the base system in its PFS ROOT, made on first use.
 */
import { randomFillSync } from 'node:crypto';
import { closeSync, ftruncateSync, mkdirSync, openSync, readSync, renameSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { hostCodecs } from '../vkernel/machine/host/codecs.js';
import { buildDir } from '../vkernel/machine/host/native.js';
import { newfs } from '../vkernel/vfs/hammer2/newfs.js';
import { hammer2Open } from '../vkernel/vfs/hammer2/open.js';
import { pack } from './hammer2/pack.js';
import { must } from './hammer2/session.js';
import { readTar } from './hammer2/tar.js';
import { HostBlockDevice } from './host_blockdev.js';

const ROOT_LABEL = 'ROOT';

const random = (b: Uint8Array): void => void randomFillSync(b);
const nowUs = (): number => Date.now() * 1000;

function fillImage(path: string): void {
  const codecs = hostCodecs();
  const dev = new HostBlockDevice(path, { write: true });
  const archive = openSync(join(buildDir(), 'base', 'base.tar'), 'r');
  try {
    must('newfs', newfs([dev], { nowUs: nowUs(), random, labels: [ROOT_LABEL], blank: true, codecs }));
    const fs = must('open', hammer2Open([dev], { nowUs, random, codecs }));
    const m = must('mount', fs.mount(ROOT_LABEL));
    pack(
      m,
      readTar((b, off, len) => readSync(archive, b, off, len, null)),
      { timeUs: nowUs() },
    );
    must('unmount', m.unmount());
    must('close', fs.close());
  } finally {
    closeSync(archive);
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
