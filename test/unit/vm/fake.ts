/**
 * A small machine for the VM's tests: guest RAM in plain memory, and address spaces that keep the page table the host
 * would have. Operations take effect at flush(), as on the host, so that a page given away too early shows.
 */
import { GuestRam, PAGE_SIZE } from '../../../vkernel/machine/ram.js';
import type { MachLwp, MachVmspace, Machine } from '../../../vkernel/machine/machine.js';
import { Prot } from '../../../vkernel/machine/machine.js';
import { EAGAIN, Errno, NOTNOW } from '../../../vkernel/sys/errno.js';
import { type GlobalData, gd, setGlobalData } from '../../../vkernel/sys/globaldata.js';
import { vmInit } from '../../../vkernel/vm/vm_init.js';
import { vmFaultTry } from '../../../vkernel/vm/vm_fault.js';
import { PQ } from '../../../vkernel/vm/vm_page.js';
import type { Vmspace } from '../../../vkernel/vm/vmspace.js';

export interface HostPte {
  ppn: number;
  prot: number;
}

export class FakeVmspace implements MachVmspace {
  readonly userTop = 0x7fffffe00000;
  readonly table = new Map<number, HostPte>();
  private queue: (() => void)[] = [];
  /** Operations since the last look, for tests that count them. */
  ops: string[] = [];
  flushes = 0;
  released = false;
  nrunning = 1;
  constructor(
    readonly id: number,
    readonly machine: FakeMachine,
  ) {}
  get unflushed(): boolean {
    return this.queue.length > 0;
  }
  map(va: number, ppn: number, npages: number, prot: Prot): void {
    this.check(va, npages * PAGE_SIZE);
    if (!(ppn >= 0 && ppn + npages <= this.machine.ram.npages)) throw new Error(`map: pages ${ppn}+${npages}`);
    this.ops.push(`map ${va.toString(16)} ${ppn} ${npages} ${prot}`);
    this.queue.push(() => {
      for (let i = 0; i < npages; i++) this.table.set(va / PAGE_SIZE + i, { ppn: ppn + i, prot });
    });
  }
  unmap(va: number, len: number): void {
    this.check(va, len);
    this.ops.push(`unmap ${va.toString(16)} ${len / PAGE_SIZE}`);
    this.queue.push(() => {
      if (len / PAGE_SIZE < this.table.size)
        for (let i = 0; i < len / PAGE_SIZE; i++) this.table.delete(va / PAGE_SIZE + i);
      else
        for (const v of this.table.keys()) if (v >= va / PAGE_SIZE && v < (va + len) / PAGE_SIZE) this.table.delete(v);
    });
  }
  protect(va: number, len: number, prot: Prot): void {
    this.check(va, len);
    this.ops.push(`protect ${va.toString(16)} ${len / PAGE_SIZE} ${prot}`);
    this.queue.push(() => {
      for (let i = 0; i < len / PAGE_SIZE; i++) {
        const pte = this.table.get(va / PAGE_SIZE + i);
        if (pte === undefined) throw new Error(`protect: hole at ${(va + i * PAGE_SIZE).toString(16)}`);
        pte.prot = prot;
      }
    });
  }
  private check(va: number, len: number): void {
    if (this.released) throw new Error('operation on a released address space');
    if (va % PAGE_SIZE !== 0 || len % PAGE_SIZE !== 0 || !(len > 0) || !(va >= 0 && va + len <= this.userTop)) {
      throw new Error(`bad range ${va.toString(16)} ${len}`);
    }
  }
  flush(): void {
    this.flushes++;
    for (const f of this.queue.splice(0)) f();
  }
  newLwp(): MachLwp | Errno {
    return EAGAIN;
  }
  release(): void {
    this.released = true;
    this.table.clear();
    this.queue = [];
    this.machine.spaces.delete(this);
  }
  takeOps(): string[] {
    return this.ops.splice(0);
  }
}

export class FakeMachine {
  readonly ram: GuestRam;
  readonly spaces = new Set<FakeVmspace>();
  private nextId = 1;
  timeNs = 0;
  constructor(npages: number) {
    this.ram = new GuestRam([new ArrayBuffer(npages * PAGE_SIZE)]);
  }
  now(): number {
    return this.timeNs;
  }
  newVmspace(): MachVmspace {
    const s = new FakeVmspace(this.nextId++, this);
    this.spaces.add(s);
    return s;
  }
}

/** Boot a VM on a fake machine with `npages` of RAM. */
export function bootVm(npages: number): FakeMachine {
  const machine = new FakeMachine(npages);
  setGlobalData({ machine: machine as unknown as Machine } as GlobalData);
  vmInit();
  return machine;
}

/** Physical address that guest code reaches at `va`, faulting as the processor does; or the errno of the fault. */
export function guestAccess(vm: Vmspace, va: number, access: Prot): number | Errno {
  const mach = vm.mach as FakeVmspace;
  for (let tries = 0; tries < 3; tries++) {
    // Resuming carries the queued operations out.
    if (mach.unflushed) mach.flush();
    const pte = mach.table.get(Math.floor(va / PAGE_SIZE));
    if (pte !== undefined && (pte.prot & access) !== 0) return pte.ppn * PAGE_SIZE + (va % PAGE_SIZE);
    const error = vmFaultTry(vm, va, access);
    if (error === NOTNOW) throw new Error('fault would sleep');
    if (error !== null) return error;
  }
  throw new Error(`fault at ${va.toString(16)} is not resolved`);
}

export function guestRead(vm: Vmspace, va: number): number | Errno {
  const pa = guestAccess(vm, va, Prot.READ);
  return pa instanceof Errno ? pa : gd.machine.ram.u8[0][pa];
}

export function guestWrite(vm: Vmspace, va: number, value: number): Errno | null {
  const pa = guestAccess(vm, va, Prot.WRITE);
  if (pa instanceof Errno) return pa;
  gd.machine.ram.u8[0][pa] = value;
  return null;
}

/** No page that may be handed out is reachable by a guest, even with operations still queued. */
export function hostCheck(machine: FakeMachine): string[] {
  const bad: string[] = [];
  const pages = gd.vm.pages;
  for (const s of machine.spaces) {
    for (const [vpn, pte] of s.table) {
      if (pages.queue[pte.ppn] === PQ.FREE) {
        bad.push(`space ${s.id}: free page ${pte.ppn} is mapped at ${(vpn * PAGE_SIZE).toString(16)}`);
      }
    }
  }
  return bad;
}

/** Host page tables equal the software ones once everything queued is carried out. */
export function hostEqual(): string[] {
  const bad: string[] = [];
  const t = gd.vm.ptes;
  for (const vm of gd.vm.vmspaces) {
    const s = vm.mach as FakeVmspace;
    if (s.unflushed) s.flush();
    let n = 0;
    for (let l = vm.pmap.leafHead; l >= 0; l = t.leafNext[l]) {
      for (let i = l << 9; i < (l + 1) << 9; i++) {
        if (t.pte[i] === 0) continue;
        n++;
        const h = s.table.get(t.vaOf(i) / PAGE_SIZE);
        if (h === undefined || h.ppn !== t.pte[i] >>> 4 || h.prot !== (t.pte[i] & 7)) {
          bad.push(`space ${s.id}: ${t.vaOf(i).toString(16)}: host ${JSON.stringify(h)}, pte ${t.pte[i].toString(16)}`);
        }
      }
    }
    if (n !== s.table.size) bad.push(`space ${s.id}: host maps ${s.table.size} pages, should ${n}`);
  }
  return bad;
}
