/**
 * The table of ddb's commands. `help` prints it; docs/debugging.md explains it. Names may be shortened while no other command
 * of the table starts so; those listed first win.
 *
 * Counterpart: sys/ddb/db_command.c
 */
import type { Ddb, DdbNext } from './ddb.js';
import { memoryCommands } from './cmd_memory.js';
import { runCommands } from './cmd_run.js';
import { showCommands } from './cmd_show.js';

export interface DdbCommand {
  /** One word, or `show word`. */
  readonly name: string;
  /** Other names. */
  readonly alias?: readonly string[];
  readonly args: string;
  readonly help: string;
  run(d: Ddb, args: string): DdbNext | void;
}

export const commands: readonly DdbCommand[] = [...runCommands, ...showCommands, ...memoryCommands];

/** The command that a line starts with, and the rest of the line; or a message. */
export function findCommand(line: string): { command: DdbCommand; args: string } | string {
  const words = line.split(/\s+/);
  // `x/4gx addr`: the format belongs to the command word.
  const slash = words[0].indexOf('/');
  const format = slash > 0 ? words[0].slice(slash) : '';
  const first = slash > 0 ? words[0].slice(0, slash) : words[0];
  const exact = commands.find((c) => c.name === first || c.alias?.includes(first) === true);
  const rest = (n: number): string => `${format}${format === '' ? '' : ' '}${words.slice(n).join(' ')}`.trim();
  if (exact !== undefined) return { command: exact, args: rest(1) };
  if (/^sh(o|ow)?$/.test(first)) {
    const shows = commands.filter((c) => c.name.startsWith('show '));
    for (const n of [2, 1]) {
      if (words.length <= n) continue;
      const name = words.slice(1, n + 1).join(' ');
      const c =
        shows.find((x) => x.name === `show ${name}` || x.alias?.includes(`show ${name}`) === true) ??
        (name.includes(' ') ? undefined : shows.find((x) => x.name.startsWith(`show ${name}`)));
      if (c !== undefined) return { command: c, args: words.slice(n + 1).join(' ') };
    }
    return `show what? One of: ${shows.map((c) => c.name.slice(5)).join(', ')}`;
  }
  const near = commands.find((c) => !c.name.includes(' ') && c.name.startsWith(first));
  return near !== undefined ? { command: near, args: rest(1) } : `No such command: ${first}; try help`;
}
