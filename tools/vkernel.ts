#!/usr/bin/env -S node --max-semi-space-size=64
/**
 * vkernel: boot the kernel, or run one program on it (options.ts has the flags), or mount an image here (mount.ts).
 *
 * Exit codes: `run` exits with the program's status (128 + signal when killed). Boot: 0 after halt; 64 wrong usage; 66
 * unreadable input; 70 the host refuses something the machine needs; 134 a kernel panic.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { EX_SOFTWARE, EX_USAGE, helpText, type Options, parseOptions, usageText, UsageError } from './options.js';

function version(): string {
  const pkg = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
  return pkg.version;
}

async function main(): Promise<number> {
  const [, , command, ...rest] = process.argv;
  if (command === 'mount' || command === 'umount') {
    const { mountMain, umountMain } = await import('./mount.js');
    return command === 'mount' ? mountMain(rest) : umountMain(rest);
  }
  let options: Options;
  try {
    options = parseOptions(process.argv.slice(2), availableParallelism());
  } catch (e) {
    if (!(e instanceof UsageError)) throw e;
    process.stderr.write(`vkernel: ${e.message}\n`);
    if (e.code === EX_USAGE) process.stderr.write(usageText);
    return e.code;
  }
  if (options.command === 'help') {
    process.stdout.write(helpText);
    return 0;
  }
  if (options.command === 'version') {
    process.stdout.write(`vkernel ${version()}\n`);
    return 0;
  }
  const { launch } = await import('./launch.js');
  return launch(options, version());
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (e: unknown) => {
    process.stderr.write(
      `vkernel: ${e instanceof UsageError ? e.message : e instanceof Error ? e.stack : String(e)}\n`,
    );
    process.exitCode = e instanceof UsageError ? e.code : EX_SOFTWARE;
  },
);
