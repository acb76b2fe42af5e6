/**
 * Console input that is not typed: a script or pipe on the vkernel's standard input.
 *
 * A terminal drops what was typed before somebody reads (hang-ups between sessions flush it). A script must not lose
 * lines that way, so they are kept and fed one at a time to a reader that waits. At the end of input the reader gets the
 * end-of-file character; when after that somebody waits for input again, there will never be any: the guest is asked to
 * halt.
 */
import { gd } from '../../vkernel/sys/globaldata.js';
import { VEOF } from '../../vkernel/sys/termios.js';
import { Callout, calloutReset } from '../../vkernel/kern/kern_timeout.js';
import { ttyInput } from '../../vkernel/kern/tty_disc.js';

const LOOK_NS = 5e6;
const NL = 10;

export class ConsoleFeed {
  private backlog: Uint8Array = new Uint8Array(0);
  private eof: 'no' | 'seen' | 'told' = 'no';
  private readonly callout = new Callout();

  /** @param atEnd called when a reader waits for what will never come */
  constructor(private readonly atEnd: () => void) {}

  /** Bytes from the host; none at all means the end. */
  input(data: Uint8Array): void {
    if (data.length === 0) this.eof = 'seen';
    const all = new Uint8Array(this.backlog.length + data.length);
    all.set(this.backlog);
    all.set(data, this.backlog.length);
    this.backlog = all;
    this.look();
  }

  private look(): void {
    const t = gd.cons.tty;
    if (t.rq.head !== null && t.canq.length === 0 && t.rawq.length === 0) {
      if (this.backlog.length > 0) {
        const nl = this.backlog.indexOf(NL);
        const n = nl < 0 ? this.backlog.length : nl + 1;
        ttyInput(t, this.backlog.subarray(0, n));
        this.backlog = this.backlog.subarray(n);
      } else if (this.eof === 'seen') {
        this.eof = 'told';
        ttyInput(t, Uint8Array.of(t.cc[VEOF]));
      } else if (this.eof === 'told') {
        this.atEnd();
        return;
      }
    }
    if (this.backlog.length > 0 || this.eof !== 'no') calloutReset(this.callout, LOOK_NS, () => this.look());
  }
}
