/**
 * Simulated console and standard streams: input scripted, output captured.
 */
import { EAGAIN, EBADF, EPIPE, type Errno } from '../../sys/errno.js';
import type { MachConsole, MachStream } from '../machine.js';
import type { SimMachine } from './sim_machine.js';

const latin1 = (d: Uint8Array): string => {
  let s = '';
  for (const c of d) s += String.fromCharCode(c);
  return s;
};
const bytesOf = (s: string | Uint8Array): Uint8Array =>
  typeof s === 'string' ? Uint8Array.from(s, (c) => c.charCodeAt(0)) : s;

export class SimConsole implements MachConsole {
  /** All that was written, one character a byte. */
  output = '';
  private rows = 24;
  private cols = 80;
  constructor(
    private readonly sim: SimMachine,
    readonly isatty: boolean,
  ) {}
  write(data: Uint8Array): void {
    this.output += latin1(data);
    this.sim.say(`console out ${JSON.stringify(latin1(data))}`);
  }
  size(): { rows: number; cols: number; xpixel: number; ypixel: number } {
    return { rows: this.rows, cols: this.cols, xpixel: 0, ypixel: 0 };
  }
  /** Somebody types: now, or after a time. */
  type(text: string | Uint8Array, afterNs = 0): void {
    const data = bytesOf(text).slice();
    this.sim.at(this.sim.now() + afterNs, () => {
      this.sim.say(`console in ${JSON.stringify(latin1(data))}`);
      this.sim.handlers.onConsoleInput(data);
    });
  }
  resize(rows: number, cols: number): void {
    this.sim.at(this.sim.now(), () => {
      this.rows = rows;
      this.cols = cols;
      this.sim.say(`console size ${rows}x${cols}`);
      this.sim.handlers.onConsoleResize();
    });
  }
  /** Take what was written so far. */
  take(): string {
    const s = this.output;
    this.output = '';
    return s;
  }
}

export interface SimStreamOptions {
  readonly kind: MachStream['kind'];
  /** Input there from the start; end of file follows unless `open`. */
  readonly input?: string | Uint8Array;
  /** More input will be fed: reads answer EAGAIN when empty. */
  readonly open?: boolean;
  /** Bytes taken before writes answer EAGAIN (drain() makes room). Default: no limit. */
  readonly room?: number;
}

export class SimStream implements MachStream {
  readonly kind: MachStream['kind'];
  output = '';
  private input: Uint8Array;
  private eof: boolean;
  private room: number;
  private readonly roomMax: number;
  private broken = false;
  private starved = false;

  constructor(
    private readonly sim: SimMachine,
    private readonly index: number,
    o: SimStreamOptions,
  ) {
    this.kind = o.kind;
    this.input = bytesOf(o.input ?? '').slice();
    this.eof = o.open !== true;
    this.room = this.roomMax = o.room ?? Infinity;
  }
  read(buf: Uint8Array): number | Errno {
    if (this.kind === 'closed') return EBADF;
    if (this.kind === 'null') return 0;
    if (this.input.length === 0) {
      if (this.eof) return 0;
      this.starved = true;
      return EAGAIN;
    }
    const n = Math.min(buf.length, this.input.length);
    buf.set(this.input.subarray(0, n));
    this.input = this.input.subarray(n);
    return n;
  }
  write(buf: Uint8Array): number | Errno {
    if (this.kind === 'closed') return EBADF;
    if (this.broken) return EPIPE;
    if (this.kind === 'null') return buf.length;
    if (this.room === 0 && buf.length > 0) {
      this.starved = true;
      return EAGAIN;
    }
    const n = Math.min(buf.length, this.room);
    this.output += latin1(buf.subarray(0, n));
    this.room -= n;
    this.sim.say(`stream${this.index} out ${JSON.stringify(latin1(buf.subarray(0, n)))}`);
    return n;
  }
  /** More input arrives. */
  feed(text: string | Uint8Array): void {
    const more = bytesOf(text);
    const all = new Uint8Array(this.input.length + more.length);
    all.set(this.input);
    all.set(more, this.input.length);
    this.input = all;
    this.ready();
  }
  /** The other end closes: end of file for reads, EPIPE for writes. */
  hangup(): void {
    this.eof = true;
    this.broken = true;
    this.ready();
  }
  /** The reader of the output has taken everything. */
  drain(): void {
    this.room = this.roomMax;
    this.ready();
  }
  private ready(): void {
    if (!this.starved) return;
    this.starved = false;
    this.sim.at(this.sim.now(), () => {
      this.sim.say(`stream${this.index} ready`);
      this.sim.handlers.onStreamReady(this.index);
    });
  }
}
