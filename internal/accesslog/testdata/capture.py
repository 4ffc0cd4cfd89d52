#!/usr/bin/env python3
"""Captures Pen's log lines and datagrams: run as root with Debian's pen installed; writes pen.log and pen.datagrams here. The requests are those of golden_test.go."""
import os, socket, subprocess, tempfile, threading, time

here = os.path.dirname(os.path.abspath(__file__))
tmp = tempfile.mkdtemp()
os.chmod(tmp, 0o777)
requests = [b"GET /a HTTP/1.0\r\nHost: x\r\n\r\n", b"abc\tdef\x01\x7f\xe9\xff z\nrest", b"\r\nx", b"no newline at all", b"nul\x00after\r\n", b" lead \n", b"lone\rcr",
            b"Z" * 99 + b"\n", b"Y" * 100, b"W" * 100 + b"\n", b"V" * 101 + b"\n", b"X" * 150 + b"\n",
            b"B" * 990 + b"\n", b"C" * 1001 + b"\n", b"D" * 1002 + b"\n", b"E" * 3000,
            bytes(b for b in range(0, 100) if b not in b"\r\n"), bytes(range(100, 200)), bytes(range(200, 256))]


def serve(family, address):
    s = socket.socket(family)
    s.bind(address)
    s.listen(50)

    def answer(c):
        while c.recv(65536):
            c.sendall(b"ok\n")

    def accept():
        while True:
            threading.Thread(target=answer, args=(s.accept()[0],), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()


def drive(dest, family, listen, address, server):
    pen = subprocess.Popen(["pen", "-P", "-f", "-r", "-u", "nobody", "-l", dest, listen, server], stderr=subprocess.DEVNULL)
    time.sleep(.4)
    for r in requests:
        with socket.socket(family) as s:
            s.connect(address)
            s.sendall(r)
            s.recv(100)
    pen.terminate()  # what stdio holds back is written now
    pen.wait()


serve(socket.AF_INET, ("127.0.0.1", 21901))
serve(socket.AF_INET6, ("::1", 21902))
backend = tmp + "/backend"
serve(socket.AF_UNIX, backend)
os.chmod(backend, 0o777)
collector = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
collector.bind(("127.0.0.1", 21950))
collector.settimeout(.5)
v4 = (socket.AF_INET, "127.0.0.1:21900", ("127.0.0.1", 21900), "127.0.0.1:21901")
v6 = (socket.AF_INET6, "::1:21900", ("::1", 21900), "[::1]:21902")
os.symlink(backend, "/tmp/pen-golden-backend")
unix = (socket.AF_UNIX, tmp + "/listener", tmp + "/listener", "/tmp/pen-golden-backend")
mapped = (socket.AF_INET, ":::21900", ("127.0.0.1", 21900), "127.0.0.1:21901")
for way in v4, v6, mapped, unix:
    drive(tmp + "/log", *way)
with open(here + "/pen.log", "wb") as f:
    f.write(open(tmp + "/log", "rb").read())
with open(here + "/pen.datagrams", "wb") as f:
    for way in v4, v6, mapped:  # Pen sends uninitialised memory for a Unix client
        drive("127.0.0.1:21950", *way)
    try:
        while True:
            f.write(collector.recv(2048))
    except TimeoutError:
        pass
os.unlink("/tmp/pen-golden-backend")
