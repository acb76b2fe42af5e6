/**
 * An address space of the host machine: a stub process whose first task, the mapper, carries out mapping operations.
 *
 * Operations are written straight into the request block, which guests can only read, and start with flush(). The
 * mapper's answer comes through its descriptor of the control memory, which guest threads do not have: after flush()
 * an unmapped page is really gone, however hostile the guest.
 *
 * There are two mappers, of which one works at a time: the one on the kernel's processor for flush(), and a near one on
 * the guests', which saves the interrupt that empties the TLB of a processor on which a thread of the address space
 * is. A thread that is resumed while it spins starts the near one itself and waits for it (HOW_MAP), so that nobody
 * changes processors. A guest that does not is left alone: until the near mapper has answered, the operations count
 * as not carried out (`unflushed`), and whoever cannot wait for that wakes it (settle).
 *
 * A released vmspace is emptied; its mapper and its first thread are used again if the host confirms that the thread
 * sleeps where it was sent (see entry.S), else all its processes are killed and the block is used again once they are
 * gone. Other threads never live on.
 */
import { EAGAIN, Errno } from '../../sys/errno.js';
import type { CallSitePatcher, MachVmspace, Prot } from '../machine.js';
import { PAGE_SIZE } from '../ram.js';
import type { MachineCore } from './core.js';
import { HostLwp, prepareThread, reuseThread } from './host_lwp.js';
import { Vk } from './layout.js';
import { hostPatcher } from './patch.js';

const TWO32 = 0x1_0000_0000;
const SIGKILL = 9;
/** Extra mmap flag in the low bits of an operation's offset: MAP_POPULATE (0x8000) >> 12. */
const POPULATE = 8;
/** Bit of an answer: an operation has failed. */
const FAILED = 0x8000_0000 | 0;

export class HostVmspace implements MachVmspace {
  readonly userTop = Vk.WIN;
  readonly userBottom: number;
  pendingOps = 0;
  /** Operations that the near mapper has been given; 0 none. The list is not touched before it has answered. */
  private nearOps = 0;
  patcher: CallSitePatcher | null = hostPatcher;
  private seq: number;
  private readonly reqIdx: number;
  /** Threads by slot; null: free. */
  private readonly lwps: (HostLwp | null)[] = [];
  /** Threads that were killed but may not have ended: slots and command lines to free later. */
  private readonly dying: HostLwp[] = [];
  private firstTaken = false;
  /** The first thread was released and sent to wait for its next use. */
  private spare = false;
  /** When it was released; for the pool. */
  releasedNs = 0;
  gone = false;

  constructor(
    private readonly core: MachineCore,
    readonly id: number,
    readonly block: number,
    readonly pidfd: number,
    private readonly first: { cmd: number; pid: number; pidfd: number },
    seq: number,
  ) {
    this.seq = seq;
    this.userBottom = core.minAddress;
    this.reqIdx = (Vk.BLOCK * (block + 1) + Vk.REQ_OFF) / 4;
  }

  get unflushed(): boolean {
    return this.pendingOps > 0 || !this.nearDone();
  }
  get nrunning(): number {
    let n = 0;
    for (const l of this.lwps) if (l !== null && l.running) n++;
    return n;
  }

  private op(kind: number, arg: number, va: number, len: number, off: number): void {
    if (this.nearOps !== 0) this.settle();
    if (this.pendingOps === Vk.OP_MAX) this.flush();
    const { ctl } = this.core;
    const i = this.reqIdx + (Vk.R_OPS + this.pendingOps * Vk.OP_SIZE) / 4;
    ctl[i] = kind;
    ctl[i + 1] = arg;
    ctl[i + 2] = va % TWO32;
    ctl[i + 3] = va / TWO32;
    ctl[i + 4] = len % TWO32;
    ctl[i + 5] = len / TWO32;
    ctl[i + 6] = off % TWO32;
    ctl[i + 7] = off / TWO32;
    this.pendingOps++;
  }

  private check(va: number, lenBytes: number): void {
    if (
      !(va >= 0 && lenBytes > 0 && va + lenBytes <= this.userTop) ||
      va % PAGE_SIZE !== 0 ||
      lenBytes % PAGE_SIZE !== 0
    )
      throw new RangeError(`vmspace: bad range ${va.toString(16)}+${lenBytes.toString(16)}`);
  }

  map(va: number, ppn: number, npages: number, prot: Prot): void {
    const len = npages * PAGE_SIZE;
    this.check(va, len);
    if (!(ppn >= 0 && ppn + npages <= this.core.ram.npages)) throw new RangeError(`vmspace: bad page ${ppn}+${npages}`);
    const off = ppn * PAGE_SIZE + (prot !== 0 ? POPULATE : 0);
    if (this.pendingOps > 0) {
      // Continue the operation before, where it fits.
      const { ctl } = this.core;
      const i = this.reqIdx + (Vk.R_OPS + (this.pendingOps - 1) * Vk.OP_SIZE) / 4;
      const rd = (k: number): number => (ctl[i + k + 1] >>> 0) * TWO32 + (ctl[i + k] >>> 0);
      if (ctl[i] === Vk.OP_MAP && ctl[i + 1] === prot) {
        const l = rd(4);
        if (rd(2) + l === va && rd(6) + l === off) {
          ctl[i + 4] = (l + len) % TWO32;
          ctl[i + 5] = (l + len) / TWO32;
          return;
        }
      }
    }
    this.op(Vk.OP_MAP, prot, va, len, off);
  }

  unmap(va: number, lenBytes: number): void {
    this.check(va, lenBytes);
    this.op(Vk.OP_UNMAP, 0, va, lenBytes, 0);
  }

  protect(va: number, lenBytes: number, prot: Prot): void {
    this.check(va, lenBytes);
    this.op(Vk.OP_PROTECT, prot, va, lenBytes, 0);
  }

  /** Leave the pending operations to the near mapper. A thread has to be resumed with HOW_MAP now. */
  startNear(): void {
    const { ctl } = this.core;
    const near = this.reqIdx + Vk.R_NEAR / 4;
    this.nextSeq();
    ctl[this.reqIdx + Vk.R_NOPS / 4] = this.pendingOps;
    ctl[near + Vk.R_FAILED / 4] = this.seq | FAILED;
    this.nearOps = this.pendingOps;
    this.pendingOps = 0;
    Atomics.store(ctl, near + Vk.R_SEQ / 4, this.seq);
    this.core.nearVmspaces.push(this);
  }

  /** True when the near mapper has nothing left to do, or this kernel has done it in its place after a failure. */
  nearDone(): boolean {
    if (this.nearOps === 0) return true;
    const { ctl, native, nearVmspaces } = this.core;
    const done = this.reqIdx + (Vk.R_NEAR + Vk.R_DONE) / 4;
    const v = Atomics.load(ctl, done);
    if (v !== this.seq && v !== (this.seq | FAILED)) return false;
    nearVmspaces.splice(nearVmspaces.indexOf(this), 1);
    const n = this.nearOps;
    this.nearOps = 0;
    if (v === this.seq) return true;
    // The whole list once more: doing a part of it twice changes nothing.
    const seq = this.seq;
    this.pendingOps = n;
    this.flush();
    Atomics.store(ctl, done, seq);
    native.wake(done);
    return true;
  }

  /** Wait for the near mapper, without relying on the guest. */
  settle(): void {
    const { core } = this;
    if (this.nearDone()) return;
    const r = this.gone ? -1 : core.native.awaitNear(this.block, this.seq, this.pidfd);
    if (r < 0) {
      core.log?.error({ vmspace: this.id, errno: -r }, 'vmspace: its process is gone');
      this.gone = true;
      this.nearOps = 0;
      core.nearVmspaces.splice(core.nearVmspaces.indexOf(this), 1);
    } else this.nearDone();
  }

  private nextSeq(): void {
    this.seq = this.seq === 0x7fffffff ? 1 : this.seq + 1;
  }

  flush(): void {
    const { core } = this;
    if (this.nearOps !== 0) this.settle();
    while (this.pendingOps > 0 && !this.gone) {
      const n = this.pendingOps;
      core.ctl[this.reqIdx + Vk.R_NOPS / 4] = n;
      this.nextSeq();
      const r = core.native.flush(this.block, this.seq, this.pidfd);
      this.pendingOps = 0;
      if (r === 0) return;
      if (r < 0) {
        core.log?.error({ vmspace: this.id, errno: -r }, 'vmspace: its process is gone');
        this.gone = true;
        return;
      }
      this.failed(n);
    }
    this.pendingOps = 0;
  }

  /** An operation failed: leave the rest of the list pending again, with the failed one dealt with. */
  private failed(n: number): void {
    const { core } = this;
    const result = core.native.lastResult();
    const errno = result % TWO32;
    const left = Math.floor(result / TWO32);
    const base = this.reqIdx + Vk.R_OPS / 4;
    const words = Vk.OP_SIZE / 4;
    const at = base + (n - left) * words;
    const kind = core.ctl[at];
    const ENOMEM = 12;
    if (errno === ENOMEM && kind === Vk.OP_MAP && left < Vk.OP_MAX) {
      // Too many separate mappings for the host (vm.max_map_count): drop them all, the guest faults them in again.
      core.log?.info({ vmspace: this.id }, 'vmspace: mappings dropped, the host allows no more');
      core.ctl.copyWithin(base + words, at, at + left * words);
      core.ctl.fill(0, base, base + words);
      this.op(Vk.OP_UNMAP, 0, 0, this.userTop, 0);
      this.pendingOps = left + 1;
      return;
    }
    if (errno === ENOMEM && kind === Vk.OP_PROTECT) {
      // Part of the range is not mapped. Unmapped is stricter than any protection, and the guest faults it in again.
      core.ctl[at] = Vk.OP_UNMAP;
      core.ctl.copyWithin(base, at, at + left * words);
      this.pendingOps = left;
      return;
    }
    // The host refuses for good (an address below vm.mmap_min_addr).
    core.log?.error({ vmspace: this.id, errno, kind }, 'vmspace: mapping operation refused');
    core.ctl.copyWithin(base, at + words, at + left * words);
    this.pendingOps = left - 1;
  }

  newLwp(): HostLwp | Errno {
    if (this.gone) return EAGAIN;
    this.reap();
    if (!this.firstTaken) {
      this.firstTaken = true;
      const l = new HostLwp(this.core, this, this.first.cmd, 0, this.first.pid, this.first.pidfd);
      this.lwps[0] = l;
      return l;
    }
    let slot = this.lwps.indexOf(null);
    if (slot < 0) slot = this.lwps.length;
    if ((slot + 1) * this.core.native.slotBytes > Vk.SLOTS_BYTES) return EAGAIN;
    const id = prepareThread(this.core, this.block, slot);
    if (id instanceof Errno) return id;
    this.flush();
    this.op(Vk.OP_CLONE, 1, Vk.CMD + id * Vk.C_SIZE, 0, 0);
    this.core.ctl[this.reqIdx + Vk.R_NOPS / 4] = 1;
    this.pendingOps = 0;
    this.nextSeq();
    const r = this.core.native.flush(this.block, this.seq, this.pidfd);
    const pid = r === 0 ? this.core.native.lastResult() : -1;
    const pidfd = pid > 0 ? this.core.native.openPid(pid) : -1;
    if (pidfd < 0) {
      this.core.log?.error({ vmspace: this.id, result: r, pidfd }, 'vmspace: no thread');
      // Without a descriptor the thread cannot be told apart from others later: the line and the slot stay unused.
      if (r !== 0) this.core.freeCmd(id);
      return EAGAIN;
    }
    const l = new HostLwp(this.core, this, id, slot, pid, pidfd);
    this.lwps[slot] = l;
    return l;
  }

  /** A thread was released by the kernel, in good order if `stopped`. */
  lwpGone(l: HostLwp, stopped: boolean): void {
    if (l.slot === 0 && stopped && !l.fresh && !this.gone) {
      this.spare = true;
      l.retire();
      return;
    }
    this.core.native.signal(l.pidfd, SIGKILL);
    this.dying.push(l);
  }

  /** Free what ended threads have held. True when none is left dying. */
  private reap(): boolean {
    for (let i = this.dying.length - 1; i >= 0; i--) {
      const l = this.dying[i];
      if (this.core.native.alive(l.pidfd)) continue;
      this.core.native.closePid(l.pidfd);
      this.core.freeCmd(l.id);
      this.lwps[l.slot] = null;
      this.dying[i] = this.dying[this.dying.length - 1];
      this.dying.pop();
    }
    return this.dying.length === 0;
  }

  release(): void {
    for (const l of this.lwps)
      if (l !== null && !this.dying.includes(l) && !(l.slot === 0 && this.spare))
        throw new Error('vmspace: released with threads');
    // Pending operations do not matter any more. Once this one is done, the guest's memory can be used again.
    this.settle();
    this.pendingOps = 0;
    this.unmap(0, this.userTop);
    this.flush();
    this.releasedNs = this.core.now();
    if (this.spare && !this.gone) this.core.idleVmspaces.push(this);
    else this.discard();
  }

  /** Kill what is left; the pool frees the block once all has ended. */
  discard(): void {
    this.gone = true;
    if (!this.firstTaken)
      this.lwpGone(new HostLwp(this.core, this, this.first.cmd, 0, this.first.pid, this.first.pidfd), false);
    else if (this.spare) this.lwpGone(this.lwps[0]!, false);
    this.firstTaken = true;
    this.spare = false;
    this.core.native.signal(this.pidfd, SIGKILL);
    this.core.dyingVmspaces.push(this);
  }

  /** The same stub process as a new vmspace, or null while its threads are not where they should be. */
  again(id: number): HostVmspace | null {
    const { core, first } = this;
    if (!this.reap() || !core.native.parked(first.pid, first.pidfd, first.cmd)) return null;
    const { slotBytes } = core.native;
    const base = Vk.BLOCK * (this.block + 1) + Vk.SLOTS_OFF;
    if (this.lwps.length > 1) core.ctl.fill(0, (base + slotBytes) / 4, (base + this.lwps.length * slotBytes) / 4);
    reuseThread(core, this.block, 0, first.cmd);
    return new HostVmspace(core, id, this.block, this.pidfd, first, this.seq);
  }

  /** The machine ends: kill everything at once. */
  kill(): void {
    if (!this.firstTaken) this.core.native.signal(this.first.pidfd, SIGKILL);
    for (const l of this.lwps) if (l !== null) this.core.native.signal(l.pidfd, SIGKILL);
    this.core.native.signal(this.pidfd, SIGKILL);
    for (const l of this.lwps) if (l !== null) this.core.native.closePid(l.pidfd);
    if (!this.firstTaken) this.core.native.closePid(this.first.pidfd);
    this.core.native.closePid(this.pidfd);
  }

  /** True when all its processes have ended, and everything but the block has been freed. */
  ended(): boolean {
    if (!this.reap() || this.core.native.alive(this.pidfd)) return false;
    this.core.native.closePid(this.pidfd);
    return true;
  }
}
