import { expect } from 'chai';
import { PidTable } from '../../../vkernel/kern/proc_lists.js';
import { EBADF, EINTR, EINVAL, ENOENT, ENOMEM, EOPNOTSUPP, ESRCH, Errno } from '../../../vkernel/sys/errno.js';
import {
  EVFILT_AIO,
  EVFILT_PROC,
  EVFILT_READ,
  EVFILT_SIGNAL,
  EVFILT_TIMER,
  EVFILT_USER,
  EVFILT_VNODE,
  EVFILT_WRITE,
  EV_ADD,
  EV_CLEAR,
  EV_DELETE,
  EV_DISABLE,
  EV_DISPATCH,
  EV_ENABLE,
  EV_EOF,
  EV_ERROR,
  EV_NODATA,
  EV_ONESHOT,
  EV_RECEIPT,
  MAX_KNOTES,
  NOTE_CHILD,
  NOTE_EXEC,
  NOTE_EXIT,
  NOTE_FFCOPY,
  NOTE_FFOR,
  NOTE_FORK,
  NOTE_TRACK,
  NOTE_TRIGGER,
  NOTE_WRITE,
  eventInit,
  eventSyscalls,
  type Klist,
} from '../../../vkernel/kern/kern_event.js';
import { pipeSyscalls } from '../../../vkernel/kern/sys_pipe.js';
import { lwktInterrupt } from '../../../vkernel/kern/lwkt_thread.js';
import { ProcState, type Proc } from '../../../vkernel/kern/proc.js';
import { gd } from '../../../vkernel/sys/globaldata.js';
import { Kit, O, calls, type User } from '../vfs/kit.js';

Object.assign(calls, eventSyscalls, pipeSyscalls);

interface Ev {
  ident: number;
  filter: number;
  flags: number;
  fflags: number;
  data: number;
  udata: bigint;
}
const ev = (ident: number, filter: number, flags: number, fflags = 0, data = 0, udata = 0n): Ev => ({
  ident,
  filter,
  flags,
  fflags,
  data,
  udata,
});

function pack(evs: Ev[]): Uint8Array {
  const v = new DataView(new ArrayBuffer(32 * evs.length));
  evs.forEach((e, i) => {
    v.setBigUint64(32 * i, BigInt(e.ident), true);
    v.setInt16(32 * i + 8, e.filter, true);
    v.setUint16(32 * i + 10, e.flags, true);
    v.setUint32(32 * i + 12, e.fflags, true);
    v.setBigInt64(32 * i + 16, BigInt(e.data), true);
    v.setBigUint64(32 * i + 24, e.udata, true);
  });
  return new Uint8Array(v.buffer);
}
function unpack(b: Uint8Array): Ev[] {
  const v = new DataView(b.buffer, b.byteOffset);
  return Array.from({ length: b.length / 32 }, (_, i) => ({
    ident: Number(v.getBigUint64(32 * i, true)),
    filter: v.getInt16(32 * i + 8, true),
    flags: v.getUint16(32 * i + 10, true),
    fflags: v.getUint32(32 * i + 12, true),
    data: Number(v.getBigInt64(32 * i + 16, true)),
    udata: v.getBigUint64(32 * i + 24, true),
  }));
}

/** A process with a kqueue and a pipe (r, w). */
class Scene {
  readonly kit = new Kit();
  readonly u: User;
  readonly kq: number;
  readonly r: number;
  readonly w: number;
  constructor() {
    gd.allproc = new PidTable();
    eventInit();
    this.u = this.kit.proc();
    this.kq = this.u.ok('kqueue');
    [this.r, this.w] = this.pipe();
  }
  pipe(flags = O.NONBLOCK): [number, number] {
    const r = this.u.ok('pipe2', 0, flags);
    return [r, this.u.lwp.retval1];
  }
  /** Apply changes; the call's result. */
  change(...evs: Ev[]): number | Errno {
    return this.u.sys('kevent', this.kq, this.u.put(pack(evs)), evs.length, 0, 0, 0);
  }
  private zero(): number {
    return this.u.put(new Uint8Array(16));
  }
  /** Poll for events. */
  poll(max = 10): Ev[] {
    const at = this.u.alloc(32 * max);
    const n = this.u.ok('kevent', this.kq, 0, 0, at, max, this.zero());
    return unpack(this.u.get(at, 32 * n));
  }
  brief(max = 10): string {
    return this.poll(max)
      .map((e) => `${e.ident}:${e.filter}:${e.data}`)
      .join(' ');
  }
  write(fd: number, s: string): number {
    return this.u.ok('write', fd, this.u.put(Uint8Array.from(Buffer.from(s))), s.length);
  }
  read(fd: number, n = 100): string {
    const at = this.u.alloc(n);
    return Buffer.from(this.u.get(at, this.u.ok('read', fd, at, n))).toString();
  }
  /** A fake process known by pid. */
  fakeProc(pid: number): Proc {
    const p = { pid, state: ProcState.ACTIVE, xstat: 0, klist: null, fd: this.u.p.fd } as unknown as Proc;
    gd.allproc.set(pid, p);
    return p;
  }
}

describe('kqueue', () => {
  let s: Scene;
  beforeEach(() => {
    s = new Scene();
  });

  it('reports a level-triggered knote by every call, with its data and udata', () => {
    expect(s.change(ev(s.r, EVFILT_READ, EV_ADD, 0, 0, 0xfedcba9876543210n))).to.equal(0);
    expect(s.poll()).to.deep.equal([]);
    s.write(s.w, 'abc');
    for (let i = 0; i < 3; i++) {
      const [e] = s.poll();
      expect([e.ident, e.data, e.udata]).to.deep.equal([s.r, 3, 0xfedcba9876543210n]);
    }
    s.read(s.r);
    expect(s.poll()).to.deep.equal([]);
  });

  it('reports an EV_CLEAR knote once for each write, and at once when already ready', () => {
    s.write(s.w, 'x');
    s.change(ev(s.r, EVFILT_READ, EV_ADD | EV_CLEAR), ev(s.w, EVFILT_WRITE, EV_ADD | EV_CLEAR));
    expect(s.brief()).to.equal(`${s.r}:-1:1 ${s.w}:-2:65535`);
    expect(s.brief()).to.equal('');
    s.write(s.w, 'y');
    expect(s.brief()).to.equal(`${s.r}:-1:2`);
    s.read(s.r);
    expect(s.brief()).to.equal(`${s.w}:-2:65536`);
  });

  it('tells EOF and hang-up to both filters', () => {
    s.change(ev(s.r, EVFILT_READ, EV_ADD | EV_CLEAR), ev(s.r, EVFILT_WRITE, EV_ADD | EV_CLEAR));
    s.write(s.w, 'last');
    s.poll();
    s.u.ok('close', s.w);
    const evs = s.poll();
    expect(evs.map((e) => e.filter).sort()).to.deep.equal([-1, -2]);
    for (const e of evs) expect(e.flags & EV_EOF).to.equal(EV_EOF);
    expect(evs.find((e) => e.filter === -1)?.flags).to.not.satisfy((f: number) => (f & EV_NODATA) !== 0);
    s.read(s.r);
    s.change(ev(s.r, EVFILT_READ, EV_ADD));
    expect(s.poll()[0].flags & EV_NODATA).to.equal(EV_NODATA);
  });

  it('forgets the knotes of a closed descriptor, not those of its duplicate', () => {
    const dup = s.u.ok('dup', s.r);
    s.change(ev(s.r, EVFILT_READ, EV_ADD, 0, 0, 1n), ev(dup, EVFILT_READ, EV_ADD, 0, 0, 2n));
    s.write(s.w, 'x');
    expect(s.poll().map((e) => e.udata)).to.have.members([1n, 2n]);
    s.u.ok('close', s.r);
    expect(s.poll().map((e) => e.udata)).to.deep.equal([2n]);
    const again = s.u.ok('dup', dup);
    expect(again).to.equal(s.r);
    expect(s.poll().map((e) => e.udata)).to.deep.equal([2n]);
    s.change(ev(again, EVFILT_READ, EV_ADD, 0, 0, 3n));
    expect(s.poll().map((e) => e.udata)).to.have.members([2n, 3n]);
  });

  it('honours ONESHOT, DISPATCH, DISABLE, ENABLE and DELETE', () => {
    s.write(s.w, 'x');
    s.change(ev(s.r, EVFILT_READ, EV_ADD | EV_ONESHOT));
    expect(s.brief()).to.equal(`${s.r}:-1:1`);
    expect(s.brief()).to.equal('');
    expect(s.change(ev(s.r, EVFILT_READ, EV_DELETE))).to.equal(ENOENT);
    s.change(ev(s.r, EVFILT_READ, EV_ADD | EV_DISPATCH));
    expect(s.brief()).to.equal(`${s.r}:-1:1`);
    expect(s.brief()).to.equal('');
    s.change(ev(s.r, EVFILT_READ, EV_ENABLE));
    expect(s.brief()).to.equal(`${s.r}:-1:1`);
    s.change(ev(s.r, EVFILT_READ, EV_DELETE));
    s.change(ev(s.r, EVFILT_READ, EV_ADD | EV_DISABLE));
    expect(s.brief()).to.equal('');
    s.change(ev(s.r, EVFILT_READ, EV_ENABLE));
    expect(s.brief()).to.equal(`${s.r}:-1:1`);
    expect(s.change(ev(s.r, EVFILT_READ, EV_DELETE))).to.equal(0);
    expect(s.brief()).to.equal('');
  });

  it('returns the error of a change, or a record when there is room', () => {
    expect(s.change(ev(99, EVFILT_READ, EV_ADD))).to.equal(EBADF);
    expect(s.change(ev(s.r, 1, EV_ADD))).to.equal(EINVAL);
    expect(s.change(ev(s.r, -11, EV_ADD))).to.equal(EINVAL);
    expect(s.change(ev(s.r, EVFILT_AIO, EV_ADD))).to.equal(EOPNOTSUPP);
    expect(s.change(ev(s.r, EVFILT_VNODE, EV_ADD))).to.equal(EOPNOTSUPP);
    expect(s.change(ev(s.r, EVFILT_WRITE, EV_ENABLE))).to.equal(ENOENT);
    s.write(s.w, 'x');
    const changes = s.u.put(
      pack([
        ev(99, EVFILT_READ, EV_ADD, 0, 0, 5n),
        ev(s.r, EVFILT_READ, EV_ADD | EV_RECEIPT),
        ev(s.w, EVFILT_WRITE, EV_ADD),
      ]),
    );
    const at = s.u.alloc(32 * 4);
    expect(s.u.ok('kevent', s.kq, changes, 3, at, 4, 0)).to.equal(2);
    const r = unpack(s.u.get(at, 64));
    expect(r.map((e) => [e.ident, e.flags, e.data, e.udata])).to.deep.equal([
      [99, EV_ERROR, 9, 5n],
      [s.r, EV_ERROR, 0, 0n],
    ]);
    expect(s.brief()).to.equal(`${s.r}:-1:1 ${s.w}:-2:65535`);
  });

  it('sleeps until an event, the timeout, or a signal', () => {
    s.change(ev(s.r, EVFILT_READ, EV_ADD));
    const at = s.u.alloc(320);
    const call = s.u.begin('kevent', s.kq, 0, 0, at, 10, 0);
    expect(call.done).to.equal(false);
    s.write(s.w, 'x');
    s.kit.settle();
    expect(call.value).to.equal(1);
    s.read(s.r);
    const ts = s.u.put(new Uint8Array(new BigInt64Array([1n, 500n]).buffer));
    const timed = s.u.begin('kevent', s.kq, 0, 0, at, 10, ts);
    expect(timed.done).to.equal(false);
    s.kit.machine.advance(1e9);
    expect(timed.done).to.equal(false);
    s.kit.machine.advance(500);
    expect(timed.value).to.equal(0);
    const forever = s.u.begin('kevent', s.kq, 0, 0, at, 10, 0);
    for (const td of gd.lwkt.threads) lwktInterrupt(td, EINTR);
    s.kit.settle();
    expect(forever.value).to.equal(EINTR);
    const bad = s.u.put(new Uint8Array(new BigInt64Array([0n, 1000000000n]).buffer));
    expect(s.u.sys('kevent', s.kq, 0, 0, at, 10, bad)).to.equal(EINVAL);
    expect(s.u.sys('kevent', s.r, 0, 0, at, 10, bad)).to.equal(EBADF);
  });

  it('takes turns between ready knotes when the list is short', () => {
    const [r2, w2] = s.pipe();
    s.write(s.w, 'a');
    s.write(w2, 'b');
    s.change(ev(s.r, EVFILT_READ, EV_ADD), ev(r2, EVFILT_READ, EV_ADD));
    expect([s.brief(1), s.brief(1), s.brief(1)]).to.deep.equal([`${s.r}:-1:1`, `${r2}:-1:1`, `${s.r}:-1:1`]);
  });

  it('is itself readable while events are pending', () => {
    const outer = s.u.ok('kqueue');
    s.change(ev(s.r, EVFILT_READ, EV_ADD));
    const at = s.u.alloc(32);
    const zero = s.u.put(new Uint8Array(16));
    s.u.ok('kevent', outer, s.u.put(pack([ev(s.kq, EVFILT_READ, EV_ADD)])), 1, 0, 0, 0);
    expect(s.u.ok('kevent', outer, 0, 0, at, 1, zero)).to.equal(0);
    s.write(s.w, 'x');
    expect(s.u.ok('kevent', outer, 0, 0, at, 1, zero)).to.equal(1);
    expect(unpack(s.u.get(at, 32))[0].data).to.equal(1);
    s.u.ok('close', s.kq);
    expect(s.u.ok('kevent', outer, 0, 0, at, 1, zero)).to.equal(0);
  });

  it('counts timer expirations', () => {
    s.change(ev(7, EVFILT_TIMER, EV_ADD, 0, 10), ev(8, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 15));
    expect(s.brief()).to.equal('');
    s.kit.machine.advance(10e6);
    expect(s.brief()).to.equal('7:-7:1');
    s.kit.machine.advance(30e6);
    expect(s.brief()).to.equal('8:-7:1 7:-7:3');
    s.change(ev(7, EVFILT_TIMER, EV_DELETE));
    s.kit.machine.advance(100e6);
    expect(s.brief()).to.equal('');
    expect(gd.callouts.heap.size).to.equal(0);
  });

  it('triggers user events', () => {
    s.change(ev(1, EVFILT_USER, EV_ADD | EV_CLEAR, NOTE_FFCOPY | 0x0f));
    expect(s.poll()).to.deep.equal([]);
    s.change(ev(1, EVFILT_USER, 0, NOTE_FFOR | 0x30));
    expect(s.poll()).to.deep.equal([]);
    s.change(ev(1, EVFILT_USER, 0, NOTE_TRIGGER, 5));
    expect(s.poll().map((e) => [e.fflags, e.data])).to.deep.equal([[0x3f, 5]]);
    expect(s.poll()).to.deep.equal([]);
  });

  it('watches processes: exec, fork with tracking, exit', () => {
    const p = s.fakeProc(50);
    expect(s.change(ev(51, EVFILT_PROC, EV_ADD, NOTE_EXIT))).to.equal(ESRCH);
    s.change(ev(50, EVFILT_PROC, EV_ADD, NOTE_EXIT | NOTE_FORK | NOTE_EXEC | NOTE_TRACK, 0, 9n));
    gd.execHook?.(p);
    expect(s.poll().map((e) => e.fflags)).to.deep.equal([NOTE_EXEC]);
    const c = s.fakeProc(60);
    gd.forkHook?.(p, c);
    const evs = s.poll();
    expect(evs.map((e) => [e.ident, e.fflags >>> 0, e.data]).sort()).to.deep.equal([
      [50, NOTE_FORK, 0],
      [60, NOTE_CHILD, 50],
    ]);
    expect(evs.every((e) => e.udata === 9n)).to.equal(true);
    c.xstat = 0x300;
    c.state = ProcState.ZOMB;
    gd.exitHook?.(c);
    const [e] = s.poll();
    expect([e.ident, e.fflags, e.data]).to.deep.equal([60, NOTE_EXIT, 0x300]);
    expect(e.flags & (EV_EOF | EV_ONESHOT | EV_NODATA)).to.equal(EV_EOF | EV_ONESHOT | EV_NODATA);
    expect(s.poll()).to.deep.equal([]);
    s.change(ev(60, EVFILT_PROC, EV_ADD, NOTE_EXIT));
    expect(s.poll().map((x) => x.data)).to.deep.equal([0x300]);
  });

  it('counts signals', () => {
    expect(s.change(ev(0, EVFILT_SIGNAL, EV_ADD))).to.equal(EINVAL);
    s.change(ev(20, EVFILT_SIGNAL, EV_ADD));
    gd.signalHook?.(s.u.p, 20);
    gd.signalHook?.(s.u.p, 2);
    gd.signalHook?.(s.u.p, 20);
    expect(s.brief()).to.equal('20:-6:2');
    expect(s.brief()).to.equal('');
  });

  it('watches files', () => {
    s.u.write('/f', 'hello');
    const fd = s.u.open('/f', O.RDWR);
    s.change(ev(fd, EVFILT_READ, EV_ADD), ev(fd, EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_WRITE));
    expect(s.brief()).to.equal(`${fd}:-1:5`);
    s.read(fd);
    expect(s.brief()).to.equal('');
    const vp = s.u.p.fd.files[fd]?.data as { klist: Klist };
    vp.klist.notify(NOTE_WRITE);
    expect(s.poll().map((e) => [e.filter, e.fflags])).to.deep.equal([[EVFILT_VNODE, NOTE_WRITE]]);
  });

  it('has room for so many knotes', () => {
    gd.nknotes = MAX_KNOTES - 1;
    expect(s.change(ev(1, EVFILT_USER, EV_ADD))).to.equal(0);
    expect(s.change(ev(2, EVFILT_USER, EV_ADD))).to.equal(ENOMEM);
    s.change(ev(1, EVFILT_USER, EV_DELETE));
    expect(s.change(ev(2, EVFILT_USER, EV_ADD))).to.equal(0);
  });

  it('leaves nothing behind when closed', () => {
    s.change(ev(s.r, EVFILT_READ, EV_ADD), ev(5, EVFILT_TIMER, EV_ADD, 0, 10));
    expect(s.u.p.fd.knotes).not.to.equal(null);
    s.u.ok('close', s.kq);
    expect(gd.nknotes).to.equal(0);
    expect(s.u.p.fd.knotes).to.equal(null);
    expect(gd.callouts.heap.size).to.equal(0);
    s.write(s.w, 'x');
  });
});

describe('poll and select', () => {
  let s: Scene;
  beforeEach(() => {
    s = new Scene();
  });
  const POLLIN = 1;
  const POLLOUT = 4;
  const POLLHUP = 0x10;
  const POLLNVAL = 0x20;
  const fds = (list: [number, number][]): number => {
    const v = new DataView(new ArrayBuffer(8 * list.length));
    list.forEach(([fd, e], i) => {
      v.setInt32(8 * i, fd, true);
      v.setInt16(8 * i + 4, e, true);
      v.setInt16(8 * i + 6, 0x7777, true);
    });
    return s.u.put(new Uint8Array(v.buffer));
  };
  const revents = (at: number, n: number): number[] => {
    const b = s.u.get(at, 8 * n);
    return Array.from({ length: n }, (_, i) => b[8 * i + 6] | (b[8 * i + 7] << 8));
  };

  it('poll without waiting', () => {
    const at = fds([
      [s.r, POLLIN],
      [s.w, POLLOUT],
      [-1, POLLIN],
      [77, POLLIN],
      [-5, POLLIN],
    ]);
    expect(s.u.ok('poll', at, 5, 0)).to.equal(3);
    expect(revents(at, 5)).to.deep.equal([0, POLLOUT, 0, POLLNVAL, POLLNVAL]);
    s.write(s.w, 'x');
    s.u.ok('poll', at, 5, 0);
    expect(revents(at, 5)[0]).to.equal(POLLIN);
    expect(s.u.sys('poll', at, 5, -2)).to.equal(EINVAL);
    expect(s.u.p.fd.knotes).to.equal(null);
  });

  it('poll tells hang-ups, also to who asks for nothing', () => {
    s.u.ok('close', s.w);
    const at = fds([
      [s.r, 0],
      [s.r, POLLIN],
    ]);
    expect(s.u.ok('poll', at, 2, -1)).to.equal(2);
    expect(revents(at, 2)).to.deep.equal([POLLHUP, POLLHUP | POLLIN]);
  });

  it('poll waits for data, for the time, for a close', () => {
    const at = fds([[s.r, POLLIN]]);
    const p = s.u.begin('poll', at, 1, -1);
    expect(p.done).to.equal(false);
    s.write(s.w, 'x');
    s.kit.settle();
    expect([p.value, revents(at, 1)[0]]).to.deep.equal([1, POLLIN]);
    s.read(s.r);
    const t = s.u.begin('poll', at, 1, 20);
    s.kit.machine.advance(20e6);
    expect([t.value, revents(at, 1)[0]]).to.deep.equal([0, 0]);
    expect(s.u.p.fd.knotes).to.equal(null);
  });

  it('select answers with bits', () => {
    const set = (...on: number[]): number => {
      const b = new Uint8Array(8);
      for (const fd of on) b[fd >> 3] |= 1 << (fd & 7);
      return s.u.put(b);
    };
    const bits = (at: number): number => s.u.get(at, 8)[0];
    const r = set(s.r);
    const w = set(s.w, s.r);
    const zero = s.u.put(new Uint8Array(16));
    expect(s.u.ok('select', 10, r, w, 0, zero)).to.equal(2);
    expect([bits(r), bits(w)]).to.deep.equal([0, (1 << s.w) | (1 << s.r)]);
    const r2 = set(s.r);
    const p = s.u.begin('select', 10, r2, 0, 0, 0);
    expect(p.done).to.equal(false);
    s.write(s.w, 'x');
    s.kit.settle();
    expect([p.value, bits(r2)]).to.deep.equal([1, 1 << s.r]);
    s.u.ok('close', s.w);
    expect(s.u.sys('select', 10, 0, set(s.w), 0, zero)).to.equal(EBADF);
    const bad = s.u.put(new Uint8Array(new BigInt64Array([-1n, 0n]).buffer));
    expect(s.u.sys('select', 10, 0, 0, 0, bad)).to.equal(EINVAL);
    s.u.write('/f', '');
    const fd = s.u.open('/f');
    const rf = set(fd);
    expect(s.u.ok('select', 10, rf, 0, 0, 0)).to.equal(1);
  });
});
