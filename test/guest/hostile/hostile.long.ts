/**
 * Hostile guests, the long run: every byte of the stub's text, many more rounds of everything that is random.
 */
import { hostile, programs } from './run.js';

const long = new Map([
  ['badexec', '4000'],
  ['stubjump', '0 1 300000'],
  ['scribble', '1000'],
]);

describe('Hostile guests, for long', function () {
  this.timeout(1800000);
  hostile(
    programs.map(([name, args, what]) => [name, long.get(name) ?? args, what]),
    1700000,
  );
});
