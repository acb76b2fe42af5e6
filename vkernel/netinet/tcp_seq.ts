/**
 * Arithmetic of sequence numbers: 32 bits, modulo 2^32 (RFC 9293 section 3.4). A number is kept as an unsigned JavaScript integer; two
 * are compared by the sign of their 32-bit difference, which is right while they are less than 2^31 apart.
 */
export const seqAdd = (a: number, n: number): number => (a + n) >>> 0;
/** a - b as a signed number. */
export const seqDiff = (a: number, b: number): number => (a - b) | 0;
export const seqLt = (a: number, b: number): boolean => ((a - b) | 0) < 0;
export const seqLeq = (a: number, b: number): boolean => ((a - b) | 0) <= 0;
export const seqGt = (a: number, b: number): boolean => ((a - b) | 0) > 0;
export const seqGeq = (a: number, b: number): boolean => ((a - b) | 0) >= 0;
export const seqMax = (a: number, b: number): number => (seqGt(a, b) ? a : b);
export const seqMin = (a: number, b: number): number => (seqLt(a, b) ? a : b);
