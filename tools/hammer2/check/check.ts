/**
 * A full check of a HAMMER2 file system: reads only what is referenced, changes nothing.
 *
 * Stand-alone on purpose: it judges what vkernel/vfs/hammer2 writes and shares no code with it. Counterpart:
 * fsck_hammer2(8), which looks at check codes alone.
 */
import { Blocks, type Xxh64 } from './blocks.js';
import { xxh64 } from './digest.js';
import { Freemap } from './freemap.js';
import { Older } from './older.js';
import { Findings, type Report, newReport } from './report.js';
import { Topology } from './topology.js';
import { type Reader, openVolumes } from './volume.js';
import * as w from './wire.js';

export type { Reader } from './volume.js';
export type { Code, Finding, PfsReport, Report, Stats } from './report.js';

export interface CheckOptions {
  /** Look below the older copies of the header too. Default: the newest alone. */
  olderHeaders?: boolean;
  /** Bound of the list of findings, errors and warnings each. Default 1000. */
  maxFindings?: number;
  /**
   * A faster XXH64 than the checker's own, for tests that check many volumes. What judges the implementation should not use
   * the implementation's.
   */
  xxh64?: Xxh64;
  /** Called now and then. @param total  bytes in use by the allocator's count: an estimate */
  progress?: (done: number, total: number) => void;
}

export function check(dev: Reader | readonly Reader[], o: CheckOptions = {}): Report {
  const report = newReport();
  const f = new Findings(report, o.maxFindings ?? 1000);
  const devs = 'read' in dev ? [dev] : dev;
  const s = openVolumes(devs, f, report);
  if (s === null) return report;
  const total = w.num64(s.best.v, 0x60) - w.num64(s.best.v, 0x68);
  let done = 0;
  let shown = 0;
  const map = new Freemap(s, f, report);
  map.load(s.best);
  const blocks = new Blocks(
    s,
    f,
    report,
    (bytes) => {
      done += bytes;
      if (o.progress === undefined || done - shown < w.MIB) return;
      shown = done;
      o.progress(done, Math.max(done, total));
    },
    o.xxh64 ?? xxh64,
  );
  new Topology(blocks, f, report).walk(s.best);
  blocks.finish(map, s.best);
  map.finish(s.best);
  if (o.olderHeaders === true) {
    const older = new Older(s, f);
    older.walk(s.best, false);
    for (const h of s.volumes[0].headers) if (h !== s.best) older.walk(h, true);
  }
  o.progress?.(total, total);
  return report;
}
