#!/usr/bin/env python3
# sink_kafka.py [EVENTS] - the Kafka sink beside a bare librdkafka loop: the same events, broker
# and settings; events a second and processor time an event, headers off and on.
import os, subprocess, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import servers
from kafka_rig import ask, fresh
from place import BUILD, Place, wait_for
from sinks_rig import events

SETTINGS = dict(in_flight=100000, batch=10000, linger=5)
number = 0
TICK = os.sysconf("SC_CLK_TCK")


def cpu(pid):
    f = open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()
    return (int(f[11]) + int(f[12])) / TICK


def delivered(p, name):
    time.sleep(0.05)
    try:
        return next(int(w.split("=")[1]) for w in ask(p, "show sink", name).split()
                    if w.startswith("delivered="))
    except OSError:
        return 0


def bare(k, path, codec, headers):
    out = subprocess.run([os.path.join(BUILD, "bench/sink_kafka"), "127.0.0.1:%d" % k.port,
                          fresh("bare"), path, codec, headers, str(SETTINGS["in_flight"]),
                          str(SETTINGS["batch"]), str(SETTINGS["linger"])],
                         capture_output=True, check=True, text=True).stdout.split()
    return float(out[1]), float(out[2])


def sink(k, p, n, codec, headers, more=""):
    """The log is there already: a new sink starts at its beginning."""
    global number
    number += 1
    name = "kafka-%d" % number
    p.options["sections"] = """sink %s
    kind kafka
    from oldest
    server 127.0.0.1:%d
    topic %s
    compression %s
    headers %s
    in-flight %d
    batch-events %d
    linger %dms
%s""" % (name, k.port, fresh("sink"), codec, headers, SETTINGS["in_flight"], SETTINGS["batch"],
         SETTINGS["linger"], more)
    p.write()
    start = time.monotonic()
    p.start()
    pid = wait_for(lambda: p.pid_of(name), "the sink")
    base = cpu(pid)
    wait_for(lambda: delivered(p, name) >= n, "everything to be delivered", 120)
    wall, used = time.monotonic() - start, cpu(pid) - base
    p.stop()
    return wall, used * 1e6 / n


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 500000
    with servers.Kafka(heap="512m") as k, Place() as p:
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
        print("%d events of %d bytes; in flight %d, linger %d ms" % (
            n, sum(map(len, log)) // n, SETTINGS["in_flight"], SETTINGS["linger"]))
        bare(k, path, "zstd", "no")  # warm
        print("%-6s %-8s %12s %12s %10s %10s %6s" % ("codec", "headers", "bare/s", "sink/s",
                                                     "bare us", "sink us", "ratio"))
        for codec in ("none", "lz4", "zstd"):
            for headers in ("no", "yes"):
                runs = [(bare(k, path, codec, headers), sink(k, p, n, codec, headers))
                        for _ in range(2)]
                b, s = min(r[0] for r in runs), min(r[1] for r in runs)
                bu, su = min(r[0][1] for r in runs), min(r[1][1] for r in runs)
                print("%-6s %-8s %12.0f %12.0f %10.2f %10.2f %6.2f" % (
                    codec, headers, n / b[0], n / s[0], bu, su, su / bu))
                sys.stdout.flush()
        s = sink(k, p, n, "zstd", "yes", "    exactly-once yes\n")
        print("exactly-once, zstd, headers: %.0f events/s, %.2f us" % (n / s[0], s[1]))


main()
