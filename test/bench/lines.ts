/**
 * The lines of the benchmark: what is measured, the goal, and the rivals.
 *
 * Goals and rivals' figures were measured on one machine together with Linux natively there. What carries over to
 * another machine is their ratio to the native figure, so that is what is kept here. For rates (MB/s) the ratio is
 * turned round: always "how many times the host's time".
 */
export interface Line {
  /** Name that the programs print. */
  key: string;
  name: string;
  /** ns: time; rate: MB/s; s, percent and mb are compared as they are, with no host figure. */
  unit: 'ns' | 'rate' | 's' | 'percent' | 'mb';
  /** As a ratio to the host (ns, rate), or absolute (s, percent, mb); null: none is set. */
  goal: number | null;
  gvisor: number | null;
  /** User-mode Linux: the better of its two ways of trapping. */
  uml: number | null;
}

const line = (
  key: string,
  name: string,
  unit: Line['unit'],
  goal: number | null,
  gvisor: number | null,
  uml: number | null,
): Line => ({ key, name, unit, goal, gvisor, uml });

/** A time by its native, gVisor, UML and goal figures on the reference machine. */
const time = (key: string, name: string, native: number, gvisor: number, uml: number, goal: number): Line =>
  line(key, name, 'ns', goal / native, gvisor / native, uml / native);
const rate = (key: string, name: string, native: number, gvisor: number, uml: number, goal: number): Line =>
  line(key, name, 'rate', native / goal, native / gvisor, native / uml);

/** Lines measured by micro.c. */
export const micro: Line[] = [
  time('getpid', 'getpid, patched call site', 185, 694, 9130, 185),
  time('getpid_sigsys', 'getpid, site that cannot be patched', 185, 4176, 9130, 3000),
  time('write_null', 'write 1 byte to /dev/null', 234, 4037, 9358, 400),
  time('pipe', 'pipe ping-pong, two processes, round trip', 5700, 35200, 45300, 10000),
  time('fork', 'fork + exit + wait', 73500, 1285000, 574000, 250000),
  time('forkexec', 'fork + exec + wait', 153000, 2030000, 1044000, 450000),
  time('fault', 'page fault, first touch in sequence, per page', 2213, 3614, 21000, 1500),
  time('mmap', 'mmap, touch, munmap of one page', 7074, 124000, 62900, 20000),
  time('signal', 'signal to self and back', 2810, 7042, 19700, 2800),
  time('stat', 'stat of a cached path', 1204, 5016, 12000, 1200),
  time('create', 'create + unlink a file, tmpfs', 11400, 18500, 87000, 10000),
  line('seqwrite', 'sequential write to the page cache', 'rate', null, null, null),
  rate('seqread', 'sequential read, cached', 15350, 9420, 4200, 10000),
  time('randread', 'random 4 KB read, cached', 883, 6013, 10416, 900),
  time('compute', 'pure computation (control)', 2033, 2116, 2112, 2033),
];

/** Lines measured by gobench.go. */
export const golang: Line[] = [
  time('go_getpid', 'Go: syscall.Getpid', 185, 4176, 9130, 185),
  time('go_exec', 'Go: fork + exec + wait through os/exec', 1150000, 7890000, 8300000, 3500000),
];

/** Lines measured from outside, and in the kernel itself. Absolute figures. */
export const whole: Line[] = [
  line('boot', 'launch to the shell prompt, s', 's', 0.25, 0.21, 0.96),
  line('hello', 'vkernel run of hello world, s', 's', 0.5, null, null),
  line('idle_cpu', 'idle at the prompt: CPU of a core, %', 'percent', 0.5, 5.1, 0.1),
  line('idle_mb', 'idle at the prompt: memory (PSS), MB', 'mb', 90, 41, 23),
  line('switch', 'LWKT switch, ns', 'ns', null, null, null),
  line('sleep', 'tsleep + wakeup, ns', 'ns', null, null, null),
];
