#!/usr/bin/env python3
# sink_clickhouse.py [EVENTS] - the ClickHouse sink beside a bare libcurl loop that inserts rows
# made beforehand: the same events, server and batches; rows a second and processor time an event.
# Engine Null shows the sink without what the server does with the rows.
import os, subprocess, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import servers
from place import BUILD, Place, wait_for
from sinks_rig import events

BATCH = 50000
TICK = os.sysconf("SC_CLK_TCK")
COLUMNS = "(userId String, eventType String, timestamp UInt64, metadata String)"
number = 0


def cpu(pid):
    f = open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()
    return (int(f[11]) + int(f[12])) / TICK


def table(c, engine):
    global number
    number += 1
    name = "t%d" % number
    c.query("CREATE TABLE %s %s ENGINE = %s" % (name, COLUMNS, {
        "Null": "Null", "MergeTree": "MergeTree ORDER BY (eventType, timestamp)"}[engine]))
    return name


def bare(c, path, codec, engine):
    out = subprocess.run([os.path.join(BUILD, "bench/sink_clickhouse"), "http://127.0.0.1:%d" % c.port,
                          table(c, engine), path, codec, str(BATCH)], stdout=subprocess.PIPE,
                         check=True, text=True).stdout.split()
    return float(out[1]), float(out[2]), float(out[3])


def delivered(p, name):
    time.sleep(0.01)
    try:
        line = servers.tell(os.path.join(p.run, "stage", name + ".sock"), "show sink")
        return next(int(w.split("=")[1]) for w in line.split() if w.startswith("delivered="))
    except OSError:
        return 0


def sink(c, p, n, codec, engine):
    """The log is there already: a new sink starts at its beginning."""
    t = table(c, engine)
    p.options["sections"] = """sink %s
    kind clickhouse
    from oldest
    server http://127.0.0.1:%d
    table %s
    compression %s
    batch-events %d
    linger 10ms
""" % (t, c.port, t, codec, BATCH)
    p.write()
    p.start()
    pid = wait_for(lambda: p.pid_of(t), "the sink")
    start, base = time.monotonic(), cpu(pid)
    wait_for(lambda: delivered(p, t) >= n, "everything to be delivered", 120)
    wall, used = time.monotonic() - start, cpu(pid) - base
    p.stop()
    return wall, used * 1e6 / n


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 500000
    with servers.ClickHouse() as c, Place() as p:
        p.start()
        path = os.path.join(p.run, "events")
        with open(path, "wb") as f:
            for i in range(n // 9999 + 1):
                f.write(b"\n".join(events(i)) + b"\n")
        subprocess.run([os.path.join(BUILD, "sluicectl"), "send", "--retry", "--url",
                        "http://127.0.0.1:%d" % p.port, path], capture_output=True, check=True)
        log = p.cat()
        p.stop()
        with open(path, "wb") as f:
            f.write(b"\n".join(log) + b"\n")
        n = len(log)
        print("%d events of %d bytes, batches of %d; making a row takes %.3f us" % (
            n, sum(map(len, log)) // n, BATCH, bare(c, path, "none", "Null")[2]))
        print("%-10s %-6s %10s %10s %10s %10s" % ("engine", "codec", "bare/s", "sink/s", "bare us",
                                                  "sink us"))
        for engine in ("Null", "MergeTree"):
            for codec in ("none", "lz4", "zstd", "gzip"):
                runs = [(bare(c, path, codec, engine), sink(c, p, n, codec, engine))
                        for _ in range(2)]
                b, s = min(r[0][0] for r in runs), min(r[1][0] for r in runs)
                bu, su = min(r[0][1] for r in runs), min(r[1][1] for r in runs)
                print("%-10s %-6s %10.0f %10.0f %10.2f %10.2f" % (engine, codec, n / b, n / s, bu, su))
                sys.stdout.flush()


main()
