"""Runs in a guarded cgroup and tries to reach a forbidden place in every way that an ordinary program has. Prints one JSON
object per try: what it was, what came back. Arguments: forbidden port, allowed port, the resolver's address, a directory."""
import ctypes, json, os, socket, struct, sys

forbidden, allowed, resolver, directory = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
libc = ctypes.CDLL(None, use_errno=True)
BAD, GOOD = '127.0.0.2', '127.0.0.3'


def attempt(name, act):
    try:
        result = act() or 'ok'
    except OSError as error:
        result = {1: 'EPERM', 111: 'ECONNREFUSED', 13: 'EACCES', 110: 'timeout', 97: 'missing', 93: 'missing', 92: 'missing'}.get(error.errno, str(error))
    print(json.dumps({'name': name, 'result': result}), flush=True)


def tcp(host, port=forbidden, family=socket.AF_INET, protocol=0):
    s = socket.socket(family, socket.SOCK_STREAM, protocol)
    s.settimeout(2)
    s.connect((host, port))
    s.sendall(b'reached')
    s.close()


def udp(host, family=socket.AF_INET, connected=False):
    s = socket.socket(family, socket.SOCK_DGRAM)
    if connected:
        s.connect((host, forbidden))
        s.send(b'reached')
    else:
        s.sendto(b'reached', (host, forbidden))


class iovec(ctypes.Structure):
    _fields_ = [('base', ctypes.c_void_p), ('len', ctypes.c_size_t)]


class msghdr(ctypes.Structure):
    _fields_ = [('name', ctypes.c_void_p), ('namelen', ctypes.c_uint), ('iov', ctypes.POINTER(iovec)), ('iovlen', ctypes.c_size_t),
                ('control', ctypes.c_void_p), ('controllen', ctypes.c_size_t), ('flags', ctypes.c_int)]


class mmsghdr(ctypes.Structure):
    _fields_ = [('msg', msghdr), ('len', ctypes.c_uint)]


def sendmmsg():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    address = struct.pack('=HH4s8x', socket.AF_INET, socket.htons(forbidden), socket.inet_aton(BAD))
    at, body = ctypes.create_string_buffer(address, 16), ctypes.create_string_buffer(b'reached')
    iov = iovec(ctypes.cast(body, ctypes.c_void_p), 7)
    message = mmsghdr(msghdr(ctypes.cast(at, ctypes.c_void_p), 16, ctypes.pointer(iov), 1, None, 0, 0), 0)
    if libc.sendmmsg(s.fileno(), ctypes.byref(message), 1, 0) < 0:
        raise OSError(ctypes.get_errno(), 'sendmmsg')


def fast_open():
    s = socket.socket()
    s.settimeout(2)
    s.sendto(b'reached', socket.MSG_FASTOPEN, (BAD, forbidden))


def fast_open_connect():
    s = socket.socket()
    s.settimeout(2)
    s.setsockopt(socket.IPPROTO_TCP, 30, 1)  # TCP_FASTOPEN_CONNECT
    s.connect((BAD, forbidden))
    s.send(b'reached')


def raw():
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
    s.sendto(struct.pack('>HHHH', 4000, forbidden, 15, 0) + b'reached', (BAD, 0))


def in_child(act):
    """In a process of its own: what it does to itself ends with it."""
    read, write = os.pipe()
    if os.fork() == 0:
        try:
            act()
            os.write(write, b'0')
        except OSError as error:
            os.write(write, str(error.errno).encode())
        os._exit(0)
    os.wait()
    code = int(os.read(read, 8))
    if code:
        raise OSError(code, os.strerror(code))


def leave_cgroup():
    mount = next(line.split(' ')[4] for line in open('/proc/self/mountinfo') if ' - cgroup2 ' in line)
    with open(f'{mount}/cgroup.procs', 'w') as procs:
        procs.write(str(os.getpid()))
    tcp(BAD)


def child_cgroup():
    os.mkdir(f'{directory}/inner')
    with open(f'{directory}/inner/cgroup.procs', 'w') as procs:
        procs.write(str(os.getpid()))
    tcp(BAD)


def new_cgroup_namespace():
    os.setgid(65534)
    os.setuid(65534)
    if libc.unshare(0x10000000 | 0x02000000) < 0:  # CLONE_NEWUSER | CLONE_NEWCGROUP
        raise OSError(ctypes.get_errno(), 'unshare')
    tcp(BAD)


def threads():
    import threading
    failed = []

    def run():
        try:
            tcp(BAD)
        except OSError as error:
            failed.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


def passed_socket():
    """Made and connected by somebody outside, handed in."""
    s = socket.socket(socket.AF_UNIX)
    s.connect(f'\0tracer-enforce-{forbidden}')
    _, fds, _, _ = socket.recv_fds(s, 16, 2)
    datagrams = socket.socket(fileno=fds[0])
    datagrams.sendto(b'reached', (BAD, forbidden))


def label(name):
    return b''.join(bytes([len(part)]) + part.encode() for part in name.split('.')) + b'\0'


def ask(name, qtype=1, connected=False, over_tcp=False):
    query = struct.pack('>HHHHHH', 0x4242, 0x100, 1, 0, 0, 0) + label(name) + struct.pack('>HH', qtype, 1)
    if over_tcp:
        s = socket.create_connection((resolver, 53), 2)
        s.sendall(struct.pack('>H', len(query)) + query)
        reply = s.recv(4096)[2:]
    else:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(2)
        if connected:
            s.connect((resolver, 53))
            s.send(query)
            reply = s.recv(4096)
        else:
            s.sendto(query, (resolver, 53))
            reply = s.recvfrom(4096)[0]
    size = 16 if qtype == 28 else 4
    return socket.inet_ntop(socket.AF_INET6 if qtype == 28 else socket.AF_INET, reply[-size:])


attempt('allowed', lambda: tcp(GOOD, allowed))
attempt('tcp', lambda: tcp(BAD))
attempt('tcp6', lambda: tcp('::1', family=socket.AF_INET6))
attempt('mapped', lambda: tcp(f'::ffff:{BAD}', family=socket.AF_INET6))
attempt('udp', lambda: udp(BAD))
attempt('udp6', lambda: udp('::1', socket.AF_INET6))
attempt('udp mapped', lambda: udp(f'::ffff:{BAD}', socket.AF_INET6))
attempt('udp connected', lambda: udp(BAD, connected=True))
attempt('sendmmsg', sendmmsg)
attempt('fast open', fast_open)
attempt('fast open connect', fast_open_connect)
attempt('mptcp', lambda: tcp(BAD, protocol=262))
attempt('raw', raw)
attempt('thread', threads)
attempt('child', lambda: in_child(lambda: tcp(BAD)))
attempt('left the cgroup', lambda: in_child(leave_cgroup))
attempt('inner cgroup', lambda: in_child(child_cgroup))
attempt('new namespaces', lambda: in_child(new_cgroup_namespace))
attempt('passed socket', passed_socket)
for i in range(20):
    kind = i % 4
    attempt(f'name {i}', lambda: tcp(ask(f'n{i}.bad.test', connected=kind == 1, over_tcp=kind == 2), allowed))
attempt('name 6', lambda: tcp(ask('six.bad.test', 28), allowed, socket.AF_INET6))
attempt('name by an alias', lambda: tcp(ask('alias.bad.test'), allowed))
attempt('name in capitals', lambda: tcp(ask('N99.BaD.TeSt'), allowed))
attempt('other name', lambda: tcp(ask('n1.good.test'), allowed))
attempt('its neighbour in the alphabet', lambda: tcp(ask('n1.notbad.test'), allowed))
