/**
 * The caller's terminal, or whatever descriptors 0, 1 and 2 are: the system console, or the streams of `vkernel run`.
 *
 * Nothing here sleeps. Input is read when the addon's poller says so; output goes out at once as far as it can, the
 * rest is queued (console) or left to the caller (streams). A terminal is in raw mode while it is the console.
 */
import { join } from 'node:path';
import { EAGAIN, EBADF, type Errno } from '../../sys/errno.js';
import type { MachConsole, MachStream } from '../machine.js';
import { hostErrno } from './errno.js';
import { buildDir, native, type NativeHost } from './native.js';

const KINDS = ['closed', 'tty', 'pipe', 'file', 'null'] as const;
const TTY = 1;
const LINUX_EAGAIN = 11;

/** Slots of the poller. */
export const enum PollSlot {
  CONSOLE_IN = 0,
  CONSOLE_OUT = 1,
  /** Plus stream number. */
  STREAM = 2,
}

export class HostConsole implements MachConsole {
  readonly isatty: boolean;
  private readonly n = native();
  private readonly queue: Uint8Array[] = [];
  private readonly buf = new Uint8Array(4096);
  private open = true;
  /** The descriptor written to. */
  private readonly out: number;

  constructor(
    private readonly host: NativeHost,
    private readonly onInput: (data: Uint8Array) => void,
    /**
     * `vkernel run`: descriptors that are no terminals are the program's streams. The console never reads those, and
     * says what it has to say on stderr.
     */
    private readonly beside: boolean,
  ) {
    this.out = beside && this.n.fdKind(1) !== TTY ? 2 : 1;
    this.isatty = this.n.fdKind(0) === TTY && this.n.fdKind(this.out) === TTY;
    if (this.isatty) {
      const r = this.n.rawMode(0, join(buildDir(), 'vkstub'));
      if (r < 0) throw new Error(`terminal: ${hostErrno(-r).text}`);
    }
    const kind = this.n.fdKind(0);
    if (kind === 0 || (this.beside && kind !== TTY)) this.open = false;
    else host.armPoll(PollSlot.CONSOLE_IN, 0, false);
  }

  write(data: Uint8Array): void {
    if (data.length === 0) return;
    this.queue.push(data.slice());
    if (this.queue.length === 1) this.drain();
  }

  /** Write what goes; ask the poller for the rest. An output that is gone for good loses what was to be written. */
  drain(): void {
    while (this.queue.length > 0) {
      const d = this.queue[0];
      const r = this.n.tryWrite(this.out, d);
      if (r === -LINUX_EAGAIN) return this.host.armPoll(PollSlot.CONSOLE_OUT, this.out, true);
      if (r < 0) {
        this.queue.length = 0;
        return;
      }
      if (r < d.length) this.queue[0] = d.subarray(r);
      else this.queue.shift();
    }
  }

  /** Input may be read. An empty chunk tells the end of input that is not a terminal. */
  input(): void {
    if (!this.open) return;
    const r = this.n.tryRead(0, this.buf);
    if (r === -LINUX_EAGAIN) return this.host.armPoll(PollSlot.CONSOLE_IN, 0, false);
    if (r <= 0) this.open = false;
    else this.host.armPoll(PollSlot.CONSOLE_IN, 0, false);
    this.onInput(this.buf.slice(0, Math.max(r, 0)));
  }

  /** Wait for input, with all output gone out before: for a debugger, while nothing else runs. Empty at the end of input. */
  readNow(): Uint8Array {
    const nap = new Int32Array(new SharedArrayBuffer(4));
    for (;;) {
      this.drain();
      const r = this.n.tryRead(0, this.buf);
      if (r !== -LINUX_EAGAIN) return this.buf.slice(0, Math.max(r, 0));
      Atomics.wait(nap, 0, 0, 5);
    }
  }

  size(): { rows: number; cols: number; xpixel: number; ypixel: number } {
    const w = this.isatty ? this.n.winsize(0) : 0;
    if (typeof w === 'number') return { rows: 0, cols: 0, xpixel: 0, ypixel: 0 };
    return { rows: w[0], cols: w[1], xpixel: w[2], ypixel: w[3] };
  }

  /** The terminal as it was; what is still queued goes out for as long as `ms`. */
  close(ms: number): void {
    const until = performance.now() + ms;
    while (this.queue.length > 0 && performance.now() < until) {
      this.drain();
      if (this.queue.length > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
    if (this.isatty) this.n.cookedMode();
  }
}

/** No console: nothing is read, what is written is dropped. */
export const nullConsole: MachConsole = {
  isatty: false,
  write: () => undefined,
  size: () => ({ rows: 0, cols: 0, xpixel: 0, ypixel: 0 }),
};

export class HostStream implements MachStream {
  readonly kind: MachStream['kind'];
  private readonly n = native();

  constructor(
    private readonly host: NativeHost,
    private readonly fd: number,
  ) {
    this.kind = KINDS[this.n.fdKind(fd)];
  }

  read(buf: Uint8Array): number | Errno {
    if (this.kind === 'closed') return EBADF;
    return this.result(this.n.tryRead(this.fd, buf), false);
  }
  write(buf: Uint8Array): number | Errno {
    if (this.kind === 'closed') return EBADF;
    return this.result(this.n.tryWrite(this.fd, buf), true);
  }
  private result(r: number, write: boolean): number | Errno {
    if (r >= 0) return r;
    if (r !== -LINUX_EAGAIN) return hostErrno(-r);
    this.host.armPoll(PollSlot.STREAM + this.fd, this.fd, write);
    return EAGAIN;
  }
  /** Size of the terminal, when it is one. */
  size(): { rows: number; cols: number; xpixel: number; ypixel: number } {
    const w = this.kind === 'tty' ? this.n.winsize(this.fd) : 0;
    if (typeof w === 'number') return { rows: 0, cols: 0, xpixel: 0, ypixel: 0 };
    return { rows: w[0], cols: w[1], xpixel: w[2], ypixel: w[3] };
  }
}
