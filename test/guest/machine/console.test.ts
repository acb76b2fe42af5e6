import { expect } from 'chai';
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const child = fileURLToPath(new URL('./console_child.js', import.meta.url));

/** Runs the child on a new terminal; `steps` are python statements. Prints what the terminal showed and its modes. */
function onTerminal(steps: string): Promise<{ shown: string; same: boolean; raw: boolean; status: number }> {
  const driver = `
import os, pty, sys, termios, time, fcntl, struct, signal, select, json, subprocess
master, slave = pty.openpty()
fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack('HHHH', 30, 100, 0, 0))
before = termios.tcgetattr(slave)
p = subprocess.Popen([sys.argv[1], sys.argv[2]], stdin=slave, stdout=slave, stderr=subprocess.DEVNULL)
shown = ''
def read_until(text, limit=5):
    global shown
    end = time.time() + limit
    while text not in shown and time.time() < end:
        if select.select([master], [], [], 0.05)[0]: shown += os.read(master, 4096).decode('latin1')
def send(b): os.write(master, b)
def resize(r, c):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack('HHHH', r, c, 0, 0)); p.send_signal(signal.SIGWINCH)
def lflag(): return termios.tcgetattr(slave)[3]
read_until('ready')
raw = (lflag() & (termios.ICANON | termios.ECHO | termios.ISIG)) == 0
${steps}
status = p.wait(5)
end = time.time() + 2
while termios.tcgetattr(slave) != before and time.time() < end: time.sleep(0.01)
print(json.dumps({'shown': shown, 'same': termios.tcgetattr(slave) == before, 'raw': raw, 'status': status}))
`;
  return new Promise((resolve, reject) =>
    execFile('python3', ['-c', driver, process.execPath, child], { timeout: 15000 }, (e, out, err) =>
      e ? reject(new Error(`${e.message} ${err}`)) : resolve(JSON.parse(out)),
    ),
  );
}

describe('console', function () {
  this.timeout(20000);

  it('passes every byte of a terminal, tells its size, and puts it back at the end', async () => {
    const r = await onTerminal(`
send(b'a\\x03\\x04'); read_until('[610304]')
resize(40, 132); read_until('(40x132)')
send(b'q'); read_until('[71]')`);
    expect(r.shown).to.include('ready true 30x100');
    expect(r.shown).to.include('[610304]');
    expect(r.shown).to.include('(40x132)');
    expect(r).to.include({ raw: true, same: true, status: 0 });
  });

  it('puts the terminal back when the kernel is killed', async () => {
    const r = await onTerminal(`p.kill()`);
    expect(r).to.include({ raw: true, same: true, status: -9 });
  });

  it('puts the terminal back when the kernel dies of an exception', async () => {
    const r = await onTerminal(`send(b'x')`);
    expect(r).to.include({ raw: true, same: true, status: 1 });
  });

  it('asks the kernel to end on SIGTERM', async () => {
    const r = await onTerminal(`p.terminate(); read_until('{15}')`);
    expect(r.shown).to.include('{15}');
    expect(r).to.include({ same: true, status: 0 });
  });

  it('works on pipes: input, its end, all of the output', () => {
    const r = spawnSync(process.execPath, [child], { input: 'ab', timeout: 5000 });
    expect(r.stdout.toString()).to.equal('ready false 0x0\r\n[6162][]');
    expect(r.status).to.equal(3);
    const none = execFileSync('sh', ['-c', '"$0" "$1" </dev/null; echo $?', process.execPath, child], {
      timeout: 5000,
    });
    expect(none.toString()).to.equal('ready false 0x0\r\n[]3\n');
  });
});
