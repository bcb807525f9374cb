"""Sends 150,000 bytes and asks for 200,000, on one connection: with http.client, or (`asyncio`) over a memory BIO."""
import asyncio
import http.client
import ssl
import sys

HOST = "model.example"
BODY = bytes(range(256)) * 586
CONTEXT = ssl.create_default_context()


def plain():
    connection = http.client.HTTPSConnection(HOST, context=CONTEXT)
    connection.request("POST", "/bytes", BODY)
    connection.getresponse().read()
    connection.request("GET", "/bytes/200000")
    got = len(connection.getresponse().read())
    connection.close()
    return got


async def over_memory():
    reader, writer = await asyncio.open_connection(HOST, 443, ssl=CONTEXT)

    async def answer():
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        return len(await reader.readexactly(int(length.split(b":")[1])))

    writer.write(f"POST /bytes HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY)
    await answer()
    writer.write(f"GET /bytes/200000 HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    got = await answer()
    writer.close()
    await writer.wait_closed()
    return got


print("got", asyncio.run(over_memory()) if sys.argv[1:] == ["asyncio"] else plain())
