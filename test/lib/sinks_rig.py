# sinks_rig.py - what the tests of all sinks share: events that differ, a load, waiting, the ledger.
import collections, json, os, subprocess, threading, time
from place import BUILD, ROOT, wait_for

DATA = os.path.join(ROOT, "test/data/clickstream.ndjson")
LINES = open(DATA, "rb").read().splitlines()
DIFFERENT = 9389  # of 9999


def expect(got, want, what=""):
    assert got == want, "%s%r, not %r" % (what, got, want)


def events(number):
    """The clickstream by other users: no event of it equals one of another number."""
    return [line.replace(b'{"userId":"v-', b'{"userId":"%d-' % number, 1) for line in LINES]


def events_file(p, number):
    path = os.path.join(p.dir, "events.%d" % number)
    with open(path, "wb") as f:
        f.write(b"\n".join(events(number)) + b"\n")
    return path


def send(p, path=DATA, *args):
    out = subprocess.run([os.path.join(BUILD, "sluicectl"), "send", "--json", "--url",
                          "http://127.0.0.1:%d" % p.port, *args, path], capture_output=True)
    expect((out.returncode, out.stderr), (0, b""))
    return json.loads(out.stdout)


class Load(threading.Thread):
    """Sends events that differ until it is stopped, patiently; .sent counts what was accepted."""

    def __init__(self, p, first=1, rate=2000):
        super().__init__(daemon=True)
        self.p, self.number, self.rate = p, first, rate
        self.sent, self.ending, self.failure = 0, False, None

    def run(self):
        try:
            while not self.ending:
                path = events_file(self.p, self.number)
                self.sent += send(self.p, path, "--retry", "--rate",
                                  str(self.rate))["accepted"]
                os.unlink(path)
                self.number += 1
        except Exception as e:  # noqa: BLE001 - told by end()
            self.failure = e

    def end(self):
        self.ending = True
        self.join()
        if self.failure:
            raise self.failure
        return self.sent


def wait_all(sinks, lines, seconds=60):
    """Until every sink has at least what it should; the time each took."""
    want = {s.name: len(s.wanted(lines)) for s in sinks}
    took, start = {}, time.monotonic()
    while len(took) < len(sinks):
        for s in sinks:
            if s.name not in took and s.count() >= want[s.name]:
                took[s.name] = time.monotonic() - start
        late = {s.name: (s.count(), want[s.name]) for s in sinks if s.name not in took}
        assert not late or time.monotonic() - start < seconds, "has, should have: %r" % late
        time.sleep(0.02)
    return took


def check_once(sinks, lines):
    """Everything once, byte for byte."""
    for s in sinks:
        got, want = sorted(s.items()), s.wanted(lines)
        assert got == want, difference(s, got, want)


def check_lost_none(sinks, lines):
    """Everything at least once, byte for byte; how often more."""
    more = {}
    for s in sinks:
        got, want = s.items(), s.wanted(lines)
        assert set(got) == set(want), difference(s, got, want)
        more[s.name] = len(got) - len(want)
    return more


def difference(sink, got, want):
    g, w = collections.Counter(got), collections.Counter(want)
    return "%s has %d, should have %d: %d lost, %d more; such as %r" % (
        sink.name, len(got), len(want), sum((w - g).values()), sum((g - w).values()),
        list((w - g) or (g - w))[:1])


def ledger(p):
    """The ledger of each sink by name, balanced."""
    got = json.loads(p.ctl("ledger", "--json"))
    expect(got["balance"], "balanced")
    return {s["sink"]: s for s in got["sinks"]}


def wait_ledger(p, sinks, put=0, seconds=60):
    """Until nothing is pending at any of the sinks, and each has had so many events; the rows.
    Each row says when that was, in seconds from now (took)."""
    start, took = time.monotonic(), {}

    def settled():
        rows = ledger(p)
        for s in sinks:
            if s.name not in took and rows[s.name]["put"] >= put and not rows[s.name]["pending"]:
                took[s.name] = time.monotonic() - start
        return rows if len(took) == len(sinks) else None

    rows = wait_for(settled, "all to be delivered", seconds)
    for name, t in took.items():
        rows[name]["took"] = t
    return rows


def counter(p, sink, name):
    stages = json.loads(p.ctl("stat", "--json"))["stages"]
    return next(s for s in stages if s["stage"] == sink)["counters"][name]
