/**
 * Stacks of kernel threads. A sleeping thread is a chain of generators, each waiting in a `yield*` for the next. Handing a
 * value into the outermost one brings it through the whole chain to the `yield` inside tsleep, which calls `probe` and
 * yields again: there the chain is an ordinary call stack, with a source line for each frame (lwktProbe).
 */
import { gd } from '../sys/globaldata.js';
import { lwktProbe, type LwktThread } from '../kern/lwkt_thread.js';
import type { DdbFrame, DdbPort } from './port.js';

const LIMIT = 200;

/** Call sites from the caller of this function outwards. */
function callSites(): NodeJS.CallSite[] {
  const limit = Error.stackTraceLimit;
  const prepare = Error.prepareStackTrace;
  Error.stackTraceLimit = LIMIT;
  Error.prepareStackTrace = (_e, sites) => sites;
  try {
    return (new Error().stack as unknown as NodeJS.CallSite[]).slice(1);
  } finally {
    Error.prepareStackTrace = prepare;
    Error.stackTraceLimit = limit;
  }
}

function frameOf(port: DdbPort, s: NodeJS.CallSite): DdbFrame | null {
  const file = s.getFileName() ?? '';
  if (file === '' || file.startsWith('node:')) return null;
  const at = port.source(file, s.getLineNumber() ?? 0, s.getColumnNumber() ?? 0);
  const type = s.getTypeName();
  const fn = s.getFunctionName() ?? '<anonymous>';
  return { fn: type === null || type === 'Object' || fn.includes('.') ? fn : `${type}.${fn}`, ...at, locals: [] };
}

/** Frames that are the debugger's own or the scheduler's way of looking. */
const INNER = /^(lwktProbe|suspended|tsleep|.*\.next)$/;
const isDdb = (f: DdbFrame): boolean => /(^|\/)vkernel\/ddb\//.test(f.file);

/** Drop the debugger's frames at the inner end, and everything outside the thread at the outer end. */
function trim(frames: readonly DdbFrame[], outer: RegExp): DdbFrame[] {
  let from = 0;
  while (from < frames.length && (isDdb(frames[from]) || frames[from].fn === 'suspended')) from++;
  let to = from;
  while (to < frames.length && !outer.test(frames[to].fn) && !isDdb(frames[to])) to++;
  return frames.slice(from, to).filter((f) => !f.fn.endsWith('.next') && f.fn !== 'next');
}

/** The chain of a thread that sleeps, innermost first, with locals where the engine's debugger can look; or why not. */
export function threadStack(port: DdbPort, td: LwktThread, locals: boolean): DdbFrame[] | string {
  if (td === gd.lwkt.cur) return 'thread is running';
  const engine = locals ? port.engine() : null;
  if (engine !== null) {
    const frames = engine.framesOf((here) => void lwktProbe(td, here));
    if (frames !== null) return trim(frames, /^lwktProbe$/);
  }
  let sites: NodeJS.CallSite[] = [];
  const looked = lwktProbe(td, () => {
    sites = callSites();
  });
  if (!looked) return 'thread has not run yet';
  return trim(
    sites.map((s) => frameOf(port, s)).filter((f) => f !== null),
    /^lwktProbe$/,
  );
}

/** Where kernel code is now, innermost first; ends where the machine was entered. */
export function currentStack(port: DdbPort): DdbFrame[] {
  const frames = callSites()
    .map((s) => frameOf(port, s))
    .filter((f) => f !== null);
  return frames.filter((f) => !isDdb(f) && !INNER.test(f.fn));
}

export function printFrames(port: DdbPort, frames: readonly DdbFrame[], out: (s: string) => void): void {
  frames.forEach((f, i) => {
    out(`#${i} ${f.fn}() at ${f.file}:${f.line}\n`);
    const text = port.sourceLine(f.file, f.line);
    if (text !== null) out(`       ${text.trim()}\n`);
    if (f.locals.length > 0) out(`       ${f.locals.join(', ')}\n`);
  });
}
