/**
 * Unix-domain sockets, used by real DragonFly programs made by Go's compiler: streams, datagrams, sequenced packets, descriptor
 * passing, deadlines, errors.
 */
import { expect } from 'chai';
import { goBuild, haveGo, scratchDir, vkernel } from './support/guest.js';

const program = `package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func stream(dir string) {
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	check(err)
	data := bytes.Repeat([]byte("abcdefghijklmno\\n"), 200000)
	var wg sync.WaitGroup
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.(*net.UnixConn).CloseWrite(); c.Close() }()
		}
	}()
	for i := 0; i < 8; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c, err := net.Dial("unix", l.Addr().String())
			check(err)
			go func() { c.Write(data); c.(*net.UnixConn).CloseWrite() }()
			h := sha256.New()
			n, err := io.Copy(h, c)
			check(err)
			if n != int64(len(data)) || !bytes.Equal(h.Sum(nil), sum(data)) {
				panic("echo differs")
			}
			c.Close()
		}()
	}
	wg.Wait()
	l.Close()
	_, err = os.Lstat(filepath.Join(dir, "s"))
	fmt.Println("stream", errors.Is(err, os.ErrNotExist))
	_, err = net.Dial("unix", filepath.Join(dir, "nothing"))
	fmt.Println(errors.Is(err, syscall.ENOENT))
}

func sum(b []byte) []byte { s := sha256.Sum256(b); return s[:] }

func dgram(dir string) {
	a, err := net.ListenPacket("unixgram", filepath.Join(dir, "a"))
	check(err)
	b, err := net.ListenPacket("unixgram", filepath.Join(dir, "b"))
	check(err)
	_, err = b.WriteTo([]byte("to a"), a.LocalAddr())
	check(err)
	buf := make([]byte, 3)
	n, from, err := a.ReadFrom(buf)
	check(err)
	fmt.Println("dgram", string(buf[:n]), filepath.Base(from.String()))
	a.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	_, _, err = a.ReadFrom(buf)
	fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))
	b.Close()
	_, err = a.WriteTo([]byte("x"), b.LocalAddr())
	fmt.Println(err != nil)
	a.Close()
}

func pair(typ int) [2]int {
	p, err := syscall.Socketpair(syscall.AF_UNIX, typ, 0)
	check(err)
	return p
}

func passing() {
	p := pair(syscall.SOCK_STREAM)
	var pp [2]int
	check(syscall.Pipe(pp[:]))
	check(syscall.Sendmsg(p[0], []byte("x"), syscall.UnixRights(pp[0]), nil, 0))
	syscall.Close(pp[0])
	buf, oob := make([]byte, 10), make([]byte, 100)
	n, on, _, _, err := syscall.Recvmsg(p[1], buf, oob, 0)
	check(err)
	ms, err := syscall.ParseSocketControlMessage(oob[:on])
	check(err)
	fds, err := syscall.ParseUnixRights(&ms[0])
	check(err)
	syscall.Write(pp[1], []byte("through"))
	m, _ := syscall.Read(fds[0], buf)
	fmt.Println("passing", n, len(fds), string(buf[:m]))
	// Sent, then thrown away: the pipe's reader goes with the socket.
	check(syscall.Sendmsg(p[0], []byte("y"), syscall.UnixRights(fds[0]), nil, 0))
	syscall.Close(fds[0])
	_, err = syscall.Write(pp[1], []byte("z"))
	check(err)
	syscall.Close(p[0])
	syscall.Close(p[1])
	_, err = syscall.Write(pp[1], []byte("z"))
	fmt.Println(err == syscall.EPIPE)
	// Two sockets, each in the other's buffer only, with a pipe.
	check(syscall.Pipe(pp[:]))
	p = pair(syscall.SOCK_STREAM)
	check(syscall.Sendmsg(p[0], []byte("x"), syscall.UnixRights(p[0], pp[0]), nil, 0))
	check(syscall.Sendmsg(p[1], []byte("x"), syscall.UnixRights(p[1]), nil, 0))
	syscall.Close(pp[0])
	syscall.Close(p[0])
	syscall.Close(p[1])
	// The next socket that goes takes them along.
	p = pair(syscall.SOCK_STREAM)
	syscall.Close(p[0])
	syscall.Close(p[1])
	_, err = syscall.Write(pp[1], []byte("z"))
	fmt.Println(err == syscall.EPIPE)
}

func packets() {
	p := pair(syscall.SOCK_SEQPACKET)
	syscall.Write(p[0], []byte("one"))
	syscall.Write(p[0], []byte("two"))
	buf := make([]byte, 10)
	n, _ := syscall.Read(p[1], buf[:2])
	fmt.Print("packets ", string(buf[:n]))
	n, _ = syscall.Read(p[1], buf)
	fmt.Println(" " + string(buf[:n]))
	syscall.SetNonblock(p[1], true)
	_, err := syscall.Read(p[1], buf)
	fmt.Println(err == syscall.EAGAIN)
	syscall.Close(p[0])
	n, err = syscall.Read(p[1], buf)
	fmt.Println(n, err)
	_, err = syscall.Socket(99, 1, 0)
	fmt.Println(err == syscall.EAFNOSUPPORT)
	_, err = syscall.Getpeername(0)
	fmt.Println(err == syscall.ENOTSOCK)
	var st syscall.Stat_t
	check(syscall.Fstat(p[1], &st))
	fmt.Println(st.Mode&syscall.S_IFMT == syscall.S_IFSOCK)
}

func timeout() {
	p := pair(syscall.SOCK_STREAM)
	check(syscall.SetsockoptTimeval(p[0], syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Usec: 30000}))
	t := time.Now()
	_, err := syscall.Read(p[0], make([]byte, 1))
	fmt.Println("timeout", err == syscall.EAGAIN, time.Since(t) >= 25*time.Millisecond)
	// Peeking leaves the data.
	syscall.Write(p[1], []byte("peek"))
	buf := make([]byte, 10)
	n, _, _ := syscall.Recvfrom(p[0], buf, syscall.MSG_PEEK)
	m, _, _ := syscall.Recvfrom(p[0], buf, 0)
	fmt.Println(n, m)
	go func() {
		for _, s := range []string{"ab", "cd", "ef"} {
			time.Sleep(5 * time.Millisecond)
			syscall.Write(p[1], []byte(s))
		}
	}()
	syscall.SetsockoptTimeval(p[0], syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{})
	n, _, _ = syscall.Recvfrom(p[0], buf[:6], syscall.MSG_WAITALL)
	fmt.Println(string(buf[:n]))
}

func main() {
	dir, err := os.MkdirTemp("", "sock")
	check(err)
	defer os.RemoveAll(dir)
	stream(dir)
	dgram(dir)
	passing()
	packets()
	timeout()
}
`;

describe('unix-domain sockets', function () {
  this.timeout(120000);
  before(function () {
    if (!haveGo()) {
      console.log('    (skipped: no go command; Debian package golang-go)');
      this.skip();
    }
  });

  it('carry streams, datagrams, packets and descriptors between Go programs', () => {
    const p = goBuild(scratchDir(), 'sockets', program);
    const r = vkernel(['run', p]);
    expect(r.stderr).to.equal('');
    expect(r.stdout.split('\n')).to.deep.equal([
      'stream true',
      'true',
      'dgram to  b',
      'true',
      'true',
      'passing 1 1 through',
      'true',
      'true',
      'packets on two',
      'true',
      '0 <nil>',
      'true',
      'true',
      'true',
      'timeout true true',
      '4 4',
      'abcdef',
      '',
    ]);
    expect(r.status).to.equal(0);
  });
});
