/**
 * `vkernel mount` and `vkernel umount`.
 *
 * In the background: the command starts itself again with -f and waits for one line on a pipe, so it returns when the
 * mount can be used, or with the reason why not. The server ends when its file system is unmounted, by whomever; SIGTERM
 * and SIGINT unmount it first. Whatever ends it, what was synced is safe, and a mount left behind by kill -9 answers
 * ENOTCONN until it is unmounted.
 *
 * Exit codes: 0; 64 wrong usage; 66 unusable image, label or directory; 1 the host refuses the mount or the unmount, or
 * something could not be written; 70 a defect here.
 */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, writeSync } from 'node:fs';
import { runSync } from '../vkernel/sys/blocking.js';
import { findMount, MountError, mountFuse, unmount, widenReadAhead } from './fuse/mount.js';
import { FuseServer } from './fuse/server.js';
import { FuseSession } from './fuse/session.js';
import { Image, ImageError, nowUs } from './h2/image.js';
import { HostBlockDevice, HostDiskError } from './host_blockdev.js';
import {
  type MountCommand,
  mountHelp,
  mountUsage,
  parseMountCommand,
  parseUmountCommand,
  type UmountCommand,
} from './mount_options.js';
import { EX_NOINPUT, EX_SOFTWARE, EX_USAGE, UsageError } from './options.js';

const EX_FAILED = 1;
/** As DragonFly's syncer. */
const SYNC_MS = 30_000;
const READY = 'ready';
/** How long umount waits for the image to be free. */
const PATIENCE_MS = 300_000;

/** Run `f` on parsed arguments; its errors become one line and an exit code. */
async function command<T>(parse: () => T | 'help', f: (o: T) => Promise<number>): Promise<number> {
  try {
    const o = parse();
    if (o === 'help') {
      process.stdout.write(mountHelp);
      return 0;
    }
    return await f(o);
  } catch (e) {
    if (!(e instanceof UsageError)) throw e;
    process.stderr.write(`vkernel: ${e.message}\n`);
    if (e.code === EX_USAGE) process.stderr.write(mountUsage);
    return e.code;
  }
}

export const mountMain = (argv: readonly string[]): Promise<number> =>
  command(
    () => parseMountCommand(argv),
    (o) => (o.foreground ? serve(o) : background(o, argv)),
  );
export const umountMain = (argv: readonly string[]): Promise<number> => command(() => parseUmountCommand(argv), umount);

// --- background -------------------------------------------------------------------------------------------------------

function background(o: MountCommand, argv: readonly string[]): Promise<number> {
  const special = `${o.images.join(':')}${o.label === null ? '' : `@${o.label}`}`;
  const flags = argv.slice(0, argv.length - 2).filter((a) => a !== '--');
  const args = [...process.execArgv, process.argv[1], 'mount', '-f', '--ready-fd', '3', ...flags, '--', special, o.dir];
  const child = spawn(process.execPath, args, {
    detached: true,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  return new Promise((done) => {
    let text = '';
    const pipe = child.stdio[3] as NodeJS.ReadableStream;
    pipe.on('data', (b: Buffer) => {
      text += b.toString();
      if (!text.endsWith(`${READY}\n`)) return;
      process.stderr.write(text.slice(0, -READY.length - 1));
      child.unref();
      (pipe as unknown as { destroy(): void }).destroy();
      done(0);
    });
    child.on('error', (e) => {
      process.stderr.write(`vkernel: ${e.message}\n`);
      done(EX_SOFTWARE);
    });
    child.on('close', (code) => {
      process.stderr.write(text === '' ? 'vkernel: mount: the server ended without a word\n' : text);
      done(code === null || code === 0 ? EX_SOFTWARE : code);
    });
  });
}

// --- the server -------------------------------------------------------------------------------------------------------

/** Where lines for the user go: stderr; to the waiting parent; once it has gone, the system's log. */
class Voice {
  constructor(private fd: number | null) {}
  private logged = false;

  say(line: string): void {
    if (this.fd !== null) writeSync(this.fd, `vkernel: ${line}\n`);
    else if (this.logged) spawnSync('logger', ['-t', 'vkernel-mount', '--', line], { stdio: 'ignore' });
    else process.stderr.write(`vkernel: ${line}\n`);
  }
  ready(): void {
    if (this.fd === null) return;
    writeSync(this.fd, `${READY}\n`);
    closeSync(this.fd);
    this.fd = null;
    this.logged = true;
  }
}

function serve(o: MountCommand): Promise<number> {
  const voice = new Voice(o.readyFd);
  const log = (line: string): void => voice.say(line);
  let image: Image | null = null;
  let fd: number;
  let session: FuseSession;
  try {
    image = Image.open(o.images, { write: !o.readonly, log });
    const pfs = image.pfs(o.label);
    session = new FuseSession(pfs, {
      nowUs,
      writeback: o.writeback,
      uid: o.uid,
      gid: o.gid,
      owner: process.geteuid?.(),
    });
    fd = mountFuse(`${image.name}@${pfs.label}`, o.dir, { ...o, readonly: o.readonly || pfs.readonly });
  } catch (e) {
    image?.close();
    if (!(e instanceof ImageError || e instanceof MountError)) throw e;
    log(e.message);
    return Promise.resolve(e instanceof ImageError ? EX_NOINPUT : EX_FAILED);
  }
  return run(o, image, session, fd, voice);
}

function run(o: MountCommand, image: Image, session: FuseSession, fd: number, voice: Voice): Promise<number> {
  return new Promise((done) => {
    let failed = false;
    const sync = (): void => {
      const e = runSync(image.device.sync());
      if (e !== null && !failed) voice.say(`${image.name}: sync: ${e.text}`);
      failed = e !== null;
    };
    const end = (error: string | null): void => {
      clearInterval(timer);
      for (const s of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.off(s, stop);
      process.off('uncaughtException', panicked);
      if (error !== null) voice.say(error);
      session.close();
      try {
        image.close();
        done(error === null ? 0 : EX_FAILED);
      } catch (e) {
        if (!(e instanceof ImageError)) throw e;
        voice.say(e.message);
        image.abandon();
        done(EX_FAILED);
      }
    };
    const server = new FuseServer(session, fd, {
      ready: () => {
        widenReadAhead(o.dir, session.maxWrite);
        voice.ready();
      },
      end,
    });
    const timer = setInterval(() => {
      if (!image.device.readonly) sync();
    }, SYNC_MS);
    let asked = 0;
    const stop = (): void => {
      asked++;
      if (asked > 1) {
        server.close();
        void unmount(o.dir, true).then(() => end(null));
        return;
      }
      if (!image.device.readonly) sync();
      void unmount(o.dir, false).then((why) => {
        if (why === null) return;
        voice.say(`${why}: unmounted when nobody uses it any more; a second signal ends it at once`);
        void unmount(o.dir, true).then((still) => {
          if (still !== null) voice.say(still);
        });
      });
    };
    for (const s of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(s, stop);
    // A defect: what is in memory may be wrong, so nothing of it is written any more.
    const panicked = (e: unknown): void => {
      voice.say(`panic: ${e instanceof Error ? (e.stack ?? e.message) : String(e)}`);
      process.exit(EX_SOFTWARE);
    };
    process.on('uncaughtException', panicked);
  });
}

// --- umount -----------------------------------------------------------------------------------------------------------

const sleep = (ms: number): Promise<void> => new Promise((r) => setTimeout(r, ms));

/** Is no server using the image? True also when it cannot be told. */
function isFree(path: string): boolean {
  try {
    new HostBlockDevice(path, { write: false }).close();
    return true;
  } catch (e) {
    return !(e instanceof HostDiskError && e.message.endsWith('in use by another program'));
  }
}

async function umount(o: UmountCommand): Promise<number> {
  const m = findMount(o.dir);
  if (m === null) throw new UsageError(EX_NOINPUT, `${o.dir}: no HAMMER2 file system is mounted there`);
  const why = await unmount(o.dir, o.lazy);
  if (why !== null) {
    process.stderr.write(`vkernel: ${why}\n`);
    return EX_FAILED;
  }
  const first = m.source.replace(/@[^@]*$/, '').split(':')[0];
  for (let waited = 0, ms = 5; !o.lazy && !isFree(first); waited += ms, ms = Math.min(ms * 2, 200)) {
    if (waited > PATIENCE_MS) {
      process.stderr.write(`vkernel: ${o.dir}: unmounted, but ${first} is still in use\n`);
      return EX_FAILED;
    }
    await sleep(ms);
  }
  return 0;
}
