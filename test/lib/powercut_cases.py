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


def fewer_slots_for_a_while_reuse_no_position(_):
    """Streams without a slot are carried forward all the same."""
    with Place(processes=4, glob="    stream-slots 4\n", dedup="    window 1s\n") as p:
        used = {}

        def fill(seconds=20):
            """Until every one of the four streams has got some."""
            import time
            end, got = time.monotonic() + seconds, {}
            while set(got) != {0, 1, 2, 3} or min(map(len, got.values())) < 5:
                assert time.monotonic() < end, "streams without events: %s" % got.keys()
                e = fresh()
                s, h, b = p.post(e)
                assert s == 202, (s, b)
                place = position(b["receipt"])
                assert place not in used, "position %s given out twice" % (place,)
                used[place] = e
                got.setdefault(place[0], []).append(e)

        p.start()
        fill()
        p.stop()
        forget_region(p)
        p.start()
        fill()
        p.stop()
        p.options.update(processes=1, glob="    stream-slots 2\n")
        p.write()
        for _ in range(3):
            p.start()
            assert p.post(fresh())[0] == 202
            os.kill(p.pid_of("journal"), signal.SIGKILL)
            wait_for(lambda: p.post(fresh())[0] == 202, "the journal to be back")
            p.stop()
        import time
        time.sleep(2.5)  # the dedup window passes: recovery begins at a later segment
        p.start()
        assert p.post(fresh())[0] == 202
        p.stop()
        p.options.update(processes=4, glob="    stream-slots 4\n")
        p.write()
        p.start()
        fill()
        p.stop()
        log = [json.loads(l) for l in p.cat()]
        assert all(log.count(e) == 1 for e in used.values()), "events are missing or twice"
        p.ctl("journal", "check")


def one_bad_byte_in_the_last_commit_costs_one_event(_):
    """A checkpoint says that the commit was durable: what is bad in it is damage."""
    with Place(processes=1).start() as p:
        sent = [fresh() for _ in range(50)]
        assert p.post(sent[:10], "/events/batch")[0] == 200
        assert p.post(sent[10:], "/events/batch")[0] == 200
        p.stop()
        forget_region(p)
        seg = sorted(glob.glob(os.path.join(p.state, "journal", "*.log")))[-1]
        data = bytearray(open(seg, "rb").read())
        data[data.index(b'"timestamp": %d' % sent[30]["timestamp"])] ^= 1
        open(seg, "wb").write(data)
        p.start()
        log = [json.loads(l) for l in p.cat(check=False)]
        assert log == sent[:30] + sent[31:], len(log)
        assert "not finished" not in open(p.log).read()
        assert p.post(sent[29])[0] == 200 and p.post(sent[30])[0] == 202
        p.stop()


def log_that_was_taken_away_reuses_no_position(_):
    with Place(processes=1).start() as p:
        last = max(position(p.post(fresh())[2]["receipt"])[1] for _ in range(20))
        p.stop()
        forget_region(p)
        shutil.rmtree(os.path.join(p.state, "journal"))
        p.start()
        assert position(p.post(fresh())[2]["receipt"])[1] > last
        p.stop()


def damaged_ring_costs_what_was_in_it_and_nothing_else(_):
    with Place(processes=2, glob="    hang-time 1h\n").start() as p:
        before = [fresh() for _ in range(20)]
        for e in before:
            assert p.post(e)[0] == 202
        journal = p.pid_of("journal")
        os.kill(journal, signal.SIGSTOP)
        unread = []
        for _ in range(40):
            e = fresh()
            s, h, b = p.post(e, "/events?ack=memory")
            assert s == 202
            unread.append((position(b["receipt"]), e))
        stream = unread[0][0][0]
        pos = [at for (s, at), _ in unread if s == stream][0]
        with open(os.path.join(p.run, "region", "slot.%d" % stream), "r+b") as f:
            f.seek(4096 + pos % (4 << 20))
            f.write(b"rubbish!" * 4)
        os.kill(journal, signal.SIGCONT)
        wait_for(lambda: "set aside" in open(p.log).read(), "the stream to be set aside")
        wait_for(lambda: p.post(before[0])[0] == 202, "the window to be forgotten")
        # Fresh ones and duplicates are answered as ever, by a new stream too.
        for _ in range(30):
            e = fresh()
            wait_for(lambda: p.post(e)[0] in (200, 202), "an event to be taken")
            assert p.post(e)[0] == 200, "a duplicate is not durable for ever"
        # What was lost is taken again, and nothing that was durable is lost.
        for _, e in unread:
            assert p.post(e)[0] in (200, 202)
        log = [json.loads(l) for l in p.cat(check=False)]
        assert all(e in log for e in before)
        assert all(e in log for _, e in unread)
        p.stop()
        p.start()
        e = fresh()
        assert p.post(e)[0] == 202 and p.post(e)[0] == 200
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
    s.run("streams without a slot for a while use no position twice",
          fewer_slots_for_a_while_reuse_no_position, None)
    s.run("one bad byte in the last commit costs one event",
          one_bad_byte_in_the_last_commit_costs_one_event, None)
    s.run("a log that was taken away gives no position out again",
          log_that_was_taken_away_reuses_no_position, None)
    s.run("a damaged ring costs what was in it, and nothing else",
          damaged_ring_costs_what_was_in_it_and_nothing_else, None)
    s.end()


main()
