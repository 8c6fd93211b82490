# redis_rig.py - what the tests of the Redis sinks share: RESP, two instances, a Redis of old.
import json, os, re, socket, socketserver, subprocess, threading, time
from place import BUILD, ROOT, Place, wait_for

DATA = os.path.join(ROOT, "test/data/clickstream.ndjson")
LINES = open(DATA, "rb").read().splitlines()
N = 9389  # events in it that differ


def expect(got, want, what=""):
    assert got == want, "%s%r, not %r" % (what, got, want)


class Status(bytes):
    """+OK"""


class Resp:
    """Commands in a pipeline; answers as bytes, ints, lists, None or Exceptions."""

    def __init__(self, address):
        if isinstance(address, str):
            self.s = socket.socket(socket.AF_UNIX)
            self.s.connect(address)
        else:
            self.s = socket.create_connection(("127.0.0.1", address))
        self.f = self.s.makefile("rb")

    def close(self):
        self.f.close()
        self.s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, *words):
        words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        self.s.sendall(b"*%d\r\n" % len(words) + b"".join(
            b"$%d\r\n%s\r\n" % (len(w), w) for w in words))

    def read(self):
        line = self.f.readline()
        if not line:
            raise ConnectionError("closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return Status(rest)
        if kind == b"-":
            return RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        n = int(rest)
        if n == -1:
            return None
        if kind == b"$":
            return self.f.read(n + 2)[:-2]
        return [self.read() for _ in range(n)]

    def __call__(self, *words):
        self.send(*words)
        got = self.read()
        if isinstance(got, Exception):
            raise got
        return got

    def scan(self, pattern):
        cursor, keys = b"0", set()
        while True:
            cursor, more = self("SCAN", cursor, "MATCH", pattern, "COUNT", 5000)
            keys.update(more)
            if cursor == b"0":
                return keys

    def mget(self, keys):
        keys = list(keys)
        got = {}
        for i in range(0, len(keys), 1000):
            part = keys[i:i + 1000]
            got.update(zip(part, self("MGET", *part)))
        return got

    def entries(self, stream="events"):
        """Fields of each entry, in order."""
        out, last = [], "-"
        while True:
            got = self("XRANGE", stream, last, "+", "COUNT", 5000)
            for _, f in got:
                out.append({f[i].decode(): f[i + 1] for i in range(0, len(f), 2)})
            if len(got) < 5000:
                return out
            last = b"(" + got[-1][0]


def sinks(claims=None, stream=None, claims_more="", stream_more=""):
    """Sections for a claiming sink at one server and a stream at another (ports or addresses)."""
    at = lambda a: a if isinstance(a, str) else "127.0.0.1:%d" % a
    text = ""
    if claims:
        # The machine may be busy: what a test counts must not pass for want of time.
        if "timeout" not in claims_more.replace("verdict-timeout", ""):
            claims_more += "\n    timeout 20s\n"
        text += "sink claims\n    kind redis\n    from oldest\n    server %s\n%s\n" % (
            at(claims), claims_more)
    if stream:
        text += "sink out\n    kind redis-stream\n    from oldest\n    server %s\n%s\n" % (
            at(stream), stream_more)
    return text


QUICK = "    retry-min 20ms\n    retry-max 100ms\n    breaker-open 200ms\n"


def ask(p, stage, line):
    """What a stage answers on its own socket."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(os.path.join(p.run, "stage", stage + ".sock"))
        s.sendall(line.encode() + b"\n")
        got = b""
        while not got.endswith(b"\n\n"):
            more = s.recv(65536)
            if not more:
                break
            got += more
    return got.decode()


def facts(p, stage, line="show sink"):
    return dict(re.findall(r"([\w-]+)=(\S+)", ask(p, stage, line)))


def number(p, stage, name, line="show sink"):
    try:
        return int(facts(p, stage, line).get(name, -1))
    except (OSError, ValueError):
        return -1


def redis(p, name):
    return number(p, "claims", name, "show redis")


def send(p, path=DATA, *more):
    r = subprocess.run([os.path.join(BUILD, "sluicectl"), "send", "--json", "--url",
                        "http://127.0.0.1:%d" % p.port, *more, path], capture_output=True)
    expect((r.returncode, r.stderr), (0, b""))
    return json.loads(r.stdout)


def sent(p, n, path=DATA, *more):
    """All of n that differ were put here; the answer may be `duplicate` because of another
    node, where the verdict came in time."""
    got = send(p, path, *more)
    expect((got["invalid"], got["undecided"]), (0, 0))
    expect(int(json.loads(p.ctl("ledger", "--json"))["put"]) >= n, True, "put: ")
    return got


def own_events(p, name, n, size=0):
    """A file of n events that nobody else sends."""
    path = os.path.join(p.dir, "events." + name)
    with open(path, "w") as f:
        for i in range(n):
            f.write(json.dumps({"userId": "u%d" % (i % 97), "eventType": "test",
                                "timestamp": 1700000000000 + i, "id": "%s-%d" % (name, i),
                                "metadata": {"fill": "x" * size}}) + "\n")
    return path


def identities(entries):
    return [(lambda e: e.get("id") or (e["userId"], e["eventType"], e["timestamp"]))(
        json.loads(x["event"])) for x in entries]


def once(entries, n):
    ids = identities(entries)
    expect((len(set(ids)), len(ids)), (n, n), "different, all: ")


class OldRedis:
    """A Redis that does not know NX and GET together, in front of one that does."""

    def __init__(self, port):
        owner = self
        self.refused = self.gets = 0

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                with Resp(port) as up:
                    up_reader = threading.Thread(target=self.back, args=(up,), daemon=True)
                    self.order, self.have = [], threading.Semaphore(0)
                    up_reader.start()
                    f = self.request.makefile("rb")
                    try:
                        while True:
                            head = f.readline()
                            if not head:
                                break
                            words = []
                            for _ in range(int(head[1:])):
                                n = int(f.readline()[1:])
                                words.append(f.read(n + 2)[:-2])
                            if b"NX" in words and b"GET" in words[3:]:
                                owner.refused += 1
                                self.order.append(None)
                            else:
                                owner.gets += words[0] == b"GET"
                                self.order.append(True)
                                up.send(*words)
                            self.have.release()
                    except OSError:
                        pass
                    self.order.append(False)
                    self.have.release()
                    up_reader.join()

            def back(self, up):
                try:
                    while True:
                        self.have.acquire()
                        what = self.order.pop(0)
                        if what is False:
                            return
                        if what is None:
                            self.request.sendall(b"-ERR syntax error\r\n")
                            continue
                        self.request.sendall(render(up.read()))
                except (OSError, ConnectionError):
                    pass

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def render(value):
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, Exception):
        return b"-%s\r\n" % str(value).encode()
    if isinstance(value, Status):
        return b"+%s\r\n" % value
    if isinstance(value, int):
        return b":%d\r\n" % value
    return b"$%d\r\n%s\r\n" % (len(value), value)
