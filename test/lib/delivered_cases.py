# delivered_cases.py - what an answer says while sinks decide: delivered, late duplicates, receipts.
import json, os, signal, socket, threading, time
import servers
from place import Place, Suite, exchange, read_answer, render, wait_for
from redis_rig import ask, expect, facts

JSON = {"Content-Type": "application/json"}
QUICK = "    retry-min 20ms\n    retry-max 100ms\n    breaker-open 200ms\n"


def event(n, kind="t", **more):
    return {"userId": "u%d" % n, "eventType": kind, "timestamp": 1700000000000 + n, **more}


def stream(port, required="yes", more=""):
    return ("sink out\n    kind redis-stream\n    server 127.0.0.1:%d\n    required %s\n%s\n"
            % (port, required, more))


def claims(port, more=""):
    return "sink claims\n    kind redis\n    server 127.0.0.1:%d\n%s\n" % (port, more)


def route(url, required="yes", more=""):
    return ("sink hook\n    kind route\n    server %s\n    required %s\n%s%s\n"
            % (url, required, QUICK, more))


def place(sections, listen="", **more):
    return Place(listen="    max-ack delivered\n" + listen, sections=sections, **more).start()


def batch(p, events, ack):
    return p.post(json.dumps(events), "/events/batch?ack=" + ack)


def counter(p, name):
    return sum(v for k, v in counters(p, name))


def counters(p, name):
    out = json.loads(p.ctl("stat", "--json"))
    found = []

    def walk(x, at=""):
        if isinstance(x, dict):
            for k, v in x.items():
                walk(v, at + "." + k)
                if k == name and isinstance(v, (int, float)):
                    found.append((at, v))
        elif isinstance(x, list):
            for v in x:
                walk(v, at)

    walk(out.get("streams", out))
    return found


def receipt(p, r):
    return p.request("GET", "/events/receipts/" + r)


def delivered_means_that_every_required_sink_has_it():
    with servers.Redis() as r, place(stream(r.port)) as p:
        for n in range(20):
            status, _, got = p.post(event(n), "/events?ack=delivered")
            expect((status, got["status"], got["ack"]), (202, "accepted", "delivered"))
            expect(r.cli("xlen", "events"), str(n + 1))
        status, _, got = batch(p, [event(n) for n in range(15, 500)], "delivered")
        expect((status, got["accepted"], got["duplicate"], got["ack"]),
               (200, 480, 5, "delivered"))
        expect(r.cli("xlen", "events"), "500")
        # What is there already is delivered as well.
        status, _, got = p.post(event(3), "/events?ack=delivered")
        expect((status, got["status"], got["ack"]), (200, "duplicate", "delivered"))
        status, _, got = p.request("POST", "/events", json.dumps(event(900)),
                                   {**JSON, "Sluice-Ack": "delivered"})
        expect((status, got["ack"]), (202, "delivered"))


def delivery_that_takes_too_long_is_durable_with_a_receipt():
    with servers.Httpd() as h, place(route(h.facts()["url"] + "/in"),
                                     "    delivered-timeout 300ms\n") as p:
        h.rules({"status": 503})
        status, _, got = p.post(event(1), "/events?ack=delivered")
        expect((status, got["status"], got["ack"]), (202, "accepted", "durable"))
        expect(receipt(p, got["receipt"])[2]["sinks"], {"hook": "pending"})
        status, _, all_ = batch(p, [event(n) for n in range(1, 11)], "delivered")
        expect((status, all_["accepted"], all_["duplicate"], all_["ack"]), (202, 9, 1, "durable"))
        h.rules()
        wait_for(lambda: receipt(p, got["receipt"])[2]["sinks"] == {"hook": "delivered"},
                 "the delivery")


def a_dead_letter_of_a_required_sink_is_told():
    with servers.Httpd() as h, place(route(h.facts()["url"] + "/in")) as p:
        h.rules({"contains": '"bad"', "status": 400, "body": "no such thing"})
        status, _, got = p.post(event(1, "bad"), "/events?ack=delivered")
        expect((status, got["status"], got["ack"], got["dead"]),
               (202, "accepted", "durable", ["hook"]))
        expect(receipt(p, got["receipt"])[2]["sinks"], {"hook": "dead"})
        events = [event(n, "bad" if n % 4 == 0 else "good") for n in range(10, 30)]
        status, _, all_ = batch(p, events, "delivered")
        expect((status, all_["accepted"], all_["ack"]), (200, 20, "durable"))
        expect([x.get("dead") for x in all_["results"]],
               [["hook"] if n % 4 == 0 else None for n in range(10, 30)])
        status, _, got = p.post(event(50, "good"), "/events?ack=delivered")
        expect((got["ack"], "dead" in got), ("delivered", False))


def a_duplicate_of_what_was_refused_is_not_called_delivered():
    with servers.Httpd() as h, place(route(h.facts()["url"] + "/in")) as p:
        h.rules({"contains": '"bad"', "status": 400})
        # Before anything was refused a duplicate may be called delivered, afterwards not.
        p.post(event(5, "good"), "/events?ack=delivered")
        expect(p.post(event(5, "good"), "/events?ack=delivered")[2]["ack"], "delivered")
        expect(p.post(event(1, "bad"), "/events?ack=delivered")[2]["dead"], ["hook"])
        status, _, got = p.post(event(1, "bad"), "/events?ack=delivered")
        expect((status, got["status"], got["ack"]), (200, "duplicate", "durable"))
        status, _, got = batch(p, [event(n, "good") for n in (5, 6)], "delivered")
        expect((got["duplicate"], got["accepted"], got["ack"]), (1, 1, "durable"))
        expect(p.post(event(7, "good"), "/events?ack=delivered")[2]["ack"], "delivered")


def who_reads_what_clients_send_holds_no_secret_of_a_sink():
    token = "".join(("bearer-", "4711-", "secret"))
    with servers.Httpd() as h, place(route(h.facts()["url"] + "/in?key=" + token,
                                           more="    header Authorization: Bearer %s\n" % token)) as p:
        expect(p.post(event(1), "/events?ack=delivered")[2]["ack"], "delivered")
        expect(dict(h.requests()[0]["headers"])["Authorization"], "Bearer " + token)
        for name in ("http 0", "http 1", "journal", "admin", "deadletter"):
            expect(memory_of(p.pid_of(name)).count(token.encode()), 0, name + ": ")
        expect(memory_of(p.pid_of("hook")).count(token.encode()) > 0, True)


def memory_of(pid):
    out = b""
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as mem:
        for line in maps:
            where, rights = line.split()[:2]
            if not rights.startswith("rw"):
                continue
            start, end = (int(x, 16) for x in where.split("-"))
            if end - start > 64 << 20:
                continue
            try:
                mem.seek(start)
                out += mem.read(end - start)
            except OSError:
                pass
    return out


def a_late_duplicate_is_answered_as_a_duplicate():
    with servers.Redis() as r:
        wait = claims(r.port, "    verdict-timeout 20s\n    timeout 20s\n")
        with place(wait + stream(r.port)) as a, place(wait + stream(r.port)) as b:
            status, _, got = a.post(event(1), "/events?ack=durable")
            expect((status, got["status"]), (202, "accepted"))
            status, _, got = b.post(event(1), "/events?ack=durable")
            expect((status, got), (200, {"status": "duplicate", "ack": "durable",
                                         "eventKey": "event:u1:t:1700000000001"}))
            batch(a, [event(n) for n in range(10, 20)], "durable")
            status, _, got = batch(b, [event(n) for n in range(5, 25)] + [{"x": 1}], "durable")
            words = [x["status"] for x in got["results"]]
            expect(words, ["accepted"] * 5 + ["duplicate"] * 10 + ["accepted"] * 5 + ["invalid"])
            expect((got["accepted"], got["duplicate"], got["invalid"], got["ack"]),
                   (10, 10, 1, "durable"))
            expect(["receipt" in x for x in got["results"]], [w == "accepted" for w in words])
            expect([x.get("eventKey") for x in got["results"]][:20],
                   ["event:u%d:t:%d" % (n, 1700000000000 + n) for n in range(5, 25)])
            wait_for(lambda: r.cli("xlen", "events") == "21", "what differs, once")
            # Late, so at most durable.
            a.post(event(60), "/events?ack=durable")
            status, _, got = b.post(event(60), "/events?ack=delivered")
            expect((status, got["status"], got["ack"]), (200, "duplicate", "durable"))
            expect(counter(b, "late") >= 12, True)


def receipts_say_what_became_of_an_event():
    with servers.Redis() as r, servers.Httpd() as h:
        sections = (claims(r.port, "    verdict-timeout 20s\n    timeout 20s\n") +
                    stream(r.port, more="    match-type wanted\n") +
                    route(h.facts()["url"] + "/in", "no", "    match /metadata/n >= 5\n"))
        h.rules({"contains": '"n": 7', "status": 400})
        with place(sections) as p, place(sections) as q:
            def post(where, n, kind, m):
                return where.post(event(n, kind, metadata={"n": m}), "/events")[2]["receipt"]

            def says(where, rec, **want):
                wait_for(lambda: receipt(where, rec)[2].get("sinks") == want,
                         "%s, not %r" % (want, receipt(where, rec)[2]))

            says(p, post(p, 1, "wanted", 1), claims="delivered", out="delivered", hook="skipped")
            says(p, post(p, 2, "other", 5), claims="delivered", out="skipped", hook="delivered")
            says(p, post(p, 3, "other", 7), claims="delivered", out="skipped", hook="dead")
            # Late on the other node: its receipt is not told, but its place is known.
            q.post(event(1, "wanted", metadata={"n": 1}), "/events")
            theirs = post(q, 9, "z", 0)[:8]
            late = {"claims": "late-duplicate", "out": "late-duplicate", "hook": "late-duplicate"}
            wait_for(lambda: late in [receipt(q, "%s:%d:0" % (theirs, s))[2].get("sinks")
                                      for s in (0, 1)], "late duplicates at every sink")
            # Whose receipt it is not, what is none.
            mine = post(p, 11, "z", 0)
            status, _, got = receipt(q, mine)
            expect((status, got["error"]["code"]), (404, "not_this_node"))
            for bad in ("x", mine + "x", mine[:8], "zzzzzzzz:1:1", mine[:8] + ":1", "a" * 500,
                        mine[:8] + ":1:2:3"):
                status, _, got = receipt(p, bad)
                expect((status, got["error"]["code"]), (400, "bad_receipt"), bad)
            status, _, got = receipt(p, mine[:8] + ":0:99999999")
            expect((status, got["status"]), (404, "unknown"))


def a_stage_that_does_not_answer_holds_only_receipts_up():
    with servers.Redis() as r, place(stream(r.port)) as p:
        rec = p.post(event(1), "/events?ack=delivered")[2]["receipt"]
        expect(receipt(p, rec)[0], 200)
        os.kill(p.pid_of("deadletter"), signal.SIGSTOP)
        got = []
        t = threading.Thread(target=lambda: got.append(receipt(p, rec)))
        t.start()
        for n in range(10, 40):
            expect(p.post(event(n), "/events?ack=delivered")[2]["ack"], "delivered")
        t.join()
        expect((got[0][0], got[0][2]["error"]["code"]), (503, "receipt_unavailable"))
        os.kill(p.pid_of("deadletter"), signal.SIGCONT)
        wait_for(lambda: receipt(p, rec)[0] == 200, "receipts again")


def levels_may_be_mixed_on_one_connection():
    with servers.Redis() as r, place(stream(r.port), "    max-pipeline 200\n") as p:
        s = p.connect()
        levels = ["memory", "durable", "delivered"]
        order = [levels[(n * 7 + n // 3) % 3] for n in range(120)]
        s.sendall(b"".join(render("POST", "/events?ack=" + a, json.dumps(event(n)), JSON)
                           for n, a in enumerate(order)))
        f = s.makefile("rb")
        for n, asked in enumerate(order):
            head = f.readline()
            length = 0
            while (line := f.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            got = json.loads(f.read(length))
            expect((got["status"], got["eventKey"]),
                   ("accepted", "event:u%d:t:%d" % (n, 1700000000000 + n)))
            # Behind one that waits for the log, delivered may come to durable only.
            allowed = {"delivered": ("delivered", "durable")}.get(asked, (asked,))
            expect(got["ack"] in allowed, True, "%s for %s: " % (got["ack"], asked))
        s.close()


def what_is_not_offered_is_refused():
    with servers.Redis() as r, Place(sections=stream(r.port)).start() as p:
        status, _, got = p.post(event(1), "/events?ack=delivered")
        expect((status, got["error"]["code"]), (400, "ack_not_offered"))
        status, _, got = p.post(event(1), "/events?ack=deliver")
        expect((status, got["error"]["code"]), (400, "bad_ack"))


def a_redis_that_hangs_costs_a_verdict_timeout_and_then_nothing():
    with servers.Redis() as r, place(claims(r.port, "    verdict-timeout 50ms\n"
                                            "    timeout 100ms\n    breaker-failures 3\n"
                                            "    breaker-open 60s\n    required yes\n")) as p:
        def times(n, ack, base):
            out = []
            with p.connect() as s:
                for i in range(n):
                    t = time.monotonic()
                    status, _, got = exchange(s, "POST", "/events?ack=" + ack,
                                              json.dumps(event(base + i)), JSON)
                    out.append(time.monotonic() - t)
                    expect((status, got["status"]), (202, "accepted"))
            return sorted(out)

        def told(what, t):
            print("   %-34s p50 %.2f ms, p99 %.2f ms, max %.2f ms" % (
                what, t[len(t) // 2] * 1e3, t[int(len(t) * .99)] * 1e3, t[-1] * 1e3))

        told("memory, Redis well", times(300, "memory", 0))
        told("durable, Redis well", times(300, "durable", 1000))
        r.pause()
        told("durable, until the breaker opens", times(10, "durable", 2000))
        wait_for(lambda: facts(p, "claims")["breaker"] == "open", "an open breaker")
        told("durable, breaker open", times(300, "durable", 3000))
        told("memory, breaker open", times(300, "memory", 4000))
        expect(counter(p, "verdict_missed") > 0, True)
        r.cont()
        p.ctl("sink", "breaker", "claims", "auto")
        p.ctl("sink", "breaker", "claims", "close")
        wait_for(lambda: facts(p, "claims")["breaker"] == "closed", "a closed breaker")
        told("durable, Redis well again", times(100, "durable", 5000))


def an_acceptor_killed_while_answers_wait_loses_nothing():
    with servers.Redis() as r, servers.Httpd() as h, \
            place(stream(r.port) + route(h.facts()["url"] + "/in", "yes",
                                         "    match-type slow\n")) as p:
        h.rules({"status": 503})
        waiting = []

        def post(n):
            try:
                waiting.append(p.post(event(n, "slow"), "/events?ack=delivered"))
            except (OSError, ConnectionError):
                waiting.append(None)

        threads = [threading.Thread(target=post, args=(n,)) for n in range(8)]
        for t in threads:
            t.start()
        wait_for(lambda: r.cli("xlen", "events") == "8", "the events in the stream")
        for n in (0, 1):
            os.kill(p.pid_of("http %d" % n), signal.SIGKILL)
        for t in threads:
            t.join()
        expect(waiting, [None] * 8)
        h.rules()
        for n in range(8):
            wait_for(p.is_ready, "the acceptors")
            status, _, got = p.post(event(n, "slow"), "/events?ack=delivered")
            expect((status, got["status"], got["ack"]), (200, "duplicate", "delivered"))
        expect(len(h.requests()) >= 8, True)
        expect(r.cli("xlen", "events"), "8")


s = Suite()
for test in (delivered_means_that_every_required_sink_has_it,
             delivery_that_takes_too_long_is_durable_with_a_receipt,
             a_dead_letter_of_a_required_sink_is_told,
             a_duplicate_of_what_was_refused_is_not_called_delivered,
             who_reads_what_clients_send_holds_no_secret_of_a_sink,
             a_late_duplicate_is_answered_as_a_duplicate,
             receipts_say_what_became_of_an_event,
             a_stage_that_does_not_answer_holds_only_receipts_up,
             levels_may_be_mixed_on_one_connection,
             what_is_not_offered_is_refused,
             a_redis_that_hangs_costs_a_verdict_timeout_and_then_nothing,
             an_acceptor_killed_while_answers_wait_loses_nothing):
    s.run(test.__name__, test)
s.end()
