import { expect } from 'chai';
import { parseOptions, parseSize, UsageError } from '../../../tools/options.js';

const fails = (argv: string[]): UsageError => {
  try {
    parseOptions(argv, 4);
  } catch (e) {
    if (e instanceof UsageError) return e;
    throw e;
  }
  throw new Error(`accepted: ${argv.join(' ')}`);
};

describe('vkernel command line', () => {
  it('parses sizes with k, m, g and t, rounded down to pages', () => {
    expect(parseSize('64m')).to.equal(64 * 2 ** 20);
    expect(parseSize('1G')).to.equal(2 ** 30);
    expect(parseSize('65537k')).to.equal(16384 * 4096);
  });
  it('refuses bad sizes, CPU counts and unknown flags with 64', () => {
    for (const argv of [
      ['-m', '64x'],
      ['-m', '1m'],
      ['-m', '9000t'],
      ['-m'],
      ['-n', '0'],
      ['-n', 'two'],
      ['-Z'],
      ['--zap'],
      ['extra'],
      ['run'],
    ])
      expect(fails(argv).code, argv.join(' ')).to.equal(64);
  });
  it('refuses missing, unreadable and directory images with 66', () => {
    expect(fails(['-r', '/nonexistent/disk.img']).message).to.equal('/nonexistent/disk.img: no such file');
    expect(fails(['-c', '/']).code).to.equal(66);
  });
  it('joins flags and values as getopt does', () => {
    const o = parseOptions(['-vvsm128m', '-n3'], 4);
    expect(o).to.deep.include({ verbose: 2, singleUser: true, memoryBytes: 128 * 2 ** 20, ncpus: 3, command: 'boot' });
  });
  it('takes a kernel environment of several variables', () => {
    const o = parseOptions(['-e', 'vfs.root.mountfrom=hammer2:vkd0s1d:boot_verbose=1'], 4);
    expect([...o.kenv]).to.deep.equal([
      ['vfs.root.mountfrom', 'hammer2:vkd0s1d'],
      ['boot_verbose', '1'],
    ]);
  });
  it('leaves everything after the program to the program', () => {
    const o = parseOptions(
      ['run', '-m', '32m', '--env', 'A=b=c', '--mount', '/tmp:/data:rw', './prog', '-m', '--help'],
      4,
    );
    expect(o).to.deep.include({ command: 'run', program: './prog', memoryBytes: 32 * 2 ** 20 });
    expect(o.args).to.deep.equal(['-m', '--help']);
    expect(o.env.get('A')).to.equal('b=c');
    expect(o.mounts).to.deep.equal([{ host: '/tmp', guest: '/data', write: true }]);
  });
});
