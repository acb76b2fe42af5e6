/**
 * Between /dev/fuse and a session: reads requests on this thread while they come, else waits for the bell.
 *
 * A turn handles requests one after another, with a short spin and a short sleep in between (a client that works step by
 * step sends its next request within microseconds), and lets the event loop run every few milliseconds. After
 * a quiet while it ends, and the addon's thread starts the next one.
 */
import { constants } from 'node:os';
import { native, type NativeFuse } from '../../vkernel/machine/host/native.js';
import { linuxErrno } from './errno.js';
import type { FuseSession } from './session.js';
import { EIO } from '../../vkernel/sys/errno.js';

const TURN_MS = 5;
/** Requests between two looks at the clock. */
const CLOCK_EVERY = 32;
const SPIN_NS = 30_000;
/** How long to sleep in read at a time, and how often in vain before the bell takes over. */
const WAIT_MS = 2;
const PATIENCE = 5;

export class FuseServer {
  private readonly dev: NativeFuse;
  private idle = 0;
  private ended = false;
  private wasReady = false;

  constructor(
    readonly session: FuseSession,
    fd: number,
    private readonly on: {
      /** The kernel has asked its first question: the mount can be used. */
      ready: () => void;
      /** It is unmounted (null), or the descriptor has failed. */
      end: (error: string | null) => void;
    },
  ) {
    this.dev = new (native().FuseDevice)(fd, () => this.turn());
    this.dev.arm();
  }

  /** Let go of the descriptor: an open mount is dead from now on. */
  close(): void {
    this.ended = true;
    this.dev.close();
  }

  private finish(error: string | null): void {
    this.close();
    this.on.end(error);
  }

  private turn(): void {
    const { session, dev } = this;
    const until = performance.now() + TURN_MS;
    for (let i = 1; !this.ended; i++) {
      const n = dev.read(session.in, SPIN_NS, WAIT_MS);
      if (n > 0) {
        this.idle = 0;
        this.answer(session.handle(n));
        if (!this.wasReady && session.ready) {
          this.wasReady = true;
          this.on.ready();
        }
      } else if (n === 0) {
        if (++this.idle < PATIENCE) break;
        this.idle = 0;
        dev.arm();
        return;
      } else {
        this.finish(-n === constants.errno.ENODEV ? null : `/dev/fuse: read: errno ${-n}`);
        return;
      }
      if (i % CLOCK_EVERY === 0 && performance.now() > until) break;
    }
    if (!this.ended) setImmediate(() => this.turn());
  }

  private answer(len: number): void {
    if (len === 0) return;
    const { session, dev } = this;
    const r = dev.write(session.out, len);
    // ENOENT: interrupted meanwhile; ENODEV: unmounted, the next read says so too.
    if (r >= 0 || -r === constants.errno.ENOENT || -r === constants.errno.ENODEV) return;
    session.ov.setUint32(0, 16, true);
    session.ov.setInt32(4, -linuxErrno(EIO), true);
    if (dev.write(session.out, 16) < 0) this.finish(`/dev/fuse: write: errno ${-r}`);
  }
}
