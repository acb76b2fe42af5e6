/**
 * Sockets as open files, and the socket level of getsockopt and setsockopt.
 *
 * Counterpart: sys/kern/sys_socket.c
 */
import { EDOM, EINVAL, ENOPROTOOPT, ENOTTY, EOPNOTSUPP, Errno, NOTNOW } from '../sys/errno.js';
import {
  SO_ACCEPTCONN,
  SO_BROADCAST,
  SO_CPUHINT,
  SO_DEBUG,
  SO_DONTROUTE,
  SO_ERROR,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_NOSIGPIPE,
  SO_OOBINLINE,
  SO_PASSCRED,
  SO_RCVBUF,
  SO_RCVLOWAT,
  SO_RCVTIMEO,
  SO_RERROR,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_SNDBUF,
  SO_SNDLOWAT,
  SO_SNDSPACE,
  SO_SNDTIMEO,
  SO_TIMESTAMP,
  SO_TYPE,
  SO_USELOOPBACK,
} from '../sys/socket.js';
import { S_IFSOCK, VType, type Vattr } from '../vfs/vnode.js';
import { DTYPE_SOCKET, type File, fileOps } from './file.js';
import { knoteKlist, NOTE_LOWAT, NOTE_OLDAPI, NOTE_OOB } from './kern_knote.js';
import {
  mustLinger,
  PR_CONNREQUIRED,
  RecvOut,
  type Socket,
  soclose,
  socloseLinger,
  soreceive,
  soreceiveTry,
  sosend,
  sosendTry,
  soshutdown,
  SS_CANTRCVMORE,
  SS_CANTSENDMORE,
  SS_ISCONNECTED,
  SS_RCVATMARK,
  takeError,
} from './uipc_socket.js';
import { disposeControl } from './uipc_socket.js';
import { SB_MAX } from './uipc_sockbuf.js';

const FIONREAD = 0x4004667f;
const FIONWRITE = 0x40046677;
const FIONSPACE = 0x40046676;
const SIOCATMARK = 0x40047307;

const sockOf = (fp: File): Socket => fp.data as Socket;

function fillStat(fp: File, va: Vattr): Errno | null {
  const so = sockOf(fp);
  va.type = VType.VSOCK;
  va.mode = S_IFSOCK | 0o666;
  va.uid = fp.cred.uid;
  va.gid = fp.cred.gid;
  va.nlink = 1;
  va.ino = so.ino;
  va.size = so.rcv.cc;
  va.blksize = so.snd.hiwat;
  return null;
}

/** A reader that is given control messages it cannot take loses them. */
function plainDone(out: RecvOut): void {
  if (out.control !== null) disposeControl(out.control);
}

export const socketOps = fileOps({
  tryRead(fp, uio, flags) {
    const out = new RecvOut();
    const e = soreceiveTry(sockOf(fp), uio, 0, flags, out);
    plainDone(out);
    return e;
  },
  *read(fp, uio, flags) {
    const out = new RecvOut();
    const e = yield* soreceive(sockOf(fp), uio, 0, flags, out);
    plainDone(out);
    return e;
  },
  tryWrite: (fp, uio, flags, lwp) => sosendTry(sockOf(fp), null, uio, 0, flags, lwp),
  write: (fp, uio, flags, lwp) => sosend(sockOf(fp), null, uio, null, 0, flags, lwp),
  *ioctl(fp, cmd, data, lwp) {
    const so = sockOf(fp);
    switch (cmd) {
      case FIONREAD:
        data.setInt32(0, so.rcv.cc, true);
        return 0;
      case FIONWRITE:
        data.setInt32(0, so.snd.cc, true);
        return 0;
      case FIONSPACE:
        data.setInt32(0, so.proto.space(so), true);
        return 0;
      case SIOCATMARK:
        data.setInt32(0, (so.state & SS_RCVATMARK) !== 0 ? 1 : 0, true);
        return 0;
      default: {
        const r = yield* so.proto.control(so, cmd, data, lwp);
        return r === EOPNOTSUPP ? ENOTTY : r;
      }
    }
  },
  kqfilter(fp, kn) {
    const so = sockOf(fp);
    return knoteKlist(kn, isWrite(kn) ? so.snd.klist : so.rcv.klist, (filter, k) => {
      const both = SS_CANTRCVMORE | SS_CANTSENDMORE;
      const hup = (so.state & both) === both;
      const error = so.error?.errno;
      if (filter === 'except') {
        const oob = (k.sfflags & NOTE_OOB) !== 0 && (so.oobmark >= 0 || (so.state & SS_RCVATMARK) !== 0);
        return { active: oob || ((k.sfflags & NOTE_OLDAPI) !== 0 && hup), data: 0, eof: hup, hup };
      }
      if (filter === 'read') {
        if ((so.options & SO_ACCEPTCONN) !== 0) {
          const eof = (so.state & SS_CANTRCVMORE) !== 0;
          return { active: so.comp.length > 0 || so.error !== null || eof, data: so.comp.length, eof, error };
        }
        const eof = (so.state & SS_CANTRCVMORE) !== 0;
        const low = (k.sfflags & NOTE_LOWAT) !== 0 ? k.sdata : so.rcv.lowat;
        const some = so.rcv.cc >= low || (so.rcv.head !== null && (k.sfflags & NOTE_LOWAT) === 0);
        return { active: eof || so.error !== null || some, data: so.rcv.cc, eof, hup, error };
      }
      const eof = (so.state & SS_CANTSENDMORE) !== 0;
      const space = so.proto.space(so);
      const ready = (so.state & SS_ISCONNECTED) !== 0 || (so.proto.flags & PR_CONNREQUIRED) === 0;
      const low = (k.sfflags & NOTE_LOWAT) !== 0 ? k.sdata : so.snd.lowat;
      return { active: eof || so.error !== null || (ready && space >= low), data: space, eof, hup, error };
    });
  },
  tryStat: fillStat,
  *stat(fp, va) {
    return fillStat(fp, va);
  },
  tryClose(fp) {
    if (mustLinger(sockOf(fp))) return NOTNOW;
    soclose(sockOf(fp));
    return null;
  },
  close: (fp) => socloseLinger(sockOf(fp)),
  shutdown: (fp, how) => soshutdown(sockOf(fp), how),
});

const EVFILT_WRITE = -2;
const isWrite = (kn: object): boolean => (kn as { filter: number }).filter === EVFILT_WRITE;

export const isSocket = (fp: File): boolean => fp.type === DTYPE_SOCKET;

// --- options ---

const FLAGS =
  SO_DEBUG |
  SO_REUSEADDR |
  SO_KEEPALIVE |
  SO_DONTROUTE |
  SO_BROADCAST |
  SO_USELOOPBACK |
  SO_OOBINLINE |
  SO_REUSEPORT |
  SO_TIMESTAMP |
  SO_NOSIGPIPE |
  SO_RERROR |
  SO_PASSCRED;
const isFlag = (name: number): boolean => (name & FLAGS) === name && (name & (name - 1)) === 0 && name !== 0;

const i32 = (v: number): Uint8Array => new Uint8Array(Int32Array.of(v).buffer);

export function sosetopt(so: Socket, name: number, val: Uint8Array): Errno | null {
  const v = new DataView(val.buffer, val.byteOffset, val.length);
  if (name === SO_LINGER) {
    if (val.length < 8) return EINVAL;
    const sec = v.getInt32(4, true);
    so.lingerSec = Math.max(0, Math.min(32767, sec));
    if (v.getInt32(0, true) !== 0) so.options |= SO_LINGER;
    else so.options &= ~SO_LINGER;
    return null;
  }
  if (name === SO_SNDTIMEO || name === SO_RCVTIMEO) {
    if (val.length < 16) return EINVAL;
    const sec = Number(v.getBigInt64(0, true));
    const usec = Number(v.getBigInt64(8, true));
    if (sec < 0 || usec < 0 || usec >= 1_000_000 || sec > 2 ** 31) return EDOM;
    (name === SO_SNDTIMEO ? so.snd : so.rcv).timeoNs = sec * 1e9 + usec * 1000;
    return null;
  }
  if (val.length < 4) return EINVAL;
  const n = v.getInt32(0, true);
  if (isFlag(name)) {
    if (n !== 0) so.options |= name;
    else so.options &= ~name;
    if (name === SO_NOSIGPIPE && so.file !== null) so.file.noSigpipe = n !== 0;
    return null;
  }
  switch (name) {
    case SO_SNDBUF:
    case SO_RCVBUF: {
      if (n < 1) return EINVAL;
      const sb = name === SO_SNDBUF ? so.snd : so.rcv;
      sb.hiwat = Math.min(n, SB_MAX);
      sb.lowat = Math.min(sb.lowat, sb.hiwat);
      return null;
    }
    case SO_SNDLOWAT:
      so.snd.lowat = Math.max(1, Math.min(n, so.snd.hiwat));
      return null;
    case SO_RCVLOWAT:
      so.rcv.lowat = Math.max(1, Math.min(n, so.rcv.hiwat));
      return null;
    default:
      return ENOPROTOOPT;
  }
}

export function sogetopt(so: Socket, name: number): Uint8Array | Errno {
  if (isFlag(name) || name === SO_ACCEPTCONN) return i32(so.options & name);
  switch (name) {
    case SO_LINGER: {
      const b = new Int32Array([so.options & SO_LINGER, so.lingerSec]);
      return new Uint8Array(b.buffer);
    }
    case SO_TYPE:
      return i32(so.proto.type);
    case SO_ERROR:
      return i32(takeError(so)?.errno ?? 0);
    case SO_SNDBUF:
      return i32(so.snd.hiwat);
    case SO_RCVBUF:
      return i32(so.rcv.hiwat);
    case SO_SNDLOWAT:
      return i32(so.snd.lowat);
    case SO_RCVLOWAT:
      return i32(so.rcv.lowat);
    case SO_SNDSPACE: {
      const b = new Uint8Array(8);
      new DataView(b.buffer).setUint32(0, so.proto.space(so), true);
      return b;
    }
    case SO_CPUHINT:
      return i32(0);
    case SO_SNDTIMEO:
    case SO_RCVTIMEO: {
      const ns = (name === SO_SNDTIMEO ? so.snd : so.rcv).timeoNs;
      const b = new Uint8Array(16);
      const v = new DataView(b.buffer);
      v.setBigInt64(0, BigInt(Math.floor(ns / 1e9)), true);
      v.setBigInt64(8, BigInt(Math.floor((ns % 1e9) / 1000)), true);
      return b;
    }
    default:
      return ENOPROTOOPT;
  }
}
