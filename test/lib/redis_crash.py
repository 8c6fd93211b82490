# redis_crash.py [KILLS [SEED]] - two instances on one Redis, their sinks killed under load.
#
# The same events go to both instances at once.  While only the claiming sinks die, every event
# stands in the stream exactly once; when the stream sinks die, what was in flight may stand
# there again, and nothing is missing.  Then each named point of the two kinds.
import os, random, signal, sys, threading, time
import servers
from place import Place, Suite, wait_for
from redis_rig import *

KILLS = int(sys.argv[1]) if len(sys.argv) > 1 else 100
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
AGE = 0.22  # a stage that dies younger than this would be made to wait
IN_FLIGHT = 300
SMALL = "    batch-events 100\n    in-flight %d\n" % IN_FLIGHT
CHUNK = 1500


class Twins:
    """Sends the same events to both until it is stopped, in chunks: each is first at one of
    the two in turn."""

    def __init__(self, places):
        self.places, self.chunks, self.ending, self.failures = places, 0, False, []
        self.threads = [threading.Thread(target=self.run, args=(p, i), daemon=True)
                        for i, p in enumerate(places)]

    def run(self, p, swap):
        try:
            n = 0
            while not self.ending or n < self.chunks:
                self.chunks = max(self.chunks, (n | 1) + 1)
                path = own_events(p, "c%d" % (n ^ swap), CHUNK)
                send(p, path, "--retry")  # in a burst: much is in flight then
                os.unlink(path)
                n += 1
                time.sleep(0.1)
        except Exception as e:  # noqa: BLE001 - told by end()
            self.failures.append(e)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, kind, *_):
        self.ending = True
        for t in self.threads:
            t.join(60)
        if kind is None and self.failures:
            raise self.failures[0]

    def sent(self):
        return self.chunks * CHUNK


def old_enough(pid):
    now = float(open("/proc/uptime").read().split()[0])
    try:
        born = int(open("/proc/%s/stat" % pid).read().rsplit(")", 1)[1].split()[19])
    except (OSError, TypeError):
        return False
    return now - born / os.sysconf("SC_CLK_TCK") > AGE


def kill_many(places, stage, kills, dice):
    done = 0
    while done < kills:
        p = dice.choice(places)
        pid = p.pid_of(stage)
        if pid and old_enough(pid):
            os.kill(pid, signal.SIGKILL)
            done += 1
        time.sleep(dice.uniform(0.002, 0.05))


def settled(places, n):
    for p in places:
        for stage in ("claims", "out"):
            wait_for(lambda: sum(number(p, stage, x) for x in ("delivered", "late-duplicate")) == n,
                     "%s to be done with %d" % (stage, n), 60)
    late = [number(p, "claims", "late-duplicate") for p in places]
    expect([number(p, "out", "late-duplicate") for p in places], late, "late of the second sinks: ")
    expect(sum(late), n, "late of all: ")
    return late


def random_kills(stage):
    dice = random.Random(SEED)
    with servers.Redis() as r, Place(sections=sinks(r.port, r.port, SMALL, SMALL)) as a, \
            Place(sections=sinks(r.port, r.port, SMALL, SMALL)) as b:
        a.start()
        b.start()
        with Twins([a, b]) as load:
            kill_many([a, b], stage, KILLS, dice)
        n = load.sent()
        late = settled([a, b], n)
        with Resp(r.port) as c:
            ids = identities(c.entries())
        twice = len(ids) - len(set(ids))
        print("# %d kills of %s: %d events to both, late %d and %d, twice in the stream %d" % (
            KILLS, stage, n, late[0], late[1], twice))
        expect(len(set(ids)), n)
        if stage == "claims":
            expect(twice, 0)
        assert twice <= KILLS * IN_FLIGHT, twice


def claiming_sinks_killed_everything_is_there_once():
    random_kills("claims")


def stream_sinks_killed_nothing_is_missing():
    random_kills("out")


def each_named_point():
    n = 3000
    for point, nth in (("redis-sent", 8), ("redis-answered", 700), ("redis-stream-sent", 8),
                       ("redis-stream-answered", 700)):
        with servers.Redis() as r, Place(sections=sinks(r.port, r.port, SMALL, SMALL)) as a, \
                Place(sections=sinks(r.port, None, SMALL)) as b:
            b.start()
            send(b, own_events(b, "p", n // 2))
            wait_for(lambda: number(b, "claims", "delivered") == n // 2, "the other's claims")
            a.start(env={"SLUICE_CRASH": "%s:%d" % (point, nth)})
            send(a, own_events(a, "p", n), "--retry", "--rate", "8000")
            for stage in ("claims", "out"):
                wait_for(lambda: sum(number(a, stage, x) for x in ("delivered", "late-duplicate"))
                         == n, "%s to be done" % stage, 60)
            deaths = open(a.log).read().count(" died")
            with Resp(r.port) as c:
                ids = identities(c.entries())
            print("# %s: %d deaths, twice %d" % (point, deaths, len(ids) - len(set(ids))))
            assert deaths > 0, "nobody died at " + point
            expect(number(a, "out", "late-duplicate"), n // 2)
            expect(len(set(ids)), n // 2)
            if "stream" not in point:
                expect(len(ids), n // 2)


def main():
    s = Suite()
    print("# seed %d" % SEED)
    for f in (claiming_sinks_killed_everything_is_there_once,
              stream_sinks_killed_nothing_is_missing, each_named_point):
        if len(sys.argv) < 4 or f.__name__ in sys.argv[3:]:
            s.run(f.__name__, f)
    s.end()


if __name__ == "__main__":
    try:
        servers.program("redis-server", "redis-server")
    except servers.Unavailable as e:
        print("SKIP redis: %s" % e)
        raise SystemExit(77)
    main()
