/**
 * HAMMER2 as a library over BlockDevice: used by the kernel's VFS, FUSE and host tools alike. See docs/hammer2.md.
 *
 * Every block is verified against its check code on every read from a device. Names are strings of one char per byte.
 */
export { hammer2Open } from './open.js';
export type * from './api.js';
export { defaultLabel, parseSpecial } from './device.js';
export type { Hammer2Statfs, PfsInfo } from './device.js';
export { ROOT_INUM } from './directory.js';
export { ObjType } from './disk.js';
export { tsCodecs } from './codec/codecs.js';
export type { Codecs } from './codec/codecs.js';
