# redis_cases.py - the sinks of Redis against real servers: claims, cache, streams, trouble.
import json, threading, time
import servers
from place import Place, Skip, Suite, wait_for
from redis_rig import *


def place(sections, **more):
    return Place(sections=sections, **more).start()


def passed(p, n, stage="claims"):
    """The sink is done with n events."""
    wait_for(lambda: sum(number(p, stage, x) for x in ("delivered", "late-duplicate")) >= n,
             "%s to be done with %d events" % (stage, n), 60)


def clickstream():
    with servers.Redis() as r, place(
            sinks(r.port, r.port, "    cache yes\n    cache-ttl 7200s\n")) as p, \
            Resp(r.port) as c:
        expect(send(p)["accepted"], N)
        wait_for(lambda: c("XLEN", "events") == N, "all events in the stream")
        entries = c.entries()
        once(entries, N)
        claims = c.scan("sluice:event:*")
        cache = c.scan("event:*")
        expect((len(claims), len(cache)), (N, N))
        # The cache holds each event's JSON, byte for byte, under its printed key.
        sent = set(LINES)
        values = c.mget(cache)
        expect(sum(v not in sent for v in values.values()), 0)
        for k, v in values.items():
            e = json.loads(v)
            expect(k.decode(), "event:%s:%s:%d" % (e["userId"], e["eventType"], e["timestamp"]))
        # A claim's value is the receipt with the instance's whole UUID.
        receipts = {x["receipt"].decode() for x in entries}
        got = c.mget(claims)
        expect({v.decode()[:8] + v.decode()[36:] for v in got.values()}, receipts)
        expect(len({v[:36] for v in got.values()}), 1)
        ttl = c("TTL", next(iter(claims))), c("TTL", next(iter(cache)))
        assert 3500 < ttl[0] <= 3600 and 7100 < ttl[1] <= 7200, ttl
        expect({x["eventType"] for x in entries},
               {json.loads(l)["eventType"].encode() for l in LINES})
        expect((redis(p, "claimed"), redis(p, "unclaimed"), redis(p, "cached")), (N, 0, N))
        p.stop()


def keys_say_the_same_on_every_node():
    cases = [
        ({"userId": "a:b", "eventType": "c", "timestamp": 1}, "event:a%3Ab:c:1"),
        ({"userId": "a", "eventType": "b:c", "timestamp": 1}, "event:a:b%3Ac:1"),
        ({"userId": "100%", "eventType": "%3A", "timestamp": 2}, "event:100%25:%253A:2"),
        ({"userId": "u", "eventType": "t", "timestamp": 3, "id": "x:1"}, "id:x%3A1"),
    ]
    raw = [
        (b'{"userId":"\\u0061\\n\\"","eventType":"\\u00e9\\ud83d\\ude00","timestamp":4}',
         'event:a\n":\u00e9\U0001f600:4'),
        (b'{"userId":"z","eventType":"t","timestamp":5,"id":"\\u003a"}', "id:%3A"),
    ]
    with servers.Redis() as r, place(sinks(r.port, None, "    prefix k:\n")) as p, \
            Resp(r.port) as c:
        for event, _ in cases:
            expect(p.post(event)[0], 202)
        for event, _ in raw:
            expect(p.post(event)[0], 202)
        passed(p, len(cases) + len(raw))
        want = {("k:" + k).encode() for _, k in cases + raw}
        expect(c.scan("k:*") - c.scan("k:probe*"), want)
    with servers.Redis() as r, place(sinks(r.port), dedup="    key tuple") as p, \
            Resp(r.port) as c:
        expect(p.post(cases[3][0])[0], 202)
        passed(p, 1)
        expect(c.scan("sluice:event:*"), {b"sluice:event:u:t:3"})


def passwords():
    for kw, more in ((dict(password="s3cret.pass"), ""), (dict(acl=("eva", "pw-2")), "    user eva\n")):
        with servers.Redis(**kw) as r:
            more += "    password-file %s\n    db 3\n" % r.password_file
            with place(sinks(r.port, r.port, more, more)) as p:
                expect(send(p)["accepted"], N)
                wait_for(lambda: r.cli("-n", 3, "xlen", "events") == str(N), "the stream")
                expect(redis(p, "claimed"), N)


def a_wrong_password_keeps_events_and_holds_nobody_up():
    with servers.Redis(password="right") as r:
        wrong = r.secret("wrong", "wrong")
        more = "    password-file %s\n" % wrong + QUICK
        with place(sinks(r.port, r.port, more, more)) as p:
            expect(send(p)["accepted"], N)
            passed(p, N)
            expect((redis(p, "claimed"), redis(p, "unclaimed")), (0, N))
            for stage in ("claims", "out"):
                wait_for(lambda: facts(p, stage)["breaker"] != "closed", "an open breaker")
                assert "refuses AUTH: WRONGPASS" in ask(p, stage, "show sink"), ask(p, stage, "show sink")
            expect(number(p, "out", "delivered"), 0)
            r.cli("config", "set", "requirepass", "wrong")
            r.password = "wrong"
            wait_for(lambda: r.cli("xlen", "events") == str(N), "the stream")
            wait_for(lambda: facts(p, "claims")["breaker"] == "closed", "a closed breaker")


def a_unix_socket():
    with servers.Redis(unix=True) as r, place(
            sinks("unix:" + r.unix, "unix:" + r.unix)) as p, Resp(r.unix) as c:
        expect(send(p)["accepted"], N)
        wait_for(lambda: c("XLEN", "events") == N, "all events in the stream")
        expect(redis(p, "claimed"), N)


def an_old_redis_is_asked_twice_where_a_key_exists():
    with servers.Redis() as r:
        old = OldRedis(r.port)
        with place(sinks(old.port)) as a, place(sinks(r.port)) as b:
            # b has the first 3000, then a all of them, then a again what it claimed itself.
            path = own_events(a, "old", 5000)
            head = own_events(b, "old", 3000)
            expect(send(b, head)["accepted"], 3000)
            passed(b, 3000)
            sent(a, 5000, path)
            passed(a, 5000)
            assert "asks=SET-NX,GET" in ask(a, "claims", "show redis")
            expect((number(a, "claims", "late-duplicate"), redis(a, "claimed")), (3000, 2000))
            expect((old.refused > 0, old.gets), (True, 3000))
        old.close()


def a_key_that_holds_something_else_is_no_claim():
    with servers.Redis() as r, place(sinks(r.port, r.port, "", QUICK)) as p, Resp(r.port) as c:
        c("LPUSH", "sluice:id:w-7", "x")
        c("SET", "events", "a string")
        expect(send(p, own_events(p, "w", 100))["accepted"], 100)
        passed(p, 100)
        expect((redis(p, "claimed"), redis(p, "unclaimed"), redis(p, "wrong_type")), (99, 1, 1))
        expect(facts(p, "claims")["breaker"], "closed")
        wait_for(lambda: "WRONGTYPE" in ask(p, "out", "show sink"), "the stream's trouble")
        c("DEL", "events")
        wait_for(lambda: c("TYPE", "events") == b"stream" and c("XLEN", "events") == 100, "the stream")
        once(c.entries(), 100)


def a_server_without_memory_and_a_replica():
    with servers.Redis() as r, place(sinks(r.port, r.port, QUICK, QUICK)) as p, \
            Resp(r.port) as c:
        for name, bad, good in (("oom", ("CONFIG", "SET", "maxmemory", 1), ("CONFIG", "SET", "maxmemory", 0)),
                                ("ro", ("REPLICAOF", "127.0.0.1", 1), ("REPLICAOF", "NO", "ONE"))):
            had, before = c("XLEN", "events"), redis(p, "unclaimed")
            c(*bad)
            expect(send(p, own_events(p, name, 5000))["accepted"], 5000)
            passed(p, had + 5000)
            expect(redis(p, "unclaimed"), before + 5000)
            wait_for(lambda: number(p, "out", "failures") > 0 or facts(p, "out")["breaker"] != "closed", "trouble")
            c(*good)
            wait_for(lambda: c("XLEN", "events") == had + 5000, "the stream")
        once(c.entries(), 10000)


def killed_and_started_under_load():
    with servers.Redis(appendonly=True) as r, place(
            sinks(r.port, r.port, QUICK + "    timeout 100ms\n", QUICK + "    batch-events 200\n    in-flight 400\n")) as p:
        total, kills = 0, 5
        for k in range(kills):
            path = own_events(p, "k%d" % k, 6000)
            t = threading.Thread(target=send, args=(p, path, "--rate", "20000"))
            t.start()
            time.sleep(0.12)
            r.kill()
            time.sleep(0.05)
            r.start()
            t.join()
            total += 6000
        with Resp(r.port) as c:
            passed(p, total)
            wait_for(lambda: number(p, "out", "delivered") == total, "the stream", 60)
            ids = identities(c.entries())
            expect(len(set(ids)), total)
            assert len(ids) - total <= kills * 400, "%d twice" % (len(ids) - total)
            print("  %d twice in %d kills; unclaimed %d" % (
                len(ids) - total, kills, redis(p, "unclaimed")))


def a_server_that_hangs_holds_answers_for_a_moment_only():
    """SIGSTOP: answers come, the breaker opens, everything passes; then claims go on."""
    with servers.Redis() as r, servers.Redis() as out, place(
            sinks(r.port, out.port, "    verdict-timeout 50ms\n    timeout 100ms\n    breaker-open 500ms\n"
                  "    breaker-failures 3\n    retry-min 20ms\n    retry-max 40ms\n")) as p, Resp(out.port) as c:
        expect(send(p, own_events(p, "before", 1000))["accepted"], 1000)
        passed(p, 1000)
        r.pause()
        slowest, n = 0.0, 0
        end = time.monotonic() + 1.5
        with p.connect() as s:
            from place import exchange
            while time.monotonic() < end:
                begin = time.monotonic()
                got = exchange(s, "POST", "/events", json.dumps(
                    {"userId": "h", "eventType": "t", "timestamp": 1 + n}), {
                    "Content-Type": "application/json"})
                expect(got[0], 202)
                slowest = max(slowest, time.monotonic() - begin)
                n += 1
        print("  %d answers, the slowest %.0f ms" % (n, slowest * 1000))
        wait_for(lambda: c("XLEN", "events") == 1000 + n, "what passed unclaimed")
        assert redis(p, "unclaimed") > 0
        assert facts(p, "claims")["breaker"] != "closed"
        r.cont()
        wait_for(lambda: facts(p, "claims")["breaker"] == "closed", "a closed breaker")
        expect(send(p, own_events(p, "after", 1000))["accepted"], 1000)
        before = redis(p, "unclaimed")
        passed(p, 2000 + n)
        expect(redis(p, "unclaimed"), before)
        wait_for(lambda: c("XLEN", "events") == 2000 + n, "the stream")
        once(c.entries(), 2000 + n)


def two_instances_deliver_each_event_once():
    with servers.Redis() as r, place(sinks(r.port, r.port)) as a, \
            place(sinks(r.port, r.port)) as b, Resp(r.port) as c:
        both = [threading.Thread(target=send, args=(x,)) for x in (a, b)]
        for t in both:
            t.start()
        for t in both:
            t.join()
        for x in (a, b):
            passed(x, N)
            wait_for(lambda: number(x, "out", "delivered") + number(x, "out", "late-duplicate") == N,
                     "the second sink")
        late = [number(x, "claims", "late-duplicate") for x in (a, b)]
        expect(sum(late), N, "late of both: ")
        expect([number(x, "out", "late-duplicate") for x in (a, b)], late)
        once(c.entries(), N)
        print("  late: %d and %d" % tuple(late))
        # The sink forgets those it has passed; a replay skips them all the same.
        x, n = max((a, late[0]), (b, late[1]), key=lambda pair: pair[1])
        wait_for(lambda: "late_bytes=16384" in servers.tell(x.run + "/stage/out.sock",
                                                            "show sink"), "the memory")
        expect(x.ctl("replay", "--sink", "out", "--from", "oldest").decode(),
               "out: read %d = delivered %d + dead 0 + skipped %d\n" % (N, N - n, n))


def what_the_node_itself_forgot_redis_remembers():
    """The table in shared memory is too small: equal events get through it, and find a claim
    of this instance, but of another position."""
    with servers.Redis() as r, Place(sections=sinks(r.port, r.port)) as p, Resp(r.port) as c:
        text = open(p.conf).read()
        assert "table 4m" in text
        open(p.conf, "w").write(text.replace("table 4m", "table 64k"))
        p.start()
        path = own_events(p, "m", 30000)
        again = [sent(p, 30000, path)["accepted"] for _ in range(2)]
        put = json.loads(p.ctl("ledger", "--json"))["put"]
        assert put > 31000, put
        passed(p, put)
        expect(number(p, "claims", "late-duplicate"), put - 30000)
        wait_for(lambda: number(p, "out", "late-duplicate") == put - 30000, "the second sink")
        once(c.entries(), 30000)
        print("  put %d, accepted %r" % (put, again))


def one_dies_after_its_claims_and_its_restart_delivers():
    with servers.Redis() as r, servers.Redis() as out, place(
            sinks(r.port, out.port, "", QUICK)) as a, place(
            sinks(r.port, out.port, "", QUICK)) as b:
        out.kill()  # claims are made, nothing is delivered
        expect(send(a)["accepted"], N)
        passed(a, N)
        a.kill_all()
        sent(b, N)
        passed(b, N)
        expect(number(b, "claims", "late-duplicate"), N)
        out.start()
        a.start()
        with Resp(out.port) as c:
            wait_for(lambda: number(b, "out", "late-duplicate") == N, "all skipped there")
            wait_for(lambda: number(a, "out", "delivered") == N, "all delivered here")
            once(c.entries(), N)


def late_duplicates_are_remembered_over_a_restart_and_a_reboot():
    with servers.Redis() as r, place(sinks(r.port, r.port)) as a, \
            place(sinks(r.port, r.port)) as b, Resp(r.port) as c:
        expect(send(a)["accepted"], N)
        passed(a, N)
        sent(b, N)
        passed(b, N)
        expect(redis(b, "late_list"), N)
        for reboot in (False, True):
            b.kill_all()
            if reboot:
                import os, shutil
                for name in os.listdir(b.run):
                    path = os.path.join(b.run, name)
                    shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
            # A sink that is new reads everything, and skips what was late.
            b.options["sections"] = sinks(r.port, r.port) + (
                "sink fresh%d\n    kind redis-stream\n    from oldest\n    stream fresh\n"
                "    server 127.0.0.1:%d\n" % (reboot, r.port))
            b.write()
            b.start()
            wait_for(lambda: number(b, "fresh%d" % reboot, "late-duplicate") == N, "all skipped")
            assert redis(b, "late_list") >= N
        expect(c("EXISTS", "fresh"), 0)


def main():
    s = Suite()
    for name, f in list(globals().items()):
        if callable(f) and getattr(f, "__module__", "") == __name__ and name not in (
                "place", "passed", "main"):
            import sys
            if len(sys.argv) > 1 and name not in sys.argv[1:]:
                continue
            s.run(name, f)
    s.end()


if __name__ == "__main__":
    try:
        servers.program("redis-server", "redis-server")
    except servers.Unavailable as e:
        print("SKIP redis: %s" % e)
        raise SystemExit(77)
    main()
