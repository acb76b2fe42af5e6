#!/usr/bin/env node
/** fsck_hammer2: check a HAMMER2 file system on images or devices of the host; changes nothing. See hammer2/check/. */
import { type Report, check } from './hammer2/check/check.js';
import { Progress, getopt, openImages, run, sizeText, usage, version } from './hammer2/cli.js';
import { imageReader } from './hammer2/image_reader.js';

const EX_CLEAN = 0;
const EX_ERRORS = 4;
const EX_OPERATIONAL = 8;
const EX_FSCK_USAGE = 16;

const usageText = `usage: fsck_hammer2 [-bdefpPqv] [-l pfs,...] [-c count] [--json] [--max n] special[:special...]
`;
const helpText = `${usageText}
Check a HAMMER2 file system on image files or devices, and change nothing: volume headers, freemap, every block's
check code, the order and ranges of all trees, inodes, names, link counts, what data unpacks to, who shares blocks, and
the freemap against what is in use.

  -b            look at the newest volume header alone, not at the older copies too
  -e            count unused slots as well
  -l pfs,...    with -p: these PFSs only
  -p            figures of each PFS
  -P            identity of each PFS
  -q            print errors only
  -v            print all figures
  -c, -d, -f    accepted as the reference's; without effect
  --json        one JSON document on standard output
  --max n       list at most n errors and n warnings (default 100; with --json 1000)
  --help, --version

Damage below an older header is a warning: nothing keeps those blocks from being used again.

Exit status: 0 clean, 4 errors (left as they are: nothing is repaired), 8 the file system cannot be read at all,
16 wrong usage.
`;

const PFS_TYPES: Record<number, string> = {
  0: 'NONE',
  1: 'CACHE',
  3: 'SLAVE',
  4: 'SOFT_SLAVE',
  5: 'SOFT_MASTER',
  6: 'MASTER',
  9: 'DUMMY',
};

function print(r: Report, set: Map<string, number>, names: string[]): void {
  const out = (s: string): void => void process.stdout.write(s + '\n');
  const quiet = set.has('q');
  for (const f of r.findings)
    if (!quiet || f.level === 'error') out(`${f.level}: ${f.where}: ${f.message} [${f.code}]`);
  const listed = r.findings.length;
  if (r.errors + r.warnings > listed) out(`... and ${r.errors + r.warnings - listed} more`);
  if (quiet) return;
  for (const h of r.headers) {
    const text = h.valid ? `mirror_tid ${h.mirrorTid} freemap_tid ${h.freemapTid}` : 'not valid';
    out(`volume header ${h.index}: ${text}${h.index === r.header ? ' (newest)' : ''}`);
  }
  for (const p of r.pfs) {
    if (names.length > 0 && !names.includes(p.label)) continue;
    if (set.has('P'))
      out(
        `${p.label}: ${PFS_TYPES[p.type] ?? p.type}${p.subtype === 0 ? '' : ' snapshot'} clid ${p.clid} fsid ${p.fsid}`,
      );
    if (set.has('p') || set.has('v')) {
      const same = p.sameAs === null ? '' : ` (the same tree as ${p.sameAs})`;
      out(
        `${p.label}: ${p.inodes} inodes, ${p.directories} directories, ${p.entries} entries, ${p.unlinked} unlinked${same}`,
      );
    }
  }
  const s = r.stats;
  out(
    `${s.inodes} inodes, ${s.indirects} indirect blocks, ${s.dataBlocks} data references, ${s.entries} entries; ${s.blocks} blocks of ${sizeText(s.bytes)}`,
  );
  if (set.has('e')) out(`${s.emptySlots} unused slots`);
  if (set.has('v')) {
    out(`version ${r.version}, ${r.volumes} volume${r.volumes > 1 ? 's' : ''}, ${sizeText(r.totalBytes)}`);
    out(`${s.sharedRefs} references to blocks that others refer to as well`);
    out(
      `${s.usedGranules * 16} KB in use, ${s.unusedAllocated * 16} KB allocated but not in use, ${s.stagedGranules * 16} KB of it to be freed by the next bulkfree; ${s.freemapBlocks} freemap blocks`,
    );
  }
  out(
    r.clean ? `clean${r.warnings > 0 ? `, ${r.warnings} warnings` : ''}` : `${r.errors} errors, ${r.warnings} warnings`,
  );
}

function main(argv: string[]): number {
  const { set, values, args } = getopt(argv, 'bdefpPqvl:c:h', ['json', 'max=', 'help', 'version']);
  if (set.has('help') || set.has('h')) {
    process.stdout.write(helpText);
    return EX_CLEAN;
  }
  if (set.has('version')) {
    process.stdout.write(`fsck_hammer2 (vkernel) ${version()}\n`);
    return EX_CLEAN;
  }
  if (args.length !== 1) throw usage(args.length === 0 ? 'no image given' : `unexpected argument '${args[1]}'`);
  const json = set.has('json');
  const max = Number(values.get('max')?.at(-1) ?? (json ? 1000 : 100));
  if (!Number.isInteger(max) || max < 0) throw usage(`bad number '${values.get('max')?.at(-1)}'`);
  const devs = openImages(args[0], false);
  const progress = new Progress(args[0], set.has('q'));
  let r: Report;
  try {
    r = check(devs.map(imageReader), {
      olderHeaders: !set.has('b'),
      maxFindings: max,
      progress: (done, total) => progress.show(done, total),
    });
  } finally {
    progress.end();
    for (const d of devs) d.close();
  }
  if (json) process.stdout.write(JSON.stringify(r, null, 2) + '\n');
  else if (r.fatal === null) print(r, set, values.get('l')?.flatMap((l) => l.split(',')) ?? []);
  if (r.fatal !== null) {
    if (!json) process.stderr.write(`fsck_hammer2: ${r.fatal}\n`);
    return EX_OPERATIONAL;
  }
  return r.clean ? EX_CLEAN : EX_ERRORS;
}

run('fsck_hammer2', usageText, main, EX_FSCK_USAGE, EX_OPERATIONAL);
