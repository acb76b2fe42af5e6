import { expect } from 'chai';
import { EASYNC, ECANCELED, EINTR, EIO, ENXIO, type Errno } from '../../../vkernel/sys/errno.js';
import {
  LwktMsg,
  MsgPort,
  MsgState,
  lwktAbortmsg,
  lwktDomsg,
  lwktGetport,
  lwktReplymsg,
  lwktSendmsg,
  lwktWaitport,
  msgEnqueue,
} from '../../../vkernel/kern/lwkt_msgport.js';
import { PCATCH, lwktCreate, lwktInterrupt } from '../../../vkernel/kern/lwkt_thread.js';
import { KernelPanic } from '../../../vkernel/kern/kern_shutdown.js';
import { bootFake, run } from './fake_machine.js';

class NumMsg extends LwktMsg {
  constructor(readonly n: number) {
    super();
  }
}

const server = (port: MsgPort, log: number[]) =>
  lwktCreate(
    function* () {
      for (;;) {
        const m = (yield* lwktWaitport(port)) as NumMsg;
        log.push(m.n);
        lwktReplymsg(m, m.n % 2 === 0 ? null : EIO);
      }
    },
    'server',
    20,
  );

describe('message ports', () => {
  it('answer synchronous messages', () => {
    bootFake();
    const port = new MsgPort('port');
    const log: number[] = [];
    const out: (Errno | null)[] = [];
    server(port, log);
    lwktCreate(
      function* () {
        for (let i = 0; i < 4; i++) out.push(yield* lwktDomsg(port, new NumMsg(i)));
      },
      'client',
      10,
    );
    run();
    expect(log).to.deep.equal([0, 1, 2, 3]);
    expect(out).to.deep.equal([null, EIO, null, EIO]);
  });

  it('send answers to the reply port, in order', () => {
    bootFake();
    const port = new MsgPort('port');
    const reply = new MsgPort('reply');
    for (let i = 0; i < 3; i++) {
      const m = new NumMsg(i);
      m.replyPort = reply;
      lwktSendmsg(port, m);
    }
    server(port, []);
    run();
    for (let i = 0; i < 3; i++) {
      const m = lwktGetport(reply) as NumMsg;
      expect([m.n, m.state]).to.deep.equal([i, MsgState.DONE]);
    }
    expect(lwktGetport(reply)).to.equal(null);
  });

  it('may handle a message in putport, without a switch', () => {
    bootFake();
    const port = new MsgPort('sync', (_p, m) => ((m as NumMsg).n === 7 ? null : ENXIO));
    const reply = new MsgPort('reply');
    const m = new NumMsg(1);
    m.replyPort = reply;
    lwktSendmsg(port, m);
    expect(lwktGetport(reply)?.error).to.equal(ENXIO);
    let r: Errno | null = EASYNC;
    lwktCreate(function* () { r = yield* lwktDomsg(port, new NumMsg(7)); }, 'c', 10); // prettier-ignore
    run();
    expect(r).to.equal(null);
  });

  it('abort what nobody has begun', () => {
    bootFake();
    const port = new MsgPort('port');
    const out: (Errno | null)[] = [];
    const td = lwktCreate(function* () { out.push(yield* lwktDomsg(port, new NumMsg(1), PCATCH)); }, 'c', 10); // prettier-ignore
    run();
    lwktInterrupt(td, EINTR);
    run();
    expect(out).to.deep.equal([ECANCELED]);
    expect(lwktGetport(port)).to.equal(null);
  });

  it('wait for a message being worked on, which knows that it is aborted', () => {
    bootFake();
    const port = new MsgPort('port');
    const out: (Errno | null)[] = [];
    lwktCreate(function* () { out.push(yield* lwktDomsg(port, new NumMsg(1))); }, 'c', 10); // prettier-ignore
    run();
    const m = lwktGetport(port) as LwktMsg;
    lwktAbortmsg(m);
    run();
    expect(m.aborted).to.equal(true);
    expect(out).to.deep.equal([]);
    lwktReplymsg(m, null);
    run();
    expect(out).to.deep.equal([null]);
  });

  it('panic when a message is sent or answered twice', () => {
    bootFake();
    const port = new MsgPort('port');
    const m = new NumMsg(1);
    lwktSendmsg(port, m);
    expect(() => lwktSendmsg(port, m)).to.throw(KernelPanic, 'sent twice');
    expect(() => msgEnqueue(port, m)).to.throw(KernelPanic, 'already on a port');
    expect(() => lwktReplymsg(m, null)).to.throw(KernelPanic, 'not being handled');
    lwktReplymsg(lwktGetport(port) as LwktMsg, null);
    expect(() => lwktReplymsg(m, null)).to.throw(KernelPanic, 'not being handled');
  });
});
