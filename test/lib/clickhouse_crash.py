# clickhouse_crash.py kills N | points - a ClickHouse sink that dies under load, and its table.
import os, random, shutil, signal, sys, time
import servers
from place import Place, Suite, wait_for
from clickhouse_cases import Load, count, place, row, section, stage, wait_row
from sinks_rig import expect

BATCH = 400
POINTS = ("clickhouse-sent", "clickhouse-answered", "sink-taken", "sink-publishing",
          "sink-published")
FAST = "    batch-events %d\n    in-flight 4000\n" % BATCH


def check(p, c, n, deaths, may_repeat, what):
    try:
        wait_row(p, (n, 0, 0), seconds=20)
    except AssertionError:
        for line in ("show batch", "show sink", "show streams"):
            print("# " + stage(p, line).replace("\n", "\n# "))
        raise
    rows, different = map(int, count(c, what="count(), uniqExact(timestamp)").split())
    print("# %s: %d events, %d deaths: %d lost, %d twice (at most %d)" % (
        what, n, deaths, n - different, rows - different, deaths * may_repeat))
    expect(different, n)
    assert rows - different <= deaths * may_repeat, rows - different


def another(p, pid):
    return wait_for(lambda: (lambda now: now if now not in (None, pid) else None)(p.pid_of("ch")),
                    "another process")


def killed_at_random(kind, kills, more, may_repeat):
    with kind() as c, servers.Proxy(c.port) as x, place(x, FAST + more) as p:
        x.tell("delay 2")  # so that there is time to die between a request and its answer
        load = Load(p)
        load.start()
        wait_for(lambda: row(p)[0] > 0, "the first rows", 60)
        pid = p.pid_of("ch")
        for _ in range(kills):
            time.sleep(random.random() * 0.05)
            os.kill(pid, signal.SIGKILL)
            pid = another(p, pid)
        check(p, c, load.end(), kills, may_repeat, kind.__name__ + " killed at random")


def whole_daemon_killed(kind, kills, more, may_repeat):
    """All processes at once, and the shared memory with them: cursors are the checkpoint's."""
    with kind() as c, servers.Proxy(c.port) as x, place(x, FAST + more) as p:
        x.tell("delay 2")
        n = 0
        for i in range(kills):
            load = Load(p, first=n)
            load.start()
            before = n
            wait_for(lambda: p.daemon and row(p)[0] >= 300, "rows", 60)
            n += load.end()
            p.kill_all()
            for name in os.listdir(p.run):
                path = os.path.join(p.run, name)
                shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
            p.start()
            wait_for(lambda: int(count(c, what="uniqExact(timestamp)") or 0) >= n, "all rows", 60)
            expect(before < n, True)
        rows, different = map(int, count(c, what="count(), uniqExact(timestamp)").split())
        print("# %s, everything killed %d times, shared memory lost: %d events, %d lost, %d twice"
              % (kind.__name__, kills, n, n - different, rows - different))
        expect(different, n)
        assert rows - different <= kills * may_repeat, rows - different


def killed_at(point, nth):
    with servers.ClickHouse() as c:
        p = Place(sections=section(c, FAST)).start(env={"SLUICE_CRASH": "%s:%d" % (point, nth)})
        with p:
            load = Load(p)
            load.start()
            # Each life dies at its n-th visit; the last ones have too little left to do so.
            wait_for(lambda: deaths(p) >= 4, "deaths", 60)
            n = load.end()
            wait_row(p, (n, 0, 0), seconds=60)
            check(p, c, n, deaths(p), BATCH, point)


def deaths(p):
    return open(p.log).read().count(": ch died")


def main():
    s = Suite()
    if sys.argv[1] == "kills":
        n = int(sys.argv[2])
        s.run("sink_killed_at_random_loses_nothing", killed_at_random, servers.ClickHouse, n, "",
              BATCH)
        s.run("sink_killed_at_random_repeats_nothing_with_tokens", killed_at_random, servers.Chdb,
              max(n // 5, 1), "    compression none\n", 0)
        s.run("nothing_is_repeated_with_tokens_when_memory_is_lost", whole_daemon_killed,
              servers.Chdb, 5, "    compression none\n", 0)
    else:
        for point in POINTS:
            s.run("sink_killed_at_" + point.replace("-", "_"), killed_at, point,
                  int(sys.argv[2]) if point != "sink-taken" else 1500)
    s.end()


if __name__ == "__main__":
    main()
