/**
 * Prints docs/syscalls.md from the system call table: `node dist/tools/syscalls_doc.js > docs/syscalls.md`.
 * A unit test keeps the page in step.
 */
import { fileURLToPath } from 'node:url';
import { joinSysent } from '../vkernel/kern/init_sysent.js';
import type { Sysent } from '../vkernel/kern/syscalls.js';

const row = (s: Sysent): string =>
  `| ${s.no} | ${s.name} | ${s.args.map((a) => `${a.name} ${a.type}`).join(', ')} | ${s.impl === null ? '' : 'yes'} |`;

/** The page's text. */
export function syscallsPage(): string {
  const rows = joinSysent().filter((s): s is Sysent => s !== null);
  const done = rows.filter((s) => s.impl !== null).length;
  return [
    '# System calls',
    '',
    `${done} of the ${rows.length} live calls of DragonFly x86-64 are implemented. The others say so once on the console and fail with`,
    'EINVAL; numbers that are not listed are retired or unused and raise SIGSYS. This page is made from the table in',
    'vkernel/kern/syscalls.ts by tools/syscalls_doc.ts.',
    '',
    '| no. | name | arguments | implemented |',
    '| --- | --- | --- | --- |',
    ...rows.map(row),
    '',
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(syscallsPage());
