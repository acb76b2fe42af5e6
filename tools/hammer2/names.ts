/** Names of algorithms on the command line, as hammer2(8) spells them. */
import { checkNames, compNames } from './check/wire.js';
import { usage } from './cli.js';

/** `zlib:9` as [compression method, level]; level 0 is the default. */
export function compByName(text: string): [number, number] {
  const [name, level] = text.split(':');
  const i = compNames.indexOf(name);
  if (i < 0) throw usage(`unknown compression '${text}': ${compNames.join(', ')}`);
  if (level === undefined) return [i, 0];
  const n = Number(level);
  if (name !== 'zlib' || level === '' || !(n >= 6 && n <= 9))
    throw usage(`bad compression level in '${text}': zlib:6 to zlib:9`);
  return [i, n];
}

export function checkByName(text: string): number {
  if (text === 'default') return 3;
  const i = checkNames.indexOf(text);
  if (i < 0 || i > 4) throw usage(`unknown check code '${text}': ${checkNames.slice(0, 5).join(', ')}, default`);
  return i;
}
