/**
 * HAMMER2 images of the host, opened for a tool: `IMAGE[:IMAGE...][@LABEL]` to devices, file system and PFS.
 */
import { randomFillSync } from 'node:crypto';
import { runSync } from '../../vkernel/sys/blocking.js';
import { Errno } from '../../vkernel/sys/errno.js';
import { hostCodecs } from '../../vkernel/machine/host/codecs.js';
import { defaultLabel, type H2Device, type H2Pfs, hammer2Open } from '../../vkernel/vfs/hammer2/index.js';
import { type HostBlockDevice, HostDiskError, openHostDevices } from '../host_blockdev.js';

/** Something about an image that the user should read: one line. */
export class ImageError extends Error {}

export interface ImageSpec {
  readonly paths: string[];
  readonly label: string | null;
}

export interface OpenImageOptions {
  readonly write: boolean;
  readonly log?: (line: string) => void;
  readonly cacheBytes?: number;
  readonly dirtyBytes?: number;
}

export const nowUs = (): number => Date.now() * 1000;

/** An open file system; close() syncs and lets go of the files. */
export class Image {
  private constructor(
    readonly name: string,
    readonly files: readonly HostBlockDevice[],
    readonly device: H2Device,
  ) {}

  /** Throws ImageError. */
  static open(paths: readonly string[], o: OpenImageOptions): Image {
    const complaints: string[] = [];
    let quiet = true;
    const log = (line: string): void => {
      if (quiet) complaints.push(line);
      else (o.log ?? ((s) => process.stderr.write(`${s}\n`)))(line);
    };
    let files: HostBlockDevice[];
    try {
      files = openHostDevices(paths, { write: o.write });
    } catch (e) {
      throw e instanceof HostDiskError ? new ImageError(e.message) : e;
    }
    const d = runSync(
      hammer2Open(files, {
        readonly: !o.write,
        nowUs,
        random: (b) => void randomFillSync(b),
        log,
        codecs: hostCodecs(),
        cacheBytes: o.cacheBytes ?? 64 * 2 ** 20,
        dirtyBytes: o.dirtyBytes ?? 256 * 2 ** 20,
      }),
    );
    const name = paths.join(':');
    if (d instanceof Errno) {
      for (const f of files) f.close();
      const why = complaints.at(-1);
      throw new ImageError(`${name}: no usable HAMMER2 file system: ${why ?? d.text}`);
    }
    quiet = false;
    for (const line of complaints) log(line);
    return new Image(name, files, d);
  }

  /** Mount a PFS: the one of that label, else the default one, else the only one. Throws ImageError. */
  pfs(label: string | null): H2Pfs {
    const list = runSync(this.device.pfsList());
    if (list instanceof Errno) throw new ImageError(`${this.name}: ${list.text}`);
    const labels = list.map((p) => p.label).filter((l) => l !== 'LOCAL');
    const want =
      label ?? (labels.length === 1 ? labels[0] : labels.find((l) => l === defaultLabel(this.files[0].name)));
    if (want === undefined || !list.some((p) => p.label === want)) {
      const have = labels.length === 0 ? 'there is none' : `there is ${labels.join(', ')}`;
      throw new ImageError(`${this.name}: ${label === null ? 'which PFS?' : `no PFS ${label}:`} ${have}`);
    }
    const p = runSync(this.device.mount(want, { readonly: this.device.readonly }));
    if (p instanceof Errno) throw new ImageError(`${this.name}@${want}: ${p.text}`);
    return p;
  }

  /** Write everything out. Throws ImageError when that fails: then what was not synced is lost. */
  close(): void {
    const e = runSync(this.device.close());
    for (const f of this.files) f.close();
    if (e !== null) throw new ImageError(`${this.name}: ${e.text}`);
  }
  /** Let go of the files as they are. */
  abandon(): void {
    for (const f of this.files) f.close();
  }
}
