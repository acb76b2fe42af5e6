/** A kernel with block devices in memory, for HAMMER2 mounts. */
import { gd } from '../../../../vkernel/sys/globaldata.js';
import type { BlockDevice } from '../../../../vkernel/sys/blockdev.js';
import { devOps, makeDev } from '../../../../vkernel/vfs/devfs/cdev.js';
import { Kit, type User } from '../kit.js';

const RDONLY = 1;

export class H2Kit extends Kit {
  readonly u: User;
  constructor(devs: Record<string, BlockDevice>) {
    super();
    const ops = devOps({ name: 'md' });
    for (const [name, data] of Object.entries(devs)) makeDev(ops, name, 0o640, { data });
    this.u = this.proc();
    this.u.ok('mkdir', '/mnt', 0o755);
    this.u.ok('mkdir', '/mnt2', 0o755);
  }
  /** struct hammer2_mount_info in user memory. */
  info(special: string): number {
    const b = new Uint8Array(128);
    const v = new DataView(b.buffer);
    v.setBigUint64(0, BigInt(this.u.str(special)), true);
    v.setInt32(12, -1, true);
    return this.u.put(b);
  }
  mount(special: string, on = '/mnt', flags = RDONLY): number | string {
    return this.u.err('mount', 'hammer2', on, flags, this.info(special));
  }
  dmesg(): string {
    return Buffer.from(gd.prf.msgbuf.contents()).toString('latin1');
  }
}
