import { expect } from 'chai';
import { gd } from '../../../vkernel/sys/globaldata.js';
import { kprintf, ksprintf } from '../../../vkernel/kern/subr_prf.js';
import { bootFake } from './fake_machine.js';

describe('kprintf', () => {
  it('formats as C does', () => {
    expect(ksprintf('%d|%5d|%-5d|%05d|%+d', 42, 42, 42, -42, 42)).to.equal('42|   42|42   |-0042|+42');
    expect(ksprintf('%x %#x %08lx %016jx %X', 255, 255, 255, 0xdeadbeefn, 171)).to.equal(
      'ff 0xff 000000ff 00000000deadbeef AB',
    );
    expect(ksprintf('%x', -1)).to.equal('ffffffff');
    expect(ksprintf('%s %.3s %6s|%-6s|', 'abc', 'abcdef', 'ab', 'ab')).to.equal('abc abc     ab|ab    |');
    expect(ksprintf('%c%c 100%% %o %p %zu', 65, 'B', 8, 4096, 7)).to.equal('AB 100% 10 0x1000 7');
    expect(ksprintf('%*d', 4, 7)).to.equal('   7');
    expect(ksprintf('%lld', 9007199254740991)).to.equal('9007199254740991');
    expect(ksprintf('%d %d', 1)).to.equal('1 ?');
  });

  it('goes to the console and the message buffer', () => {
    const m = bootFake();
    kprintf('hello %s\n', 'world');
    expect(m.output).to.equal('hello world\n');
    expect(Buffer.from(gd.prf.msgbuf.contents()).toString()).to.equal('hello world\n');
    m.console.isatty = true;
    gd.prf.toConsole = false;
    kprintf('quiet\n');
    gd.prf.toConsole = true;
    kprintf('x\n');
    expect(m.output).to.equal('hello world\nx\r\n');
    gd.prf.msgbuf.clear();
    kprintf('last\n');
    expect(Buffer.from(gd.prf.msgbuf.contents()).toString()).to.equal('last\n');
  });

  it('keeps the newest 64 KB', () => {
    bootFake();
    for (let i = 0; i < 10000; i++) kprintf('line %05d\n', i);
    const text = Buffer.from(gd.prf.msgbuf.contents()).toString();
    expect(text.length).to.equal(65536);
    expect(text.endsWith('line 09999\n')).to.equal(true);
    expect(text).to.contain('line 04100\n');
  });
});
