/**
 * Copy what node-gyp has built to prebuilds/, for the package (`npm pack` calls this); with `clean`, remove it again. The
 * addon uses Node-API 8, so one file serves every Node from 20 up on a glibc Linux.
 */
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const top = dirname(dirname(fileURLToPath(import.meta.url)));
const to = join(top, 'prebuilds', `${process.platform}-${process.arch}`);
rmSync(join(top, 'prebuilds'), { recursive: true, force: true });
if (process.argv[2] !== 'clean') {
  mkdirSync(join(to, 'base'), { recursive: true });
  for (const f of ['vkernel_native.node', 'vkstub', 'base/base.tar'])
    copyFileSync(join(top, 'build/Release', f), join(to, f));
}
