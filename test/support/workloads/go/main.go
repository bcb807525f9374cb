// A client on Go's crypto/tls: CA URL OPERATION... where an operation is get:PATH, upload:BYTES, many:N:PATH (at once).
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
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
