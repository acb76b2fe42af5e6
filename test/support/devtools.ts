/**
 * A client of the inspector's protocol: WebSocket framing (RFC 6455) over a socket, as much of it as talking to Node takes,
 * and JSON messages on top.
 */
import { createHash, randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

export type Params = Record<string, unknown>;

interface Waiter {
  method: string;
  test: (p: Params) => boolean;
  resolve: (p: Params) => void;
}

export class DevTools {
  /** Events so far, by order. */
  readonly events: { method: string; params: Params }[] = [];
  private buf = Buffer.alloc(0);
  private readonly pending = new Map<number, { resolve: (r: Params) => void; reject: (e: Error) => void }>();
  private waiters: Waiter[] = [];
  private id = 0;
  private message = '';

  private constructor(private readonly s: Socket) {
    s.on('data', (d) => {
      this.buf = Buffer.concat([this.buf, d]);
      while (this.frame());
    });
    s.on('close', () => {
      for (const p of this.pending.values()) p.reject(new Error('inspector: connection closed'));
      this.pending.clear();
    });
    s.on('error', () => s.destroy());
  }

  /** @param url ws://host:port/id */
  static open(url: string): Promise<DevTools> {
    const u = new URL(url);
    const key = randomBytes(16).toString('base64');
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    return new Promise((resolve, reject) => {
      const s = connect(Number(u.port), u.hostname);
      let head = '';
      const onData = (d: Buffer): void => {
        head += d.toString('latin1');
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) return;
        s.off('data', onData);
        if (!head.startsWith('HTTP/1.1 101') || !head.includes(accept)) return reject(new Error(head));
        const c = new DevTools(s);
        const rest = Buffer.from(head.slice(end + 4), 'latin1');
        if (rest.length > 0) s.emit('data', rest);
        resolve(c);
      };
      s.on('data', onData);
      s.on('error', reject);
      s.write(
        `GET ${u.pathname} HTTP/1.1\r\nHost: ${u.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
      );
    });
  }

  /** Take one frame from the buffer; servers do not mask theirs. */
  private frame(): boolean {
    const b = this.buf;
    if (b.length < 2) return false;
    let len = b[1] & 127;
    let at = 2;
    if (len === 126) {
      if (b.length < 4) return false;
      len = b.readUInt16BE(2);
      at = 4;
    } else if (len === 127) {
      if (b.length < 10) return false;
      len = Number(b.readBigUInt64BE(2));
      at = 10;
    }
    if (b.length < at + len) return false;
    const opcode = b[0] & 15;
    const data = b.subarray(at, at + len);
    this.buf = b.subarray(at + len);
    if (opcode === 9) this.sendFrame(10, data);
    if (opcode === 0 || opcode === 1) {
      this.message += data.toString('utf8');
      if ((b[0] & 128) !== 0) {
        const text = this.message;
        this.message = '';
        this.received(JSON.parse(text) as Params);
      }
    }
    return true;
  }

  private sendFrame(opcode: number, data: Buffer): void {
    const mask = randomBytes(4);
    const head =
      data.length < 126
        ? Buffer.from([128 | opcode, 128 | data.length])
        : Buffer.from([128 | opcode, 128 | 126, data.length >> 8, data.length & 255]);
    const body = Buffer.from(data.map((c, i) => c ^ mask[i & 3]));
    this.s.write(Buffer.concat([head, mask, body]));
  }

  private received(m: Params): void {
    if (typeof m.id === 'number') {
      const p = this.pending.get(m.id);
      this.pending.delete(m.id);
      if (m.error !== undefined) p?.reject(new Error(JSON.stringify(m.error)));
      else p?.resolve(m.result as Params);
      return;
    }
    const event = { method: String(m.method), params: (m.params ?? {}) as Params };
    this.events.push(event);
    const hit = this.waiters.filter((w) => w.method === event.method && w.test(event.params));
    this.waiters = this.waiters.filter((w) => !hit.includes(w));
    for (const w of hit) w.resolve(event.params);
  }

  send(method: string, params: Params = {}): Promise<Params> {
    const id = ++this.id;
    this.sendFrame(1, Buffer.from(JSON.stringify({ id, method, params })));
    return new Promise((resolve, reject) => this.pending.set(id, { resolve, reject }));
  }

  /** The next event of that name (ask before causing it). */
  next(method: string, test: (p: Params) => boolean = () => true, timeoutMs = 20000): Promise<Params> {
    return new Promise((resolve, reject) => {
      const t = setTimeout(() => reject(new Error(`no ${method} within ${timeoutMs} ms`)), timeoutMs);
      this.waiters.push({
        method,
        test,
        resolve: (p) => {
          clearTimeout(t);
          resolve(p);
        },
      });
    });
  }

  close(): void {
    this.s.destroy();
  }
}
