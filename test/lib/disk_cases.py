# disk_cases.py - the disk is full or fails; durable acks stop and come back.
import json, os, shutil, subprocess, tempfile, time
from place import Place, Suite, wait_for

count = 0


def fresh(**more):
    global count
    count += 1
    return {"userId": "u1", "eventType": "disk", "timestamp": 1700000000000 + count,
            "metadata": {"pad": "x" * 800}, **more}


def batch(p, n, ack):
    events = [fresh() for _ in range(n)]
    s, h, b = p.post(events, "/events/batch?ack=" + ack)
    return events, s, h, b


def settled(events, answer):
    return [e for e, r in zip(events, answer["results"]) if r["status"] in ("accepted", "duplicate")]


def is_durable_refused(p, reasons):
    s, h, b = p.post(fresh())
    if s == 202:
        return False
    assert s == 503 and int(h["retry-after"]) >= 1, (s, b)
    code = b.get("error", {}).get("code")
    if code == "durable_unknown":
        return False
    assert code == "durable_unavailable", b
    assert any(r in b["message"] for r in reasons), b
    return True


def comes_back(p, sent, what):
    start = time.monotonic()
    wait_for(lambda: p.post(sent[0])[0] in (200, 202), "durable acks to come back")
    print("# %s: durable acks were back %.0f ms after the end of the trouble"
          % (what, (time.monotonic() - start) * 1000))


def full_disk():
    disk = tempfile.mkdtemp(prefix="sluice-disk.")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "none", disk], check=True)
    try:
        with Place(state=os.path.join(disk, "state"), glob="    hang-time 1h\n",
                   journal="").start() as p:
            sent = [fresh()]
            assert p.post(sent[0])[0] == 202
            filler = os.path.join(disk, "filler")
            with open(filler, "wb") as f:
                try:
                    while True:
                        f.write(bytes(1 << 16))
                        f.flush()
                except OSError:
                    pass
            # What room the segments have goes on being used, then no more.
            for _ in range(2000):
                events, s, h, b = batch(p, 20, "durable")
                if s == 200:
                    sent += settled(events, b)
                else:
                    assert s == 503, (s, b)
                    if b.get("error", {}).get("code") == "durable_unavailable":
                        break
            assert is_durable_refused(p, ["disk_full", "No space"])
            assert b"durable requests get 503" in p.ctl("errors")
            events, s, h, b = batch(p, 5, "memory")
            assert s == 200 and b["accepted"] == 5, "memory acks stopped too: %s" % b
            sent += events
            health = p.request("GET", "/health")[2]
            assert health["status"] == "degraded" and health["log"] == "disk_full", health
            os.unlink(filler)
            comes_back(p, sent, "full disk")
            log = [json.loads(l)["timestamp"] for l in p.cat()]
            assert all(log.count(e["timestamp"]) == 1 for e in sent), "lost or twice"
            assert p.request("GET", "/health")[2]["status"] == "ok"
            p.stop()
            p.ctl("journal", "check")
    finally:
        subprocess.run(["umount", "-l", disk])
        shutil.rmtree(disk, ignore_errors=True)


def failing(call, error, reasons):
    """Every `call` of the journal fails for a while: nothing is called durable."""
    with Place(glob="    hang-time 1h\n").start() as p:
        sent = []
        for _ in range(20):
            sent.append(fresh())
            assert p.post(sent[-1])[0] == 202
        tracer = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", os.path.join(p.dir, "strace"), "-p",
             str(p.pid_of("journal")), "-e", "trace=" + call,
             "-e", "inject=%s:error=%s" % (call, error)])
        try:
            wait_for(lambda: is_durable_refused(p, reasons), "durable acks to stop")
            e = fresh()
            assert p.post(e, "/events?ack=memory")[0] == 202
            sent.append(e)
        finally:
            tracer.terminate()
            tracer.wait()
        comes_back(p, sent, call + " " + error)
        for _ in range(20):
            sent.append(fresh())
            assert p.post(sent[-1])[0] == 202
        log = [json.loads(l)["timestamp"] for l in p.cat()]
        assert all(log.count(e["timestamp"]) == 1 for e in sent), "lost or twice"
        p.stop()
        p.ctl("journal", "check")


def single_failure_is_survived(call, error):
    """One failing call: its file is left behind, the frames go to a new one."""
    with Place(glob="    hang-time 1h\n").start() as p:
        sent = [fresh()]
        assert p.post(sent[0])[0] == 202
        tracer = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", os.path.join(p.dir, "strace"), "-p",
             str(p.pid_of("journal")), "-e", "trace=" + call,
             "-e", "inject=%s:error=%s:when=3" % (call, error)])
        wait_for(lambda: b"TracerPid:\t0" not in
                 open("/proc/%d/status" % p.pid_of("journal"), "rb").read(), "strace to be there")
        try:
            for _ in range(40):
                e = fresh()
                wait_for(lambda: p.post(e)[0] in (200, 202), "the event to be durable")
                sent.append(e)
        finally:
            tracer.terminate()
            tracer.wait()
        assert "INJECTED" in open(os.path.join(p.dir, "strace")).read(), "nothing was injected"
        log = [json.loads(l)["timestamp"] for l in p.cat()]
        assert all(log.count(e["timestamp"]) == 1 for e in sent), "lost or twice"
        p.stop()
        p.ctl("journal", "check")


def main():
    s = Suite()
    if os.geteuid() == 0:
        s.run("a full disk stops durable acks with a reason, and they come back", full_disk)
    else:
        s.skip("a full disk stops durable acks", "mounting a small disk needs root")
    if shutil.which("strace"):
        for call, error in (("fdatasync", "EIO"), ("pwritev", "EIO"), ("pwritev", "ENOSPC")):
            s.run("a %s that fails with %s stops durable acks, and they come back" % (call, error),
                  failing, call, error, ["sync_failed", "write_failed", "disk_full", "no_segment"])
            s.run("one %s that fails with %s is survived" % (call, error),
                  single_failure_is_survived, call, error)
    else:
        s.skip("a failing disk", "strace is not installed")
    s.end()


main()
