/**
 * Prints docs/abi.md from the system call table and the table of expected conformance results: `npm run docs`.
 * A unit test keeps the page in step.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { joinSysent } from '../vkernel/kern/init_sysent.js';
import type { Sysent } from '../vkernel/kern/syscalls.js';
import { parseTable } from './conformance/results.js';

/** Indirect calls are unpacked before the table is looked at (kern/trap.ts). */
const indirect = (s: Sysent): boolean => s.no === 0 || s.no === 198;

function state(s: Sysent): string {
  if (indirect(s)) return 'yes';
  if (s.impl === null) return '';
  return s.impl.refused === undefined ? 'yes' : 'refused';
}

const row = (s: Sysent): string =>
  `| ${s.no} | ${s.name} | ${s.args.map((a) => `${a.name} ${a.type}`).join(', ')} | ${state(s)} |`;

/** Calls refused for the same reason share a line. */
function refusals(rows: readonly Sysent[]): string[] {
  const byReason = new Map<string, string[]>();
  for (const s of rows) {
    const why = s.impl?.refused;
    if (why === undefined) continue;
    byReason.set(why, [...(byReason.get(why) ?? []), s.name]);
  }
  return [...byReason].map(([why, names]) => `| ${names.join(', ')} | ${why} |`);
}

function conformance(): string[] {
  const path = new URL('../../test/conformance/expected.tsv', import.meta.url);
  const out: string[] = [];
  for (const [pkg, e] of parseTable(readFileSync(path, 'utf8')))
    for (const [test, k] of e.known) if (k.result !== 'skip') out.push(`| ${pkg} | ${test} | ${k.cause} |`);
  return out;
}

/** The page's text. */
export function abiPage(): string {
  const rows = joinSysent().filter((s): s is Sysent => s !== null);
  const refused = rows.filter((s) => s.impl?.refused !== undefined).length;
  const done = rows.filter((s) => s.impl !== null || indirect(s)).length - refused;
  return [
    '# The DragonFly ABI',
    '',
    'This page is made by `npm run docs` (tools/abi_doc.ts) from the table in vkernel/kern/syscalls.ts and from',
    'test/conformance/expected.tsv.',
    '',
    `Of the ${rows.length} live system calls of DragonFly x86-64, ${done} are implemented and ${refused} are refused as DragonFly`,
    'refuses them. The others say so once on the console and fail with EINVAL; numbers that are not listed are retired or',
    'unused and raise SIGSYS.',
    '',
    '## Refused',
    '',
    '| calls | error and reason |',
    '| --- | --- |',
    ...refusals(rows),
    '',
    "## Go's tests that fail",
    '',
    "`npm run conformance` runs the tests of Go's operating-system packages in the guest and on Linux. These fail, or do not",
    'get their turn because one before them ends the run:',
    '',
    '| package | test | cause |',
    '| --- | --- | --- |',
    ...conformance(),
    '',
    '## System calls',
    '',
    '| no. | name | arguments | implemented |',
    '| --- | --- | --- | --- |',
    ...rows.map(row),
    '',
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(abiPage());
