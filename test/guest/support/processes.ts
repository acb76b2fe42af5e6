/**
 * What a kernel may leave behind on the host: processes, shared memory, temporary files.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';

/** Live processes by pid, with their parents. */
function parents(): Map<number, number> {
  const out = new Map<number, number>();
  for (const d of readdirSync('/proc')) {
    if (!/^\d+$/.test(d)) continue;
    try {
      const [state, ppid] = readFileSync(`/proc/${d}/stat`, 'latin1')
        .replace(/^.*\) /s, '')
        .split(' ');
      if (state !== 'Z' && state !== 'X') out.set(Number(d), Number(ppid));
    } catch {
      // It has just ended.
    }
  }
  return out;
}

/** Live processes whose parents, grandparents ... include `pid`. */
export function descendants(pid: number): number[] {
  const all = [...parents()];
  const below = (p: number): number[] => all.filter(([, pp]) => pp === p).flatMap(([c]) => [c, ...below(c)]);
  return below(pid);
}

/** Wait until none of `pids` lives. @returns those that still do after `ms`. */
export async function gone(pids: number[], ms = 5000): Promise<number[]> {
  const end = Date.now() + ms;
  for (;;) {
    const all = parents();
    const left = pids.filter((p) => all.has(p));
    if (left.length === 0 || Date.now() > end) return left;
    await new Promise((r) => setTimeout(r, 20));
  }
}

/**
 * Names in the places where shared memory and temporary files are. What other programs of the host make there at the same
 * time is left out as far as names tell: only what mentions the kernel, or appears in /dev/shm, counts.
 */
export function traces(): string[] {
  const list = (dir: string): string[] => {
    try {
      return readdirSync(dir).map((f) => `${dir}/${f}`);
    } catch {
      return [];
    }
  };
  const own = (f: string): boolean => !f.includes('/vkernel-test-');
  return [...list('/dev/shm'), ...list(tmpdir()).filter((f) => /vk|dfly|dragonfly|memfd/i.test(f) && own(f))].sort();
}

/** Processes that hold guest RAM or a kernel's control memory, or run a stub, among `pids`. */
export function holders(pids: number[]): number[] {
  return pids.filter((pid) => {
    try {
      if (/vkstub/.test(readFileSync(`/proc/${pid}/cmdline`, 'latin1'))) return true;
      return readdirSync(`/proc/${pid}/fd`).some((fd) => /memfd:/.test(readlinkSync(`/proc/${pid}/fd/${fd}`)));
    } catch {
      return false;
    }
  });
}
