/**
 * The engine's debugger, used from inside: a session of node:inspector in the kernel's own thread. Its `paused` event comes
 * synchronously, so ddb can run its command loop there, with the frames and locals of the place; when that returns the
 * engine goes on, or steps. A front end (DevTools) may be attached beside it: that one stops at the same places.
 */
import * as inspector from 'node:inspector';
import type { DdbEngine, DdbFrame } from '../../vkernel/ddb/port.js';
import { Sources } from './source_map.js';

interface Location {
  scriptId: string;
  lineNumber: number;
  columnNumber?: number;
}
const KERNEL = /\/(vkernel|drivers|tools)\//;
const MAX_LOCALS = 24;

export class Engine implements DdbEngine {
  onStop: DdbEngine['onStop'] = null;
  private readonly session = new inspector.Session();
  /** Paths of loaded scripts by id, and the other way round. */
  private readonly scripts = new Map<string, string>();
  private readonly urls = new Map<string, string>();
  private paused: inspector.Debugger.PausedEventDataType | null = null;
  private stepping = false;
  private hereAsked = false;
  private capture: DdbFrame[] | null = null;
  private capturing = false;

  /**
   * @param onPause,onResume called around every stop but those of framesOf: hold the guest
   * @param frontEnd is somebody else's debugger attached, or may it be?
   */
  constructor(
    private readonly sources: Sources,
    private readonly onPause: () => void,
    private readonly onResume: () => void,
    private readonly frontEnd: () => boolean,
  ) {
    this.session.connect();
    this.session.on('Debugger.scriptParsed', ({ params }) => {
      if (!params.url.startsWith('file:')) return;
      const path = Sources.path(params.url);
      this.scripts.set(params.scriptId, path);
      this.urls.set(path, params.scriptId);
    });
    this.session.on('Debugger.paused', ({ params }) => this.onPaused(params));
    this.session.on('Debugger.resumed', () => this.onResumed());
    this.post('Debugger.enable');
  }

  close(): void {
    this.session.disconnect();
  }

  private post(method: string, params: object = {}): Record<string, unknown> {
    let out: Record<string, unknown> = {};
    let error: Error | null = null;
    this.session.post(method, params, (e: Error | null, r?: object) => {
      error = e;
      out = (r ?? {}) as Record<string, unknown>;
    });
    if (error !== null) throw error as Error;
    return out;
  }

  private held = false;
  private onPaused(p: inspector.Debugger.PausedEventDataType): void {
    this.paused = p;
    if (this.capturing) {
      this.capture = this.frames();
      return;
    }
    this.held = true;
    this.onPause();
    const ids = p.hitBreakpoints ?? [];
    const thrown = p.reason === 'exception' || p.reason === 'promiseRejection';
    const mine = this.stepping || this.hereAsked || ids.length > 0 || (thrown && !this.frontEnd());
    if (!mine) return;
    const what = (p.data as { description?: string } | undefined)?.description?.split('\n')[0] ?? '';
    const reason = thrown ? `throw: ${what}` : this.stepping ? 'step' : 'stop';
    this.stepping = false;
    this.hereAsked = false;
    this.onStop?.(reason, ids);
  }

  private onResumed(): void {
    this.paused = null;
    if (!this.held) return;
    this.held = false;
    this.onResume();
  }

  /** Text of a value: primitives as they are, kernel objects in their one line. */
  private brief(frame: string, name: string, v: inspector.Runtime.RemoteObject | undefined): string {
    if (v === undefined) return '?';
    if (v.type === 'string') return JSON.stringify(String(v.value).slice(0, 80));
    if (v.type === 'function') return `function ${(v.description ?? '').split('\n')[0].slice(0, 40)}`;
    if (v.type !== 'object' || v.subtype === 'null')
      return v.unserializableValue ?? String((v.value as unknown) ?? v.description ?? v.type);
    const r = this.post('Debugger.evaluateOnCallFrame', {
      callFrameId: frame,
      expression: `globalThis.$vk?.brief(${name})`,
      silent: true,
      returnByValue: true,
    }) as { result?: { type: string; value?: unknown } };
    return r.result?.type === 'string' ? String(r.result.value) : (v.description ?? 'object');
  }

  frames(): DdbFrame[] | null {
    if (this.paused === null) return null;
    const out: DdbFrame[] = [];
    for (const f of this.paused.callFrames) {
      const path = this.scripts.get(f.location.scriptId);
      if (path === undefined) continue;
      const at = this.sources.original(path, f.location.lineNumber + 1, (f.location.columnNumber ?? 0) + 1);
      const locals: string[] = [];
      if (KERNEL.test(path) && out.length < 12)
        for (const sc of f.scopeChain) {
          if (sc.type !== 'local' && sc.type !== 'block') continue;
          const props = this.post('Runtime.getProperties', { objectId: sc.object.objectId, ownProperties: true });
          for (const pr of props.result as inspector.Runtime.PropertyDescriptor[]) {
            if (locals.length === MAX_LOCALS || pr.value === undefined || pr.name === 'arguments') continue;
            if (pr.value.type === 'undefined') continue;
            locals.push(`${pr.name}=${this.brief(f.callFrameId, pr.name, pr.value)}`);
          }
        }
      const cls = f.this.type === 'object' && f.this.className !== undefined ? `${f.this.className}.` : '';
      out.push({
        fn: f.functionName === '' ? '<anonymous>' : (cls === 'Object.' ? '' : cls) + f.functionName,
        ...at,
        locals,
      });
    }
    return out;
  }

  evaluate(n: number, expr: string): string {
    const f = this.paused?.callFrames.filter((c) => this.scripts.has(c.location.scriptId))[n];
    if (f === undefined) return 'not stopped';
    const r = this.post('Debugger.evaluateOnCallFrame', {
      callFrameId: f.callFrameId,
      expression: `globalThis.$vk.show(${expr})`,
      silent: true,
      returnByValue: true,
    }) as {
      result: { value?: unknown; description?: string };
      exceptionDetails?: { exception?: { description?: string } };
    };
    if (r.exceptionDetails !== undefined) return (r.exceptionDetails.exception?.description ?? 'error').split('\n')[0];
    return String(r.result.value ?? r.result.description);
  }

  stopHere(): void {
    this.hereAsked = true;
    // eslint-disable-next-line no-debugger
    debugger;
    this.hereAsked = false;
  }

  framesOf(f: (here: () => void) => void): DdbFrame[] | null {
    // Another debugger would stop there, too.
    if (this.frontEnd()) return null;
    this.capture = null;
    f(() => {
      this.capturing = true;
      // eslint-disable-next-line no-debugger
      debugger;
      this.capturing = false;
    });
    // The frame of the function above is not the thread's.
    const got = this.capture as DdbFrame[] | null;
    return got === null ? null : got.filter((x) => !x.file.startsWith('tools/debug/'));
  }

  step(how: 'into' | 'over' | 'out'): void {
    this.stepping = true;
    this.post(`Debugger.step${how[0].toUpperCase()}${how.slice(1)}`);
  }

  stopAtThrow(on: boolean): void {
    this.post('Debugger.setPauseOnExceptions', { state: on ? 'uncaught' : 'none' });
  }

  instances(prototype: object): object[] {
    const g = globalThis as { $vkTmp?: unknown };
    g.$vkTmp = prototype;
    const p = this.post('Runtime.evaluate', { expression: 'globalThis.$vkTmp' }) as { result: { objectId: string } };
    const q = this.post('Runtime.queryObjects', { prototypeObjectId: p.result.objectId }) as {
      objects: { objectId: string };
    };
    this.post('Runtime.callFunctionOn', {
      objectId: q.objects.objectId,
      functionDeclaration: 'function() { globalThis.$vkTmp = this; }',
    });
    const out = g.$vkTmp as object[];
    delete g.$vkTmp;
    this.post('Runtime.releaseObject', { objectId: q.objects.objectId });
    return out;
  }

  breakAt(where: string): { id: string; at: string } | string {
    const m = /^(.+):(\d+)$/.exec(where);
    const place = m === null ? this.findFunction(where) : this.findLine(m[1], Number(m[2]));
    if (typeof place === 'string') return place;
    const r = this.post('Debugger.setBreakpoint', { location: place }) as {
      breakpointId: string;
      actualLocation: Location;
    };
    const path = this.scripts.get(place.scriptId) ?? '';
    const { lineNumber, columnNumber } = r.actualLocation;
    const at = this.sources.original(path, lineNumber + 1, (columnNumber ?? 0) + 1);
    return { id: r.breakpointId, at: `${at.file}:${at.line}` };
  }

  unbreak(id: string): void {
    this.post('Debugger.removeBreakpoint', { breakpointId: id });
  }

  private findLine(file: string, line: number): Location | string {
    const found = this.sources.find(file, [...this.urls.keys()]);
    if (found.length !== 1) return found.length === 0 ? `no such source file: ${file}` : `several: ${found.join(', ')}`;
    const at = this.sources.compiled(found[0], line);
    if (at === null) return `no code at or after line ${line}`;
    return { scriptId: this.urls.get(found[0]) ?? '', lineNumber: at.line, columnNumber: at.column };
  }

  /** `name` or `Class.name`: a function declaration, a method, or a constant that is a function. */
  private findFunction(where: string): Location | string {
    const [name, cls] = where.split('.').reverse();
    if (!/^[\w$]+$/.test(name)) return `bad function name: ${where}`;
    const esc = name.replace(/\$/g, '\\$');
    const patterns = [
      new RegExp(`^(?:export )?(?:async )?function\\s*\\*?\\s*${esc}\\s*\\(`, 'm'),
      new RegExp(`^(?:export )?const ${esc} = (?:async )?\\(`, 'm'),
      new RegExp(`^ +(?:static |async |get |set )*\\*?${esc}\\([^;\\n]*\\) \\{$`, 'm'),
    ];
    const hits: { path: string; id: string; line: number; column: number }[] = [];
    for (const pattern of patterns) {
      for (const [path, id] of this.urls) {
        if (!KERNEL.test(path)) continue;
        const text = this.post('Debugger.getScriptSource', { scriptId: id }).scriptSource as string;
        let from = 0;
        if (cls !== undefined) {
          from = text.search(new RegExp(`^(?:export )?class ${cls}\\b`, 'm'));
          if (from < 0) continue;
        }
        const m = pattern.exec(text.slice(from));
        if (m === null) continue;
        const at = from + m.index + m[0].indexOf('(');
        const before = text.slice(0, at);
        hits.push({ path, id, line: before.split('\n').length - 1, column: at - (before.lastIndexOf('\n') + 1) });
      }
      if (hits.length > 0) break;
    }
    if (hits.length === 0) return `no such function: ${where}`;
    if (hits.length > 1) {
      const places = hits.map((h) => this.sources.original(h.path, h.line + 1, h.column + 1));
      return `several: ${places.map((p) => `${p.file}:${p.line}`).join(', ')}`;
    }
    const [h] = hits;
    const r = this.post('Debugger.getPossibleBreakpoints', {
      start: { scriptId: h.id, lineNumber: h.line, columnNumber: h.column },
      end: { scriptId: h.id, lineNumber: h.line + 60, columnNumber: 0 },
    }) as { locations: Location[] };
    return r.locations[0] ?? `no code in ${where}`;
  }
}
