/**
 * Simulated address spaces: a page table that takes effect, as on the host, only at flush or resume, and guest accesses
 * through it to the same guest RAM that the kernel sees.
 */
import type { Errno } from '../../sys/errno.js';
import { EAGAIN } from '../../sys/errno.js';
import { Prot, type MachLwp, type MachVmspace } from '../machine.js';
import { PAGE_SHIFT, PAGE_SIZE } from '../ram.js';
import { SimLwp } from './sim_lwp.js';
import type { SimMachine } from './sim_machine.js';

/** Lowest address that is not the guest's. */
export const SIM_USER_TOP = 0x7fffffe00000;

/** What is wrong with an access: page-fault error bits 1 (page present) and 2 (write), 4 (user), 16 (fetch). */
export interface SimFault {
  readonly va: number;
  readonly err: number;
}

export class SimVmspace implements MachVmspace {
  readonly userTop = SIM_USER_TOP;
  /** ppn * 8 + prot by virtual page number: what the guest sees. */
  private readonly pt = new Map<number, number>();
  private pending: (() => void)[] = [];
  readonly lwps = new Set<SimLwp>();
  private released = false;

  constructor(
    private readonly sim: SimMachine,
    readonly id: number,
  ) {}

  map(va: number, ppn: number, npages: number, prot: Prot): void {
    this.check(va, npages * PAGE_SIZE);
    if (ppn < 0 || npages <= 0 || ppn + npages > this.sim.ram.npages) throw new Error(`sim: map of no RAM: ppn ${ppn}`);
    this.pending.push(() => {
      const vpn = va / PAGE_SIZE;
      for (let i = 0; i < npages; i++) this.pt.set(vpn + i, (ppn + i) * 8 + prot);
      this.sim.logVm(`vm${this.id} map ${va.toString(16)} ppn ${ppn} pages ${npages} prot ${prot}`);
    });
  }
  unmap(va: number, lenBytes: number): void {
    this.check(va, lenBytes);
    this.pending.push(() => {
      this.eachPage(va, lenBytes, (vpn) => this.pt.delete(vpn));
      this.sim.logVm(`vm${this.id} unmap ${va.toString(16)} len ${lenBytes}`);
    });
  }
  protect(va: number, lenBytes: number, prot: Prot): void {
    this.check(va, lenBytes);
    this.pending.push(() => {
      this.eachPage(va, lenBytes, (vpn, e) => this.pt.set(vpn, e - (e % 8) + prot));
      this.sim.logVm(`vm${this.id} protect ${va.toString(16)} len ${lenBytes} prot ${prot}`);
    });
  }
  get unflushed(): boolean {
    return this.pending.length > 0;
  }
  get nrunning(): number {
    let n = 0;
    for (const l of this.lwps) if (l.running) n++;
    return n;
  }
  flush(): void {
    const ops = this.pending;
    if (ops.length === 0) return;
    this.pending = [];
    for (const op of ops) op();
  }
  newLwp(): MachLwp | Errno {
    if (this.released) throw new Error('sim: newLwp on a released vmspace');
    if (this.sim.lwps.size >= this.sim.options.maxLwps) return EAGAIN;
    const l = new SimLwp(this.sim, this, this.sim.nextLwpId());
    this.lwps.add(l);
    this.sim.lwps.add(l);
    return l;
  }
  release(): void {
    if (this.released) throw new Error('sim: vmspace released twice');
    if (this.lwps.size > 0) throw new Error('sim: vmspace released with threads in it');
    this.released = true;
    this.pending = [];
    this.pt.clear();
    this.sim.vmspaces.delete(this);
  }

  /** Physical address for a guest access, or the fault it meets. Stays within one page. */
  translate(va: number, access: Prot): number | SimFault {
    const e = this.pt.get(Math.floor(va / PAGE_SIZE));
    const err = 4 | (access === Prot.WRITE ? 2 : 0) | (access === Prot.EXEC ? 16 : 0);
    if (e === undefined || (e & 7) === Prot.NONE) return { va, err };
    // Writable pages are readable, as on the hardware.
    const have = (e & 7) | ((e & Prot.WRITE) !== 0 ? Prot.READ : 0);
    if ((have & access) === 0) return { va, err: err | 1 };
    return Math.floor(e / 8) * PAGE_SIZE + (va % PAGE_SIZE);
  }
  /** Number of pages mapped, for tests. */
  get mappedPages(): number {
    return this.pt.size;
  }

  private check(va: number, lenBytes: number): void {
    if (this.released) throw new Error('sim: use of a released vmspace');
    if (va % PAGE_SIZE !== 0 || lenBytes <= 0 || lenBytes % PAGE_SIZE !== 0 || va < 0 || va + lenBytes > SIM_USER_TOP)
      throw new Error(`sim: bad range ${va.toString(16)} + ${lenBytes}`);
  }
  private eachPage(va: number, lenBytes: number, f: (vpn: number, entry: number) => void): void {
    const first = va / PAGE_SIZE;
    const n = lenBytes / 2 ** PAGE_SHIFT;
    if (n > this.pt.size) {
      for (const [vpn, e] of [...this.pt]) if (vpn >= first && vpn < first + n) f(vpn, e);
      return;
    }
    for (let vpn = first; vpn < first + n; vpn++) {
      const e = this.pt.get(vpn);
      if (e !== undefined) f(vpn, e);
    }
  }
}
