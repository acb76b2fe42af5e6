/**
 * What ddb needs from outside: a place to talk, a way to hold the guest, and, where there is one, the JavaScript engine's
 * own debugger. `tools/debug/` has those of the vkernel command; tests bring their own.
 */

/** A place in the kernel's source, one frame of a stack. */
export interface DdbFrame {
  readonly fn: string;
  /** Path below the package, TypeScript where the source map says so. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** `name=value` in the frame; empty where nobody could look. */
  readonly locals: readonly string[];
}

/** The engine's debugger: source-level breakpoints, steps, locals. Works only on the thread it runs in. */
export interface DdbEngine {
  /**
   * Stop where `where` says: a function's name, `Class.method`, or `file.ts:line`.
   * @returns what to give to unbreak(), and the place found; or a message
   */
  breakAt(where: string): { id: string; at: string } | string;
  unbreak(id: string): void;
  /** Go on to the next line when the command loop ends. */
  step(how: 'into' | 'over' | 'out'): void;
  /** Frames of the place where the engine stands; null when it does not. */
  frames(): DdbFrame[] | null;
  /** Evaluate in frame `n` of frames(). */
  evaluate(n: number, expr: string): string;
  /** Stop here (a `debugger` statement); `onStop` is called before it returns. */
  stopHere(): void;
  /** Run `f`, which calls `here` somewhere, and tell the frames from there outwards with their locals. */
  framesOf(f: (here: () => void) => void): DdbFrame[] | null;
  /** Live objects with this prototype. */
  instances(prototype: object): object[];
  /** Called at each stop that is ddb's: reason, and ids of the breakpoints hit. */
  onStop: ((reason: string, ids: readonly string[]) => void) | null;
  /** Stop where something is thrown that nobody in the kernel catches. */
  stopAtThrow(on: boolean): void;
}

export interface DdbPort {
  /** One line of input, without its end; null when there is no more. Waits, and nothing else happens meanwhile. */
  readLine(prompt: string): string | null;
  /** Output, one character a byte, lines ended by \n. */
  write(text: string): void;
  /** Stop the guests and the machine's clock; calls nest. */
  freeze(): void;
  thaw(): void;
  /** The engine's debugger, attached at the first call; null where there is none. */
  engine(): DdbEngine | null;
  /** Where a position of compiled code comes from. */
  source(file: string, line: number, column: number): { file: string; line: number };
  /** Text of a source line, or null. */
  sourceLine(file: string, line: number): string | null;
  /** There are lines of a script left: ddb is entered at boot. */
  readonly scripted: boolean;
  /** Attach the engine's debugger at boot: somebody else's front end is going to use it, too. */
  readonly inspecting: boolean;
  /** Somebody can answer: a panic enters ddb. */
  readonly usable: boolean;
}
