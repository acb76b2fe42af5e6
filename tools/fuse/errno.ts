/** Errno values as the host numbers them. */
import { constants } from 'node:os';
import { type Errno, errnoByNumber } from '../../vkernel/sys/errno.js';

const numbers: Readonly<Record<string, number>> = { ...constants.errno, ENOTSUP: constants.errno.EOPNOTSUPP };
const table = new Map<Errno, number>();
for (const e of errnoByNumber.values()) table.set(e, numbers[e.name] ?? constants.errno.EIO);

/** Positive number of Linux; EIO for what it does not have. */
export const linuxErrno = (e: Errno): number => table.get(e) ?? constants.errno.EIO;
