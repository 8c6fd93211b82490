# sinks.py [SECONDS] - how fast events come out at the other end, on this machine alone.
#
# Redis (claims), ClickHouse and Kafka, each alone and then all three at once: events sent by
# bench_batch for SECONDS, `memory`, as fast as the sinks' log takes them; the rate is events by
# the time from the first of them sent to the last one delivered.  Then the server is killed, as
# many events are sent, it is started again: the rate at which the sink catches up, and how often
# the live rate that is.  Prints lines "NAME VALUE" for run.sh, words about it to standard error.
import json, os, subprocess, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
os.environ["MODE"] = "release"
import destinations, servers
from place import BUILD, ROOT, Place, wait_for

SECONDS = int(sys.argv[1]) if len(sys.argv) > 1 else 4
RATE = int(os.environ.get("BENCH_SINK_RATE", "400000"))
DATA = os.path.join(ROOT, "test/data/clickstream.ndjson")
MORE = destinations.IMPATIENT
base = 1000000000000


class Claims(destinations.RedisClaims):
    cache = False


def batch(p, rate, seconds):
    """Send; how many were put.  Every event has a key of its own; what the disk cannot take
    away is refused, and not counted."""
    global base
    base += 1000000000
    before = json.loads(p.ctl("ledger", "--json"))["put"]
    out = subprocess.run([os.path.join(BUILD, "bench/bench_batch"), "--port", str(p.port), "--ack",
                          "memory", "--rate", str(rate), "--seconds", str(seconds), "--base",
                          str(base), "--data", DATA], capture_output=True).stdout.decode().split()
    got = dict(zip(out[::2], out[1::2]))
    assert int(got["duplicate"]) == 0, got
    return json.loads(p.ctl("ledger", "--json"))["put"] - before


def rows(p):
    return {s["sink"]: s for s in json.loads(p.ctl("ledger", "--json"))["sinks"]}


def settled(p, sinks, put):
    def asked():
        got = rows(p)
        return all(got[s.name]["put"] >= put and not got[s.name]["pending"] for s in sinks)

    wait_for(asked, "the sinks", 600)


def stages(p):
    """Processor time of each stage in seconds, by name."""
    out = {}
    for pid in open("/proc/%d/task/%d/children" % (p.daemon.pid, p.daemon.pid)).read().split():
        name = open("/proc/%s/cmdline" % pid).read().strip("\0 ").partition("sluiced: ")[2]
        ns = sum(int(open("/proc/%s/task/%s/schedstat" % (pid, t)).read().split()[0])
                 for t in os.listdir("/proc/%s/task" % pid))
        out[name] = ns / 1e9
    return out


def measure(name, sinks):
    with Place(sections="".join(s.section() for s in sinks), ring="64m", segment="64m",
               processes=1) as p:
        p.start()
        put = batch(p, RATE, 1)  # topics, tables, first segments
        settled(p, sinks, put)
        before, start = stages(p), time.monotonic()
        n = batch(p, RATE, SECONDS)
        sent, put = time.monotonic() - start, put + n
        settled(p, sinks, put)
        took = time.monotonic() - start
        after = stages(p)
        live = n / took
        print("sinks.%s.sent %.0f" % (name, n / sent))
        print("sinks.%s.live %.0f" % (name, live))
        for s in sinks:
            print("sinks.%s.%s_us %.3f" % (name, s.kind,
                                           (after[s.name] - before[s.name]) / n * 1e6))
        if len(sinks) > 1:
            return
        sinks[0].server.kill()
        n = batch(p, RATE, SECONDS)
        put += n
        sinks[0].server.start()
        start = time.monotonic()
        missed = rows(p)[sinks[0].name]["pending"]
        settled(p, sinks, put)
        took = time.monotonic() - start
        if missed > n / 2:
            print("sinks.%s.catch_up %.0f" % (name, missed / took))
        sys.stdout.flush()


def main():
    with servers.Redis() as redis, servers.ClickHouse() as clickhouse:
        why = destinations.has_kafka()
        if why:
            sys.stderr.write("sinks without Kafka: %s\n" % why)
        kafka = None if why else servers.Kafka(heap="512m").start()
        try:
            def three(n):
                out = [Claims("claims", redis, MORE),
                       destinations.Table("table", clickhouse, MORE, "bench%d" % n)]
                if kafka:
                    out.append(destinations.Topic("topic", kafka, MORE, "bench%d" % n))
                return out

            for i, name in enumerate(("redis", "clickhouse", "kafka")):
                if len(three(0)) > i:
                    measure(name, [three(1)[i]])
                    redis.cli("flushall")
            measure("all", three(2))
        finally:
            if kafka:
                kafka.close()


main()
