/** A kernel that only echoes: run on a terminal by console.test.ts. */
import { createHostMachine } from '../../../vkernel/machine/host/index.js';

const m = createHostMachine({ memoryBytes: 1 << 20, ncpus: 1, disks: [], console: 'tty', streams: false });
const say = (s: string): void => m.console.write(Buffer.from(s));
const size = (): string => `${m.console.size().rows}x${m.console.size().cols}`;
void m
  .run({
    onTrap: () => undefined,
    onDiskDone: () => undefined,
    onConsoleInput: (d) => {
      if (d.length === 0) m.stop({ kind: 'exit', status: 3 });
      say(`[${Buffer.from(d).toString('hex')}]`);
      if (d[0] === 0x71) m.stop({ kind: 'halt' });
      if (d[0] === 0x78) throw new Error('on purpose');
    },
    onConsoleResize: () => say(`(${size()})`),
    onStreamReady: () => undefined,
    onShutdownRequest: (s) => {
      say(`{${s}}`);
      m.stop({ kind: 'halt' });
    },
    dispatch: () => false,
    nextTimerNs: () => Infinity,
  })
  .then((c) => {
    process.exitCode = c.kind === 'exit' ? c.status : 0;
  });
say(`ready ${m.console.isatty} ${size()}\r\n`);
