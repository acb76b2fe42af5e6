/** Undelete into the same file system: versions, trees, links; what is damaged says so. */
import { expect } from 'chai';
import { runSync } from '../../../../vkernel/sys/blocking.js';
import { ENOSPC, Errno } from '../../../../vkernel/sys/errno.js';
import { Comp, ObjType } from '../../../../vkernel/vfs/hammer2/disk.js';
import type { Fs } from '../../../../vkernel/vfs/hammer2/fs.js';
import { pfsSink } from '../../../../vkernel/vfs/hammer2/pfs_sink.js';
import { tsCodecs } from '../../../../vkernel/vfs/hammer2/index.js';
import { undelete } from '../../../../vkernel/vfs/hammer2/undelete.js';
import { Rng } from '../../../support/hammer2_model.js';
import { ByPath, faults, freshVolume, openRw } from '../../../support/hammer2_rw.js';
import { must } from '../../../support/hammer2_tree.js';

const MIB = 1024 * 1024;
const mount = (fs: Fs): ByPath => new ByPath(must(runSync(fs.mount('DATA')), 'mount'));
const synced = (fs: Fs): void => void must(runSync(fs.sync()) ?? 0);

describe('hammer2 undelete', function () {
  this.timeout(60_000);

  it('restores all versions of files, trees and links, and loses none while it writes', () => {
    const dev = freshVolume(64 * MIB);
    const fs = openRw(dev);
    const m = mount(fs);
    const rng = new Rng(6);
    const long = 'l'.repeat(100);
    const versions = [rng.bytes(200_000), new TextEncoder().encode('short'), rng.bytes(70_000)];
    m.mkdir('d');
    m.mkdir('d/e');
    m.create('d/sym', { type: ObjType.SOFTLINK, target: 'somewhere' });
    m.file(`d/e/${long}`, 'a long name');
    for (const v of versions) {
      m.file('d/f', v);
      synced(fs);
    }
    for (const p of ['d/f', 'd/sym', `d/e/${long}`]) must(runSync(m.p.unlink(...m.split(p))) ?? 0);
    must(runSync(m.p.rmdir(...m.split('d/e'))) ?? 0);
    must(runSync(m.p.rmdir(1, 'd')) ?? 0);
    const back = m.mkdir('back');
    const n = must(runSync(fs.undelete('/d', m.p, back)));
    expect(n).to.equal(5);
    expect(m.list('back/d').sort()).to.deep.equal(['e', 'f.00000', 'f.00001', 'f.00002', 'sym.00000']);
    for (let i = 0; i < 3; i++)
      expect(Buffer.compare(m.read(`back/d/f.0000${i}`), versions[2 - i]), `version ${i}`).to.equal(0);
    expect(m.text(`back/d/e/${long}.00000`)).to.equal('a long name');
    expect(must(runSync(m.p.readlink(m.inum('back/d/sym.00000'))))).to.equal('somewhere');
    const only = m.mkdir('only');
    expect(must(runSync(fs.undelete('/d/f', m.p, only, { file: true })))).to.equal(3);
    expect(must(runSync(fs.undelete('/never/was', m.p, only)))).to.equal(0);
    must(runSync(fs.close()) ?? 0);
    expect(faults(dev)).to.deep.equal([]);
  });

  it('marks what has lost a block, and ends where there is no room', () => {
    const dev = freshVolume(64 * MIB);
    const fs = openRw(dev, { log: () => {} });
    const m = mount(fs);
    must(runSync(m.p.setcomp(1, Comp.NONE, 0)) ?? 0);
    const noise = new Uint8Array(20 * 65536).map((_, i) => Math.imul(i + 1, 2654435761) >>> 13);
    m.file('f', noise);
    synced(fs);
    // The last block, found by its bytes.
    for (let at = 24 * MIB; at < 64 * MIB; at += 65536) {
      if (Buffer.compare(dev.peek(at, 65536), noise.subarray(19 * 65536)) !== 0) continue;
      must(runSync(dev.write(at, new Uint8Array(65536))) ?? 0);
    }
    must(runSync(m.p.unlink(1, 'f')) ?? 0);
    const back = m.mkdir('back');
    const said: string[] = [];
    expect(must(runSync(fs.undelete('f', m.p, back, { log: (l) => said.push(l) })))).to.equal(1);
    expect(m.list('back')).to.deep.equal(['f.00000.corrupted']);
    expect(said).to.deep.equal(['f.00000.corrupted: parts are missing']);
    const got = m.read('back/f.00000.corrupted');
    expect(got.length).to.equal(noise.length);
    expect(Buffer.compare(got.subarray(0, 19 * 65536), noise.subarray(0, 19 * 65536))).to.equal(0);
    expect(got.subarray(19 * 65536).every((x) => x === 0)).to.equal(true);
    // A sink without room ends the work with its error.
    const sink = {
      ...pfsSink(m.p, back),
      *write(): Generator<void, Errno | null, void> {
        return ENOSPC;
      },
    };
    const none = m.mkdir('none');
    expect(runSync(undelete([dev], tsCodecs, 'f', { ...pfsSink(m.p, none), write: sink.write }))).to.equal(ENOSPC);
  });
});
