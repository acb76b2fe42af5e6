import { expect } from 'chai';
import type { File } from '../../../vkernel/kern/file.js';
import type { Lwp } from '../../../vkernel/kern/proc.js';
import type { Blocking } from '../../../vkernel/sys/blocking.js';
import { EACCES, EBADF, EFAULT, EINVAL, EIO, ENODEV, ENOMEM, EOPNOTSUPP, Errno } from '../../../vkernel/sys/errno.js';
import { gd } from '../../../vkernel/sys/globaldata.js';
import { vmCheck } from '../../../vkernel/vm/vm_check.js';
import { type VmObject, vmObjectAlloc, vmObjectRef } from '../../../vkernel/vm/vm_object.js';
import { vmSyscalls } from '../../../vkernel/vm/vm_mmap.js';
import { PG, vmPageAlloc } from '../../../vkernel/vm/vm_page.js';
import * as P from '../../../vkernel/vm/vm_param.js';
import { copyin } from '../../../vkernel/vm/vm_user.js';
import { type Vmspace, vmspaceAlloc, vmspaceFork } from '../../../vkernel/vm/vmspace.js';
import { bootVm, guestRead, guestWrite } from './fake.js';

const PAGE = 4096;
const MB = 2 ** 20;
const GB = 2 ** 30;
const ANON = P.MAP_ANON | P.MAP_PRIVATE;
const TEXT = 0x400000;
const DATA = 0x600000;

let vm: Vmspace;
let lwp: Lwp;
let limits: Float64Array;
let object: VmObject;
let written: number[];

/** A file of 3.5 pages; page n is full of n + 1. */
function openFile(flags: number, mappable = true): File {
  return {
    flags,
    ops: {
      mmapObject: () => {
        if (!mappable) return ENODEV;
        vmObjectRef(object);
        return object;
      },
    },
  } as unknown as File;
}

function setup(npages = 2048): void {
  bootVm(npages);
  vm = vmspaceAlloc() as Vmspace;
  vm.textAddr = TEXT;
  vm.textSize = PAGE;
  vm.dataAddr = DATA;
  vm.dataSize = PAGE;
  limits = new Float64Array(16).fill(Infinity);
  limits[P.RLIMIT_DATA] = P.DFLDSIZ;
  written = [];
  const fill = (o: VmObject, pi: number): number | Errno => {
    const p = vmPageAlloc(o, pi, true);
    if (p < 0) return ENOMEM;
    gd.machine.ram.u8[0].fill(pi + 1, p * PAGE, p * PAGE + PAGE);
    gd.vm.pages.flags[p] |= PG.VALID;
    return p;
  };
  object = vmObjectAlloc(
    'vnode',
    {
      tryGetPage: fill,
      *getPage(o, pi): Blocking<number | Errno> {
        return fill(o, pi);
      },
      *putPage(_o, pi): Blocking<Errno | null> {
        written.push(pi);
        return pi === 2 ? EIO : null;
      },
    },
    3.5 * PAGE,
  );
  const files = [openFile(1), openFile(2), openFile(3), openFile(3, false)];
  lwp = { proc: { vm, limits: { cur: limits }, fd: { files } } } as unknown as Lwp;
}

function call(name: string, ...args: number[]): number | Errno {
  const impl = vmSyscalls[name];
  const a = new Float64Array(8);
  a.set(args);
  if (impl.try !== undefined) return impl.try(lwp, a);
  const g = impl.block!(lwp, a);
  for (;;) {
    const r = g.next();
    if (r.done === true) return r.value;
  }
}
const mmap = (addr: number, len: number, prot: number, flags: number, fd = -1, pos = 0): number | Errno =>
  call('mmap', addr, len, prot, flags, fd, 0, pos);

describe('mmap', () => {
  beforeEach(() => setup());
  afterEach(() => expect(vmCheck(new Map([[object, 1]]))).to.deep.equal([]));

  it('puts mappings without a hint above the room for the break, first fit upwards', () => {
    const base = DATA + P.DFLDSIZ;
    expect(mmap(0, PAGE, 3, ANON)).to.equal(base);
    expect(mmap(0, 1, 1, ANON)).to.equal(base + PAGE);
    expect(mmap(TEXT, PAGE, 1, ANON)).to.equal(base + 2 * PAGE);
    expect(mmap(base - 1, PAGE, 1, ANON)).to.equal(base + 3 * PAGE);
    expect(call('munmap', base + PAGE, PAGE)).to.equal(0);
    expect(mmap(0, PAGE, 1, ANON)).to.equal(base + PAGE);
  });

  it('honours a hint if it is free, else takes the next above', () => {
    const at = 0xc000000000;
    expect(mmap(at, 64 * MB, 0, ANON)).to.equal(at);
    expect(mmap(at + 5, PAGE, 3, ANON)).to.equal(at + 64 * MB);
    expect(mmap(0x10000, PAGE, 3, ANON)).to.equal(0x10000);
  });

  it('aligns large mappings to 2 MiB, and to their size when asked', () => {
    mmap(0, PAGE, 3, ANON);
    expect((mmap(0, 2 * MB, 3, ANON) as number) % (2 * MB)).to.equal(0);
    expect((mmap(0, 32 * MB + PAGE, 3, ANON) as number) % (2 * MB)).to.equal(0);
    expect((mmap(0, 3 * MB, 3, ANON) as number) % (2 * MB)).not.to.equal(0);
    expect((mmap(0, 64 * 1024, 3, ANON | P.MAP_SIZEALIGN) as number) % 65536).to.equal(0);
    expect(mmap(0, 3 * PAGE, 3, ANON | P.MAP_SIZEALIGN)).to.equal(EINVAL);
  });

  it('keeps MAP_32BIT below 4 GiB', () => {
    expect(mmap(0, GB, 3, ANON | P.MAP_32BIT)).to.be.lessThan(4 * GB - GB);
    expect(mmap(3.5 * GB, GB, 3, ANON | P.MAP_32BIT)).to.equal(ENOMEM);
  });

  it('replaces with MAP_FIXED and never with MAP_TRYFIXED', () => {
    const at = 0x10000000;
    expect(mmap(at, 4 * PAGE, 0, ANON | P.MAP_FIXED)).to.equal(at);
    expect(mmap(at + PAGE, PAGE, 3, ANON | P.MAP_TRYFIXED)).to.equal(ENOMEM);
    expect(mmap(at + 4 * PAGE, PAGE, 3, ANON | P.MAP_TRYFIXED)).to.equal(at + 4 * PAGE);
    expect(mmap(at + PAGE, PAGE, 3, ANON | P.MAP_FIXED)).to.equal(at + PAGE);
    expect(guestWrite(vm, at + PAGE, 9)).to.equal(null);
    expect(guestWrite(vm, at, 9)).to.equal(EACCES);
    expect(mmap(at + PAGE, PAGE, 3, ANON | P.MAP_FIXED)).to.equal(at + PAGE);
    expect(guestRead(vm, at + PAGE)).to.equal(0);
    expect(mmap(0, PAGE, 3, ANON | P.MAP_FIXED)).to.equal(0);
    expect(mmap(at + 1, PAGE, 3, ANON | P.MAP_FIXED)).to.equal(EINVAL);
    expect(mmap(P.USRSTACK - PAGE, 2 * PAGE, 3, ANON | P.MAP_FIXED)).to.equal(EINVAL);
    expect(mmap(2 ** 63, PAGE, 3, ANON | P.MAP_FIXED)).to.equal(EINVAL);
  });

  it('refuses bad arguments', () => {
    expect(mmap(0, 0, 3, ANON)).to.equal(EINVAL);
    expect(mmap(0, PAGE, 3, ANON, 0)).to.equal(EINVAL);
    expect(mmap(0, PAGE, 3, ANON, -1, PAGE)).to.equal(EINVAL);
    expect(mmap(0, PAGE, 3, P.MAP_STACK, 0)).to.equal(EINVAL);
    expect(mmap(0, 2 ** 62, 3, ANON)).to.equal(ENOMEM);
    expect(mmap(0, 2 ** 64 - 4096, 3, ANON)).to.equal(ENOMEM);
    expect(mmap(0, 2 ** 64, 3, ANON)).to.equal(EINVAL);
    expect(mmap(0, PAGE, 3, P.MAP_PRIVATE, 9)).to.equal(EBADF);
    expect(mmap(0, PAGE, 1, P.MAP_PRIVATE, 3)).to.equal(EINVAL);
    expect(mmap(0, PAGE, 1, P.MAP_PRIVATE, 0, -1)).to.equal(EINVAL);
    limits[P.RLIMIT_VMEM] = 8 * PAGE;
    expect(mmap(0, 9 * PAGE, 3, ANON)).to.equal(ENOMEM);
    expect(typeof mmap(0, PAGE, 3, P.MAP_STACK)).to.equal('number');
  });

  it('maps files: private copies, shared writes, the end of file', () => {
    const priv = mmap(0, 4 * PAGE, 3, 0, 0) as number;
    const shared = mmap(0, 4 * PAGE, 3, P.MAP_SHARED, 2) as number;
    expect(guestRead(vm, priv + 2 * PAGE)).to.equal(3);
    expect(guestWrite(vm, priv + 2 * PAGE, 77)).to.equal(null);
    expect(guestRead(vm, shared + 2 * PAGE)).to.equal(3);
    expect(guestWrite(vm, shared + PAGE, 88)).to.equal(null);
    expect(guestRead(vm, priv + PAGE)).to.equal(88);
    expect(guestRead(vm, shared + 3 * PAGE)).to.equal(4);
    const beyond = mmap(0, 8 * PAGE, 1, P.MAP_PRIVATE, 0) as number;
    expect(guestRead(vm, beyond + 4 * PAGE)).to.equal(EIO);
    expect(guestRead(vm, beyond + 3 * PAGE)).to.equal(4);
  });

  it('checks the rights of the descriptor', () => {
    expect(mmap(0, PAGE, 3, P.MAP_SHARED, 0)).to.equal(EACCES);
    expect(mmap(0, PAGE, 1, P.MAP_SHARED, 1)).to.equal(EACCES);
    const ro = mmap(0, PAGE, 1, P.MAP_SHARED, 0) as number;
    expect(call('mprotect', ro, PAGE, 3)).to.equal(EACCES);
    const rw = mmap(0, PAGE, 1, P.MAP_PRIVATE, 0) as number;
    expect(call('mprotect', rw, PAGE, 3)).to.equal(0);
  });

  it('carries the in-page offset of a file position into the result', () => {
    const at = mmap(0, PAGE, 1, P.MAP_PRIVATE, 0, PAGE + 100) as number;
    expect(at % PAGE).to.equal(100);
    expect(guestRead(vm, at)).to.equal(2);
    expect(guestRead(vm, at + PAGE - 1)).to.equal(3);
    expect(mmap(0x10000064, PAGE, 1, P.MAP_FIXED, 0, 100)).to.equal(0x10000064);
    expect(mmap(0x10000000, PAGE, 1, P.MAP_FIXED, 0, 100)).to.equal(EINVAL);
  });

  it('shares anonymous memory across fork when asked', () => {
    const s = mmap(0, PAGE, 3, P.MAP_ANON | P.MAP_SHARED) as number;
    const p = mmap(0, PAGE, 3, ANON) as number;
    const child = vmspaceFork(vm) as Vmspace;
    guestWrite(child, s, 5);
    guestWrite(child, p, 6);
    expect(guestRead(vm, s)).to.equal(5);
    expect(guestRead(vm, p)).to.equal(0);
  });
});

describe('the rest of the mmap family', () => {
  let at: number;
  beforeEach(() => {
    setup();
    at = mmap(0, 8 * PAGE, 3, ANON) as number;
  });
  afterEach(() => expect(vmCheck(new Map([[object, 1]]))).to.deep.equal([]));

  it('munmap: holes EINVAL and nothing done, length 0 fine, address rounded down', () => {
    expect(call('munmap', at + 10, PAGE)).to.equal(0);
    expect(guestRead(vm, at)).to.equal(EFAULT);
    expect(guestRead(vm, at + PAGE)).to.equal(EFAULT); // 10 + PAGE bytes reach into the second page
    expect(call('munmap', at, 8 * PAGE)).to.equal(EINVAL);
    expect(guestRead(vm, at + 2 * PAGE)).to.equal(0);
    expect(call('munmap', at, 0)).to.equal(0);
    expect(call('munmap', 2 ** 60, PAGE)).to.equal(EINVAL);
    expect(call('munmap', P.USRSTACK - PAGE, 2 ** 64)).to.equal(EINVAL);
  });

  it('mprotect: EINVAL for holes, length 0 fine', () => {
    expect(call('mprotect', at, 9 * PAGE, 1)).to.equal(EINVAL);
    expect(call('mprotect', at + 5 * PAGE, 0, 0)).to.equal(0);
    guestWrite(vm, at, 4);
    expect(call('mprotect', at, 1, 0)).to.equal(0);
    expect(guestRead(vm, at)).to.equal(EACCES);
    expect(call('mprotect', at, 1, 1)).to.equal(0);
    expect(guestRead(vm, at)).to.equal(4);
    expect(guestWrite(vm, at, 5)).to.equal(EACCES);
  });

  it('madvise: MADV_FREE gives memory back, MADV_DONTNEED keeps contents, others EINVAL', () => {
    for (let i = 0; i < 8; i++) guestWrite(vm, at + i * PAGE, 9);
    expect(call('madvise', at, 8 * PAGE, P.MADV_DONTNEED)).to.equal(0);
    expect(guestRead(vm, at)).to.equal(9);
    expect(call('madvise', at + 1, 3 * PAGE, P.MADV_FREE)).to.equal(0);
    expect(guestRead(vm, at + 3 * PAGE)).to.equal(0);
    expect(guestRead(vm, at + 4 * PAGE)).to.equal(9);
    for (const b of [-1, 11, 12]) expect(call('madvise', at, PAGE, b)).to.equal(EINVAL);
    expect(call('madvise', at, PAGE, P.MADV_INVAL)).to.equal(0);
    expect(guestRead(vm, at + 4 * PAGE)).to.equal(9);
    expect(call('mcontrol', at, PAGE, P.MADV_SETMAP)).to.equal(EINVAL);
  });

  it('mincore: a byte for each page', () => {
    guestWrite(vm, at + 5 * PAGE, 1);
    expect(call('mincore', at, 8 * PAGE, at + 5 * PAGE)).to.equal(0);
    const buf = new Uint8Array(8);
    copyin(vm, at + 5 * PAGE, buf, 0, 8);
    // mmap took the first pages, the fault its own and those behind it.
    expect([...buf].map((b) => b & 1)).to.deep.equal([1, 1, 1, 1, 0, 1, 1, 1]);
    expect(call('mincore', at, 8 * PAGE, 64)).to.equal(EFAULT);
  });

  it('msync writes dirty pages of shared files, and reports what fails', () => {
    const s = mmap(0, 4 * PAGE, 3, P.MAP_SHARED, 2) as number;
    guestWrite(vm, s + PAGE, 1);
    expect(call('msync', s + PAGE, 0, 0)).to.equal(0);
    expect(written).to.deep.equal([1]);
    expect(call('msync', s, 4 * PAGE, 0)).to.equal(0);
    expect(written).to.deep.equal([1]);
    guestWrite(vm, s + PAGE, 2);
    guestWrite(vm, s + 2 * PAGE, 2);
    expect(call('msync', s, 4 * PAGE, 0)).to.equal(EIO);
    expect(written).to.deep.equal([1, 1, 2]);
    expect(call('msync', s, 4 * PAGE, 3)).to.equal(EINVAL);
    expect(call('msync', s + 16 * GB, 4 * PAGE, 0)).to.equal(EINVAL);
  });

  it('minherit decides what fork does', () => {
    guestWrite(vm, at, 1);
    expect(call('minherit', at, PAGE, 0)).to.equal(0);
    expect(call('minherit', at + PAGE, PAGE, 2)).to.equal(0);
    expect(call('minherit', at, PAGE, 3)).to.equal(EINVAL);
    const child = vmspaceFork(vm) as Vmspace;
    guestWrite(child, at, 2);
    expect(guestRead(vm, at)).to.equal(2);
    expect(guestRead(child, at + PAGE)).to.equal(EFAULT);
  });

  it('break and sbrk only grow', () => {
    const start = DATA + PAGE;
    expect(call('sbrk', 0)).to.equal(start);
    expect(call('break', start + 100)).to.equal(0);
    expect(call('sbrk', 0)).to.equal(start + PAGE);
    expect(guestWrite(vm, start + PAGE - 1, 1)).to.equal(null);
    expect(call('sbrk', 3 * PAGE)).to.equal(start + PAGE);
    expect(call('break', start)).to.equal(EOPNOTSUPP);
    expect(call('break', DATA - PAGE)).to.equal(EINVAL);
    expect(call('break', DATA + P.DFLDSIZ + PAGE)).to.equal(ENOMEM);
    expect(call('break', 2 ** 63)).to.equal(ENOMEM);
    expect(call('sbrk', 2 ** 64 - 4096)).to.equal(EOPNOTSUPP);
    expect(call('sstk', 1)).to.equal(EOPNOTSUPP);
  });

  it('mlock brings pages in and respects its limit', () => {
    limits[P.RLIMIT_MEMLOCK] = 4 * PAGE;
    expect(call('mlock', at, 5 * PAGE)).to.equal(ENOMEM);
    expect(call('mlock', at + 7 * PAGE, 2 * PAGE)).to.equal(ENOMEM);
    expect(call('mlock', at, 4 * PAGE)).to.equal(0);
    expect(vm.pmap.resident).to.be.at.least(4);
    expect(call('mlock', at + 4 * PAGE, PAGE)).to.equal(ENOMEM);
    expect(call('munlock', at, 4 * PAGE)).to.equal(0);
    expect(call('mlock', at + 4 * PAGE, PAGE)).to.equal(0);
    expect(call('mlockall', 0)).to.equal(EINVAL);
    expect(call('mlockall', 1)).to.equal(0);
    expect(call('munlockall')).to.equal(0);
  });
});
