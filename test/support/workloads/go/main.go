// A client on Go's crypto/tls: CA URL OPERATION... where an operation is get:PATH, upload:BYTES, many:N:PATH (at once),
// churn:N:PATH (one connection after the other), pairs:N:CERTIFICATE:KEY:REPORT (its own server, which writes first).
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
)

func main() {
	pem, err := os.ReadFile(os.Args[1])
	check(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	// A transport with a TLS configuration of its own speaks HTTP/1.1.
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	base := os.Args[2]
	get := func(path string) { drain(client.Get(base + path)) }
	for _, operation := range os.Args[3:] {
		verb, rest, _ := strings.Cut(operation, ":")
		switch verb {
		case "get":
			get(rest)
		case "upload":
			n, err := strconv.Atoi(rest)
			check(err)
			drain(client.Post(base+"/upload?tag", "text/plain", strings.NewReader(strings.Repeat("ö", n/2))))
		case "many":
			count, path, _ := strings.Cut(rest, ":")
			n, err := strconv.Atoi(count)
			check(err)
			var all sync.WaitGroup
			for i := 0; i < n; i++ {
				all.Add(1)
				go func() {
					defer all.Done()
					get(path)
				}()
			}
			all.Wait()
		case "churn":
			count, path, _ := strings.Cut(rest, ":")
			n, err := strconv.Atoi(count)
			check(err)
			once := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool}}}
			for i := 0; i < n; i++ {
				drain(once.Get(base + path))
				// What is free is used again: many connections at one address.
				if i%4 == 3 {
					runtime.GC()
				}
			}
		case "pairs":
			words := strings.Split(rest, ":")
			n, err := strconv.Atoi(words[0])
			check(err)
			pairs(n, words[1], words[2], words[3], pool)
		}
	}
}

func drain(response *http.Response, err error) {
	check(err)
	_, err = io.Copy(io.Discard, response.Body)
	check(err)
	check(response.Body.Close())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
