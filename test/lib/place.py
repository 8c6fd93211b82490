# place.py - a private sluiced for one test: folders, free ports, start, stop.
import ctypes, json, os, shutil, signal, socket, subprocess, sys, tempfile, threading, time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.join(ROOT, "build", os.environ.get("MODE", "release"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(condition, what, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        got = condition()
        if got:
            return got
        time.sleep(0.005)
    raise AssertionError("waited in vain for " + what)


def die_with_us():
    """For preexec_fn: who started the process is gone, then so is it.  The kernel means the
    thread that forked, so only the main thread may ask for it."""
    if threading.current_thread() is not threading.main_thread():
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Place:
    def __init__(self, listen="", journal="", dedup="", glob="", processes=2, state=None,
                 sections="", ring="4m", segment="16m"):
        self.dir = tempfile.mkdtemp(prefix="sluice-it.")
        self.run = tempfile.mkdtemp(prefix="sluice-it.", dir="/dev/shm")
        self.state = state or os.path.join(self.dir, "state")
        self.port, self.admin = free_port(), free_port()
        self.conf = os.path.join(self.dir, "sluice.conf")
        self.log = os.path.join(self.dir, "log")
        self.options = dict(listen=listen, journal=journal, dedup=dedup, glob=glob,
                            processes=processes, sections=sections, ring=ring,
                            segment=segment)
        self.write()
        self.daemon = None

    def write(self):
        o = self.options
        with open(self.conf, "w") as f:
            f.write(f"""global
    state-dir {self.state}
    runtime-dir {self.run}
    ring {o['ring']}
    drain-time 5s
{o['glob']}
listen public
    bind 127.0.0.1:{self.port}
    processes {o['processes']}
{o['listen']}
journal
    segment {o['segment']}
{o['journal']}
dedup
    table 4m
{o['dedup']}
admin
    bind 127.0.0.1:{self.admin}
{o['sections']}
""")

    def start(self, *more, env=None, prefix=()):
        self.daemon = subprocess.Popen(
            [*prefix, os.path.join(BUILD, "sluiced"), "-c", self.conf, *more],
            stderr=open(self.log, "a"), stdin=subprocess.DEVNULL,
            env={**os.environ, **(env or {})}, start_new_session=True, preexec_fn=die_with_us())
        wait_for(lambda: self.is_ready() or self.daemon.poll() is not None, "sluiced to be ready")
        if self.daemon.poll() is not None:
            raise AssertionError("sluiced ended: " + open(self.log).read())
        return self

    def is_ready(self):
        try:
            return self.request("GET", "/health")[0] == 200
        except OSError:
            return False

    def stop(self):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGTERM)
            assert self.daemon.wait(60) == 0, "sluiced ended with %d" % self.daemon.returncode
        self.daemon = None

    def kill_all(self):
        os.killpg(self.daemon.pid, signal.SIGKILL)
        self.daemon.wait()
        self.daemon = None

    def close(self):
        if self.daemon and self.daemon.poll() is None:
            os.killpg(self.daemon.pid, signal.SIGKILL)
            self.daemon.wait()
        for d in (self.dir, self.run):
            shutil.rmtree(d, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None and os.path.exists(self.log):
            sys.stderr.write("-- the daemon's log:\n" + open(self.log).read()[-6000:])
        self.close()

    # -- speaking HTTP

    def connect(self, port=None):
        s = socket.create_connection(("127.0.0.1", port or self.port), timeout=30)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def request(self, method, path, body=None, headers=None, port=None):
        """One request on a connection of its own: (status, headers, JSON or text)."""
        with self.connect(port) as s:
            return exchange(s, method, path, body, headers)

    def post(self, event, path="/events", headers=None):
        body = event if isinstance(event, (bytes, str)) else json.dumps(event)
        return self.request("POST", path, body, {"Content-Type": "application/json",
                                                 **(headers or {})})

    def ctl(self, *args, check=True, **kw):
        p = subprocess.run([os.path.join(BUILD, "sluicectl"), "-c", self.conf, *args],
                           capture_output=True, **kw)
        if check and p.returncode != 0:
            raise AssertionError("sluicectl %s: %d %s" % (args, p.returncode, p.stderr.decode()))
        return p.stdout

    def cat(self, check=True):
        return self.ctl("cat", "--from", "oldest", check=check).splitlines()

    def pid_of(self, title):
        # Children of this daemon only: others may run on the same machine.
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                stat = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
                args = open(f"/proc/{pid}/cmdline").read().replace("\0", " ").strip()
            except OSError:
                continue
            if int(stat[1]) == self.daemon.pid and args.startswith("sluiced: " + title):
                return int(pid)
        return None


def render(method, path, body=None, headers=None):
    body = body.encode() if isinstance(body, str) else body
    h = {"Host": "localhost", **(headers or {})}
    if body is not None:
        h.setdefault("Content-Length", str(len(body)))
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in h.items())
    return head.encode() + b"\r\n" + (body or b"")


def read_answer(s, head_only=False):
    """(status, headers, body) of one answer; body as JSON where it is JSON."""
    buf = b""
    while b"\r\n\r\n" not in buf:
        more = s.recv(65536)
        if not more:
            raise ConnectionError("closed before an answer: %r" % buf)
        buf += more
    head, _, rest = buf.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    status = int(lines[0].split()[1])
    headers = {k.strip().lower(): v.strip() for k, _, v in (l.partition(":") for l in lines[1:])}
    want = 0 if head_only else int(headers.get("content-length", 0))
    while len(rest) < want:
        more = s.recv(65536)
        if not more:
            raise ConnectionError("closed within an answer")
        rest += more
    assert len(rest) == want, "bytes behind the answer: %r" % rest[want:]
    body = rest
    if headers.get("content-type", "").startswith("application/json") and rest:
        body = json.loads(rest)
    return status, headers, body


def exchange(s, method, path, body=None, headers=None):
    s.sendall(render(method, path, body, headers))
    return read_answer(s, head_only=method == "HEAD")


class Skip(Exception):
    """What a test raises when it cannot run here; the text says why."""


class Suite:
    """Tests named as sentences; prints a line each and the count."""

    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, 0
        # Whoever ends us wants our folders and servers gone, too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def run(self, name, function, *args):
        try:
            function(*args)
        except Skip as e:
            self.skip(name, e)
        except Exception as e:  # noqa: BLE001 - a test may fail in any way
            import traceback
            self.failed += 1
            print("not ok %s: %s: %s" % (name, type(e).__name__, e))
            traceback.print_exc()
        else:
            self.passed += 1
            print("ok " + name)
        sys.stdout.flush()

    def skip(self, name, why):
        self.skipped += 1
        print("SKIP %s: %s" % (name, why))

    def end(self):
        print("%d passed, %d failed" % (self.passed, self.failed))
        sys.exit(0 if self.failed == 0 else 1)
