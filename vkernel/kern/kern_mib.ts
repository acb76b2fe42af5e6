/**
 * The base sysctl nodes: identity, limits, hardware, cpu times, load averages, message buffer.
 *
 * Counterpart: sys/kern/kern_mib.c; dragonfly-abi.md 8.2
 */
import { EINVAL, type Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { FSCALE, HZ, STATHZ, cpTimes, loadAverages } from './kern_clock.js';
import { hostnameOf, setHostname } from './kern_jail.js';
import { panic } from './kern_shutdown.js';
import { sysctlAdd, sysctlNumber, sysctlString, type SysctlKind } from './kern_sysctl.js';

declare module '../sys/globaldata.js' {
  interface GlobalData {
    mib: Mib;
  }
}

export const OSTYPE = 'DragonFly';
export const OSRELEASE = '6.4-RELEASE';
export const OSRELDATE = 600400;
export const OSREVISION = 199506;
export const VERSION =
  'DragonFly 6.4-RELEASE (VKERNEL64)\n' + '    vkernel: a DragonFly virtual kernel in TypeScript\n';
/** Top of the user stack, dragonfly-abi.md 5.2. */
export const USRSTACK = 0x7fffffe00000;
export const MAXSSIZ = 512 * 2 ** 20;
export const MAXTHRSSIZ = 128 * 2 ** 30;
export const ARG_MAX = 262144;
export const NGROUPS_MAX = 16;

/** What can be set. */
export class Mib {
  hostname = '';
  domainname = '';
  hostid = 0;
  securelevel = -1;
  maxproc = 4000;
  maxprocperuid = 3600;
  maxfiles = 65536;
  maxfilesperproc = 32768;
  corefile = '%N.core';
  coredump = 1;
  logsigexit = 1;
  bootfile = '/boot/kernel/vkernel';
  gettimeofdayQuick = 0;
}

const int = (name: string, oid: number[] | 'auto', value: number | (() => number), descr: string): void =>
  sysctlAdd({ name, oid, kind: 'int', get: typeof value === 'number' ? () => value : value, descr });
const str = (name: string, oid: number[] | 'auto', value: string | (() => string), descr: string): void =>
  sysctlAdd({ name, oid, kind: 'string', get: typeof value === 'string' ? () => value : value, descr });

type NumberField = {
  [K in keyof Mib]: Mib[K] extends number ? K : never;
}[keyof Mib];
type StringField = {
  [K in keyof Mib]: Mib[K] extends string ? K : never;
}[keyof Mib];

/** A writable number of Mib; `check` refuses bad values. */
function rwInt(
  name: string,
  oid: number[] | 'auto',
  field: NumberField,
  descr: string,
  check: (v: number) => Errno | null = (v) => (v < 0 ? EINVAL : null),
  kind: SysctlKind = 'int',
): void {
  sysctlAdd({
    name,
    oid,
    kind,
    descr,
    get: () => gd.mib[field],
    set: (_p, b) => {
      const v = sysctlNumber(b);
      const e = check(v);
      if (e === null) gd.mib[field] = v;
      return e;
    },
  });
}
function rwStr(name: string, oid: number[] | 'auto', field: StringField, descr: string, maxLen: number): void {
  sysctlAdd({
    name,
    oid,
    kind: 'string',
    descr,
    maxLen,
    get: () => gd.mib[field],
    set: (_p, b) => {
      gd.mib[field] = sysctlString(b);
      return null;
    },
  });
}

/** Little-endian fields to bytes: widths 4 or 8. */
function pack(...fields: readonly [width: 4 | 8, value: number | bigint][]): Uint8Array {
  const b = new Uint8Array(fields.reduce((n, [w]) => n + w, 0));
  const v = new DataView(b.buffer);
  let o = 0;
  for (const [w, x] of fields) {
    if (w === 4) v.setInt32(o, Number(x), true);
    else v.setBigInt64(o, BigInt(typeof x === 'number' ? Math.trunc(x) : x), true);
    o += w;
  }
  return b;
}

/** Cpu times in microseconds, each cpu the same share: the scheduler keeps totals only. */
function cpMicros(): number[] {
  return cpTimes().map((ns) => ns / 1000);
}

export function mibInit(): void {
  gd.mib = new Mib();
  const { machine } = gd;
  const { ncpus } = machine;
  const physmem = machine.ram.npages * 4096;

  str('kern.ostype', [1, 1], OSTYPE, 'Operating system type');
  str('kern.osrelease', [1, 2], OSRELEASE, 'Operating system release');
  int('kern.osrevision', [1, 3], OSREVISION, 'Operating system revision');
  str('kern.version', [1, 4], VERSION, 'Kernel version');
  int('kern.maxvnodes', [1, 5], 100000, 'Maximum number of vnodes');
  rwInt('kern.maxproc', [1, 6], 'maxproc', 'Maximum number of processes');
  rwInt('kern.maxfiles', [1, 7], 'maxfiles', 'Maximum number of open files');
  int('kern.argmax', [1, 8], ARG_MAX, 'Maximum bytes of argument to execve(2)');
  rwInt('kern.securelevel', [1, 9], 'securelevel', 'Current secure level', (v) =>
    v < gd.mib.securelevel ? EINVAL : null,
  );
  sysctlAdd({
    name: 'kern.hostname',
    oid: [1, 10],
    kind: 'string',
    descr: 'Hostname',
    maxLen: 256,
    inJail: true,
    get: (p) => hostnameOf(p),
    set: (p, b) => setHostname(p, sysctlString(b)),
  });
  rwInt('kern.hostid', [1, 11], 'hostid', 'Host ID', () => null, 'u64');
  sysctlAdd({
    name: 'kern.clockrate',
    oid: [1, 12],
    kind: 'opaque',
    fmt: 'S,clockinfo',
    descr: 'Rates of the clocks',
    get: () => pack([4, HZ], [4, 1e6 / HZ], [4, 1], [4, STATHZ], [4, STATHZ]),
  });
  int('kern.posix1version', [1, 17], 199009, 'Version of POSIX attempting to comply to');
  int('kern.ngroups', [1, 18], NGROUPS_MAX, 'Maximum number of groups a user can belong to');
  int('kern.job_control', [1, 19], 1, 'Whether job control is available');
  int('kern.saved_ids', [1, 20], 1, 'Whether saved set-group/user ID is available');
  sysctlAdd({
    name: 'kern.boottime',
    oid: [1, 21],
    kind: 'opaque',
    fmt: 'S,timespec',
    descr: 'System boottime',
    get: () => pack([8, gd.machine.wallBaseNs / 1_000_000_000n], [8, gd.machine.wallBaseNs % 1_000_000_000n]),
  });
  rwStr('kern.domainname', [1, 22], 'domainname', 'YP domain name', 256);
  int('kern.osreldate', [1, 24], OSRELDATE, 'Operating system release date');
  str('kern.bootfile', [1, 26], () => gd.mib.bootfile, 'Name of kernel file booted');
  rwInt('kern.maxfilesperproc', [1, 27], 'maxfilesperproc', 'Maximum files allowed open per process');
  rwInt('kern.maxprocperuid', [1, 28], 'maxprocperuid', 'Maximum processes allowed per userid');
  int('kern.ipc.somaxconn', [1, 30, 3], 128, 'Maximum pending socket connection queue size');
  sysctlAdd({
    name: 'kern.ipc.maxsockbuf',
    oid: [1, 30, 1],
    kind: 'ulong',
    get: () => 524288,
    descr: 'Maximum socket buffer size',
  });
  sysctlAdd({
    name: 'kern.usrstack',
    oid: [1, 33],
    kind: 'ulong',
    get: () => USRSTACK,
    descr: 'Top of the user stack',
  });
  int('kern.iov_max', [1, 35], 1024, 'Maximum number of elements in an I/O vector');
  int('kern.tls_extra', [1, 37], 6144, 'How much extra static TLS space to allocate');
  sysctlAdd({ name: 'kern.maxssiz', kind: 's64', get: () => MAXSSIZ, descr: 'Maximum stack size' });
  sysctlAdd({ name: 'kern.maxthrssiz', kind: 's64', get: () => MAXTHRSSIZ, descr: 'Maximum thread stacks size' });
  int('kern.maxusers', 'auto', 256, 'Hint for kernel tuning');
  int('kern.fscale', 'auto', FSCALE, 'Fixed-point scale of load averages');
  rwStr('kern.corefile', 'auto', 'corefile', 'Process corefile name format string', 1024);
  rwInt('kern.coredump', 'auto', 'coredump', 'Enable/Disable coredumps');
  rwInt('kern.logsigexit', 'auto', 'logsigexit', 'Log processes quitting on abnormal signals');
  rwInt('kern.gettimeofday_quick', 'auto', 'gettimeofdayQuick', 'Use the kernel tick for gettimeofday');
  sysctlAdd({
    name: 'debug.panic',
    kind: 'int',
    descr: 'Panic the kernel when set',
    get: () => 0,
    set: (_p, bytes) => (sysctlNumber(bytes) === 0 ? null : panic('from sysctl debug.panic')),
  });
  sysctlAdd({
    name: 'kern.random',
    kind: 'opaque',
    fmt: '',
    descr: 'Random bytes',
    get: (_p, req) => {
      const b = new Uint8Array(Math.min(Number.isFinite(req.oldLen) ? req.oldLen : 0, 65536));
      gd.machine.entropy(b);
      return b;
    },
  });
  sysctlAdd({
    name: 'kern.cp_time',
    kind: 'opaque',
    fmt: 'LU',
    descr: 'CPU time statistics, microseconds',
    get: () => pack(...cpMicros().map((us): [8, number] => [8, us])),
  });
  sysctlAdd({
    name: 'kern.cp_times',
    kind: 'opaque',
    fmt: 'LU',
    descr: 'Per-CPU time statistics, microseconds',
    get: () => {
      const one = cpMicros().map((us): [8, number] => [8, us / ncpus]);
      return pack(...Array.from({ length: ncpus }, () => one).flat());
    },
  });
  sysctlAdd({
    name: 'kern.cputime',
    kind: 'opaque',
    fmt: 'S,kinfo_cputime',
    descr: 'Per-CPU time statistics',
    get: () => {
      const cp = cpMicros();
      const b = new Uint8Array(104 * ncpus);
      for (let i = 0; i < ncpus; i++) b.set(pack(...cp.map((us): [8, number] => [8, us / ncpus])), 104 * i);
      return b;
    },
  });
  sysctlAdd({
    name: 'kern.msgbuf',
    kind: 'opaque',
    fmt: 'A',
    descr: 'Contents of the kernel message buffer',
    get: () => gd.prf.msgbuf.contents(),
  });
  sysctlAdd({
    name: 'kern.msgbuf_clear',
    kind: 'int',
    descr: 'Clear the kernel message buffer',
    get: () => 0,
    set: (_p, b) => {
      if (sysctlNumber(b) !== 0) gd.prf.msgbuf.clear();
      return null;
    },
  });
  sysctlAdd({
    name: 'vm.loadavg',
    oid: [2, 2],
    kind: 'opaque',
    fmt: 'S,loadavg',
    descr: 'Machine loadaverage history',
    get: () => pack(...loadAverages().map((l): [8, number] => [8, l * FSCALE]), [8, FSCALE]),
  });
  int('vm.vkernel_enable', 'auto', 0, 'Nested virtual kernels');
  str('hw.machine', [6, 1], 'x86_64', 'Machine class');
  str('hw.model', [6, 2], 'vkernel virtual CPU', 'Machine model');
  int('hw.ncpu', [6, 3], ncpus, 'Number of active CPUs');
  int('hw.byteorder', [6, 4], 1234, 'System byte order');
  sysctlAdd({ name: 'hw.physmem', oid: [6, 5], kind: 'ulong', get: () => physmem, descr: 'Bytes of memory' });
  sysctlAdd({
    name: 'hw.usermem',
    oid: [6, 6],
    kind: 'ulong',
    get: () => physmem,
    descr: 'Bytes of non-kernel memory',
  });
  int('hw.pagesize', [6, 7], 4096, 'System memory page size');
  int('hw.floatingpoint', [6, 10], 1, 'Floating point in hardware');
  str('hw.machine_arch', [6, 11], 'x86_64', 'System architecture');
  str('hw.platform', [6, 12], 'vkernel64', 'Platform architecture');
  sysctlAdd({ name: 'hw.availpages', kind: 'u64', get: () => gd.machine.ram.npages, descr: 'Available pages' });
  sysctlAdd({
    name: 'machdep.smp_active',
    kind: 'opaque',
    fmt: 'S,cpumask',
    descr: 'CPUs that run',
    get: () => {
      const b = new Uint8Array(32);
      for (let i = 0; i < Math.min(ncpus, 256); i++) b[i >> 3] |= 1 << (i & 7);
      return b;
    },
  });
  userNodes();
  p1003Nodes();
}

function userNodes(): void {
  str('user.cs_path', [8, 1], '/usr/bin:/bin:/usr/sbin:/sbin', 'PATH that finds all the standard utilities');
  const limits: readonly [string, number][] = [
    ['bc_base_max', 99],
    ['bc_dim_max', 2048],
    ['bc_scale_max', 99],
    ['bc_string_max', 1000],
    ['coll_weights_max', 10],
    ['expr_nest_max', 32],
    ['line_max', 2048],
    ['re_dup_max', 255],
    ['posix2_version', 199212],
    ['posix2_c_bind', 0],
    ['posix2_c_dev', 0],
    ['posix2_char_term', 0],
    ['posix2_fort_dev', 0],
    ['posix2_fort_run', 0],
    ['posix2_localedef', 0],
    ['posix2_sw_dev', 0],
    ['posix2_upe', 0],
    ['stream_max', 20],
    ['tzname_max', 255],
  ];
  for (const [i, [name, v]] of limits.entries()) int('user.' + name, [8, i + 2], v, name);
}

function p1003Nodes(): void {
  const names =
    'asynchronous_io mapped_files memlock memlock_range memory_protection message_passing prioritized_io ' +
    'priority_scheduling realtime_signals semaphores fsync shared_memory_objects synchronized_io timers ' +
    'aio_listio_max aio_max aio_prio_delta_max delaytimer_max mq_open_max pagesize rtsig_max sem_nsems_max ' +
    'sem_value_max sigqueue_max timer_max';
  // What is here: mapped files, memory protection, fsync; the rest is not offered.
  const have: Readonly<Record<string, number>> = {
    mapped_files: 200112,
    memory_protection: 200112,
    fsync: 200112,
    pagesize: 4096,
  };
  for (const [i, name] of names.split(' ').entries()) int('p1003_1b.' + name, [9, i + 1], have[name] ?? 0, name);
}
