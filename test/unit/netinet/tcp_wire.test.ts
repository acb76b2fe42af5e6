import { expect } from 'chai';
import { seqAdd, seqDiff, seqGt, seqLt, seqMax } from '../../../vkernel/netinet/tcp_seq.js';
import { siphash, sipHi } from '../../../vkernel/netinet/tcp_hash.js';
import { emitTcp, parseTcp, TcpSeg, TH_ACK, TH_SYN } from '../../../vkernel/netinet/tcp_wire.js';
import { createSimMachine } from '../../../vkernel/machine/sim/sim_machine.js';
import { setGlobalData, type GlobalData } from '../../../vkernel/sys/globaldata.js';

describe('TCP on the wire', () => {
  before(() => setGlobalData({ machine: createSimMachine({}) } as unknown as GlobalData));

  it('compares sequence numbers across the wrap (RFC 9293 3.4)', () => {
    expect(seqLt(0xfffffff0, 5)).to.equal(true);
    expect(seqGt(5, 0xfffffff0)).to.equal(true);
    expect(seqDiff(5, 0xfffffff0)).to.equal(21);
    expect(seqAdd(0xffffffff, 2)).to.equal(1);
    expect(seqMax(0x80000001, 0x7fffffff)).to.equal(0x80000001);
  });

  it('SipHash-2-4 gives the vectors of its paper', () => {
    const key = Uint8Array.from({ length: 16 }, (_, i) => i);
    const msg = Uint8Array.from({ length: 15 }, (_, i) => i);
    const lo = siphash(key, msg);
    expect([sipHi, lo]).to.deep.equal([0xa129ca61, 0x49be45e5]);
  });

  it('what is emitted is parsed back: every mix of options', () => {
    for (let mask = 0; mask < 32; mask++) {
      const s = new TcpSeg();
      Object.assign(s, { sport: 1, dport: 65535, seq: 0xfffffffe, ack: 7, flags: TH_SYN | TH_ACK, win: 65535 });
      if ((mask & 1) !== 0) s.mss = 1460;
      if ((mask & 2) !== 0) s.wscale = 7;
      if ((mask & 4) !== 0) s.sackOk = true;
      if ((mask & 8) !== 0) Object.assign(s, { hasTs: true, tsVal: 0xfedcba98, tsEcr: 1 });
      if ((mask & 16) !== 0 && (mask & 7) === 0) s.sack.push(1, 2, 0xfffffff0, 3);
      const m = emitTcp(s);
      const r = new TcpSeg();
      expect(parseTcp(m.data, m.off, m.len, m.len + 5, r)).to.equal(true);
      s.len = 5;
      expect(r).to.deep.equal(s);
      for (let cut = 0; cut < m.len; cut++) expect(parseTcp(m.data, m.off, cut, cut, new TcpSeg())).to.equal(false);
    }
  });
});
