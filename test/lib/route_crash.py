# route_crash.py kills N | points NTH - a route that dies under load, and what its receiver sees.
import collections, json, os, random, signal, sys, threading
import servers
from place import Suite, wait_for
from route_cases import event, place, post, section, settled
from sinks_rig import expect

POINTS = ("route-sent", "route-answered", "sink-taken", "sink-publishing", "sink-published")


class Load(threading.Thread):
    """Events that differ, in small batches, not too far ahead, until it is told to end."""

    def __init__(self, p, httpd, batch=1, most=None):
        super().__init__(daemon=True)
        self.p, self.httpd, self.batch, self.sent, self.most = p, httpd, batch, [], most
        self.ending, self.failure = False, None

    def run(self):
        try:
            while not self.ending and (self.most is None or len(self.sent) < self.most):
                more = [event(len(self.sent) + k) for k in range(20)]
                post(self.p, more)
                self.sent += more
                wait_for(lambda: self.ending or len(self.sent) <= 400 + self.batch *
                         self.httpd.stats()["requests"], "requests to follow")
        except Exception as e:  # noqa: BLE001 - told by end()
            self.failure = e

    def end(self, now=True):
        self.ending = now
        self.join()
        if self.failure:
            raise self.failure
        return self.sent


def received(httpd, fmt):
    got = collections.Counter()
    for r in httpd.requests():
        if fmt == "event":
            got[r["body"]] += 1
        else:
            got.update(json.dumps(e).encode() for e in json.loads(r["body"]))
    return got


def keys_tell_repeats_apart(httpd):
    """What has the same Idempotency-Key has the same body."""
    seen = {}
    for r in httpd.requests():
        key = dict(r["headers"])["Idempotency-Key"]
        expect(seen.setdefault(key, r["body"]), r["body"])


def check(p, httpd, sent, fmt, deaths, bound):
    expect(settled(p, "hook"), (len(sent), 0, 0))
    got = received(httpd, fmt)
    lost = len(set(sent) - set(got))
    more = sum(got.values()) - len(sent)
    print("# %s: %d events, %d deaths: %d lost, %d twice (at most %d)" % (
        fmt, len(sent), deaths, lost, more, deaths * bound))
    expect((lost, len(set(got) - set(sent))), (0, 0))
    assert more <= deaths * bound, more
    keys_tell_repeats_apart(httpd)


# (format, concurrency, batch): in-flight is their product, and what one death may repeat.
FORMS = {"event": dict(concurrency=4, in_flight=4),
         "array": dict(concurrency=4, batch_events=10, in_flight=40)}


def killed_at_random(httpd, fmt, kills):
    form = FORMS[fmt]
    httpd.rules({"delay_ms": 2})
    with place(section("hook", httpd, format=fmt, **form)) as p:
        load = Load(p, httpd, form.get("batch_events", 1))
        load.start()
        for i in range(kills):
            before = httpd.stats()["requests"]
            some = random.randrange(0, 60)
            wait_for(lambda: httpd.stats()["requests"] >= before + some, "requests")
            pid = wait_for(lambda: p.pid_of("hook"), "the stage")
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: p.pid_of("hook") not in (None, pid), "its successor")
        check(p, httpd, load.end(), fmt, kills, form["in_flight"])


def all_killed_together(httpd, kills):
    form = FORMS["event"]
    with place(section("hook", httpd, **form)) as p:
        sent = []
        for i in range(kills):
            more = [event(len(sent) + k) for k in range(200)]
            before = httpd.stats()["requests"]
            post(p, more)
            sent += more
            wait_for(lambda: httpd.stats()["requests"] >= before + random.randrange(1, 200),
                     "requests")
            p.kill_all()
            p.start()
        check(p, httpd, sent, "event", kills, form["in_flight"])


def dies_at(httpd, point, nth):
    form = FORMS["event"]
    p = place(section("hook", httpd, **form), env={"SLUICE_CRASH": "%s:%d" % (point, nth)})
    with p:
        load = Load(p, httpd, most=400)
        load.start()
        sent = load.end(now=False)
        settled(p, "hook")
        deaths = open(p.log).read().count(": hook died")
        assert deaths > 0, "it never died"
        check(p, httpd, sent, "event", deaths, form["in_flight"])


def main():
    suite = Suite()
    what, n = sys.argv[1], int(sys.argv[2])
    with servers.Httpd() as httpd:
        def run(name, test, *args):
            httpd.rules()
            httpd.clear()
            suite.run(name, test, httpd, *args)

        if what == "kills":
            for fmt in FORMS:
                run("killed_at_random_" + fmt, killed_at_random, fmt, n // 2)
            run("all_killed_together", all_killed_together, max(n // 20, 1))
        else:
            for point in POINTS:
                run("dies_at_" + point, dies_at, point, n)
    suite.end()


main()
