"""Sends 150,000 bytes and asks for 200,000, on one connection of AWS's common runtime, whose TLS is s2n: its directory."""
import io
import sys

sys.path.insert(0, sys.argv[1])
from awscrt import http  # noqa: E402
from awscrt.io import ClientBootstrap, ClientTlsContext, DefaultHostResolver, EventLoopGroup, TlsContextOptions  # noqa: E402

HOST = "model.example"
BODY = bytes(range(256)) * 586

loops = EventLoopGroup(1)
bootstrap = ClientBootstrap(loops, DefaultHostResolver(loops))
options = ClientTlsContext(TlsContextOptions()).new_connection_options()
options.set_server_name(HOST)
connection = http.HttpClientConnection.new(HOST, 443, bootstrap, tls_connection_options=options).result(30)


def ask(method, path, body=None):
    headers = http.HttpHeaders([("host", HOST)] + ([("content-length", str(len(body)))] if body else []))
    got = bytearray()
    request = http.HttpRequest(method, path, headers, io.BytesIO(body) if body else None)
    stream = connection.request(request, on_body=lambda http_stream, chunk, **_: got.extend(chunk))
    stream.activate()
    stream.completion_future.result(30)
    return len(got)


ask("POST", "/bytes", BODY)
print("got", ask("GET", "/bytes/200000"))
connection.close().result(30)
