/** The addon as TypeScript sees it, and its loader. Mechanism only: offsets into shared memory, -errno results. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface NativeHost {
  /** The control memfd (native/stub/layout.h). */
  readonly ctl: ArrayBuffer;
  /** Guest RAM, segments of 1 GiB. */
  readonly ram: ArrayBuffer[];
  /** [count, events pending, then pairs (index of a u32 of ctl, value that means stopped)]. */
  readonly running: ArrayBuffer;
  /** Bytes of a thread's slot. */
  readonly slotBytes: number;
  /** Host processors this process may use. */
  readonly cpus: number;
  /** There are near mappers (see docs/machine.md). */
  readonly near: boolean;
  requestVm(block: number): number;
  readVm(): number;
  flush(block: number, seq: number, pidfd: number): number;
  awaitDone(block: number, seq: number, pidfd: number): number;
  awaitNear(block: number, seq: number, pidfd: number): number;
  lastResult(): number;
  openPid(pid: number): number;
  signal(pidfd: number, signo: number): number;
  alive(pidfd: number): boolean;
  parked(pid: number, pidfd: number, line: number): boolean;
  closePid(pidfd: number): void;
  wake(index: number): void;
  wait(ns: number): void;
  listen(): void;
  unlisten(): void;
  discard(block: number): number;
  addDisk(fd: number, sizeBytes: number, cow: boolean): number;
  submitDisk(disk: number, op: number, off: number, pa: number, lenBytes: number, cookie: number): number;
  takeDisk(out: Float64Array): number;
  armPoll(slot: number, fd: number, write: boolean): void;
  takePoll(): number;
  pinThread(): number;
  close(): void;
}

/** /dev/fuse: see fuse.cc. */
export interface NativeFuse {
  read(buf: Uint8Array, spinNs: number, waitMs: number): number;
  write(buf: Uint8Array, len: number): number;
  arm(): void;
  close(): void;
}

export interface NativeModule {
  Host: new (ramBytes: number, maxVm: number, stubPath: string, onDoorbell: () => void) => NativeHost;
  // Results below are -errno of the host when negative. `out` is a Float64Array(14): see files.cc.
  openRoot(path: string): number;
  fstat(fd: number, out: Float64Array): number;
  lstatAt(dir: number, name: string, out: Float64Array): number;
  openDirAt(dir: number, name: string): number;
  openFileAt(dir: number, name: string, flags: number, mode: number): number;
  pread(fd: number, buf: Uint8Array, off: number): number;
  pwrite(fd: number, buf: Uint8Array, off: number): number;
  ftruncate(fd: number, size: number): number;
  fsync(fd: number): number;
  closeFd(fd: number): number;
  list(dir: number): (string | number)[] | number;
  readlinkAt(dir: number, name: string): string | number;
  mkdirAt(dir: number, name: string, mode: number): number;
  symlinkAt(dir: number, name: string, target: string): number;
  linkAt(dir: number, name: string, toDir: number, toName: string): number;
  renameAt(dir: number, name: string, toDir: number, toName: string): number;
  unlinkAt(dir: number, name: string, isDir: number): number;
  chmodAt(dir: number, name: string, mode: number): number;
  utimesAt(dir: number, name: string, asec: number, ansec: number, msec: number, mnsec: number): number;
  tryRead(fd: number, buf: Uint8Array): number;
  tryWrite(fd: number, buf: Uint8Array): number;
  fdKind(fd: number): number;
  winsize(fd: number): number[] | number;
  rawMode(fd: number, stubPath: string): number;
  cookedMode(): void;
  openDisk(path: string, write: boolean): number;
  diskSize(fd: number): number;
  FuseDevice: new (fd: number, onReady: () => void) => NativeFuse;
  fuseOpen(): number;
  mount(source: string, dir: string, type: string, flags: number, data: string): number;
  umount(dir: string, lazy: boolean, done: (result: number) => void): void;
  fusermount(dir: string, options: string): number;
}

/** Folder of the package: the one that holds package.json, above dist/ or the sources. */
export function packageRoot(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, 'package.json'))) {
    const up = dirname(dir);
    if (up === dir) throw new Error('vkernel: package.json not found');
    dir = up;
  }
  return dir;
}

/** What node-gyp has built, else what the package came with. */
export function buildDir(): string {
  const built = join(packageRoot(), 'build', 'Release');
  if (existsSync(join(built, 'vkernel_native.node'))) return built;
  const shipped = join(packageRoot(), 'prebuilds', `${process.platform}-${process.arch}`);
  return existsSync(shipped) ? shipped : built;
}

let loaded: NativeModule | null = null;
export function native(): NativeModule {
  loaded ??= createRequire(import.meta.url)(join(buildDir(), 'vkernel_native.node')) as NativeModule;
  return loaded;
}
