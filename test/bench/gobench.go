// Micro-benchmarks in Go, the same source for the host and for the guest. Prints "NAME NANOSECONDS", best of several.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

func best(rounds, n int, f func()) float64 {
	b := 1e18
	for r := 0; r < rounds; r++ {
		t := time.Now()
		for i := 0; i < n; i++ {
			f()
		}
		if d := float64(time.Since(t)) / float64(n); d < b {
			b = d
		}
	}
	return b
}

func main() {
	if len(os.Args) > 1 {
		return
	}
	fmt.Printf("go_getpid %.1f\n", best(5, 200000, func() { syscall.Getpid() }))
	fmt.Printf("go_exec %.1f\n", best(20, 10, func() {
		if err := exec.Command(os.Args[0], "nothing").Run(); err != nil {
			panic(err)
		}
	}))
}
