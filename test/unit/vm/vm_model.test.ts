/**
 * The VM against a plain model: random sequences of map operations, forks and accesses, where the model is a Map from
 * page to a cell with one byte. After each step all invariants are checked.
 */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { Prot } from '../../../vkernel/machine/machine.js';
import { EACCES, EFAULT, EINVAL, EIO, ENOMEM, Errno, NOTNOW } from '../../../vkernel/sys/errno.js';
import { gd } from '../../../vkernel/sys/globaldata.js';
import { pmapUpdate } from '../../../vkernel/vm/pmap.js';
import { vmCheck } from '../../../vkernel/vm/vm_check.js';
import { vmMapFree, vmMapInherit, vmMapInsert, vmMapProtect, vmMapRemove } from '../../../vkernel/vm/vm_map.js';
import { type VmObject, vmObjectAlloc, vmObjectDeref, vmObjectRef } from '../../../vkernel/vm/vm_object.js';
import { PG, vmPageAlloc } from '../../../vkernel/vm/vm_page.js';
import { Inherit } from '../../../vkernel/vm/vm_param.js';
import { copyin, copyout } from '../../../vkernel/vm/vm_user.js';
import { type Vmspace, vmspaceAlloc, vmspaceExec, vmspaceFork, vmspaceFree } from '../../../vkernel/vm/vmspace.js';
import { bootVm, type FakeMachine, guestRead, guestWrite, hostCheck, hostEqual } from './fake.js';

const PAGE = 4096;
/** Addresses used: a window of this many pages, so that operations meet. */
const WINDOW = 48;
const BASE = 0x200000 - 8 * PAGE; // crosses a page table leaf
const FILE_PAGES = 20;

interface Cell {
  v: number;
}
interface MPage {
  cell: Cell | null;
  /** Page of the file that shows while cell is null. */
  file: number;
  cow: boolean;
  prot: number;
  inherit: number;
  /** MADV_FREE: holds either value until looked at. */
  freed: boolean;
}
interface MProc {
  vm: Vmspace;
  pages: Map<number, MPage>;
}

/** A file of FILE_PAGES pages whose first byte in each is pindex + 100. */
function makeFile(): VmObject {
  const pager = {
    tryGetPage(o: VmObject, pindex: number): number | Errno {
      const ppn = vmPageAlloc(o, pindex, true);
      if (ppn < 0) return ENOMEM;
      gd.machine.ram.u8[0].fill(pindex + 100, ppn * PAGE, ppn * PAGE + PAGE);
      gd.vm.pages.flags[ppn] |= PG.VALID;
      return ppn;
    },
    *getPage(): Generator<void, number | Errno, void> {
      throw new Error('not reached');
    },
  };
  return vmObjectAlloc('vnode', pager, FILE_PAGES * PAGE);
}

let refusals = 0;

class Model {
  readonly machine: FakeMachine;
  readonly procs: MProc[] = [];
  readonly file: VmObject;
  readonly fileCells: Cell[] = [];

  constructor(npages: number) {
    this.machine = bootVm(npages);
    this.file = makeFile();
    for (let i = 0; i < FILE_PAGES; i++) this.fileCells.push({ v: i + 100 });
    this.procs.push({ vm: vmspaceAlloc() as Vmspace, pages: new Map() });
  }

  check(what: string): void {
    const bad = [...vmCheck(new Map([[this.file, 1]])), ...hostCheck(this.machine)];
    expect(bad, what).to.deep.equal([]);
  }

  /** Counts how often memory ran out, which the second test is for. */
  private exhausted(): boolean {
    refusals++;
    return gd.vm.pages.freeCount <= gd.vm.freeReserved;
  }

  value(p: MPage): number {
    return (p.cell ?? this.fileCells[p.file]).v;
  }

  read(proc: MProc, page: number, viaKernel: boolean): void {
    const va = BASE + page * PAGE;
    const m = proc.pages.get(page);
    let got: number | Errno;
    if (viaKernel) {
      const buf = new Uint8Array(1);
      got = copyin(proc.vm, va, buf, 0, 1) ?? buf[0];
    } else got = guestRead(proc.vm, va);
    if (m === undefined) return void expect(got).to.equal(EFAULT);
    if (m.prot === 0) return void expect(got).to.equal(viaKernel ? EFAULT : EACCES);
    if (got instanceof Errno && m.cell === null && m.file >= FILE_PAGES) {
      return void expect(got).to.equal(viaKernel ? EFAULT : EIO);
    }
    if (got === (viaKernel ? NOTNOW : ENOMEM) && this.exhausted()) return;
    if (m.freed && m.cell !== null) {
      m.freed = false;
      m.cell.v = got as number;
    }
    expect(got).to.equal(this.value(m));
  }

  write(proc: MProc, page: number, value: number, viaKernel: boolean): void {
    const va = BASE + page * PAGE;
    const m = proc.pages.get(page);
    const got = viaKernel ? copyout(proc.vm, new Uint8Array([value]), 0, va, 1) : guestWrite(proc.vm, va, value);
    if (m === undefined) return void expect(got).to.equal(EFAULT);
    if ((m.prot & Prot.WRITE) === 0) return void expect(got).to.equal(viaKernel ? EFAULT : EACCES);
    if (m.cell === null && m.file >= FILE_PAGES) return void expect(got).to.equal(viaKernel ? EFAULT : EIO);
    if (got === (viaKernel ? NOTNOW : ENOMEM) && this.exhausted()) return;
    expect(got).to.equal(null);
    m.freed = false;
    if (m.cell === null && m.cow) m.cell = { v: value };
    else (m.cell ?? this.fileCells[m.file]).v = value;
  }

  map(proc: MProc, page: number, n: number, kind: number, prot: number): void {
    const start = BASE + page * PAGE;
    vmMapRemove(proc.vm.map, start, start + n * PAGE);
    const file = kind >= 2;
    const cow = kind % 2 === 0;
    const off = page % 8;
    if (file) vmObjectRef(this.file);
    const inherit = cow ? Inherit.COPY : Inherit.SHARE;
    const r = vmMapInsert(proc.vm.map, file ? this.file : null, file ? off * PAGE : 0, start, n * PAGE, prot, 7, {
      cow,
      inherit,
    });
    expect(r).to.equal(null);
    pmapUpdate(proc.vm.pmap);
    for (let i = 0; i < n; i++) {
      proc.pages.set(page + i, {
        cell: file ? null : { v: 0 },
        file: file ? off + i : -1,
        cow,
        prot,
        inherit,
        freed: false,
      });
    }
  }

  fork(proc: MProc): void {
    const vm = vmspaceFork(proc.vm);
    if (vm instanceof Errno) return void expect(vm).to.equal(ENOMEM);
    const pages = new Map<number, MPage>();
    for (const [k, m] of proc.pages) {
      if (m.inherit === Inherit.NONE) continue;
      if (m.inherit === Inherit.SHARE) {
        pages.set(k, { ...m });
        continue;
      }
      pages.set(k, { ...m, cell: m.cell === null ? null : { v: m.cell.v } });
    }
    this.procs.push({ vm, pages });
  }

  step(a: number, b: number, c: number, d: number): string {
    const proc = this.procs[a % this.procs.length];
    const page = b % WINDOW;
    const n = 1 + (c % Math.min(12, WINDOW - page));
    const start = BASE + page * PAGE;
    const end = start + n * PAGE;
    const PROTS = [0, 1, 3, 3, 3, 5, 7];
    switch (d % 16) {
      case 0:
      case 1:
        this.map(proc, page, n, c % 4, PROTS[(d >> 4) % PROTS.length]);
        return `map ${page} ${n} kind ${c % 4}`;
      case 2:
        expect(vmMapRemove(proc.vm.map, start, end)).to.equal(null);
        pmapUpdate(proc.vm.pmap);
        for (let i = 0; i < n; i++) proc.pages.delete(page + i);
        return `unmap ${page} ${n}`;
      case 3: {
        const prot = PROTS[(d >> 4) % PROTS.length];
        const r = vmMapProtect(proc.vm.map, start, end, prot);
        pmapUpdate(proc.vm.pmap);
        let whole = true;
        for (let i = 0; i < n; i++) if (!proc.pages.has(page + i)) whole = false;
        expect(r).to.equal(whole ? null : EINVAL);
        if (whole) for (let i = 0; i < n; i++) proc.pages.get(page + i)!.prot = prot;
        return `protect ${page} ${n} ${prot}`;
      }
      case 4:
        if (this.procs.length < 6) this.fork(proc);
        return 'fork';
      case 5:
        if (this.procs.length > 1) {
          vmspaceFree(proc.vm);
          this.procs.splice(a % this.procs.length, 1);
        }
        return 'exit';
      case 6:
        if ((d >> 4) % 4 !== 0) break;
        expect(vmspaceExec(proc.vm)).to.equal(proc.vm);
        proc.pages.clear();
        return 'exec';
      case 7: {
        vmMapFree(proc.vm.map, start, end);
        pmapUpdate(proc.vm.pmap);
        for (let i = 0; i < n; i++) {
          const m = proc.pages.get(page + i);
          if (m !== undefined && m.cell !== null) m.freed = true;
        }
        return `madvise ${page} ${n}`;
      }
      case 8: {
        // Only for memory that is nobody else's yet; mixing shared and private history is DragonFly's own maze.
        const whole = [...Array(n).keys()].every((i) => proc.pages.get(page + i)?.cow === true);
        if (!whole || this.procs.length > 1) break;
        const inherit = (d >> 4) % 2 === 0 ? Inherit.NONE : Inherit.COPY;
        expect(vmMapInherit(proc.vm.map, start, end, inherit)).to.equal(null);
        for (let i = 0; i < n; i++) proc.pages.get(page + i)!.inherit = inherit;
        return `minherit ${page} ${n}`;
      }
      case 9:
      case 10:
      case 11:
        this.read(proc, page, (d & 16) !== 0);
        return `read ${page}`;
      default:
        this.write(proc, page, (d >> 4) & 255, (d & 16) !== 0);
        return `write ${page}`;
    }
    return 'nothing';
  }

  finish(): void {
    // Everything still reads as the model says.
    for (const proc of this.procs) for (let i = 0; i < WINDOW; i++) this.read(proc, i, false);
    this.check('after reading all');
    expect(hostEqual()).to.deep.equal([]);
    for (const proc of this.procs.splice(0)) vmspaceFree(proc.vm);
    this.check('after all are gone');
    // Only the file's pages are left.
    const { pages, objects } = gd.vm;
    expect(objects.filter((o) => o !== null)).to.deep.equal([this.file]);
    expect(pages.freeCount).to.equal(pages.npages - this.file.resident);
    vmObjectDeref(this.file);
  }
}

const word = fc.integer({ min: 0, max: 0xffff });
const steps = (max: number): fc.Arbitrary<[number, number, number, number][]> =>
  fc.array(fc.tuple(word, word, word, word), { minLength: 1, maxLength: max, size: 'max' });

function run(npages: number, script: readonly [number, number, number, number][]): void {
  const m = new Model(npages);
  const done: string[] = [];
  for (const [a, b, c, d] of script) {
    try {
      done.push(m.step(a, b, c, d));
      m.check('invariants');
    } catch (e) {
      (e as Error).message += `\nafter ${done.slice(-12).join(', ')}`;
      throw e;
    }
  }
  m.finish();
}

describe('vm against a model', function () {
  this.timeout(120000);
  const numRuns = Number(process.env.VM_RUNS ?? 60);
  it('agrees with memory to spare', () => {
    fc.assert(
      fc.property(steps(120), (script) => run(1024, script)),
      { numRuns },
    );
  });
  it('agrees when memory runs out', () => {
    fc.assert(
      fc.property(steps(120), (script) => run(30, script)),
      { numRuns },
    );
    expect(refusals).to.be.greaterThan(0);
  });
});
