/** Values as the hammer2 command prints them. */

export const pfsTypeNames: Record<number, string> = {
  0: 'NONE',
  1: 'CACHE',
  3: 'SLAVE',
  4: 'SOFT_SLAVE',
  5: 'SOFT_MASTER',
  6: 'MASTER',
  8: 'SUPROOT',
  9: 'DUMMY',
};
export const subTypeNames: Record<number, string> = { 0: 'NONE', 1: 'SNAPSHOT', 2: 'AUTOSNAP' };
export const objTypeNames: Record<number, string> = {
  0: 'UNKNOWN',
  1: 'DIR',
  2: 'FILE',
  4: 'FIFO',
  5: 'CDEV',
  6: 'BDEV',
  7: 'SOFTLINK',
  9: 'SOCKET',
  10: 'WHITEOUT',
};

/** Microseconds since 1970 in local time. */
export function timeText(us: bigint): string {
  const d = new Date(Number(us / 1000n));
  if (Number.isNaN(d.getTime())) return `${us}us`;
  const p = (n: number, len = 2): string => String(n).padStart(len, '0');
  return `${p(d.getDate())}-${p(d.getMonth() + 1)}-${p(d.getFullYear(), 4)} ${p(d.getHours())}:${p(d.getMinutes())}:${p(d.getSeconds())}`;
}

/** A count in at most nine columns. */
export function countText(n: number): string {
  if (n < 1e9) return String(n);
  return n < 1e12 ? `${(n / 1e6).toFixed(2)}M` : `${(n / 1e9).toFixed(2)}G`;
}
