/** Errno numbers of the host to the guest's, by name: the two systems number them differently. */
import { constants } from 'node:os';
import { EIO, type Errno, errnoByNumber } from '../../sys/errno.js';

const byName = new Map<string, Errno>();
for (const e of errnoByNumber.values()) byName.set(e.name, e);

const table = new Map<number, Errno>();
for (const [name, n] of Object.entries(constants.errno)) {
  const e = byName.get(name) ?? (name === 'EOPNOTSUPP' ? byName.get('ENOTSUP') : undefined);
  if (e && !table.has(n)) table.set(n, e);
}

/** The guest's errno for Linux errno `n` (positive); EIO for what it does not have. */
export function hostErrno(n: number): Errno {
  return table.get(n) ?? EIO;
}
