# route_cases.py - routes on an HTTP server that answers as it is told.
import base64, collections, gzip, hashlib, hmac, json, os, threading, time
import servers
from place import Place, Suite, wait_for
from sinks_rig import expect

SECRET = b"it is not told to anybody"
# The routes of the service that Sluice replaces.
SEED = {"prediction": ("cart_abandoned", "/api/predict/analyze"),
        "analytics": ("cart_updated", "/api/analytics/update"),
        "completion": ("purchase_completed", "/api/completion/trigger")}
IMPATIENT = dict(retry_min="20ms", retry_max="100ms", breaker_open="100ms")


def section(name, server, path="/in", more="", **keys):
    url = server if isinstance(server, str) else server.facts()["url"]
    lines = ["    %s %s" % (k.replace("_", "-"), v) for k, v in {**IMPATIENT, **keys}.items()]
    return "sink %s\n    kind route\n    server %s%s\n    from oldest\n%s%s\n" % (
        name, url, path, more, "\n".join(lines))


def place(*sections, env=None, **more):
    return Place(sections="".join(sections), **more).start(env=env)


def event(i, kind="cart_updated", **metadata):
    return json.dumps({"userId": "u.%d" % (i % 50), "eventType": kind,
                       "timestamp": 1700000000000 + i, "metadata": {"n": i, **metadata}}).encode()


def post(p, events, size=100):
    """Everything accepted, in batches on one connection each."""
    for i in range(0, len(events), size):
        status, _, got = p.post(b"[" + b",".join(events[i:i + size]) + b"]", "/events/batch")
        expect(status, 200)
        expect({r["status"] for r in got["results"]}, {"accepted"})


def header(request, name):
    got = [v for k, v in request["headers"] if k.lower() == name.lower()]
    assert len(got) <= 1, got
    return got[0] if got else None


def stage(p, name, line):
    return servers.tell(os.path.join(p.run, "stage", name + ".sock"), line)


def row(p, name):
    """What became of the events of a sink, as it says itself."""
    words = dict(w.split("=", 1) for w in stage(p, name, "show sink").split() if "=" in w)
    return tuple(int(words[w]) for w in ("delivered", "dead", "skipped"))


def settled(p, name):
    """The same, once it has dealt with every event of the log; it may die meanwhile."""
    put = json.loads(p.ctl("ledger", "--json"))["put"]

    def has_all():
        try:
            got = row(p, name)
        except (OSError, KeyError):
            return None
        return got if sum(got) == put else None

    return wait_for(has_all, "the sink to have everything", 60)


def dead_letters(p):
    got = [json.loads(l) for l in p.ctl("deadletter", "ls", "--json").splitlines()]
    return [(d["code"], d["reason"], d["attempts"], d["event"]["metadata"]["n"]) for d in got]


def stat_of(p, name, counter):
    stages = json.loads(p.ctl("stat", "--json"))["stages"]
    return next(s for s in stages if s["stage"] == name)["counters"][counter]


def bodies(server, path="/in"):
    return [r["body"] for r in server.requests() if r["path"] == path]


def verify(request, secret=SECRET):
    """As a receiver does by Standard Webhooks."""
    signed = b"%s.%s." % (header(request, "webhook-id").encode(),
                          header(request, "webhook-timestamp").encode()) + request["body"]
    want = b"v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest())
    assert want.decode() in header(request, "webhook-signature").split(" ")
    assert abs(time.time() - int(header(request, "webhook-timestamp"))) < 300


def secret_file(p_dir, text):
    path = os.path.join(p_dir, "secret")
    with open(path, "wb") as f:
        f.write(text)
    return path


def the_three_routes_get_exactly_their_events(httpd):
    secret = secret_file(httpd.dir, b"an older secret\nwhsec_" + base64.b64encode(SECRET) + b"\n")
    before = httpd.stats()["accepted"]
    kinds = ["page_view", "cart_abandoned", "cart_updated", "purchase_completed", "cart_update"]
    events = [event(i, kinds[i % 5]) for i in range(3000)]
    with place(*(section(name, httpd, path, match_type=kind, secret_file=secret)
                 for name, (kind, path) in SEED.items())) as p:
        post(p, events)
        for name, (kind, path) in SEED.items():
            expect(settled(p, name), (600, 0, 2400), name + ": ")
            mine = [e for e in events if json.loads(e)["eventType"] == kind]
            expect(sorted(bodies(httpd, path)), sorted(mine), name + ": ")
        got = httpd.requests()
        expect(len(got), 1800)
        for r in got:
            verify(r)
            verify(r, b"an older secret")
            e = json.loads(r["body"])
            key = "event:%s:%s:%d" % (e["userId"], e["eventType"], e["timestamp"])
            expect(header(r, "Idempotency-Key"), key)
            expect(header(r, "webhook-id"), key.replace(".", "%2E"))
            expect((r["method"], header(r, "Content-Type"), header(r, "Expect")),
                   ("POST", "application/json", None))
        # Connections are kept: a few for each route, not one for each event.
        expect(httpd.stats()["accepted"] - before <= 3 * 8, True)
        expect({(header(r, "Sluice-Attempt")) for r in got}, {"1"})


def headers_ids_and_traces_go_along(httpd):
    with place(section("r", httpd, more='    header "X-Shop: 7"\n    header "Authorization: '
                       'Bearer t"\n'), listen="    attributes request") as p:
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        one = json.loads(event(1))
        one["id"] = "order.1"
        expect(p.post(one, headers={"traceparent": trace})[0], 202)
        settled(p, "r")
        r, = httpd.requests()
        expect(header(r, "X-Shop"), "7")
        expect(header(r, "Authorization"), "Bearer t")
        expect(header(r, "Idempotency-Key"), "id:order.1")
        expect(header(r, "webhook-signature"), None)
        got = header(r, "traceparent")
        assert got and got.split("-")[1] == trace.split("-")[1], got
        assert header(r, "Sluice-Receipt").count(":") == 2


def one_that_must_wait_holds_nobody_up(httpd):
    """503 with Retry-After: the event waits so long, the others pass it."""
    httpd.rules({"contains": '"n": 7,', "times": 1, "status": 503,
                 "headers": {"Retry-After": "1"}})
    with place(section("r", httpd)) as p:
        post(p, [event(i, x=1) for i in range(200)])
        expect(settled(p, "r"), (200, 0, 0))
        got = httpd.requests()
        expect(len(got), 201)
        first, second = [r for r in got if b'"n": 7,' in r["body"]]
        assert second["wall"] - first["wall"] >= 1, "it did not wait"
        assert second["n"] == 201, "others waited for it"
        expect((header(first, "Sluice-Attempt"), header(second, "Sluice-Attempt")), ("1", "2"))
        expect(header(first, "Idempotency-Key"), header(second, "Idempotency-Key"))
        assert "breaker=closed" in stage(p, "r", "show sink")


def gone_is_dropped_bad_is_dead_lettered_and_the_map_is_mine(httpd):
    httpd.rules({"contains": '"n": 1,', "status": 410},
                {"contains": '"n": 2,', "status": 400, "body": "no such\ncart"},
                {"contains": '"n": 3,', "status": 409},
                {"contains": '"n": 4,', "status": 302, "headers": {"Location": "/other"},
                 "times": 1},
                {"contains": '"n": 5,', "status": 204})
    with place(section("r", httpd, more="    status 409 ok\n")) as p:
        post(p, [event(i, x=1) for i in range(10)])
        expect(settled(p, "r"), (9, 1, 0))
        # Nothing but the redirected one was sent twice, and nothing was followed.
        expect(sorted(collections.Counter(bodies(httpd)).values()), [1] * 9 + [2])
        expect({r["path"] for r in httpd.requests()}, {"/in"})
        assert "dropped=1" in stage(p, "r", "show requests")
        expect(dead_letters(p), [("http_400", "no such cart", 1, 2)])
        # Mended, it goes again by the same name.
        httpd.rules()
        httpd.clear()
        p.ctl("deadletter", "replay", "--all")
        expect([json.loads(b)["metadata"]["n"] for b in bodies(httpd)], [2])


def an_event_that_always_fails_is_given_up(httpd):
    httpd.rules({"contains": '"n": 3,', "status": 503})
    with place(section("r", httpd, attempts=4)) as p:
        post(p, [event(i, x=1) for i in range(100)])
        expect(settled(p, "r"), (99, 1, 0))
        expect(sum(b'"n": 3,' in b for b in bodies(httpd)), 4)
        expect(stat_of(p, "r", "resent"), 3)
        expect(dead_letters(p), [("http_503", "status 503", 4, 3)])


def a_host_that_fails_for_all_makes_no_dead_letters(httpd):
    httpd.rules({"status": 500})
    with place(section("r", httpd, attempts=3)) as p:
        post(p, [event(i) for i in range(300)])
        wait_for(lambda: stat_of(p, "r", "breaker_opened") >= 1, "the breaker to open")
        wait_for(lambda: stat_of(p, "r", "failures") >= 12, "a few probes")
        expect(row(p, "r"), (0, 0, 0))
        httpd.rules()
        expect(settled(p, "r"), (300, 0, 0))


def bad_events_of_a_batch_are_found(httpd):
    bad = {3, 77, 78, 199, 250}
    httpd.rules(*({"contains": '"n": %d,' % n, "status": 422} for n in bad))
    for fmt in ("array", "ndjson"):
        httpd.clear()
        with place(section("r", httpd, format=fmt, batch_events=100, linger="20ms")) as p:
            post(p, [event(i, x=1) for i in range(300)])
            expect(settled(p, "r"), (295, 5, 0))
            seen = collections.Counter()
            refused = 0
            for r in httpd.requests():
                got = (json.loads(r["body"]) if fmt == "array" else
                       [json.loads(l) for l in r["body"].splitlines()])
                ns = [e["metadata"]["n"] for e in got]
                expect(header(r, "Content-Type"), "application/json" if fmt == "array" else
                       "application/x-ndjson")
                if bad & set(ns):
                    refused += 1
                else:
                    seen.update(ns)
            # Each good one was taken by the receiver once, whatever it stood beside.
            expect(seen, collections.Counter(n for n in range(300) if n not in bad))
            assert refused <= 5 * 9, refused
            assert stat_of(p, "r", "bisections") > 0


def a_refusal_of_us_is_not_bisected(httpd):
    httpd.rules({"status": 403, "body": "who are you?"})
    with place(section("r", httpd, format="array", batch_events=50, linger="20ms")) as p:
        post(p, [event(i) for i in range(100)])
        expect(settled(p, "r"), (0, 100, 0))
        expect(stat_of(p, "r", "bisections"), 0)
        expect(len(httpd.requests()) <= 10, True)


def packed_lines_arrive(httpd):
    secret = secret_file(httpd.dir, SECRET)
    events = [event(i) for i in range(500)]
    with place(section("r", httpd, format="ndjson", compression="gzip", batch_events=100,
                       secret_file=secret)) as p:
        post(p, events)
        settled(p, "r")
        got = []
        for r in httpd.requests():
            expect(header(r, "Content-Encoding"), "gzip")
            r["body"] = gzip.decompress(r["body"])
            verify(r)
            got += r["body"].splitlines()
        expect(sorted(got), sorted(events))
        assert stat_of(p, "r", "wire_bytes") < stat_of(p, "r", "sent_bytes") / 3


def a_server_that_says_nothing_is_given_up_and_tried_again(httpd):
    httpd.rules({"do": "hang", "times": 20}, {"do": "cut", "times": 5},
                {"do": "close", "times": 5})
    with place(section("r", httpd, timeout="100ms", connect_timeout="100ms")) as p:
        events = [event(i) for i in range(200)]
        post(p, events)
        expect(settled(p, "r"), (200, 0, 0))
        assert stat_of(p, "r", "breaker_opened") >= 1
        got = collections.Counter(bodies(httpd))
        expect(set(got), set(events))
        expect(sum(got.values()) - 200 >= 30, True)


def not_more_at_a_time_than_was_asked_for(httpd):
    httpd.rules({"delay_ms": 10})
    before = httpd.stats()["accepted"]
    with place(section("r", httpd, concurrency=3)) as p:
        post(p, [event(i) for i in range(200)])
        settled(p, "r")
        stats = httpd.stats()
        expect(stats["max_concurrent"], 3)
        expect(stats["accepted"] - before, 3)


def one_at_a_time_keeps_the_order(httpd):
    httpd.rules({"contains": '"n": 20,', "times": 3, "status": 503},
                {"contains": '"n": 40,', "times": 1, "do": "close"},
                {"contains": '"n": 60,', "status": 400})
    with place(section("r", httpd, concurrency=1), processes=1) as p:
        post(p, [event(i, x=1) for i in range(100)])
        expect(settled(p, "r"), (99, 1, 0))
        got = [json.loads(b)["metadata"]["n"] for b in bodies(httpd)]
        expect(got, sorted(got))
        expect(set(got), set(range(100)))
        expect(got.count(20), 4)


def one_bad_event_does_not_stop_the_order_for_ever(httpd):
    httpd.rules({"contains": '"n": 20,', "status": 500})
    with place(section("r", httpd, concurrency=1, attempts=8), processes=1) as p:
        post(p, [event(i, x=1) for i in range(50)])
        expect(settled(p, "r"), (49, 1, 0))
        got = [json.loads(b)["metadata"]["n"] for b in bodies(httpd)]
        expect(got, sorted(got))
        expect(got.count(20), 8)


def a_probe_keeps_the_order_too(httpd):
    """The breaker tries again long before the event that failed would."""
    httpd.rules({"contains": '"n": 20,', "times": 2, "status": 500})
    with place(section("r", httpd, concurrency=1, retry_min="600ms", retry_max="600ms",
                       breaker_failures=1, breaker_open="20ms"), processes=1) as p:
        post(p, [event(i, x=1) for i in range(50)])
        expect(settled(p, "r"), (50, 0, 0))
        got = [json.loads(b)["metadata"]["n"] for b in bodies(httpd)]
        expect(got, sorted(got))
        expect(got.count(20), 3)


def what_is_secret_in_a_url_stays_there(httpd):
    httpd.rules({"status": 500, "times": 3})
    with place(section("r", httpd, path="/in?token=swordfish")) as p:
        post(p, [event(i) for i in range(10)])
        expect(settled(p, "r"), (10, 0, 0))
        expect({r["path"] for r in httpd.requests()}, {"/in?token=swordfish"})
        text = open(p.log).read() + stage(p, "r", "show errors") + stage(p, "r", "show requests")
        assert "/in: status 500" in text and "swordfish" not in text, text


def the_second_server_takes_over(httpd):
    with place(section("r", "http://127.0.0.1:%d" % servers.free_port(),
                       more="    server %s/in\n" % httpd.facts()["url"])) as p:
        post(p, [event(i) for i in range(100)])
        expect(settled(p, "r"), (100, 0, 0))
        expect(len(bodies(httpd)), 100)


def killed_and_started_again_under_load(httpd):
    with place(section("r", httpd, in_flight=64)) as p:
        sent, ending = [], threading.Event()

        def load():
            i = 0
            while not ending.is_set():
                more = [event(i + k) for k in range(20)]
                i += 20
                post(p, more)
                sent.extend(more)
                time.sleep(0.005)  # a load, not a flood

        thread = threading.Thread(target=load)
        thread.start()
        for _ in range(5):
            before = len(sent)
            httpd.rules({"delay_ms": 5})  # so that some are under way when it dies
            wait_for(lambda: len(sent) > before + 200, "a load")
            httpd.kill()
            before = len(sent)
            wait_for(lambda: len(sent) > before + 200, "a load that does not mind")
            httpd.start()
        ending.set()
        thread.join()
        expect(settled(p, "r"), (len(sent), 0, 0))
        got = collections.Counter(bodies(httpd))
        expect(set(got), set(sent))
        more = sum(got.values()) - len(sent)
        assert more <= 5 * 8, more
        print("# %d events, server killed 5 times: 0 lost, %d twice" % (len(sent), more))


def only_whom_our_certificates_vouch_for(_):
    with servers.Httpd(tls=True) as httpd:
        with place(section("r", httpd, ca_file=httpd.ca_file)) as p:
            post(p, [event(i) for i in range(50)])
            expect(settled(p, "r"), (50, 0, 0))
            expect(len(bodies(httpd)), 50)
        httpd.clear()
        with place(section("r", httpd)) as p:
            post(p, [event(1)])
            wait_for(lambda: stat_of(p, "r", "failures") >= 3, "a few failures")
            expect(row(p, "r"), (0, 0, 0))
            expect(httpd.requests(), [])


def what_is_under_way_is_told(httpd):
    httpd.rules({"do": "hang"})
    with place(section("r", httpd, timeout="10s", concurrency=2)) as p:
        post(p, [event(i) for i in range(5)])
        wait_for(lambda: "running=2 ready=3 waiting=0" in stage(p, "r", "show requests"),
                 "two requests under way")
        text = stage(p, "r", "show requests")
        expect(text.count("running for "), 2)
        httpd.kill()
        httpd.start()
        expect(settled(p, "r"), (5, 0, 0))


TESTS = (the_three_routes_get_exactly_their_events, headers_ids_and_traces_go_along,
         one_that_must_wait_holds_nobody_up,
         gone_is_dropped_bad_is_dead_lettered_and_the_map_is_mine,
         an_event_that_always_fails_is_given_up, a_host_that_fails_for_all_makes_no_dead_letters,
         bad_events_of_a_batch_are_found, a_refusal_of_us_is_not_bisected, packed_lines_arrive,
         a_server_that_says_nothing_is_given_up_and_tried_again,
         not_more_at_a_time_than_was_asked_for, one_at_a_time_keeps_the_order,
         one_bad_event_does_not_stop_the_order_for_ever, a_probe_keeps_the_order_too,
         what_is_secret_in_a_url_stays_there,
         the_second_server_takes_over, killed_and_started_again_under_load,
         only_whom_our_certificates_vouch_for, what_is_under_way_is_told)


def main():
    import sys
    suite = Suite()
    with servers.Httpd() as httpd:
        for test in TESTS:
            if len(sys.argv) > 1 and test.__name__ not in sys.argv[1:]:
                continue
            httpd.rules()
            httpd.clear()
            suite.run(test.__name__, test, httpd)
    suite.end()


if __name__ == "__main__":
    main()
