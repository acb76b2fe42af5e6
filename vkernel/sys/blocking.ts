/**
 * The type of code that may sleep.
 *
 * A function that can sleep is a `function*` returning `Blocking<T>` and is called with `yield*`. Only the LWKT
 * scheduler resumes it. Code between two `yield*` is atomic.
 */
export type Blocking<T> = Generator<void, T, void>;

/**
 * Run blocking code that is known not to sleep (host tools over synchronous devices, tests).
 * Throws if it does sleep.
 */
export function runSync<T>(g: Blocking<T>): T {
  const r = g.next();
  if (r.done !== true) throw new Error('runSync: the code slept');
  return r.value;
}
