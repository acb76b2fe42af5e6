/**
 * The npm package: packed, installed into an empty project, used.
 */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { goBuild, haveGo, scratchDir, top } from './support/guest.js';

describe('package', function () {
  this.timeout(180000);
  let dir = '';
  const run = (cmd: string, args: string[]): string => {
    const r = spawnSync(cmd, args, { cwd: dir, encoding: 'utf8', timeout: 150000 });
    if (r.status !== 0) throw new Error(`${cmd} ${args.join(' ')}: ${r.status}\n${r.stdout}\n${r.stderr}`);
    return r.stdout;
  };
  before(() => {
    dir = scratchDir();
    const npm = (args: string[]): void => {
      const r = spawnSync('npm', args, { cwd: top, encoding: 'utf8' });
      if (r.status !== 0) throw new Error(r.stderr);
    };
    spawnSync(process.execPath, ['native/prebuild.mjs'], { cwd: top });
    try {
      npm(['pack', '--ignore-scripts', '--pack-destination', dir]);
    } finally {
      spawnSync(process.execPath, ['native/prebuild.mjs', 'clean'], { cwd: top });
    }
    writeFileSync(join(dir, 'package.json'), '{ "private": true, "type": "module" }');
    const tgz = readdirSync(dir).find((f) => f.endsWith('.tgz')) ?? '';
    run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', `./${tgz}`]);
  });

  it('installs into an empty project without building anything', () => {
    expect(existsSync(join(dir, 'node_modules/vkernel/build'))).to.equal(false);
    expect(existsSync(join(dir, 'node_modules/vkernel/prebuilds/linux-x64/vkernel_native.node'))).to.equal(true);
    expect(run('npx', ['--no-install', 'vkernel', '--version'])).to.match(/^vkernel \d/);
  });

  it('runs fifteen lines of user code', function () {
    if (!haveGo()) {
      console.log('    (skipped: Go is not installed)');
      this.skip();
    }
    goBuild(
      dir,
      'hello',
      'package main\nimport ("fmt"; "runtime")\nfunc main() { fmt.Println("go on", runtime.GOOS) }\n',
    );
    const code = `import { boot } from 'vkernel';
import { readFileSync } from 'node:fs';
const vk = await boot({ memory: '256m', root: { image: 'root.img', size: '256m' } });
vk.on('panic', (text) => console.error(text));
await vk.writeFile('/root/hello', readFileSync('hello'), { mode: 0o755 });
const { stdout, code } = await vk.run('/root/hello');
console.log(String(stdout).trim(), code);
await vk.writeFile('/root/data', 'precious');
await vk.snapshot('safe');
await vk.run('/bin/sh', ['-c', 'echo ruined > /root/data']);
console.log((await vk.readFile('/root/data', 'utf8')).trim());
await vk.rollback('safe');
console.log(await vk.readFile('/root/data', 'utf8'));
await vk.stop();
console.log('running:', vk.running);
`;
    expect(code.trim().split('\n')).to.have.length(15);
    writeFileSync(join(dir, 'user.mjs'), code);
    expect(run(process.execPath, ['user.mjs'])).to.equal('go on dragonfly 0\nruined\nprecious\nrunning: false\n');
  });

  it('is there for CommonJS', () => {
    writeFileSync(
      join(dir, 'user.cjs'),
      `const { boot } = require('vkernel');
boot().then(async (vk) => {
  console.log(String((await vk.run('/bin/echo', ['from', 'cjs'])).stdout));
  await vk.stop();
});
`,
    );
    expect(run(process.execPath, ['user.cjs'])).to.equal('from cjs\n\n');
  });

  it('has types for both', () => {
    const body = `
export async function f(): Promise<string> {
  await using vk = await boot({ root: { image: 'x', size: '1g' }, disks: ['d', { path: 'e', mode: 'cow' }] });
  const p = await vk.exec('/bin/cat', ['-u'], { env: { A: 'b' } });
  p.stdin.end('x');
  const s: { code: number | null; signal: number | null } = await p.exited;
  // @ts-expect-error: there is no such option
  await boot({ ram: 1 });
  return (await vk.readFile('/etc/motd', 'utf8')) + s.code;
}
`;
    mkdirSync(join(dir, 'ts'));
    writeFileSync(
      join(dir, 'ts/a.mts'),
      `import { boot, type Vkernel } from 'vkernel';\nexport type K = Vkernel;${body}`,
    );
    writeFileSync(join(dir, 'ts/b.cts'), `import { boot } from 'vkernel';${body}`);
    const flags = ['--strict', '--noEmit', '--module', 'node20', '--moduleResolution', 'node16', '--target', 'es2022'];
    const types = [
      '--lib',
      'es2023,esnext.disposable',
      '--typeRoots',
      join(top, 'node_modules/@types'),
      '--types',
      'node',
    ];
    run(process.execPath, [join(top, 'node_modules/typescript/bin/tsc'), ...flags, ...types, 'ts/a.mts', 'ts/b.cts']);
  });
});
