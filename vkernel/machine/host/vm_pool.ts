/**
 * Ready vmspaces. Making one takes a fork in the zygote and a clone in its child; both happen ahead of time, so that
 * a guest's fork finds address space and first thread waiting.
 */
import { EAGAIN, Errno } from '../../sys/errno.js';
import type { MachineCore } from './core.js';
import { prepareThread, slotAddress } from './host_lwp.js';
import { HostVmspace } from './host_vmspace.js';
import { Vk } from './layout.js';

/** Blocks in the control memory, and so the most address spaces at a time. */
export const MAX_VMSPACES = 1023;

/** Time a released thread has to get to its waiting place. */
const ARRIVE_NS = 100e6;
/** Idle vmspaces kept beyond this are given back. */
const IDLE_MAX = 32;

export class VmPool {
  private readonly freeBlocks: number[] = [];
  private nextBlock = 0;
  /** Requested from the zygote, not yet taken; oldest first. */
  private readonly waiting: { block: number; cmd: number }[] = [];
  private nextId = 1;
  /** Taken and not yet ended. */
  private readonly live = new Set<HostVmspace>();

  constructor(
    private readonly core: MachineCore,
    private readonly depth: number,
  ) {}

  /** Ask the zygote for as many as are missing. */
  fill(): void {
    while (this.waiting.length < this.depth && this.request());
  }

  private request(): boolean {
    const { core } = this;
    const block = this.freeBlocks.pop() ?? (this.nextBlock < MAX_VMSPACES ? this.nextBlock++ : -1);
    if (block < 0) return false;
    const cmd = prepareThread(core, block, 0);
    if (cmd instanceof Errno) {
      this.freeBlocks.push(block);
      return false;
    }
    // First request of the mapper: the first thread. Its pid may go to the slot, since no guest code runs there yet.
    const req = (Vk.BLOCK * (block + 1) + Vk.REQ_OFF) / 4;
    const { ctl } = core;
    ctl.fill(0, req, req + (Vk.R_OPS + Vk.OP_SIZE) / 4);
    const put = (i: number, v: number): void => {
      ctl[i] = v % 0x1_0000_0000;
      ctl[i + 1] = v / 0x1_0000_0000;
    };
    const op = req + Vk.R_OPS / 4;
    ctl[op] = Vk.OP_CLONE;
    put(op + Vk.O_VA / 4, Vk.CMD + cmd * Vk.C_SIZE);
    put(op + Vk.O_LEN / 4, slotAddress(core, block, 0).slotVa + Vk.S_PID);
    ctl[req + Vk.R_NOPS / 4] = 1;
    ctl[req + Vk.R_SEQ / 4] = 1;
    const r = core.native.requestVm(block);
    if (r < 0) {
      core.log?.error({ errno: -r }, 'zygote: request failed');
      core.freeCmd(cmd);
      this.freeBlocks.push(block);
      return false;
    }
    this.waiting.push({ block, cmd });
    return true;
  }

  /** An idle vmspace whose thread has arrived where it waits; one that does not get there in time is killed. */
  private recycled(): HostVmspace | null {
    const { idleVmspaces } = this.core;
    for (let i = 0; i < Math.min(idleVmspaces.length, 4); i++) {
      const old = idleVmspaces[i];
      const v = old.again(this.nextId);
      if (v !== null) {
        this.nextId++;
        idleVmspaces.splice(i, 1);
        this.live.delete(old);
        this.live.add(v);
        return v;
      }
      if (this.core.now() - old.releasedNs > ARRIVE_NS) {
        idleVmspaces.splice(i--, 1);
        old.discard();
      }
    }
    return null;
  }

  take(): HostVmspace | Errno {
    const { core } = this;
    const again = this.recycled();
    if (again !== null) return again;
    this.reap();
    if (this.waiting.length === 0 && !this.request()) return EAGAIN;
    const { block, cmd } = this.waiting.shift()!;
    const pid = core.native.readVm();
    const pidfd = pid > 0 ? core.native.openPid(pid) : -1;
    const ok = pidfd >= 0 && core.native.awaitDone(block, 1, pidfd) === 0;
    const tid = core.ctl[(slotAddress(core, block, 0).slotOff + Vk.S_PID) / 4];
    const tidfd = ok && tid > 0 ? core.native.openPid(tid) : -1;
    if (tidfd < 0) {
      core.log?.error({ pid, pidfd, ok, tid }, 'vmspace: could not be made');
      if (pidfd >= 0) {
        core.native.signal(pidfd, 9);
        core.native.closePid(pidfd);
      }
      core.freeCmd(cmd);
      // The block is not used again: a process may still have it mapped.
      return EAGAIN;
    }
    this.fill();
    const v = new HostVmspace(core, this.nextId++, block, pidfd, { cmd, pid: tid, pidfd: tidfd }, 1);
    this.live.add(v);
    return v;
  }

  /** Blocks of released vmspaces whose processes have ended are free again. */
  reap(): void {
    const { dyingVmspaces, idleVmspaces, native } = this.core;
    while (idleVmspaces.length > IDLE_MAX) idleVmspaces.pop()!.discard();
    for (let i = dyingVmspaces.length - 1; i >= 0; i--) {
      const v = dyingVmspaces[i];
      if (!v.ended()) continue;
      this.live.delete(v);
      native.discard(v.block);
      this.freeBlocks.push(v.block);
      dyingVmspaces[i] = dyingVmspaces[dyingVmspaces.length - 1];
      dyingVmspaces.pop();
    }
  }

  /** Kill every vmspace, taken or not. */
  close(): void {
    const { native } = this.core;
    for (const v of this.live) v.kill();
    this.live.clear();
    for (const w of this.waiting) {
      const pid = native.readVm();
      if (pid <= 0) continue;
      const pidfd = native.openPid(pid);
      if (pidfd < 0) continue;
      native.awaitDone(w.block, 1, pidfd);
      const tid = this.core.ctl[(slotAddress(this.core, w.block, 0).slotOff + Vk.S_PID) / 4];
      const tidfd = tid > 0 ? native.openPid(tid) : -1;
      for (const fd of [tidfd, pidfd]) {
        if (fd < 0) continue;
        native.signal(fd, 9);
        native.closePid(fd);
      }
    }
    this.waiting.length = 0;
  }
}
