/**
 * sysctl variables of the VFS: vfs.generic.*, kern.devname, kern.disks, kern.openfiles, vfs.cache.*
 *
 * Facts: dragonfly-abi.md 8.2, struct vfsconf in 3.1. Counterpart: sys/kern/vfs_init.c, kern_conf.c
 */
import { EINVAL, ENOENT } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { devName } from '../vfs/devfs/cdev.js';
import type { File } from './file.js';
import { sysctlAdd, sysctlNumber } from './kern_sysctl.js';

const VFSCONF_SIZE = 48;

function vfsconf(typenum: number): Uint8Array | null {
  for (const ops of gd.vfs.types.values()) {
    if (ops.typenum !== typenum) continue;
    const b = new Uint8Array(VFSCONF_SIZE);
    const v = new DataView(b.buffer);
    for (let i = 0; i < ops.name.length && i < 15; i++) b[8 + i] = ops.name.charCodeAt(i);
    v.setInt32(24, typenum, true);
    v.setInt32(28, gd.vfs.mounts.filter((mp) => mp.ops === ops).length, true);
    return b;
  }
  return null;
}

/** Open files of all processes, each counted once. */
function openFiles(): number {
  const seen = new Set<File>();
  for (const p of gd.allproc.values()) for (const fp of p.fd?.files ?? []) if (fp !== null) seen.add(fp);
  return seen.size;
}

export function vfsSysctlInit(): void {
  sysctlAdd({
    name: 'vfs.generic.maxtypenum',
    oid: [3, 0, 1],
    kind: 'int',
    get: () => Math.max(...[...gd.vfs.types.values()].map((o) => o.typenum)) + 1,
    descr: 'Highest defined file system type number',
  });
  sysctlAdd({
    name: 'vfs.generic.conf',
    oid: [3, 0, 2],
    kind: 'opaque',
    fmt: 'S,vfsconf',
    args: true,
    skip: true,
    get: (_p, req) => (req.extra.length === 1 ? (vfsconf(req.extra[0]) ?? EINVAL) : EINVAL),
    descr: 'A file system type, by its number',
  });
  sysctlAdd({
    name: 'kern.devname',
    kind: 'string',
    skip: true,
    anybody: true,
    get: (_p, req) => {
      if (req.newBytes === null || req.newBytes.length < 4) return EINVAL;
      return devName(sysctlNumber(req.newBytes.slice(0, 4))) ?? ENOENT;
    },
    set: () => null,
    descr: 'Name of a device by its number',
  });
  sysctlAdd({
    name: 'kern.disks',
    kind: 'string',
    get: () => gd.machine.disks.map((d) => d.name).join(' '),
    descr: 'Names of available disks',
  });
  sysctlAdd({ name: 'kern.openfiles', kind: 'int', get: openFiles, descr: 'System-wide number of open files' });
  sysctlAdd({
    name: 'vfs.cache.numcache',
    kind: 'int',
    get: () => gd.vfs.ncpCount,
    descr: 'Number of entries of the name cache',
  });
}
