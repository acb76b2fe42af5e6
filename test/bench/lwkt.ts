/** What a switch between kernel threads costs, and a sleep with its wake-up. Best of several rounds, ns. */
import {
  lwktCreate,
  lwktDispatch,
  lwktInit,
  lwktYield,
  tsleep,
  wakeup,
  WaitQ,
} from '../../vkernel/kern/lwkt_thread.js';
import { prfInit } from '../../vkernel/kern/subr_prf.js';
import type { Machine } from '../../vkernel/machine/machine.js';
import { type GlobalData, setGlobalData } from '../../vkernel/sys/globaldata.js';

const N = 200_000;
const now = (): number => Math.floor(performance.now() * 1e6);

function boot(): void {
  const console = { isatty: false, write: () => undefined, size: () => ({ rows: 0, cols: 0, xpixel: 0, ypixel: 0 }) };
  setGlobalData({ machine: { ncpus: 1, now, console } as unknown as Machine } as GlobalData);
  prfInit();
  lwktInit(1);
}

/** ns for each switch among `threads` threads. */
function switches(threads: number): number {
  boot();
  const each = Math.ceil(N / threads);
  for (let i = 0; i < threads; i++)
    lwktCreate(
      function* () {
        for (let k = 0; k < each; k++) yield* lwktYield();
      },
      't',
      10,
    );
  const t0 = now();
  while (lwktDispatch(1e15));
  return (now() - t0) / (each * threads);
}

/** ns for a wakeup, a tsleep and the switch between them. */
function sleeps(): number {
  boot();
  const a = new WaitQ();
  const b = new WaitQ();
  const body = (mine: WaitQ, other: WaitQ) =>
    function* () {
      for (let k = 0; k < N / 2; k++) {
        wakeup(other);
        yield* tsleep(mine, 'bench');
      }
      wakeup(other);
    };
  lwktCreate(body(a, b), 'a', 10);
  lwktCreate(body(b, a), 'b', 10);
  const t0 = now();
  while (lwktDispatch(1e15));
  return (now() - t0) / N;
}

const best = (f: () => number): number => {
  let b = Infinity;
  for (let i = 0; i < 7; i++) b = Math.min(b, f());
  return b;
};

export const lwktFigures = (): Map<string, number> =>
  new Map([
    ['switch', best(() => switches(1000))],
    ['sleep', best(sleeps)],
  ]);
