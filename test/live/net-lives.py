"""Sockets in the hands of several processes, and ends of all kinds. Prints what it did, one JSON object per line.
Connects to the port given; what is there echoes. The mode is the second argument."""
import asyncio, json, os, signal, socket, sys, threading, time

port, mode = int(sys.argv[1]), sys.argv[2]


def say(**facts):
    os.write(1, json.dumps(facts).encode() + b'\n')


def dial():
    s = socket.create_connection(('127.0.0.1', port))
    cookie = s.getsockopt(socket.SOL_SOCKET, 57, 8)
    return s, str(int.from_bytes(cookie, 'little'))


def echo(s, n):
    s.sendall(b'x' * n)
    got = 0
    while got < n:
        got += len(s.recv(65536))


if mode == 'asyncio':
    async def main():
        reader, writer = await asyncio.open_connection('127.0.0.1', port)
        writer.write(b'x' * 3000)
        await reader.readexactly(3000)
        say(peer=f'127.0.0.1:{port}', local='127.0.0.1:%d' % writer.get_extra_info('sockname')[1], tx=3000, rx=3000)
        writer.close()
        await writer.wait_closed()
        try:
            await asyncio.open_connection('127.0.0.1', 1)
        except OSError:
            say(peer='127.0.0.1:1', errno='ECONNREFUSED')
    asyncio.run(main())
elif mode == 'shared':
    # The parent connects and ends; its grandchild has the socket, uses it and closes it later.
    s, cookie = dial()
    echo(s, 10)
    pid = os.getpid()
    if os.fork() == 0:
        while os.getppid() == pid:
            time.sleep(0.01)
        echo(s, 20)
        say(socket=cookie, pid=pid, tx=30, rx=30)
        s.close()
        os._exit(0)
elif mode == 'exit':
    # Never closed by hand: the end of the process closes it, and a kill does.
    s, cookie = dial()
    echo(s, 40)
    say(socket=cookie, pid=os.getpid(), tx=40, rx=40)
    pid = os.fork()
    if pid == 0:
        s.close()
        k, cookie = dial()
        echo(k, 50)
        say(socket=cookie, pid=os.getpid(), tx=50, rx=50)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
elif mode == 'exec':
    # Closed by the exec of another program.
    s, cookie = dial()
    echo(s, 60)
    say(socket=cookie, pid=os.getpid(), tx=60, rx=60)
    os.execv('/bin/true', ['true'])
elif mode == 'reuse':
    # One descriptor, by many threads in turn: each connection is told once, with its own bytes.
    lock = threading.Lock()

    def one(n):
        for i in range(20):
            with lock:
                s, cookie = dial()
                echo(s, n * 100 + i + 1)
                say(socket=cookie, tx=n * 100 + i + 1, rx=n * 100 + i + 1)
                s.close()
    threads = [threading.Thread(target=one, args=(n,)) for n in range(3)]
    [t.start() for t in threads]
    [t.join() for t in threads]
elif mode == 'tree':
    # Was there before the sensor, with a child; both connect when they are told to.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    child = os.fork()
    say(up=os.getpid())
    if child:
        sys.stdin.readline()
    else:
        # The parent's end of its connection is the sign.
        signal.sigwait([signal.SIGUSR1])
    s, cookie = dial()
    echo(s, 5)
    say(socket=cookie, pid=os.getpid(), tx=5, rx=5)
    s.close()
    if child:
        os.kill(child, signal.SIGUSR1)
        os.waitpid(child, 0)
elif mode == 'namespace':
    # Says the number that it has in its own namespace; the parent learns it from the host's side.
    s, cookie = dial()
    echo(s, 7)
    say(socket=cookie, ns_pid=os.getpid(), tx=7, rx=7)
    s.close()
