#!/usr/bin/env python3
# sink_redis.py [ROUNDS] - how fast the sinks of Redis deliver what stands in the log, and what
# it costs.  The clickstream, ROUNDS times by different users, is put first; then each sink
# starts on it anew.  Printed: events a second from the first to the last, and the stage's own
# processor time for each event (reading the log included).  Beside it: test/bench/sink_redis,
# claims through hiredis alone.
import json, os, subprocess, sys, time
ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "test", "lib"))
import servers
from place import BUILD, Place, wait_for
from redis_rig import LINES, N, Resp, number, send

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 20  # the dedup table holds 50
TICK = os.sysconf("SC_CLK_TCK")


def cpu(pid):
    f = open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()
    return (int(f[11]) + int(f[12])) / TICK


def run(p, r, name, kind, more, n):
    # Each kind has its cursors in its own folder: a new name begins at the oldest.
    p.options["sections"] = "sink %s\n    kind %s\n    from oldest\n    server %s\n%s\n" % (
        name, kind, r, more)
    p.write()
    p.start()
    wait_for(lambda: number(p, name, "delivered") > 0 or None, "the first event", 60)
    pid = p.pid_of(name)
    start, had, used = time.monotonic(), number(p, name, "delivered"), cpu(pid)
    wait_for(lambda: number(p, name, "delivered") >= n, "the last event", 300)
    took, used = time.monotonic() - start, cpu(pid) - used
    print("%-14s %9.0f events/s   %.2f us CPU an event" % (
        name, (n - had) / took, used * 1e6 / (n - had)), flush=True)
    p.stop()


def main():
    with servers.Redis(unix=True) as r, Place() as p:
        p.start()
        path = os.path.join(p.dir, "events")
        with open(path, "wb") as f:
            for k in range(ROUNDS):
                for line in LINES:
                    f.write(line.replace(b'{"userId":"v-', b'{"userId":"%d-' % k, 1) + b"\n")
        n = send(p, path)["accepted"]
        print("%d events, %d bytes each" % (n, os.path.getsize(path) // (ROUNDS * len(LINES))))
        p.stop()
        at = "127.0.0.1:%d" % r.port
        slow = "    timeout 20s\n"
        run(p, at, "claims", "redis", slow, n)
        run(p, at, "again", "redis", slow, n)
        r.cli("flushall")
        run(p, at, "cache", "redis", slow + "    cache yes\n", n)
        r.cli("flushall")
        run(p, "unix:" + r.unix, "unix", "redis", slow, n)
        r.cli("flushall")
        run(p, at, "stream", "redis-stream", slow, n)
        run(p, "127.0.0.1:1", "nobody-there", "redis", "", n)


main()
