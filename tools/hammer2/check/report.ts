/** What a check found: errors that are damage, warnings that are not, and figures. */

/**
 * Kinds of finding. Errors and warnings are told apart by each finding's level: the same kind is only a warning where the
 * mount repairs it or nothing depends on it.
 */
export type Code =
  // volume headers
  | 'header-crc'
  | 'header-magic'
  | 'header-field'
  | 'header-order'
  | 'volumes'
  // any block
  | 'read-error'
  | 'check-code'
  | 'block-address'
  | 'block-size'
  | 'overlap'
  | 'shared-block'
  | 'reserved'
  // radix trees
  | 'bref-type'
  | 'empty-slot'
  | 'methods'
  | 'bref-flags'
  | 'key-order'
  | 'key-overlap'
  | 'key-align'
  | 'key-range'
  | 'keybits'
  | 'mirror-tid'
  | 'empty-indirect'
  | 'statistics'
  // inodes and data
  | 'inode-field'
  | 'inode-key'
  | 'inode-name'
  | 'inode-number'
  | 'directdata'
  | 'data-key'
  | 'past-eof'
  | 'unpack'
  | 'padding'
  // names
  | 'bad-name'
  | 'name-hash'
  | 'duplicate-name'
  | 'dangling-entry'
  | 'entry-type'
  | 'link-count'
  | 'dir-links'
  | 'orphan'
  | 'unlinked'
  | 'unreachable'
  | 'parent'
  | 'pfs'
  | 'quota'
  // freemap
  | 'freemap-slot'
  | 'freemap-level'
  | 'freemap-bits'
  | 'freemap-avail'
  | 'freemap-class'
  | 'freemap-linear'
  | 'freemap-reserved'
  | 'freemap-behind'
  | 'allocator-free'
  | 'used-free'
  | 'used-staged'
  // older roots
  | 'old-header';

export interface Finding {
  readonly level: 'error' | 'warning';
  readonly code: Code;
  /** Where: `header 1`, `freemap`, `PFS DATA: inode 0x403`. */
  readonly where: string;
  readonly message: string;
}

export interface PfsReport {
  readonly label: string;
  readonly type: number;
  readonly subtype: number;
  readonly clid: string;
  readonly fsid: string;
  inodes: number;
  directories: number;
  entries: number;
  /** Inodes without a name that wait for their removal. */
  unlinked: number;
  /** Label of the PFS whose tree this one shares as a whole. */
  sameAs: string | null;
}

export interface Report {
  /** Is there no error? */
  clean: boolean;
  /** Why nothing could be checked at all: not a HAMMER2 file system, or no usable header. */
  fatal: string | null;
  errors: number;
  warnings: number;
  /** Number of findings by kind, also of those not listed. */
  readonly counts: Partial<Record<Code, number>>;
  /** At most `maxFindings`, errors and warnings each. */
  readonly findings: Finding[];
  readonly headers: { index: number; valid: boolean; mirrorTid: number; freemapTid: number }[];
  /** Index of the header checked in full; -1 for the shadow copy. */
  header: number;
  version: number;
  volumes: number;
  totalBytes: number;
  readonly pfs: PfsReport[];
  readonly stats: Stats;
}

export interface Stats {
  inodes: number;
  indirects: number;
  dataBlocks: number;
  entries: number;
  /** Distinct blocks and their bytes. */
  blocks: number;
  bytes: number;
  /** References to blocks beyond the first. */
  sharedRefs: number;
  /** Granules of 16 KiB in use, and marked as allocated without being used by the newest header. */
  usedGranules: number;
  unusedAllocated: number;
  stagedGranules: number;
  freemapBlocks: number;
  /** Slots not in use, in all nodes of the topology. */
  emptySlots: number;
}

export function newReport(): Report {
  return {
    clean: true,
    fatal: null,
    errors: 0,
    warnings: 0,
    counts: {},
    findings: [],
    headers: [],
    header: 0,
    version: 0,
    volumes: 0,
    totalBytes: 0,
    pfs: [],
    stats: {
      inodes: 0,
      indirects: 0,
      dataBlocks: 0,
      entries: 0,
      blocks: 0,
      bytes: 0,
      sharedRefs: 0,
      usedGranules: 0,
      unusedAllocated: 0,
      stagedGranules: 0,
      freemapBlocks: 0,
      emptySlots: 0,
    },
  };
}

export class Findings {
  constructor(
    readonly report: Report,
    private readonly max: number,
  ) {}
  error(code: Code, where: string, message: string): void {
    this.report.clean = false;
    if (this.report.errors++ < this.max) this.report.findings.push({ level: 'error', code, where, message });
    this.count(code);
  }
  warn(code: Code, where: string, message: string): void {
    if (this.report.warnings++ < this.max) this.report.findings.push({ level: 'warning', code, where, message });
    this.count(code);
  }
  private count(code: Code): void {
    this.report.counts[code] = (this.report.counts[code] ?? 0) + 1;
  }
}
