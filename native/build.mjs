/**
 * Build the addon, the stub and the base system with node-gyp (`npm install` and `npm run build:native` call this).
 *
 * Node's headers usually lie beside the node that runs (<prefix>/include/node). When they do, node-gyp is pointed there,
 * so that nothing has to be fetched; otherwise node-gyp finds them in its own way.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const top = dirname(dirname(fileURLToPath(import.meta.url)));
// An installed package has the files built already; a checkout never uses them.
const shipped = join(top, 'prebuilds', `${process.platform}-${process.arch}`, 'vkernel_native.node');
if (process.argv.length === 2 && !existsSync(join(top, '.git')) && existsSync(shipped)) {
  try {
    createRequire(import.meta.url)(shipped);
    process.exit(0);
  } catch (e) {
    console.error(`vkernel: ${shipped} cannot be used here (${e.message}); building`);
  }
}
const prefix = dirname(dirname(process.execPath));
const local = existsSync(join(prefix, 'include/node/node_api.h'));
const gyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
// Not `rebuild`: that begins with removing build/, where the user's root image may be.
const commands = process.argv.length > 2 ? process.argv.slice(2) : ['configure', 'build'];
for (const command of commands) {
  const args = [gyp, command, ...(local ? [`--nodedir=${prefix}`] : [])];
  const r = spawnSync(process.execPath, args, { cwd: top, stdio: 'inherit' });
  if (r.status !== 0) process.exit(r.status ?? 1);
}
