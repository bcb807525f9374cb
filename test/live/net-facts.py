"""Provokes what tracer-net has to see, and writes down what it did: one JSON object per line, the fields that an event must have.
Runs in a network and mount namespace of its own, where it is the DNS server as well."""
import fcntl, json, os, select, socket, struct, sys, threading, time

report = open(sys.argv[1], 'w')


def truth(event_type, **fields):
    report.write(json.dumps({'event_type': event_type, **fields}) + '\n')


def place(address):
    return f'[{address[0]}]:{address[1]}' if ':' in address[0] else f'{address[0]}:{address[1]}'


def label(name):
    return b''.join(bytes([len(part)]) + part.encode() for part in name.split('.')) + b'\0'


def answer(query, tcp):
    at, parts = 12, []
    while query[at]:
        parts.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    name, qtype = '.'.join(parts), struct.unpack('>H', query[at + 1:at + 3])[0]
    question = query[12:at + 5]
    head = lambda flags, n: query[:2] + struct.pack('>HHHHH', flags, 1, n, 0, 0)
    if name == 'none.test':
        return head(0x8183, 0) + question
    if name == 'long.test' and not tcp:
        return head(0x8380, 0) + question
    if qtype != 1:
        return head(0x8180, 0) + question
    chain = b'\xc0\x0c' + struct.pack('>HHIH', 5, 1, 60, len(label('alias.test'))) + label('alias.test')
    last = label('alias.test') + struct.pack('>HHIH', 1, 1, 30, 4) + bytes([127, 0, 0, 5])
    return head(0x8180, 2) + question + chain + last


def serve_udp(sock):
    while True:
        query, peer = sock.recvfrom(4096)
        sock.sendto(answer(query, False), peer)


def serve_tcp(sock):
    while True:
        conn, _ = sock.accept()
        size = struct.unpack('>H', conn.recv(2, socket.MSG_WAITALL))[0]
        reply = answer(conn.recv(size, socket.MSG_WAITALL), True)
        conn.sendall(struct.pack('>H', len(reply)) + reply)
        conn.close()


def echo(listener):
    """The other end of the connections: counts, answers 1000 bytes, waits for the end."""
    while True:
        conn, _ = listener.accept()
        if conn.recv(65536):
            conn.sendall(b'x' * 1000)
        while conn.recv(65536):
            pass
        conn.close()


if os.environ.get('SERVER'):
    # A process that is not watched: started before the sensor's scope, through a pipe.
    # The loopback interface is set up: SIOCSIFFLAGS.
    fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh22x', b'lo', 1))
    for kind, serve in ((socket.SOCK_DGRAM, serve_udp), (socket.SOCK_STREAM, serve_tcp)):
        dns = socket.socket(socket.AF_INET, kind)
        dns.bind(('127.0.0.1', 53))
        if kind == socket.SOCK_STREAM:
            dns.listen(5)
        threading.Thread(target=serve, args=(dns,), daemon=True).start()
    listener = socket.socket(socket.AF_INET6)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind(('::', 7777))
    listener.listen(5)
    threading.Thread(target=echo, args=(listener,), daemon=True).start()
    open(sys.argv[1], 'w').write('ready')
    sys.stdin.read()
    os._exit(0)

PORT = 7777


def talk(sock, sent, **fields):
    sock.sendall(b'y' * sent)
    got = 0
    while got < 1000:
        got += len(sock.recv(65536))
    truth('net_close', tx_bytes=sent, rx_bytes=got, **fields)
    sock.close()


# Blocking connects: IPv4, IPv6, IPv4 mapped into IPv6.
for family, host, said, shown in (
    (socket.AF_INET, '127.0.0.1', 'ipv4', '127.0.0.1:7777'),
    (socket.AF_INET6, '::1', 'ipv6', '[::1]:7777'),
    (socket.AF_INET6, '::ffff:127.0.0.1', 'ipv4', '127.0.0.1:7777'),
):
    s = socket.socket(family)
    s.connect((host, PORT))
    local = s.getsockname()[:2]
    local = place((local[0].replace('::ffff:', ''), local[1]))
    truth('net_connect', family=said, protocol='tcp', peer=shown, local=local, socket=str(struct.unpack('Q', s.getsockopt(socket.SOL_SOCKET, 57, 8))[0]))
    talk(s, 12345, peer=shown, socket=str(struct.unpack('Q', s.getsockopt(socket.SOL_SOCKET, 57, 8))[0]))

# Non-blocking, at its outcome.
s = socket.socket()
s.setblocking(False)
s.connect_ex(('127.0.0.1', PORT))
select.select([], [s], [], 5)
truth('net_connect', protocol='tcp', peer='127.0.0.1:7777', local=place(s.getsockname()))
s.setblocking(True)
# Half closed: the rest is still read.
s.sendall(b'z' * 100)
s.shutdown(socket.SHUT_WR)
got = 0
while True:
    piece = s.recv(65536)
    if not piece:
        break
    got += len(piece)
truth('net_close', peer='127.0.0.1:7777', tx_bytes=100, rx_bytes=got)
s.close()

# Refused: blocking; and non-blocking, asked again.
s = socket.socket()
try:
    s.connect(('127.0.0.1', 1))
except ConnectionRefusedError:
    truth('net_connect', peer='127.0.0.1:1', errno='ECONNREFUSED')
s.close()
s = socket.socket(socket.AF_INET6)
s.setblocking(False)
s.connect_ex(('::1', 1))
select.select([], [s], [], 5)
s.connect_ex(('::1', 1))
truth('net_connect', family='ipv6', peer='[::1]:1', errno='ECONNREFUSED')
s.close()
# No way there: the system call itself fails.
s = socket.socket()
try:
    s.connect(('192.0.2.1', 9))
except OSError:
    truth('net_connect', peer='192.0.2.1:9', errno='ENETUNREACH')
s.close()

# UDP.
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(('127.0.0.1', 9))
truth('net_connect', protocol='udp', peer='127.0.0.1:9')
s.close()

# Accepts and listens of its own.
l = socket.socket()
l.bind(('127.0.0.1', 0))
l.listen(3)
truth('net_listen', local=place(l.getsockname()), backlog=3, protocol='tcp')
c = socket.create_connection(l.getsockname())
truth('net_connect', peer=place(l.getsockname()), local=place(c.getsockname()))
a, _ = l.accept()
truth('net_accept', local=place(l.getsockname()), peer=place(c.getsockname()))
c.sendall(b'q' * 70)
a.recv(70)
c.close()
truth('net_close', peer=place(l.getsockname()), tx_bytes=70, rx_bytes=0)
a.recv(1)
truth('net_close', peer=place(a.getpeername()) if False else f'127.0.0.1:{a.getpeername()[1]}', tx_bytes=0, rx_bytes=70)
a.close()
l.close()

# The same descriptor again and again is another socket each time.
for n in range(20):
    s = socket.create_connection(('127.0.0.1', PORT))
    truth('net_connect', peer='127.0.0.1:7777', local=place(s.getsockname()))
    truth('net_close', peer='127.0.0.1:7777', tx_bytes=n, rx_bytes=1000 if n else 0)
    if n:
        s.send(b'w' * n)
        if len(s.recv(1000, socket.MSG_WAITALL)) != 1000:
            raise SystemExit('short')
        report.flush()
    s.close()

# Unix sockets: path, abstract, missing.
path = sys.argv[1] + '.sock'
for name, shown in ((path, 'unix:' + path), ('\0abstract', 'unix:@abstract')):
    l = socket.socket(socket.AF_UNIX)
    l.bind(name)
    l.listen(2)
    truth('net_listen', family='unix', local=shown, protocol='stream')
    c = socket.socket(socket.AF_UNIX)
    c.connect(name)
    truth('net_connect', family='unix', peer=shown)
    l.accept()
    truth('net_accept', family='unix', local=shown, peer='unix:')
try:
    socket.socket(socket.AF_UNIX).connect('/no/such/socket')
except FileNotFoundError:
    truth('net_connect', peer='unix:/no/such/socket', errno='ENOENT')

# DNS as glibc asks it, with a chain; over TCP, because the answer says that it is cut; and a name that is none.
for name in ('www.test', 'long.test'):
    socket.getaddrinfo(name, 80, socket.AF_INET, socket.SOCK_STREAM)
    transport = 'tcp' if name == 'long.test' else 'udp'
    truth('dns_query', name=name, qtype='A', transport=transport, server='127.0.0.1:53')
    truth('dns_answer', name=name, qtype='A', transport=transport, rcode='NOERROR', cname=['alias.test'], addresses=['127.0.0.5'], ttl_s=30)
try:
    socket.getaddrinfo('none.test', 80, socket.AF_INET, socket.SOCK_STREAM)
except socket.gaierror:
    truth('dns_answer', name='none.test', rcode='NXDOMAIN', addresses=[])
# Not connected.
d = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
d.sendto(b'\x77\x77\1\0\0\1\0\0\0\0\0\0' + label('by.hand') + b'\0\1\0\1', ('127.0.0.1', 53))
d.recvfrom(2000)
truth('dns_query', name='by.hand', query_id=0x7777)
truth('dns_answer', name='by.hand', query_id=0x7777, addresses=['127.0.0.5'])
s = socket.create_connection(('127.0.0.5', PORT))
truth('net_connect', peer='127.0.0.5:7777', name='by.hand', name_by='dns')
truth('net_close', peer='127.0.0.5:7777', name='by.hand', tx_bytes=0, rx_bytes=0)
s.close()

# A TLS hello by every call that can write it: whole, in three pieces, by writev, by sendmsg.
name = b'hello.test'
extension = struct.pack('>HHHBH', 0, len(name) + 5, len(name) + 3, 0, len(name)) + name + struct.pack('>HH', 0xfafa, 1500) + bytes(1500)
body = b'\3\3' + bytes(32) + b'\0' + struct.pack('>HH', 2, 0x1301) + b'\1\0' + struct.pack('>H', len(extension)) + extension
message = b'\1' + struct.pack('>I', len(body))[1:] + body
hello = b'\x16\3\1' + struct.pack('>H', len(message)) + message
more = b'\x17\3\3\0\1x'
import base64
ways = {
    'write': lambda s: os.write(s.fileno(), hello),
    'send': lambda s: s.send(hello + more),
    'pieces': lambda s: [(s.send(piece), time.sleep(0.02)) for piece in (hello[:3], hello[3:400], hello[400:], more)],
    'writev': lambda s: os.writev(s.fileno(), [hello[:5], hello[5:700], hello[700:], more]),
    'sendmsg': lambda s: s.sendmsg([hello[:5], hello[5:], more]),
}
for way in ways.values():
    s = socket.create_connection(('127.0.0.1', PORT))
    local = place(s.getsockname())
    truth('net_connect', peer='127.0.0.1:7777', local=local)
    truth('tls_client_hello', peer='127.0.0.1:7777', hello_b64=base64.b64encode(hello).decode(), socket=str(struct.unpack('Q', s.getsockopt(socket.SOL_SOCKET, 57, 8))[0]))
    way(s)
    s.recv(1000, socket.MSG_WAITALL)
    s.shutdown(socket.SHUT_WR)
    s.recv(1)
    truth('net_close', socket=str(struct.unpack('Q', s.getsockopt(socket.SOL_SOCKET, 57, 8))[0]), rx_bytes=1000)
    s.close()
report.close()
