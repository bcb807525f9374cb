// Sends 150,000 bytes and asks for 200,000; with "h1", without HTTP/2.
package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	transport := &http.Transport{ForceAttemptHTTP2: true}
	if len(os.Args) > 1 && os.Args[1] == "h1" {
		transport = &http.Transport{TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
	}
	client := &http.Client{Transport: transport}
	body := make([]byte, 150000)
	for n := range body {
		body[n] = byte(n)
	}
	take := func(response *http.Response, err error) int64 {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		defer response.Body.Close()
		length, _ := io.Copy(io.Discard, response.Body)
		return length
	}
	take(client.Post("https://model.example/bytes", "application/octet-stream", bytes.NewReader(body)))
	fmt.Println("got", take(client.Get("https://model.example/bytes/200000")))
	transport.CloseIdleConnections()
}
