// As ssl-pair.c, of Go's crypto/tls: CA CERTIFICATE KEY. Both ends talk through memory, on one thread.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
)

const warmUp = 200
const line = "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"the quick brown fox\"}}\n\n"

// One direction. A reader waits for bytes, which happens in the handshake only.
type pipe struct {
	sync.Mutex
	more  *sync.Cond
	bytes bytes.Buffer
}

func newPipe() *pipe {
	p := &pipe{}
	p.more = sync.NewCond(p)
	return p
}

// What of a connection crypto/tls uses.
type end struct {
	net.Conn
	in, out *pipe
}

func (e *end) Read(to []byte) (int, error) {
	e.in.Lock()
	defer e.in.Unlock()
	for e.in.bytes.Len() == 0 {
		e.in.more.Wait()
	}
	return e.in.bytes.Read(to)
}

func (e *end) Write(from []byte) (int, error) {
	e.out.Lock()
	defer e.out.Unlock()
	e.out.more.Signal()
	return e.out.bytes.Write(from)
}

// CPU time of this thread in nanoseconds.
func cpu() (ns int64) {
	text, err := os.ReadFile("/proc/thread-self/schedstat")
	check(err)
	_, err = fmt.Sscan(string(text), &ns)
	check(err)
	return ns
}

func main() {
	pem, err := os.ReadFile(os.Args[1])
	check(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	pair, err := tls.LoadX509KeyPair(os.Args[2], os.Args[3])
	check(err)
	there, back := newPipe(), newPipe()
	client := tls.Client(&end{in: back, out: there}, &tls.Config{RootCAs: pool, ServerName: "localhost"})
	server := tls.Server(&end{in: there, out: back}, &tls.Config{Certificates: []tls.Certificate{pair}, SessionTicketsDisabled: true})
	done := make(chan error)
	go func() { done <- server.Handshake() }()
	check(client.Handshake())
	check(<-done)
	runtime.LockOSThread()
	fmt.Printf("ready %d\n", os.Getpid())
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		var n int
		var seconds, rate float64
		_, err := fmt.Sscan(input.Text(), &n, &seconds, &rate)
		check(err)
		measure(client, server, n, seconds)
	}
}

func measure(client, server *tls.Conn, n int, seconds float64) {
	out := []byte(strings.Repeat(line, n/len(line)+1)[:n])
	in := make([]byte, n)
	calls := 0
	once := func() {
		_, err := client.Write(out)
		check(err)
		calls++
		for got := 0; got < n; calls++ {
			more, err := server.Read(in[got:])
			check(err)
			got += more
		}
	}
	for i := 0; i < warmUp; i++ {
		once()
	}
	if !bytes.Equal(out, in) {
		check(io.ErrUnexpectedEOF)
	}
	began, used, pairs := time.Now(), cpu(), 0
	for ; pairs%64 != 0 || time.Since(began).Seconds() < seconds; pairs++ {
		once()
	}
	used = cpu() - used
	fmt.Printf("{\"pairs\":%d,\"calls\":%d,\"bytes\":%d,\"cpu_ns\":%d,\"wall_ns\":%d}\n", pairs, calls, (pairs+warmUp)*n*2, used, time.Since(began).Nanoseconds())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
