/**
 * What a HAMMER2 device is called by and says of itself: mount specials, default labels, figures.
 * Counterpart: sys/vfs/hammer2/hammer2_vfsops.c, sbin/mount_hammer2
 */

/** One PFS of the super-root. */
export interface PfsInfo {
  readonly label: string;
  /** PfsType */
  readonly type: number;
  /** 1 snapshot, 2 automatic snapshot, else 0 */
  readonly subtype: number;
  readonly clid: string;
  readonly fsid: string;
}

/** Figures of statfs(2), in blocks of 64 KiB. */
export interface Hammer2Statfs {
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  /** For others than root: less the reserve of 5 %. */
  readonly bavail: number;
  readonly files: number;
}

/** Label a device is mounted by when none is given: from the partition letter at its end. */
export function defaultLabel(devName: string): string {
  const last = devName.charAt(devName.length - 1);
  return last === 'a' ? 'BOOT' : last === 'd' ? 'ROOT' : 'DATA';
}

/** `dev[:dev...][@LABEL]` taken apart. No device: the label of an already mounted one is meant. */
export function parseSpecial(special: string): { devs: string[]; label: string | null } {
  const i = special.lastIndexOf('@');
  const head = i < 0 ? special : special.slice(0, i);
  const label = i < 0 ? '' : special.slice(i + 1);
  return { devs: head === '' ? [] : head.split(':'), label: label === '' ? null : label };
}
