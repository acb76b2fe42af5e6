/**
 * Real DragonFly programs, made by Debian's Go compiler (package golang-go).
 */
import { expect } from 'chai';
import { goBuild, haveGo, scratchDir, vkernel } from './support/guest.js';
import { differences, execWrapper, runPackage } from './support/go_suite.js';

describe('Go programs', function () {
  this.timeout(120000);
  let dir = '';
  before(function () {
    if (!haveGo()) {
      console.log('    (skipped: no go command; Debian package golang-go)');
      this.skip();
    }
    dir = scratchDir();
  });

  it('says hello', () => {
    const p = goBuild(dir, 'hello', 'package main\nimport "fmt"\nfunc main() { fmt.Println("hello, dragonfly") }\n');
    const r = vkernel(['run', p]);
    expect(r).to.deep.include({ status: 0, stdout: 'hello, dragonfly\n', stderr: '' });
  });

  it('passes arguments, chosen environment, working directory, standard streams and exit status', () => {
    const p = goBuild(
      dir,
      'args',
      `package main
import ("fmt"; "io"; "os"; "runtime")
func main() {
  in, _ := io.ReadAll(os.Stdin)
  wd, _ := os.Getwd()
  fmt.Println(runtime.GOOS, os.Args[1:], os.Getenv("COLOUR"), wd, len(in))
  fmt.Fprintln(os.Stderr, "complaint")
  os.Exit(7)
}
`,
    );
    const r = vkernel(['run', '--env', 'COLOUR=blue', p, 'a b', 'c'], { input: 'x'.repeat(100000), cwd: dir });
    expect(r.stdout).to.equal(`dragonfly [a b c] blue ${dir} 100000\n`);
    expect(r.stderr).to.equal('complaint\n');
    expect(r.status).to.equal(7);
  });

  it('runs 1,000 goroutines with timers, channels and garbage collection', () => {
    const p = goBuild(
      dir,
      'storm',
      `package main
import ("fmt"; "runtime"; "sync"; "time")
func main() {
  var wg sync.WaitGroup
  ch := make(chan int, 10)
  for i := 0; i < 1000; i++ {
    wg.Add(1)
    go func(i int) {
      defer wg.Done()
      time.Sleep(time.Duration(i%20) * time.Millisecond)
      b := make([]byte, 10000+i)
      b[i] = 1
      if i%100 == 0 { runtime.GC() }
      ch <- len(b)
    }(i)
  }
  go func() { wg.Wait(); close(ch) }()
  sum := 0
  for n := range ch { sum += n }
  fmt.Println(sum)
}
`,
    );
    const r = vkernel(['run', '-n', '2', p]);
    expect(r.stdout).to.equal(`${1000 * 10000 + (999 * 1000) / 2}\n`);
    expect(r.status).to.equal(0);
  });

  it('prints a panic with its trace and exits with 2', () => {
    const p = goBuild(dir, 'nilderef', 'package main\nfunc main() { var p *int; println(*p) }\n');
    const r = vkernel(['run', p]);
    expect(r.status).to.equal(2);
    expect(r.stderr).to.match(/nil pointer dereference[^]*SIGSEGV[^]*goroutine 1 \[running\]:\nmain\.main/);
  });

  it('exits with 128 + signal when a signal kills the program', () => {
    const p = goBuild(
      dir,
      'suicide',
      'package main\nimport ("os"; "syscall"; "time")\nfunc main() { syscall.Kill(os.Getpid(), syscall.SIGKILL); time.Sleep(time.Hour) }\n',
    );
    expect(vkernel(['run', p]).status).to.equal(128 + 9);
  });

  for (const pkg of ['errors', 'sort', 'sync', 'container/list'])
    it(`passes Go's own tests of ${pkg} as the host does`, () => {
      const guest = runPackage(pkg, execWrapper());
      const host = runPackage(pkg, null);
      expect(differences(host.results, guest.results), guest.output).to.deep.equal([]);
      expect(guest.results.get('')).to.equal('pass');
    });
});
