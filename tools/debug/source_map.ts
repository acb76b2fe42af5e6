/** Where compiled code comes from, and the other way round, by the source maps that lie beside it. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../../vkernel/machine/host/native.js';

/** [line, column, source index, source line, source column], all from 0, ordered by line and column. */
type Segment = readonly [number, number, number, number, number];

interface SourceMap {
  readonly segments: readonly Segment[];
  /** Absolute paths. */
  readonly sources: readonly string[];
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Base 64 VLQ numbers of one segment. */
function vlq(text: string): number[] {
  const out: number[] = [];
  let shift = 0;
  let value = 0;
  for (const ch of text) {
    const d = DIGITS.indexOf(ch);
    value += (d & 31) << shift;
    if ((d & 32) !== 0) {
      shift += 5;
      continue;
    }
    out.push((value & 1) !== 0 ? -(value >> 1) : value >> 1);
    value = shift = 0;
  }
  return out;
}

export function decodeMap(mappings: string): Segment[] {
  const out: Segment[] = [];
  let [src, sl, sc] = [0, 0, 0];
  mappings.split(';').forEach((line, l) => {
    let col = 0;
    if (line === '') return;
    for (const seg of line.split(',')) {
      const v = vlq(seg);
      col += v[0];
      if (v.length < 4) continue;
      src += v[1];
      sl += v[2];
      sc += v[3];
      out.push([l, col, src, sl, sc]);
    }
  });
  return out;
}

export class Sources {
  readonly root = packageRoot();
  private readonly maps = new Map<string, SourceMap | null>();
  private readonly texts = new Map<string, string[] | null>();

  /** Absolute path of a URL or path. */
  static path(file: string): string {
    return file.startsWith('file:') ? fileURLToPath(file) : file;
  }

  private map(path: string): SourceMap | null {
    let m = this.maps.get(path);
    if (m !== undefined) return m;
    m = null;
    if (existsSync(`${path}.map`)) {
      const j = JSON.parse(readFileSync(`${path}.map`, 'utf8')) as {
        mappings: string;
        sources: string[];
        sourceRoot?: string;
      };
      m = {
        segments: decodeMap(j.mappings),
        sources: j.sources.map((s) => resolve(dirname(path), j.sourceRoot ?? '', s)),
      };
    }
    this.maps.set(path, m);
    return m;
  }

  /** Path below the package where it is in it. */
  private shown(path: string): string {
    const r = relative(this.root, path);
    return r.startsWith('..') ? path : r;
  }

  /** Position in compiled code (line and column from 1) to the source's. */
  original(file: string, line: number, column: number): { file: string; line: number } {
    const path = Sources.path(file);
    const m = this.map(path);
    let best: Segment | null = null;
    for (const s of m?.segments ?? []) {
      if (s[0] > line - 1 || (s[0] === line - 1 && s[1] > column - 1)) break;
      best = s;
    }
    if (m === null || best === null) return { file: this.shown(path), line };
    return { file: this.shown(m.sources[best[2]]), line: best[3] + 1 };
  }

  /** Position in compiled code `path` (from 0) of the first code of line `line` (from 1) of the source, or of the next that has any. */
  compiled(path: string, line: number): { line: number; column: number } | null {
    let best: Segment | null = null;
    for (const s of this.map(path)?.segments ?? []) if (s[3] >= line - 1 && (best === null || s[3] < best[3])) best = s;
    return best === null ? null : { line: best[0], column: best[1] };
  }

  /** Text of a line (from 1) of a source, or null. */
  line(file: string, line: number): string | null {
    let t = this.texts.get(file);
    if (t === undefined) {
      const path = resolve(this.root, file);
      t = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : null;
      this.texts.set(file, t);
    }
    return t?.[line - 1] ?? null;
  }

  /** The compiled file of source `file` (a path below the package, or its end): those that are loaded are `loaded`. */
  find(file: string, loaded: readonly string[]): string[] {
    const js = file.replace(/\.ts$/, '.js');
    return loaded.filter((p) => p.endsWith(`/${js}`) || p === join(this.root, 'dist', js));
  }
}
