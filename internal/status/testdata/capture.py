#!/usr/bin/env python3
"""Captures Pen's status page and text dump: run as root with Debian's pen installed; writes pen.html, pen-unix.html and pen.dump here.

The figures in them (times, ages, descriptors) are those of the run: page_test.go has to be given the new ones after a new capture."""
import os, re, signal, socket, subprocess, tempfile, threading, time

here = os.path.dirname(os.path.abspath(__file__))
tmp = "/tmp/h2"
os.mkdir(tmp)
os.chmod(tmp, 0o777)


def serve(family, address):
    s = socket.socket(family)
    s.bind(address)
    s.listen(50)

    def answer(c):
        while d := c.recv(65536):
            c.sendall(b"ok %d\n" % len(d))

    def accept():
        while True:
            threading.Thread(target=answer, args=(s.accept()[0],), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()


def connect(source, data):
    s = socket.socket()
    s.settimeout(2)
    s.bind((source, 0))
    s.connect(("127.0.0.1", 21900))
    s.sendall(data)
    try:
        s.recv(100)
    except OSError:
        pass
    return s


def control(tag, command):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(tmp + "/control." + tag)
        s.sendall(command + b"\n")
        while s.recv(65536):
            pass


def run(tag, args):
    pen = subprocess.Popen(["pen", "-P", "-f", "-u", "nobody", "-C", tmp + "/control." + tag] + args,
                           stderr=open(tmp + "/" + tag, "w"), env=dict(os.environ, TZ="America/New_York"))
    time.sleep(.4)
    return pen


def usr1(pen, tag):
    pen.send_signal(signal.SIGUSR1)
    time.sleep(.3)
    control(tag, b"mode")  # the signal is acted on when something happens
    time.sleep(.2)


serve(socket.AF_INET, ("127.0.0.1", 21901))
serve(socket.AF_INET6, ("::1", 21902))
serve(socket.AF_UNIX, tmp + "/be.sock")
os.chmod(tmp + "/be.sock", 0o777)
for tag, more in ("page", ["-w", tmp + "/page.html"]), ("dump", []):
    pen = run(tag, ["-W", "-e", "127.0.0.1:21909", "-x", "7", "-c", "20"] + more +
              ["127.0.0.1:21900", "127.0.0.1:21901:5:9:3:2", "[::1]:21902:0:0:2:1", "/tmp/h2/be.sock:0:0:0:1:7", "127.0.0.1:21901:0:0:1"])
    clients = [connect("127.0.0.%d" % n, b"GET / HTTP/1.0\r\n\r\n" if n < 3 else b"hello") for n in (1, 2, 3, 1, 4, 5, 6)]
    clients[1].close()
    time.sleep(1.2)
    if tag == "page":
        control(tag, b"server 6 address 127.0.0.1 port 99")
    usr1(pen, tag)
    pen.terminate()
    pen.wait()
os.chmod(tmp + "/be.sock", 0o700)  # nobody may not connect: a server that has failed
pen = run("unix", ["-r", "-w", tmp + "/unix.html", tmp + "/listener", "[::1]:21902", "127.0.0.1:21901", tmp + "/be.sock"])
clients = [socket.socket(socket.AF_UNIX) for _ in range(6)]
for c in clients:
    c.connect(tmp + "/listener")
    c.sendall(b"hello\n")
    c.recv(100)
usr1(pen, "unix")
pen.terminate()
pen.wait()
for a, b in ("page.html", "pen.html"), ("unix.html", "pen-unix.html"):
    with open(here + "/" + b, "wb") as f:
        f.write(open(tmp + "/" + a, "rb").read())
with open(here + "/pen.dump", "w") as f:
    f.write(open(tmp + "/dump").read()[re.search(r"^.*: Time .*", open(tmp + "/dump").read(), re.M).start():])
