# SPDX-License-Identifier: MIT
"""HTTPS through Python's ssl module (SSL_write_ex, SSL_read_ex), counting and hashing every plaintext byte itself.

client.py REPORT CA URL OPERATION...   where an operation is
  get:PATH            GET it, on the connection that is open
  upload:BYTES        POST that many pseudo-random bytes to /upload
  new                 the next operation opens a new connection
  wait                wait for a line on stdin
  mark                forget what was counted on the open connection: the sensor has just joined
  threads:N:OP        N threads, a connection each, all doing OP (get or upload, as above) at once
  together:OP,OP…     a thread and a connection for each, all at once
"""
import hashlib
import http.client
import io
import json
import os
import random
import ssl
import sys
import threading
import urllib.parse


class Counted(ssl.SSLSocket):
    """A TLS socket that knows what it moved. `read` and `send` are what all other methods of SSLSocket end in."""

    def tally(self):
        if not hasattr(self, 'moved'):
            self.moved = {'read': [0, hashlib.sha256()], 'write': [0, hashlib.sha256()]}
        return self.moved

    def read(self, size=1024, buffer=None):
        got = super().read(size, buffer)
        t = self.tally()['read']
        data = got if buffer is None else memoryview(buffer)[:got]
        t[0] += len(data)
        t[1].update(data)
        return got

    def send(self, data, flags=0):
        sent = super().send(data, flags)
        t = self.tally()['write']
        t[0] += sent
        t[1].update(memoryview(data).cast('B')[:sent])
        return sent


class Client:
    def __init__(self, report, ca, url):
        self.report = report
        self.url = urllib.parse.urlsplit(url)
        self.context = ssl.create_default_context(cafile=ca)
        self.context.sslsocket_class = Counted
        self.connection = None
        self.requests = 0

    def open(self):
        if self.connection is None:
            self.connection = http.client.HTTPSConnection(self.url.hostname, self.url.port, context=self.context, timeout=60, blocksize=1 << 20)
            self.connection.connect()
            self.requests = 0
        return self.connection

    def close(self, tag):
        if self.connection is None:
            return
        moved = self.connection.sock.tally()
        line = {'pid': os.getpid(), 'conn': tag, 'requests': self.requests}
        for direction, (count, sha) in moved.items():
            line[direction + '_bytes'] = count
            line[direction + '_sha256'] = sha.hexdigest()
        os.write(self.report, (json.dumps(line) + '\n').encode())
        self.connection.close()
        self.connection = None

    def do(self, operation):
        kind, _, argument = operation.partition(':')
        connection = self.open()
        if kind == 'get':
            connection.request('GET', argument)
        elif kind == 'upload':
            size, _, query = argument.partition('?')
            body = io.BytesIO(random.randbytes(int(size)))
            headers = {'Content-Type': 'application/octet-stream', 'Content-Length': size}
            connection.request('POST', '/upload' + ('?' + query if query else ''), body, headers)
        else:
            sys.exit('client.py: no operation ' + operation)
        answer = connection.getresponse()
        while answer.read(65536):
            pass
        self.requests += 1


def main():
    path, ca, url, *operations = sys.argv[1:]
    report = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    client = Client(report, ca, url)
    for number, operation in enumerate(operations):
        if operation == 'new':
            client.close('python%d' % number)
        elif operation == 'wait':
            os.write(report, (json.dumps({'pid': os.getpid(), 'ready': True}) + '\n').encode())
            sys.stdin.readline()
        elif operation == 'mark':
            vars(client.open().sock).pop('moved', None)
            client.requests = 0
        elif operation.startswith(('threads:', 'together:')):
            kind, _, what = operation.partition(':')
            if kind == 'threads':
                count, _, what = what.partition(':')
                all_of_them = [what] * int(count)
            else:
                all_of_them = what.split(',')

            def one(number):
                mine = Client(report, ca, url)
                mine.do(all_of_them[number])
                mine.close('thread%d' % number)

            threads = [threading.Thread(target=one, args=(n,)) for n in range(len(all_of_them))]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
        else:
            client.do(operation)
    client.close('python')


main()
