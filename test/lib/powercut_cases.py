# powercut_cases.py - the region is lost (a reboot), the log is not.
import glob, json, os, shutil, signal
from place import Place, Suite, wait_for

count = 0


def fresh(**more):
    global count
    count += 1
    return {"userId": "u1", "eventType": "cut", "timestamp": 1700000000000 + count, **more}


def position(receipt):
    instance, stream, pos = receipt.split(":")
    return int(stream), int(pos)


def forget_region(p):
    shutil.rmtree(os.path.join(p.run, "region"))


def another_boot(p):
    """The region is there, but of another boot: whatever it holds, it is lost."""
    path = os.path.join(p.run, "region", "region")
    boot = bytes.fromhex(open("/proc/sys/kernel/random/boot_id").read().strip().replace("-", ""))
    data = open(path, "rb").read()
    at = data.index(boot)
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(bytes(16))


def cut_after_memory_acks(lose):
    """Acknowledged at memory and never journaled: gone, and its positions with it."""
    with Place(glob="    hang-time 1h\n").start() as p:
        durable = [fresh() for _ in range(50)]
        last = {}
        for e in durable:
            s, h, b = p.post(e)
            assert s == 202 and b["ack"] == "durable", b
            stream, pos = position(b["receipt"])
            last[stream] = max(last.get(stream, -1), pos)
        os.kill(p.pid_of("journal"), signal.SIGSTOP)
        lost = [fresh() for _ in range(50)]
        for e in lost:
            s, h, b = p.post(e, "/events?ack=memory")
            assert s == 202 and b["ack"] == "memory", b
            stream, pos = position(b["receipt"])
            last[stream] = max(last.get(stream, -1), pos)
        p.kill_all()
        lose(p)
        p.start()
        log = [json.loads(l) for l in p.cat()]
        assert all(log.count(e) == 1 for e in durable), "a durable event is lost or twice"
        # What survived is known as a duplicate; what was lost is taken again.
        for e in durable:
            assert p.post(e)[0] == 200
        for e in lost:
            s, h, b = p.post(e)
            assert s == (200 if e in log else 202), (s, b)
        for e in [fresh() for _ in range(50)]:
            s, h, b = p.post(e)
            stream, pos = position(b["receipt"])
            assert pos >= 2**40, "no jump: %d" % pos
            assert pos > last.get(stream, -1), "position %d used twice" % pos
        log = [json.loads(l) for l in p.cat()]
        assert all(log.count(e) == 1 for e in durable + lost)
        p.stop()
        p.ctl("journal", "check")


def cut_again_and_again(_):
    with Place().start() as p:
        seen, sent = set(), []
        for _ in range(6):
            for _ in range(20):
                e = fresh()
                s, h, b = p.post(e)
                assert s == 202
                sent.append(e)
                assert position(b["receipt"]) not in seen
                seen.add(position(b["receipt"]))
            p.kill_all()
            forget_region(p)
            p.start()
        log = [json.loads(l) for l in p.cat()]
        assert all(log.count(e) == 1 for e in sent) and len(log) == len(sent)
        p.stop()


def crash_keeps_memory_acks(_):
    """kill -9 of every process: the region outlives it, memory acks with it."""
    with Place(glob="    hang-time 1h\n").start() as p:
        os.kill(p.pid_of("journal"), signal.SIGSTOP)
        sent = [fresh() for _ in range(200)]
        for e in sent:
            assert p.post(e, "/events?ack=memory")[0] == 202
        p.kill_all()
        p.start()
        for e in sent:
            assert p.post(e)[0] == 200
        log = [json.loads(l) for l in p.cat()]
        assert all(log.count(e) == 1 for e in sent)
        p.stop()


def torn_last_commit_is_cut(_):
    """Bytes of the last commit are missing: it goes as a whole, the rest stays."""
    with Place(processes=1).start() as p:
        sent = [fresh() for _ in range(30)]
        for e in sent:
            assert p.post(e)[0] == 202
        p.kill_all()
        forget_region(p)
        seg = sorted(glob.glob(os.path.join(p.state, "journal", "*.log")))[-1]
        data = bytearray(open(seg, "rb").read())
        end = len(data.rstrip(b"\0"))
        data[end - 100:end] = bytes(100)
        open(seg, "wb").write(data)
        p.start()
        log = [json.loads(l) for l in p.cat()]
        assert log == sent[:29], (len(log), log[-1:])
        assert p.post(sent[28])[0] == 200
        assert p.post(sent[29])[0] == 202
        p.stop()


def corruption_in_the_middle_is_reported(_):
    with Place(processes=1).start() as p:
        sent = [fresh() for _ in range(30)]
        for e in sent:
            assert p.post(e)[0] == 202
        p.kill_all()
        forget_region(p)
        seg = sorted(glob.glob(os.path.join(p.state, "journal", "*.log")))[-1]
        data = bytearray(open(seg, "rb").read())
        at = data.index(b'"timestamp": %d' % sent[10]["timestamp"])
        data[at] ^= 1
        open(seg, "wb").write(data)
        p.start()
        log = [json.loads(l) for l in p.cat(check=False)]
        assert sent[10] not in log
        assert all(log.count(e) == 1 for e in sent[:10] + sent[11:]), len(log)
        assert b"amaged" in p.ctl("journal", "check", check=False)
        assert "log damaged" in open(p.log).read()
        # It is gone, so sending it again must not be called a duplicate.
        assert p.post(sent[10])[0] == 202
        p.stop()


def state_and_region_of_two_instances_are_refused(_):
    import subprocess
    from place import BUILD
    with Place().start() as p, Place() as q:
        p.stop()
        q.run, old = p.run, q.run
        q.write()
        r = subprocess.run([os.path.join(BUILD, "sluiced"), "-c", q.conf], capture_output=True,
                           text=True, timeout=60)
        q.run = old
        assert r.returncode == 1 and "sluiced -R" in r.stderr or "-R" in r.stderr, r
        p.start()
        p.stop()


def main():
    s = Suite()
    s.run("memory acks die with the region, positions are never used again",
          cut_after_memory_acks, forget_region)
    s.run("a region of another boot is lost", cut_after_memory_acks, another_boot)
    s.run("six lives, and no position twice", cut_again_and_again, None)
    s.run("kill -9 of all keeps what was acknowledged at memory", crash_keeps_memory_acks, None)
    s.run("an incomplete last commit is cut, and nothing else", torn_last_commit_is_cut, None)
    s.run("corruption in the middle is reported and passed by",
          corruption_in_the_middle_is_reported, None)
    s.run("a region of another instance is refused",
          state_and_region_of_two_instances_are_refused, None)
    s.end()


main()
