/**
 * Descriptors and credentials in control messages of unix-domain sockets.
 *
 * A file in a message that nobody has received yet has a reference for it, and is counted in gd.inflight. Sockets that lie in each
 * other's buffers and nowhere else would keep each other for ever: unpGc looks for such files and empties them.
 *
 * Counterpart: unp_internalize, unp_externalize and unp_gc of sys/kern/uipc_usrreq.c
 */
import { EBADF, EINVAL, EOPNOTSUPP, EMSGSIZE, Errno } from '../sys/errno.js';
import { gd } from '../sys/globaldata.js';
import { SCM_CREDS, SCM_RIGHTS, SOL_SOCKET } from '../sys/socket.js';
import { DTYPE_KQUEUE, DTYPE_SOCKET, fdget, fhold, type File } from './file.js';
import { fdalloc } from './kern_descrip.js';
import type { Lwp } from './proc.js';
import { disposeControl, setInflight, type Socket, sorflush } from './uipc_socket.js';
import type { Control } from './uipc_sockbuf.js';

const MAX_FILES = 512;
const CMSGCRED_SIZE = 84;

declare module '../sys/globaldata.js' {
  interface GlobalData {
    /** Files in messages, with how often. */
    inflight: Map<File, number>;
  }
}

export function rightsInit(): void {
  gd.inflight = new Map();
  setInflight((fp, delta) => {
    const n = (gd.inflight.get(fp) ?? 0) + delta;
    if (n > 0) gd.inflight.set(fp, n);
    else gd.inflight.delete(fp);
  });
}

/** struct cmsgcred of the sender. */
export function cmsgcred(lwp: Lwp): Uint8Array {
  const b = new Uint8Array(CMSGCRED_SIZE);
  const v = new DataView(b.buffer);
  const { cred, pid } = lwp.proc;
  v.setInt32(0, pid, true);
  v.setUint32(4, cred.ruid, true);
  v.setUint32(8, cred.uid, true);
  v.setUint32(12, cred.rgid, true);
  const n = Math.min(16, cred.groups.length);
  v.setInt16(16, n, true);
  for (let i = 0; i < n; i++) v.setUint32(20 + 4 * i, cred.groups[i], true);
  return b;
}

/** Turn what a program sends into what travels: descriptors become files, credentials are filled in. */
export function unpInternalize(lwp: Lwp, cs: Control[]): Control[] | Errno {
  const out: Control[] = [];
  const fail = (e: Errno): Errno => {
    disposeControl(out);
    return e;
  };
  for (const c of cs) {
    if (c.level !== SOL_SOCKET) return fail(EINVAL);
    if (c.type === SCM_CREDS) {
      out.push({ level: SOL_SOCKET, type: SCM_CREDS, data: cmsgcred(lwp), files: null });
      continue;
    }
    if (c.type !== SCM_RIGHTS || c.data.length % 4 !== 0) return fail(EINVAL);
    if (c.data.length / 4 > MAX_FILES) return fail(EMSGSIZE);
    const v = new DataView(c.data.buffer, c.data.byteOffset, c.data.length);
    const files: File[] = [];
    for (let i = 0; i < c.data.length; i += 4) {
      const fp = fdget(lwp.proc, v.getInt32(i, true));
      if (fp instanceof Errno) return fail(EBADF);
      if (fp.type === DTYPE_KQUEUE) return fail(EOPNOTSUPP);
      files.push(fp);
    }
    for (const fp of files) {
      fhold(fp);
      gd.inflight.set(fp, (gd.inflight.get(fp) ?? 0) + 1);
    }
    out.push({ level: SOL_SOCKET, type: SCM_RIGHTS, data: new Uint8Array(0), files });
  }
  return out;
}

/** Give the receiver descriptors for up to `max` files; the others are closed. */
export function unpExternalize(lwp: Lwp, c: Control, max: number, fdflags: number): Uint8Array {
  const files = c.files as File[];
  const fds: number[] = [];
  while (fds.length < max && files.length > 0) {
    const fd = fdalloc(lwp.proc, files[0], fdflags);
    if (fd instanceof Errno) break;
    const fp = files.shift() as File;
    const n = (gd.inflight.get(fp) ?? 1) - 1;
    if (n > 0) gd.inflight.set(fp, n);
    else gd.inflight.delete(fp);
    fds.push(fd);
  }
  disposeControl([c]);
  return new Uint8Array(Int32Array.from(fds).buffer);
}

/** Files that a socket holds in messages, and in those of connections that wait to be accepted. */
function* heldBy(so: Socket): Generator<File> {
  for (let r = so.rcv.head; r !== null; r = r.next)
    for (const c of r.control ?? []) if (c.files !== null) yield* c.files;
  for (const x of so.comp) yield* heldBy(x);
}

/**
 * Files whose every reference is a message are reached, if at all, from sockets that are open elsewhere. Mark from those; what stays
 * unmarked is garbage, and its messages are thrown away.
 */
export function unpGc(sockets: Iterable<Socket>): void {
  if (gd.inflight.size === 0) return;
  const suspects = new Set<File>();
  for (const [fp, n] of gd.inflight) if (fp.type === DTYPE_SOCKET && fp.refs <= n) suspects.add(fp);
  if (suspects.size === 0) return;
  const todo: Socket[] = [];
  for (const so of sockets) if (so.file === null || !suspects.has(so.file)) todo.push(so);
  for (let so = todo.pop(); so !== undefined; so = todo.pop())
    for (const fp of heldBy(so)) if (suspects.delete(fp)) todo.push(fp.data as Socket);
  for (const fp of suspects) fhold(fp);
  for (const fp of suspects) sorflush(fp.data as Socket);
  disposeHeld([...suspects]);
}
/** Drop the references that unpGc took. */
function disposeHeld(files: File[]): void {
  for (const fp of files) gd.inflight.set(fp, (gd.inflight.get(fp) ?? 0) + 1);
  disposeControl([{ level: SOL_SOCKET, type: SCM_RIGHTS, data: new Uint8Array(0), files }]);
}
