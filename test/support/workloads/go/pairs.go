// Both ends of connections in one program. Neither end asks for the handshake: the first Write and the first Read make it.
package main

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
)

type moved struct {
	bytes int
	text  strings.Builder
}

func (m *moved) add(text string) {
	m.bytes += len(text)
	m.text.WriteString(text)
}

func (m *moved) sha256() string { return fmt.Sprintf("%x", sha256.Sum256([]byte(m.text.String()))) }

type report struct {
	sync.Mutex
	file *os.File
}

func (r *report) tell(conn string, read, write *moved) {
	line, err := json.Marshal(map[string]any{
		"conn": conn, "pid": os.Getpid(),
		"read_bytes": read.bytes, "read_sha256": read.sha256(),
		"write_bytes": write.bytes, "write_sha256": write.sha256(),
	})
	check(err)
	r.Lock()
	defer r.Unlock()
	_, err = r.file.Write(append(line, '\n'))
	check(err)
}

func pairs(n int, certificate, key, path string, pool *x509.CertPool) {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	check(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	check(err)
	told := &report{file: file}
	var all sync.WaitGroup
	for i := 0; i < n; i++ {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			raw, err := listener.Accept()
			check(err)
			conn := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{pair}})
			var read, write moved
			say(conn, &write, strings.Repeat("welcome ", i+1))
			hear(conn, &read)
			check(conn.Close())
			told.tell(fmt.Sprintf("%d.server", i), &read, &write)
		}(i)
		raw, err := net.Dial("tcp", listener.Addr().String())
		check(err)
		conn := tls.Client(raw, &tls.Config{RootCAs: pool, ServerName: "localhost"})
		var read, write moved
		buffer := make([]byte, 8*(i+1))
		_, err = io.ReadFull(conn, buffer)
		check(err)
		read.add(string(buffer))
		say(conn, &write, strings.Repeat("thanks, ", 3000*(i%3)+1))
		check(conn.Close())
		told.tell(fmt.Sprintf("%d.client", i), &read, &write)
	}
	all.Wait()
	check(file.Close())
	check(listener.Close())
}

func say(conn io.Writer, write *moved, text string) {
	_, err := io.WriteString(conn, text)
	check(err)
	write.add(text)
}

func hear(conn io.Reader, read *moved) {
	text, err := io.ReadAll(conn)
	check(err)
	read.add(string(text))
}
