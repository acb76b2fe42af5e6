/** ddb's way to the vkernel command's terminal, to a script, and to the engine's debugger. */
import { readFileSync } from 'node:fs';
import * as inspector from 'node:inspector';
import type { DdbEngine, DdbPort } from '../../vkernel/ddb/port.js';
import type { HostMachine } from '../../vkernel/machine/host/index.js';
import { Engine } from './engine.js';
import { Sources } from './source_map.js';
import { installConsole } from './vk_console.js';

const BS = '\b \b';

export class HostDdbPort implements DdbPort {
  private readonly sources = new Sources();
  private static attached: Engine | null = null;
  private readonly history: string[] = [];
  private input = '';

  /**
   * @param script lines to be used before the terminal is asked; shared by the boots of one command, so that a reset does
   *               not start it again
   */
  constructor(
    private readonly machine: HostMachine,
    private readonly script: string[],
    readonly inspecting: boolean,
  ) {}

  get scripted(): boolean {
    return this.script.length > 0;
  }
  get usable(): boolean {
    return this.machine.console.isatty;
  }

  write(text: string): void {
    const t = this.machine.console.isatty ? text.replace(/\n/g, '\r\n') : text;
    this.machine.console.write(Uint8Array.from(Buffer.from(t, 'utf8')));
  }

  readLine(prompt: string): string | null {
    this.write(prompt);
    const line = this.script.shift();
    if (line !== undefined) {
      this.write(`${line}\n`);
      return line;
    }
    if (!this.usable) {
      this.write('\n');
      return null;
    }
    return this.edit();
  }

  /** A line from the terminal, which is in raw mode: echo, backspace, ^U, ^C, arrows up and down. */
  private edit(): string | null {
    let line = '';
    let back = 0;
    const replace = (s: string): void => {
      this.write(BS.repeat(line.length) + s);
      line = s;
    };
    for (;;) {
      if (this.input === '') {
        const data = this.machine.readConsole();
        if (data.length === 0) return null;
        this.input = Buffer.from(data).toString('latin1');
      }
      // eslint-disable-next-line no-control-regex
      const m = /^(?:\x1b\[[AB]|[^])/.exec(this.input) as RegExpExecArray;
      const key = m[0];
      this.input = this.input.slice(key.length);
      if (key === '\r' || key === '\n') {
        this.write('\n');
        if (line !== '' && this.history.at(-1) !== line) this.history.push(line);
        return line;
      }
      if (key === '\x7f' || key === '\b') {
        if (line !== '') this.write(BS);
        line = line.slice(0, -1);
      } else if (key === '\x15') replace('');
      else if (key === '\x03') {
        this.write('^C\n');
        return '# interrupted';
      } else if (key === '\x04' && line === '') {
        this.write('\n');
        return null;
      } else if (key === '\x1b[A' || key === '\x1b[B') {
        back = Math.max(0, Math.min(this.history.length, back + (key.endsWith('A') ? 1 : -1)));
        replace(back === 0 ? '' : this.history[this.history.length - back]);
      } else if (key >= ' ') {
        line += key;
        this.write(key);
      }
    }
  }

  freeze(): void {
    this.machine.freeze();
  }
  thaw(): void {
    this.machine.thaw();
    // What was typed after the command that ended it is the guest's.
    if (this.input === '') return;
    const rest = Uint8Array.from(Buffer.from(this.input, 'latin1'));
    this.input = '';
    this.machine.post((h) => h.onConsoleInput(rest));
  }

  /** One session for the process: each boot's port takes it over. */
  engine(): DdbEngine {
    this.machine.bare = true;
    HostDdbPort.current = this;
    if (HostDdbPort.attached !== null) return HostDdbPort.attached;
    installConsole();
    return (HostDdbPort.attached = new Engine(
      this.sources,
      () => HostDdbPort.current?.freeze(),
      () => HostDdbPort.current?.thaw(),
      () => inspector.url() !== undefined,
    ));
  }
  private static current: HostDdbPort | null = null;

  source(file: string, line: number, column: number): { file: string; line: number } {
    return this.sources.original(file, line, column);
  }
  sourceLine(file: string, line: number): string | null {
    return this.sources.line(file, line);
  }
}

/** Lines of a script file. */
export const readScript = (path: string): string[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .map((l) => l.trim())
    .filter((l) => l !== '' && !l.startsWith('#'));
