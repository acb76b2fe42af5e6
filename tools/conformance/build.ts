/**
 * What the conformance run needs, built once and kept in build/conformance: the test binary of each package for
 * DragonFly and for the host, and a Go installation for DragonFly, since many of Go's own tests build and run programs.
 * Everything is cross-compiled from the host's Go; a stamp file with its version says when to build anew.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The top of the checkout; this file runs from dist/tools/conformance. */
export const top = fileURLToPath(new URL('../../../', import.meta.url));
const cache = join(top, 'build/conformance');

/** Where Debian's golang-golang-x-sys-dev puts golang.org/x/sys. */
export const GOCODE = '/usr/share/gocode';

const dragonfly = { GOOS: 'dragonfly', GOARCH: 'amd64' };

function go(args: string[], env: NodeJS.ProcessEnv = {}): string {
  const r = spawnSync('go', args, {
    encoding: 'utf8',
    env: { ...process.env, CGO_ENABLED: '0', GO111MODULE: 'off', GOFLAGS: '', GOPATH: GOCODE, ...env },
    maxBuffer: 64 * 2 ** 20,
  });
  if (r.status !== 0) throw new Error(`go ${args.join(' ')}: ${r.error?.message ?? r.stderr}`);
  return r.stdout.trim();
}

export interface Toolchain {
  /** e.g. go1.19.8 */
  version: string;
  /** Real path of the directory with src/, on the host. */
  share: string;
  /** The host's GOROOT, and the place of the guest's. */
  goroot: string;
  /** Directory to mount there in the guest. */
  guestRoot: string;
}

/** The host's Go, with an empty cache if that belongs to another version. */
function hostGo(): { version: string; goroot: string; share: string } {
  const [version, goroot] = go(['env', 'GOVERSION', 'GOROOT']).split('\n');
  const stamp = join(cache, 'version');
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== version) {
    rmSync(cache, { recursive: true, force: true });
    mkdirSync(cache, { recursive: true });
    writeFileSync(stamp, version);
  }
  const share = dirname(spawnSync('realpath', [join(goroot, 'src')], { encoding: 'utf8' }).stdout.trim());
  return { version, goroot, share };
}

/** A GOROOT whose programs run on DragonFly. Sources are links to the host's; the guest mounts those too. */
export function buildToolchain(): Toolchain {
  const { version, goroot, share } = hostGo();
  const guestRoot = join(cache, 'goroot');
  const done = join(guestRoot, 'bin/go');
  if (!existsSync(done)) {
    rmSync(guestRoot, { recursive: true, force: true });
    mkdirSync(join(guestRoot, 'pkg/tool'), { recursive: true });
    mkdirSync(join(guestRoot, 'bin'), { recursive: true });
    copyFileSync(join(goroot, 'VERSION'), join(guestRoot, 'VERSION'));
    for (const d of ['src', 'test', 'misc', 'api'])
      if (existsSync(join(share, d))) symlinkSync(join(share, d), join(guestRoot, d));
    const include = spawnSync('realpath', [join(goroot, 'pkg/include')], { encoding: 'utf8' }).stdout.trim();
    symlinkSync(include, join(guestRoot, 'pkg/include'));
    const hostTools = ['pkg/tool/linux_amd64', 'pkg/linux_amd64'];
    for (const d of hostTools) symlinkSync(join(goroot, d), join(guestRoot, d));
    const env = { ...dragonfly, GOROOT: guestRoot };
    go(['install', '-ldflags=-s', 'std'], env);
    const tools = [
      'go',
      'compile',
      'asm',
      'link',
      'buildid',
      'pack',
      'cgo',
      'vet',
      'pprof',
      'nm',
      'addr2line',
      'objdump',
    ];
    go(['install', '-ldflags=-s', ...tools.map((t) => `cmd/${t}`)], env);
    for (const d of hostTools) rmSync(join(guestRoot, d));
    copyFileSync(join(guestRoot, 'bin/dragonfly_amd64/go'), done);
  }
  return { version, share, goroot, guestRoot };
}

/** The test binary of `pkg` and the directory of its sources. */
export function buildTest(pkg: string, where: 'guest' | 'host'): { binary: string; dir: string } {
  const binary = join(cache, where, `${pkg.replaceAll('/', '_')}.test`);
  const env = where === 'guest' ? dragonfly : {};
  if (!existsSync(binary)) {
    mkdirSync(dirname(binary), { recursive: true });
    go(['test', '-c', '-o', binary, pkg], env);
  }
  return { binary, dir: go(['list', '-f', '{{.Dir}}', pkg], env) };
}
