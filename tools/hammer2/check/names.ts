/**
 * The name space of one PFS, judged once its whole tree has been read: every entry leads somewhere, every inode is named as
 * often as it says, every directory hangs below the root.
 */
import type { Findings, PfsReport } from './report.js';
import { QuotaCheck } from './quota.js';
import * as w from './wire.js';

/** Inode numbers are numbers as far as they are exact. */
export type Inum = number | bigint;
export const inumOf = (n: bigint): Inum => (n <= 0x1fffffffffffffn ? Number(n) : n);

export interface NameInode {
  readonly type: number;
  readonly nlinks: number;
  readonly iparent: Inum;
  /** Next on the list of inodes to be removed; 0 at its end. */
  readonly orphanNext: Inum;
  names: number;
  /** A directory's parent: where its (last) name is. */
  parent: Inum | null;
  /** Directories: 0 not looked at, 1 on the path being followed, 2 leads to the root, 3 does not. */
  state: number;
}

interface Entry {
  readonly dir: Inum;
  readonly target: Inum;
  readonly type: number;
  readonly name: string;
}

const ROOT = 1;

export class NameSpace {
  readonly inodes = new Map<Inum, NameInode>();
  readonly entries: Entry[] = [];
  rootOrphan: Inum = 0;
  readonly quotas: QuotaCheck;

  constructor(
    private readonly f: Findings,
    private readonly pfs: PfsReport,
  ) {
    this.quotas = new QuotaCheck(f, pfs);
  }

  private where(inum: Inum): string {
    return `PFS ${this.pfs.label}: inode ${w.hex(inum)}`;
  }

  finish(): void {
    for (const e of this.entries) {
      const where = this.where(e.dir);
      const ip = this.inodes.get(e.target);
      if (ip === undefined) {
        this.f.error(
          'dangling-entry',
          where,
          `entry '${e.name}' leads to inode ${w.hex(e.target)}, which does not exist`,
        );
        continue;
      }
      if (e.type !== ip.type) {
        this.f.error(
          'entry-type',
          where,
          `entry '${e.name}' says ${w.objNames[e.type] ?? e.type}, inode ${w.hex(e.target)} is ${w.objNames[ip.type] ?? ip.type}`,
        );
      }
      ip.names++;
      if (ip.type === w.O_DIR) ip.parent = e.dir;
    }
    this.quotas.finish(this.entries);
    const waiting = this.waiting();
    for (const [inum, ip] of this.inodes) {
      const where = this.where(inum);
      if (ip.names === 0) {
        if (ip.nlinks > 0)
          this.f.error(
            'orphan',
            where,
            `${w.objNames[ip.type] ?? ip.type} with ${ip.nlinks} links, but no entry leads to it`,
          );
        else {
          this.pfs.unlinked++;
          if (!waiting.has(inum)) this.f.warn('unlinked', where, 'has no link left, but nothing will remove it');
        }
        continue;
      }
      if (ip.type === w.O_DIR) {
        if (ip.names > 1) this.f.error('dir-links', where, `directory with ${ip.names} names`);
        if (ip.nlinks === 0) this.f.error('link-count', where, 'named directory with 0 links');
        if (ip.iparent !== ip.parent)
          this.f.error('parent', where, `directory is in ${w.hex(ip.parent ?? 0)}, says ${w.hex(ip.iparent)}`);
      } else {
        if (ip.names !== ip.nlinks) this.f.error('link-count', where, `${ip.nlinks} links, should be ${ip.names}`);
        // iparent of a file may be a directory that one of its names was once in.
      }
    }
    for (const [inum, ip] of this.inodes) if (ip.type === w.O_DIR && ip.state === 0) this.follow(inum, ip);
  }

  /** Inodes on the list of those that the next mount removes. */
  private waiting(): Set<Inum> {
    const list = new Set<Inum>();
    for (let n = this.rootOrphan; n !== 0 && !list.has(n);) {
      const ip = this.inodes.get(n);
      if (ip === undefined || ip.nlinks !== 0) break;
      list.add(n);
      n = ip.orphanNext;
    }
    return list;
  }

  /** Follow parents up to the root, or into a circle. Ends at a directory without name, which has been reported. */
  private follow(inum: Inum, ip: NameInode): void {
    const path: NameInode[] = [];
    let at: Inum | null = inum;
    let d: NameInode | undefined = ip;
    while (at !== ROOT && at !== null && d !== undefined && d.state === 0) {
      d.state = 1;
      path.push(d);
      at = d.parent;
      d = at === null ? undefined : this.inodes.get(at);
    }
    if (at !== ROOT && d !== undefined && d.state === 1) {
      this.f.error(
        'unreachable',
        this.where(at ?? 0),
        `directory is its own ancestor, with ${path.length - path.indexOf(d)} in the circle`,
      );
    }
    const state = at === ROOT || d?.state === 2 ? 2 : 3;
    for (const p of path) p.state = state;
  }
}
