/**
 * UDP and ICMP over lo0, used by Go's net package in the guest: both families, sizes, errors from ICMP, deadlines, ports that are taken.
 */
import { expect } from 'chai';
import { goBuild, haveGo, scratchDir, vkernel } from './support/guest.js';

const program = `package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func family(network, host string) {
	s, err := net.ListenPacket(network, net.JoinHostPort(host, "0"))
	check(err)
	go func() {
		b := make([]byte, 10000)
		for {
			n, from, err := s.ReadFrom(b)
			if err != nil {
				return
			}
			s.WriteTo(b[:n], from)
		}
	}()
	c, err := net.Dial(network, s.LocalAddr().String())
	check(err)
	b := make([]byte, 10000)
	for _, n := range []int{0, 1, 1472, 9216} {
		data := bytes.Repeat([]byte{byte(n), 7}, n/2+1)[:n]
		_, err = c.Write(data)
		check(err)
		k, err := c.Read(b)
		check(err)
		fmt.Println(network, n, bytes.Equal(b[:k], data))
	}
	_, err = c.Write(make([]byte, 9217))
	fmt.Println(errors.Is(err, syscall.EMSGSIZE))
	_, err = net.ListenPacket(network, s.LocalAddr().String())
	fmt.Println(errors.Is(err, syscall.EADDRINUSE))
	c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	_, err = c.Read(b)
	fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))
	c.SetReadDeadline(time.Time{})
	s.Close()
	_, err = c.Write([]byte("nobody"))
	check(err)
	_, err = c.Read(b)
	fmt.Println(errors.Is(err, syscall.ECONNREFUSED))
	c.Close()
}

// What a sender says about one packet, and a receiver asked to be told.
func control() {
	s, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback})
	check(err)
	rc, _ := s.SyscallConn()
	rc.Control(func(fd uintptr) {
		check(syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_RECVHOPLIMIT, 1))
		check(syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_RECVPKTINFO, 1))
		fmt.Println(syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_RECVTCLASS, 1))
	})
	limit := func(n int32) []byte {
		b := make([]byte, syscall.CmsgSpace(4))
		h := (*syscall.Cmsghdr)(unsafe.Pointer(&b[0]))
		h.Level, h.Type = syscall.IPPROTO_IPV6, syscall.IPV6_HOPLIMIT
		h.SetLen(syscall.CmsgLen(4))
		*(*int32)(unsafe.Pointer(&b[syscall.CmsgLen(0)])) = n
		return b
	}
	for _, n := range []int32{7, -1, 256} {
		_, _, err = s.WriteMsgUDP([]byte("x"), limit(n), s.LocalAddr().(*net.UDPAddr))
		if err != nil {
			fmt.Println(errors.Is(err, syscall.EINVAL))
			continue
		}
		b, oob := make([]byte, 8), make([]byte, 200)
		_, k, _, _, err := s.ReadMsgUDP(b, oob)
		check(err)
		ms, err := syscall.ParseSocketControlMessage(oob[:k])
		check(err)
		for _, m := range ms {
			if m.Header.Type == syscall.IPV6_HOPLIMIT {
				fmt.Println("hop limit", *(*int32)(unsafe.Pointer(&m.Data[0])))
			} else {
				fmt.Println("to", net.IP(m.Data[:16]), m.Data[16])
			}
		}
	}
	s.Close()
}

func ping(network, host string, echo, reply byte) {
	c, err := net.ListenPacket(network, host)
	check(err)
	m := []byte{echo, 0, 0, 0, 0x12, 0x34, 0, 1, 'p', 'i', 'n', 'g'}
	s := 0
	for i := 0; i < len(m); i += 2 {
		s += int(m[i])<<8 | int(m[i+1])
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	m[2], m[3] = byte(^s>>8), byte(^s)
	_, err = c.WriteTo(m, &net.IPAddr{IP: net.ParseIP(host)})
	check(err)
	b := make([]byte, 100)
	n, from, err := c.ReadFrom(b)
	check(err)
	fmt.Println(from, n, b[0] == reply, bytes.Equal(b[4:n], m[4:]))
	c.Close()
}

func main() {
	ping("ip4:icmp", "127.0.0.1", 8, 0)
	ping("ip6:ipv6-icmp", "::1", 128, 129)
	control()
	family("udp4", "127.0.0.1")
	family("udp6", "::1")
	_, err := net.Dial("udp4", "192.0.2.1:9")
	fmt.Println(errors.Is(err, syscall.ENETUNREACH))
}
`;

describe('UDP and raw sockets in the guest', function () {
  this.timeout(120000);
  it('Go programs talk over lo0', function () {
    if (!haveGo()) {
      console.log('    (skipped: Go is not installed)');
      this.skip();
    }
    const p = goBuild(scratchDir(), 'udp', program);
    const r = vkernel(['run', p]);
    expect(r.stderr).to.equal('');
    const one = (n: string): string => [0, 1, 1472, 9216].map((k) => `${n} ${k} true\n`).join('') + 'true\n'.repeat(4);
    const pings = '127.0.0.1 12 true true\n::1 12 true true\n';
    const control = 'protocol not available\nto ::1 1\nhop limit 7\nto ::1 1\nhop limit 64\ntrue\n';
    expect(r.stdout).to.equal(pings + control + one('udp4') + one('udp6') + 'true\n');
    expect(r.status).to.equal(0);
  });
});
