import { expect } from 'chai';
import { EAGAIN, EIO, EINTR, EINVAL, ENOTTY, ENXIO, EPERM, ERESTART, Errno } from '../../../vkernel/sys/errno.js';
import { gd } from '../../../vkernel/sys/globaldata.js';
import {
  SA_RESTART,
  SIGCONT,
  SIGINT,
  SIGQUIT,
  SIGTSTP,
  SIGTTIN,
  SIGTTOU,
  SIGWINCH,
  SIG_IGN,
  sigaddset,
  sigismember,
} from '../../../vkernel/sys/signal.js';
import { consInit, consoleFile, consoleInput, consoleResize } from '../../../drivers/cons/cons.js';
import {
  ECHO,
  ECHOCTL,
  ICANON,
  ICRNL,
  ISIG,
  IXON,
  OPOST,
  OXTABS,
  TOSTOP,
  VMIN,
  VTIME,
} from '../../../vkernel/sys/termios.js';
import { type Tty } from '../../../vkernel/kern/tty.js';
import {
  TIOCGETA,
  TIOCGPGRP,
  TIOCGWINSZ,
  TIOCNOTTY,
  TIOCOUTQ,
  TIOCSCTTY,
  TIOCSETA,
  TIOCSETAF,
  TIOCSPGRP,
  TIOCSTI,
  TIOCSWINSZ,
} from '../../../vkernel/kern/tty_ioctl.js';
import { eventSyscalls } from '../../../vkernel/kern/kern_event.js';
import { lwpSigCheck, psignal, sigInit } from '../../../vkernel/kern/kern_sig.js';
import { lwktCreate, type LwktThread } from '../../../vkernel/kern/lwkt_thread.js';
import { uschedInit } from '../../../vkernel/kern/usched.js';
import { Lwp, P_CONTROLT, Pgrp, Proc, ProcState, Session, pgrpEnter, procInit } from '../../../vkernel/kern/proc.js';
import { NOTNOW } from '../../../vkernel/sys/errno.js';
import { Kit, O, calls, type User } from '../vfs/kit.js';

Object.assign(calls, eventSyscalls);
const FIONREAD = 0x4004667f;

/** A process with a thread whose blocking calls can be interrupted. */
class Actor {
  readonly u: User;
  readonly p: Proc;
  readonly lwp: Lwp;
  fd = -1;
  constructor(
    readonly kit: Kit,
    pid: number,
    pg: Pgrp,
  ) {
    this.u = kit.proc();
    this.p = new Proc(pid, pg, this.u.p.cred, this.u.p.vm, this.u.p.fd);
    this.lwp = new Lwp(this.p, 1, { running: false, preempt: () => {} } as never);
    this.p.lwps.set(1, this.lwp);
    this.lwp.td = { state: 0, catching: false } as unknown as LwktThread;
    pgrpEnter(this.p, pg);
    gd.allproc.set(pid, this.p);
  }
  open(): this {
    const r = this.call('open', '/dev/console', O.RDWR, 0);
    if (typeof r.value !== 'number') throw new Error(String(r.value));
    this.fd = r.value;
    return this;
  }
  /** A call on its own thread. */
  call(name: string, ...args: (number | string)[]): { done: boolean; value: number | Errno | null } {
    const a = new Float64Array(8);
    args.forEach((x, i) => (a[i] = typeof x === 'string' ? this.u.str(x) : x));
    const impl = calls[name];
    const r = { done: false, value: null as number | Errno | null };
    const tried = impl.try?.(this.lwp, a) ?? NOTNOW;
    if (tried !== NOTNOW) return { done: true, value: tried };
    const block = impl.block;
    if (block === undefined) throw new Error('no block');
    const { lwp } = this;
    lwp.td = lwktCreate(
      function* () {
        r.value = yield* block(lwp, a);
        r.done = true;
      },
      'actor',
      10,
    );
    lwp.td.sigCheck = () => lwpSigCheck(lwp);
    this.kit.settle();
    return r;
  }
  ok(name: string, ...args: (number | string)[]): number {
    const r = this.call(name, ...args);
    if (!r.done || typeof r.value !== 'number') throw new Error(`${name}: ${String(r.value)}`);
    return r.value;
  }
  read(n = 100): string | Errno | null {
    const at = this.u.alloc(n);
    const r = this.call('read', this.fd, at, n);
    return typeof r.value === 'number' ? Buffer.from(this.u.get(at, r.value)).toString('latin1') : r.value;
  }
  write(s: string): number | Errno | null {
    return this.call('write', this.fd, this.u.put(Uint8Array.from(Buffer.from(s, 'latin1'))), s.length).value;
  }
  /** ioctl with a structure; the structure afterwards, or the errno. */
  ioctl(cmd: number, data: Uint8Array = new Uint8Array(0)): Uint8Array | Errno {
    const at = data.length > 0 ? this.u.put(data) : 0;
    const r = this.call('ioctl', this.fd, cmd, at);
    if (!r.done) throw new Error('ioctl slept');
    return typeof r.value === 'number' ? this.u.get(at, data.length) : (r.value as Errno);
  }
  int(cmd: number, v = 0): number | Errno {
    const r = this.ioctl(cmd, new Uint8Array(Int32Array.of(v).buffer));
    return r instanceof Errno ? r : new Int32Array(r.slice().buffer)[0];
  }
  pending(sig: number): boolean {
    return sigismember(this.p.siglist, sig);
  }
}

describe('console terminal', () => {
  let kit: Kit;
  let t: Tty;
  let leader: Actor;
  beforeEach(() => {
    kit = new Kit();
    uschedInit(1);
    procInit(100);
    sigInit();
    consInit();
    t = gd.cons.tty;
    leader = new Actor(kit, 10, new Pgrp(10, new Session(10, null)));
    leader.p.pgrp.session.leader = leader.p;
    leader.open();
    expect(leader.ioctl(TIOCSCTTY)).to.be.instanceOf(Uint8Array);
    leader.u.lwp.args.fill(0);
    kit.machine.console.take();
  });
  const type = (s: string): void => {
    consoleInput(Uint8Array.from(Buffer.from(s, 'latin1')));
    kit.settle();
  };
  const screen = (): string => kit.machine.console.take();
  /** Another process group in the session. */
  const other = (pid: number): Actor => {
    const a = new Actor(kit, pid, new Pgrp(pid, leader.p.pgrp.session));
    a.p.parent = leader.p;
    a.p.flags |= P_CONTROLT;
    return a.open();
  };
  const raw = (min: number, time: number): void => {
    t.lflag &= ~(ICANON | ECHO | ISIG);
    t.cc[VMIN] = min;
    t.cc[VTIME] = time;
  };

  describe('canonical input', () => {
    it('gives whole lines, with echo and CR as NL', () => {
      type('hel');
      const at = leader.u.alloc(10);
      const r = leader.call('read', leader.fd, at, 10);
      expect(r.done).to.equal(false);
      type('lo\rnext\n');
      expect(r.value).to.equal(6);
      expect(screen()).to.equal('hello\r\nnext\r\n');
      expect(leader.read()).to.equal('next\n');
    });

    it('gives a line in pieces', () => {
      type('abcdef\n');
      expect([leader.read(4), leader.read(4)]).to.deep.equal(['abcd', 'ef\n']);
    });

    it('erases characters, tabs, control characters and UTF-8', () => {
      type('abc\x7f\x7fX\n');
      expect(leader.read()).to.equal('aX\n');
      expect(screen()).to.equal('abc\b \b\b \bX\r\n');
      type('a\t\x7f\x16\x01\x08b\n');
      expect(leader.read()).to.equal('ab\n');
      expect(screen()).to.equal('a\t' + '\b'.repeat(7) + '^\b^A' + '\b\b  \b\b' + 'b\r\n');
      type('\xc3\xa9\x7fe\n');
      expect(leader.read()).to.equal('e\n');
    });

    it('erases words and lines, and retypes', () => {
      type('one two  \x17three\n');
      expect(leader.read()).to.equal('one three\n');
      type('rubbish\x15good\n');
      expect(leader.read()).to.equal('good\n');
      screen();
      type('ab\x12');
      expect(screen()).to.equal('ab^R\r\nab');
      type('\n');
    });

    it('ends with ^D: at once in a line, as end of file when empty', () => {
      type('abc\x04');
      expect(leader.read()).to.equal('abc');
      type('\x04');
      expect(leader.read()).to.equal('');
      type('xyz\x04');
      expect(leader.read(3)).to.equal('xyz');
      const r = leader.call('read', leader.fd, leader.u.alloc(3), 3);
      expect(r.done).to.equal(false);
      type('\n');
      expect(r.value).to.equal(1);
    });

    it('quotes with ^V', () => {
      type('\x16\x03\x16\x04\n');
      expect(leader.read()).to.equal('\x03\x04\n');
      expect(leader.pending(SIGINT)).to.equal(false);
    });

    it('rings the bell when a line is too long', () => {
      type('x'.repeat(5000));
      expect(screen().endsWith('\x07')).to.equal(true);
      type('\n');
      expect((leader.read(10000) as string).length).to.equal(4097);
    });
  });

  describe('signals from keys', () => {
    it('go to the foreground group, and flush input', () => {
      type('half a line\x03');
      expect(leader.pending(SIGINT)).to.equal(true);
      expect(screen()).to.equal('half a line^C');
      type('\x1c\x1a');
      // The leader's group is orphaned: a terminal cannot stop it.
      expect([leader.pending(SIGQUIT), leader.pending(SIGTSTP)]).to.deep.equal([true, false]);
      const job = other(20);
      t.pgrp = job.p.pgrp;
      type('\x1a');
      expect([job.p.state, job.p.xstat]).to.deep.equal([ProcState.STOP, SIGTSTP]);
      t.pgrp = leader.p.pgrp;
      leader.p.siglist.fill(0);
      type('fresh\n');
      expect(leader.read()).to.equal('fresh\n');
    });

    it('interrupt a reader', () => {
      leader.p.sigacts.handler[SIGINT] = 0x1000;
      const r = leader.call('read', leader.fd, leader.u.alloc(10), 10);
      type('\x03');
      expect(r.value).to.equal(EINTR);
    });

    it('are ordinary characters without ISIG', () => {
      t.lflag &= ~ISIG;
      type('\x03\n');
      expect(leader.read()).to.equal('\x03\n');
    });

    it('^T prints the load and the foreground process', () => {
      leader.p.comm = 'sh';
      type('ab\x14');
      expect(screen()).to.match(/^ab\r\nload: 0\.\d\d cmd: sh 10 \[.*\] 0\.00u 0\.00s\r\nab$/);
    });
  });

  describe('raw input', () => {
    it('waits for VMIN characters', () => {
      raw(3, 0);
      const at = leader.u.alloc(10);
      const r = leader.call('read', leader.fd, at, 10);
      type('ab');
      expect(r.done).to.equal(false);
      type('c');
      expect(r.value).to.equal(3);
      expect(screen()).to.equal('');
    });

    it('polls with VMIN 0 and VTIME 0', () => {
      raw(0, 0);
      expect(leader.read()).to.equal('');
      type('x');
      expect(leader.read()).to.equal('x');
    });

    it('waits for VTIME with VMIN 0', () => {
      raw(0, 5);
      const r = leader.call('read', leader.fd, leader.u.alloc(10), 10);
      kit.machine.advance(499e6);
      expect(r.done).to.equal(false);
      kit.machine.advance(1e6);
      expect(r.value).to.equal(0);
    });

    it('ends VTIME after the last character, which starts with the first', () => {
      raw(10, 2);
      const r = leader.call('read', leader.fd, leader.u.alloc(10), 10);
      kit.machine.advance(10e9);
      expect(r.done).to.equal(false);
      type('a');
      kit.machine.advance(150e6);
      type('b');
      kit.machine.advance(150e6);
      expect(r.done).to.equal(false);
      kit.machine.advance(50e6);
      expect(r.value).to.equal(2);
    });

    it('answers EAGAIN with O_NONBLOCK', () => {
      const fp = leader.p.fd.files[leader.fd];
      if (fp === null) throw new Error();
      fp.flags |= O.NONBLOCK;
      expect(leader.read()).to.equal(EAGAIN);
      raw(1, 0);
      expect(leader.read()).to.equal(EAGAIN);
    });

    it('takes over what was typed before the mode changed, both ways', () => {
      type('abc');
      const tio = leader.ioctl(TIOCGETA, new Uint8Array(44));
      if (tio instanceof Errno) throw new Error();
      const v = new DataView(tio.buffer, tio.byteOffset);
      const lflag = v.getUint32(12, true);
      v.setUint32(12, lflag & ~(ICANON | ECHO), true);
      leader.ioctl(TIOCSETA, tio);
      expect(leader.int(FIONREAD)).to.equal(3);
      type('de\x7ff\n');
      v.setUint32(12, lflag, true);
      leader.ioctl(TIOCSETA, tio);
      expect(leader.read()).to.equal('abcdf\n');
    });

    it('FIONREAD, and TIOCSETAF drops input', () => {
      type('line\n');
      expect(leader.int(FIONREAD)).to.equal(5);
      const tio = leader.ioctl(TIOCGETA, new Uint8Array(44)) as Uint8Array;
      leader.ioctl(TIOCSETAF, tio);
      expect(leader.int(FIONREAD)).to.equal(0);
    });
  });

  describe('output', () => {
    it('is processed', () => {
      leader.write('a\n\tb');
      expect(screen()).to.equal('a\r\n\tb');
      t.oflag |= OXTABS;
      leader.write('\r12\t3');
      expect(screen()).to.equal('\r12      3');
      t.oflag &= ~OPOST;
      leader.write('x\n');
      expect(screen()).to.equal('x\n');
    });

    it('stops at ^S, makes writers wait, goes on at ^Q', () => {
      type('\x13');
      expect(leader.write('x'.repeat(8192))).to.equal(8192);
      expect(leader.int(TIOCOUTQ)).to.equal(8192);
      const w = leader.call('write', leader.fd, leader.u.put(Uint8Array.of(33)), 1);
      expect([w.done, screen()]).to.deep.equal([false, '']);
      type('\x11');
      expect(w.value).to.equal(1);
      expect(screen()).to.equal('x'.repeat(8192) + '!');
      t.iflag &= ~IXON;
      type('\x13\n');
      expect(leader.read()).to.equal('\x13\n');
    });

    it('moves long writes', () => {
      expect(leader.write('y'.repeat(50000))).to.equal(50000);
      expect(screen().length).to.equal(50000);
    });
  });

  describe('job control', () => {
    it('only a session leader without terminal gets one', () => {
      expect(gd.cons.tty.session?.sid).to.equal(10);
      const a = other(20);
      expect(a.ioctl(TIOCSCTTY)).to.equal(EPERM);
      const s2 = new Actor(kit, 30, new Pgrp(30, new Session(30, null)));
      s2.p.pgrp.session.leader = s2.p;
      s2.open();
      expect(s2.ioctl(TIOCSCTTY)).to.equal(EPERM);
      expect(s2.int(TIOCGPGRP)).to.equal(ENOTTY);
    });

    it('stops background readers with SIGTTIN, or EIO when they ignore it or are orphans', () => {
      const bg = other(20);
      const r = bg.call('read', bg.fd, bg.u.alloc(10), 10);
      expect([bg.p.state, bg.p.xstat, r.done]).to.deep.equal([ProcState.STOP, SIGTTIN, false]);
      kit.machine.advance(10e9);
      expect(gd.callouts.heap.size).to.equal(0);
      // Continued in the background it stops again, in the foreground it reads.
      psignal(bg.p, SIGCONT);
      kit.settle();
      kit.machine.advance(1e9);
      expect([bg.p.state, r.done]).to.deep.equal([ProcState.STOP, false]);
      t.pgrp = bg.p.pgrp;
      psignal(bg.p, SIGCONT);
      kit.settle();
      type('x\n');
      expect(r.value).to.equal(2);
      t.pgrp = leader.p.pgrp;
      bg.p.sigacts.handler[SIGTTIN] = 0x1000;
      expect(bg.read()).to.equal(EINTR);
      bg.p.siglist.fill(0);
      bg.p.sigacts.handler[SIGTTIN] = SIG_IGN;
      expect(bg.read()).to.equal(EIO);
      bg.p.sigacts.handler[SIGTTIN] = 0;
      bg.p.siglist.fill(0);
      sigaddset(bg.lwp.sigmask, SIGTTIN);
      expect(bg.read()).to.equal(EIO);
      bg.lwp.sigmask.fill(0);
      bg.p.parent = null;
      expect(bg.read()).to.equal(EIO);
    });

    it('lets background writers through unless TOSTOP', () => {
      const bg = other(20);
      expect(bg.write('hi')).to.equal(2);
      t.lflag |= TOSTOP;
      const w = bg.call('write', bg.fd, bg.u.put(Uint8Array.of(33)), 1);
      expect([bg.p.state, bg.p.xstat, w.done]).to.deep.equal([ProcState.STOP, SIGTTOU, false]);
      t.lflag &= ~TOSTOP;
      psignal(bg.p, SIGCONT);
      kit.settle();
      expect(w.value).to.equal(1);
      t.lflag |= TOSTOP;
      bg.p.sigacts.handler[SIGTTOU] = SIG_IGN;
      expect(bg.write('hi')).to.equal(2);
    });

    it('moves the foreground with TIOCSPGRP', () => {
      const job = other(20);
      job.p.sigacts.handler[SIGTTOU] = 0x1000;
      job.p.sigacts.flags[SIGTTOU] = SA_RESTART;
      expect(job.int(TIOCSPGRP, 20)).to.equal(ERESTART);
      job.p.siglist.fill(0);
      expect(leader.int(TIOCSPGRP, 20)).to.equal(20);
      expect(leader.int(TIOCGPGRP)).to.equal(20);
      type('\x03');
      expect([job.pending(SIGINT), leader.pending(SIGINT)]).to.deep.equal([true, false]);
      expect(job.int(TIOCSPGRP, 4711)).to.equal(EPERM);
    });

    it('tells the foreground of a new size', () => {
      leader.p.sigacts.handler[SIGWINCH] = 0x1000;
      kit.machine.console.resize(50, 132);
      kit.settle();
      consoleResize();
      expect(leader.pending(SIGWINCH)).to.equal(true);
      const w = leader.ioctl(TIOCGWINSZ, new Uint8Array(8)) as Uint8Array;
      expect([...new Uint16Array(w.slice().buffer)]).to.deep.equal([50, 132, 0, 0]);
      leader.p.siglist.fill(0);
      leader.ioctl(TIOCSWINSZ, w);
      expect(leader.pending(SIGWINCH)).to.equal(false);
    });

    it('TIOCSTI types, TIOCNOTTY lets go', () => {
      for (const c of 'hi\n') leader.ioctl(TIOCSTI, Uint8Array.of(c.charCodeAt(0)));
      expect(leader.read()).to.equal('hi\n');
      expect(leader.ioctl(TIOCNOTTY)).to.equal(EINVAL);
      const job = other(20);
      expect(job.ioctl(TIOCNOTTY)).to.be.instanceOf(Uint8Array);
      expect(job.int(TIOCGPGRP)).to.equal(ENOTTY);
    });

    it('loses its files at a hang-up; a new session takes over', () => {
      const bg = other(20);
      const r = leader.call('read', leader.fd, leader.u.alloc(10), 10);
      t.hangup();
      leader.p.pgrp.session.tty = null;
      kit.settle();
      expect(r.value).to.equal(0);
      expect(bg.write('x')).to.equal(EIO);
      expect(bg.read()).to.equal('');
      expect(bg.ok('close', bg.fd)).to.equal(0);
      const s2 = new Actor(kit, 30, new Pgrp(30, new Session(30, null)));
      s2.p.pgrp.session.leader = s2.p;
      const fp = kit.run(consoleFile(s2.p, true));
      expect(fp).not.to.equal(null);
      expect([t.session?.sid, t.pgrp?.id]).to.deep.equal([30, 30]);
    });
  });

  it('/dev/tty is the controlling terminal', () => {
    const r = leader.call('open', '/dev/tty', O.RDWR, 0);
    leader.fd = r.value as number;
    leader.write('to tty');
    expect(screen()).to.equal('to tty');
    type('in\n');
    expect(leader.read()).to.equal('in\n');
    const none = new Actor(kit, 40, new Pgrp(40, new Session(40, null)));
    expect(none.call('open', '/dev/tty', O.RDWR, 0).value).to.equal(ENXIO);
  });

  it('can be polled', () => {
    const fds = (): number => {
      const b = new Uint8Array(8);
      new DataView(b.buffer).setInt32(0, leader.fd, true);
      b[4] = 5;
      return leader.u.put(b);
    };
    const at = fds();
    leader.ok('poll', at, 1, 0);
    expect(leader.u.get(at, 8)[6]).to.equal(4);
    const at2 = fds();
    leader.u.get(at2, 8);
    type('x');
    leader.ok('poll', at2, 1, 0);
    expect(leader.u.get(at2, 8)[6]).to.equal(4);
    type('\n');
    leader.ok('poll', at2, 1, 0);
    expect(leader.u.get(at2, 8)[6]).to.equal(5);
  });

  it('keeps to plain bytes when it is no terminal', () => {
    const k2 = new Kit({ consoleTty: false });
    uschedInit(1);
    procInit(100);
    sigInit();
    consInit();
    consoleInput(Uint8Array.from(Buffer.from('cmd\n')));
    expect(k2.machine.console.output).to.equal('');
    expect(gd.cons.tty.lflag & (ECHO | ECHOCTL)).to.equal(0);
    expect(gd.cons.tty.iflag & ICRNL).to.equal(ICRNL);
  });
});
