/**
 * TCP over lo0 by a real program: Go's net and net/http.
 */
import { expect } from 'chai';
import { goBuild, haveGo, scratchDir, vkernel } from './support/guest.js';

const PROGRAM = `package main
import ("bytes"; "crypto/sha256"; "errors"; "fmt"; "io"; "net"; "net/http"; "net/http/httptest"; "os"; "sync"; "syscall"; "time")
func die(what string, err error) { if err != nil { fmt.Println(what, err); os.Exit(1) } }
func echo(network, addr string) {
  l, err := net.Listen(network, addr); die("listen", err)
  go func() {
    for { c, err := l.Accept(); if err != nil { return }
      go func() { io.Copy(c, c); c.(*net.TCPConn).CloseWrite(); c.Close() }() }
  }()
  var wg sync.WaitGroup
  for i := 0; i < 8; i++ {
    wg.Add(1)
    go func(i int) {
      defer wg.Done()
      c, err := net.Dial(network, l.Addr().String()); die("dial", err)
      data := bytes.Repeat([]byte{byte(i), 1, 2, 3, 5, 7, 11}, 50000 + i)
      go func() { c.Write(data); c.(*net.TCPConn).CloseWrite() }()
      got, err := io.ReadAll(c); die("read", err)
      if sha256.Sum256(got) != sha256.Sum256(data) { fmt.Println("differs", i, len(got), len(data)); os.Exit(1) }
      c.Close()
    }(i)
  }
  wg.Wait()
  a := l.Addr().String()
  l.Close()
  _, err = net.Dial(network, a)
  fmt.Println(network, "echoed; then refused:", errors.Is(err, syscall.ECONNREFUSED))
}
func main() {
  echo("tcp4", "127.0.0.1:0")
  echo("tcp6", "[::1]:0")
  s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { n, _ := io.Copy(io.Discard, r.Body); fmt.Fprintf(w, "%s %d", r.URL.Path, n) }))
  for i := 0; i < 20; i++ {
    r, err := http.Post(s.URL + "/x", "text/plain", bytes.NewReader(make([]byte, 100000*i))); die("post", err)
    b, err := io.ReadAll(r.Body); die("body", err)
    r.Body.Close()
    if string(b) != fmt.Sprintf("/x %d", 100000*i) { fmt.Println("wrong", string(b)); os.Exit(1) }
  }
  s.Close()
  l, _ := net.Listen("tcp", "127.0.0.1:0")
  c, err := net.Dial("tcp", l.Addr().String()); die("dial", err)
  c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
  _, err = c.Read(make([]byte, 1))
  fmt.Println("http ok; deadline:", errors.Is(err, os.ErrDeadlineExceeded))
}
`;

describe('TCP over lo0', function () {
  this.timeout(120000);
  before(function () {
    if (!haveGo()) {
      console.log('    (skipped: no go command; Debian package golang-go)');
      this.skip();
    }
  });

  it('Go: eight connections at once echo in both families, a closed port refuses, httptest answers, deadlines pass', () => {
    const r = vkernel(['run', goBuild(scratchDir(), 'tcp', PROGRAM)]);
    expect(r.stdout).to.equal(
      'tcp4 echoed; then refused: true\ntcp6 echoed; then refused: true\nhttp ok; deadline: true\n',
    );
    expect(r).to.deep.include({ status: 0, stderr: '' });
  });
});
