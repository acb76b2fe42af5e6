/**
 * gd.vm: the state of the virtual memory system of one kernel, and its counters.
 *
 * Lower files of this room (pages, page tables, objects) reach each other through it, so that there are no import
 * cycles. Counterpart: the globals of sys/vm (vm_page_array, vmstats, vmmeter)
 */
import { type LwktThread, WaitQ } from '../kern/lwkt_thread.js';
import { gd } from '../sys/globaldata.js';
import { PmapTable } from './pmap_table.js';
import { VmPages } from './vm_pages.js';
import type { VmObject } from './vm_object.js';
import type { Vmspace } from './vmspace.js';

declare module '../sys/globaldata.js' {
  interface GlobalData {
    vm: VmSystem;
  }
}

/** Counters since boot; names as in struct vmmeter. */
export class VmCounters {
  /** System call sites that were looked at for patching. */
  patches = 0;
  vmFaults = 0;
  cowFaults = 0;
  cowOptim = 0;
  zfod = 0;
  /** Zero-filled pages that needed no clearing. */
  ozfod = 0;
  vnodein = 0;
  vnodeout = 0;
  vnodepgsin = 0;
  vnodepgsout = 0;
  reactivated = 0;
  pdwakeups = 0;
  pdpages = 0;
  /** Pages freed by the page-out scan / by exiting processes. */
  dfree = 0;
  pfree = 0;
  forks = 0;
  forkpages = 0;
}

export class VmSystem {
  readonly pages: VmPages;
  readonly ptes: PmapTable;
  /** Objects by id; slot 0 stands for "no object". */
  readonly objects: (VmObject | null)[] = [null];
  readonly freeObjIds: number[] = [];
  readonly vmspaces = new Set<Vmspace>();
  readonly counters = new VmCounters();

  /** Below this many free pages, faults take no page ahead, and file pages are reclaimed up to freeTarget. */
  readonly freeMin: number;
  readonly freeTarget: number;
  /** The last pages are the kernel's: user memory is refused them. */
  readonly freeReserved: number;

  /**
   * Frees clean file pages (vm_pageout.ts), at least `n` if it can, `desperate` those in use as well.
   * @returns how many it freed
   */
  reclaim: (n: number, desperate: boolean) => number = () => 0;
  /**
   * Memory is exhausted: kill every process that lives in `victim`, the biggest address space, with a message on the
   * console. Installed by the process room.
   * @returns false when that must not be (init), or nobody lives there: the next biggest is tried
   */
  onOutOfMemory: ((victim: Vmspace) => boolean) | null = null;
  /** The last one given to onOutOfMemory, while it lives. */
  oomVictim: Vmspace | null = null;
  /** Threads waiting for free pages. */
  readonly freeq = new WaitQ();
  /** The page daemon, which writes dirty file pages back; made when first needed. */
  pagedaemon: LwktThread | null = null;
  readonly pagedaemonq = new WaitQ();
  /** Its last pass ended with an error, or freed nothing: waiting for it is no use. */
  cleanFailed = false;

  /** What the last vmFaultTry that answered NOTNOW was waiting for, and what it was asked. */
  faultObject: VmObject | null = null;
  faultPindex = 0;
  notNowVa = 0;
  notNowAccess = 0;

  constructor() {
    this.pages = new VmPages(gd.machine.ram);
    this.ptes = new PmapTable(this.pages);
    const n = this.pages.npages;
    this.freeReserved = Math.min(64, n >>> 6);
    this.freeMin = Math.min(2048, n >>> 5);
    this.freeTarget = this.freeMin * 2;
  }
}
