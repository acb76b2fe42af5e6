import { expect } from 'chai';
import { ArgKind, makeSysent } from '../../../vkernel/kern/syscalls.js';

describe('system call table', () => {
  const t = makeSysent({});
  it('has the calls where DragonFly has them', () => {
    const at = (n: number): string | undefined => t[n]?.name;
    expect([1, 3, 4, 20, 59, 197, 198, 202, 344, 495, 538, 550].map(at)).to.deep.equal(
      'exit read write getpid execve mmap __syscall __sysctl sigreturn lwp_create pipe2 getrandom'.split(' '),
    );
    expect(t[11]).to.equal(null);
    expect(t[235]).to.equal(null);
  });
  it('cuts arguments to their declared kinds', () => {
    expect([...(t[199]?.kinds ?? [])]).to.deep.equal([ArgKind.I32, ArgKind.I32, ArgKind.I64, ArgKind.I32]);
    expect(t[197]?.args.length).to.equal(7);
  });
  it('refuses an implementation without a row, and two of one call', () => {
    const impl = { try: () => 0 };
    expect(() => makeSysent({ nothere: impl })).to.throw(/no such system call: nothere/);
    expect(() => makeSysent({ getpid: impl }, { getpid: impl })).to.throw(/twice/);
  });
});
