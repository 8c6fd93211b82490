# sink_ctl_cases.py - sinks as an operator sees them: list, breaker, ledger, max-lag, retire.
import json, os
from place import Place, Suite, free_port, wait_for
from sink_ctl_receiver import Receiver, expect, ledger, listed, sink

EVENT = {"userId": "u1", "eventType": "view"}
count = 0


def post(p, n=1, size=0, want=202):
    global count
    for _ in range(n):
        count += 1
        e = {**EVENT, "timestamp": 1700000000000 + count}
        if size:
            e["metadata"] = {"x": "y" * size}
        status, _, body = p.post(e)
        assert want is None or status == want, (status, body)
    return status


def all_done(p, name="api"):
    row = ledger(p, name)
    return row if row["pending"] == 0 and row["balance"] != "not_started" else None


def listed_with_its_ledger():
    r = Receiver()
    with Place(sections=sink(r.port, more="    match-type view")) as p:
        p.start()
        post(p, 20)
        p.post({"userId": "u", "eventType": "other", "timestamp": 1700000000000})
        row = wait_for(lambda: all_done(p), "delivery")
        expect({k: row[k] for k in ("put", "delivered", "skipped", "dead", "balance")},
               {"put": 21, "delivered": 20, "skipped": 1, "dead": 0, "balance": "balanced"})
        row = listed(p)
        expect([row[k] for k in ("kind", "required", "state", "breaker", "pending", "delivered")],
               ["route", "no", "ready", "closed", 0, 20])
        stat = p.ctl("stat", "--all", "api").decode()
        assert "api.delivered=20\n" in stat and "api.takeovers=1\n" in stat, stat
        metrics = p.request("GET", "/metrics", port=p.admin)[2].decode()
        assert 'sluice_sink_events_total{sink="api",outcome="delivered"} 20\n' in metrics
        assert 'sluice_sink_breaker{sink="api"} 0\n' in metrics
        p.stop()
        expect(all_done(p)["delivered"], 20)
    r.close()


def closed_port_opens_the_breaker():
    port = free_port()
    with Place(sections=sink(port)) as p:
        p.start()
        post(p, 5)
        row = wait_for(lambda: (lambda x: x if x["breaker"] == "open" else None)(listed(p)),
                       "an open breaker")
        assert "connect" in row["reason"].lower(), row
        health = p.request("GET", "/health", port=p.admin)[2]
        expect(health["status"], "degraded")
        assert any(x.startswith("api: breaker") for x in health["reasons"]), health
        expect(p.request("GET", "/readyz", port=p.admin)[0], 200)
        r = Receiver(port)
        wait_for(lambda: all_done(p), "delivery")
        expect(listed(p)["breaker"], "closed")
        expect(p.request("GET", "/health", port=p.admin)[2]["status"], "ok")
        r.close()


def breaker_obeys_commands():
    r = Receiver()
    with Place(sections=sink(r.port)) as p:
        p.start()
        post(p, 3)
        wait_for(lambda: all_done(p), "delivery")
        p.ctl("sink", "breaker", "api", "open")
        wait_for(lambda: listed(p)["breaker"] == "open", "an open breaker")
        post(p, 3)
        wait_for(lambda: listed(p)["pending"] == 3, "events to wait")
        expect(len(r.bodies), 3)
        p.ctl("sink", "breaker", "api", "auto")
        expect(wait_for(lambda: all_done(p), "delivery")["delivered"], 6)
        p.ctl("sink", "breaker", "api", "close")
        for words in (["sink", "breaker", "api", "maybe"], ["sink", "breaker", "../x", "open"],
                      ["sink"], ["sink", "breaker"]):
            p.ctl(*words, check=False)
        p.ctl("sink", "breaker", "nobody", "open", check=False)
    r.close()


def shared_memory_is_enough():
    """admin and the sink stand still: the list is there all the same."""
    r = Receiver()
    with Place(sections=sink(r.port), glob="    hang-time 60s") as p:
        p.start()
        post(p, 4)
        wait_for(lambda: all_done(p), "delivery")
        stopped = [p.pid_of("admin"), p.pid_of("api")]
        for pid in stopped:
            os.kill(pid, 19)
        row = listed(p)
        expect((row["delivered"], row["state"]), (4, "stopped"))
        for pid in stopped:
            os.kill(pid, 18)
        p.stop()
    r.close()


def retired_when_nobody_wants_it():
    port = free_port()
    with Place(sections=sink(port)) as p:
        p.start()
        post(p, 2)
        wait_for(lambda: ledger(p)["pending"] == 2, "the sink")
        folder = os.path.join(p.state, "sinks", "api")

        def refused(*words):
            return b"" if os.path.exists(folder) and not p.ctl(*words, check=False) else None

        expect(refused("sink", "retire", "api", "--yes"), b"")
        p.stop()
        p.options["sections"] = ""
        p.write()
        p.start()
        expect(listed(p)["state"], "not configured")
        expect(listed(p)["pending"], 2)
        expect(refused("sink", "retire", "api"), b"")  # not without --yes
        out = p.ctl("sink", "retire", "api", "--yes").decode()
        assert "its place is free: 2 events (" in out, out
        assert not os.path.exists(folder) and listed(p) is None
        p.stop()
        # It comes back as a new one.
        r = Receiver(port)
        p.options["sections"] = sink(port)
        p.write()
        p.start()
        post(p, 1)
        expect(wait_for(lambda: all_done(p), "delivery")["put"], 1)
        r.close()


SMALL = dict(journal="    retain 1s\n    commit-max 512k", dedup="    window 1s", segment="1m")


def max_lag_lets_the_log_go():
    port = free_port()
    lag = "    max-lag-bytes 2m\n    required no\n    in-flight 4"
    with Place(sections=sink(port, more=lag), ring="2m", **SMALL) as p:
        p.start()

        def segments():
            post(p, 10, 50000)
            return len(json.loads(p.ctl("journal", "ls", "--json"))["segments"])

        post(p, 1)
        wait_for(lambda: (listed(p)["bytes"] or 0) > 8 << 20 or not segments(), "a long lag", 60)
        wait_for(lambda: b"segments_removed=0" not in p.ctl("stat", "--all", "journal") or
                 not segments(), "segments to go", 60)
        assert p.post({**EVENT, "timestamp": 5})[0] == 202  # nobody waits for it
        r = Receiver(port)
        row = wait_for(lambda: all_done(p), "the rest", 60)
        assert row["expired"] > 0 and row["delivered"] > 0, row
        expect((row["balance"], row["put"]), ("balanced", row["expired"] + row["delivered"]))
        lost = open(os.path.join(p.state, "sinks", "api", "lost")).read().splitlines()
        expect(sum(int(x.split()[4]) for x in lost if x.startswith("expired")), row["expired"])
        r.close()


def required_sink_stops_the_intake():
    port = free_port()
    lag = "    max-lag-bytes 2m\n    required yes"
    with Place(sections=sink(port, more=lag), ring="4m", **SMALL) as p:
        p.start()

        def more():
            return post(p, 1, 50000, want=None) == 503

        wait_for(more, "503", 60)
        row = listed(p)
        assert "stops intake" in row["state"] and row["bytes"] > 2 << 20, row
        assert b"intake         stopped" in p.ctl("show", "journal")
        assert any("max-lag" in x for x in
                   p.request("GET", "/health", port=p.admin)[2]["reasons"])
        r = Receiver(port)
        wait_for(lambda: p.post({**EVENT, "timestamp": 7})[0] in (200, 202), "intake", 60)
        row = wait_for(lambda: all_done(p), "the rest", 60)
        expect((row["expired"], row["balance"], row["delivered"]),
               (0, "balanced", row["put"]))
        assert "stops intake" not in listed(p)["state"]
        r.close()


def sink_that_cannot_start_delays_nobody():
    r = Receiver()
    broken = sink(r.port, "broken", "    secret-file /nowhere/secret")
    with Place(sections=broken + sink(r.port)) as p:
        p.start()
        post(p, 3)
        expect(wait_for(lambda: all_done(p), "delivery")["delivered"], 3)
        health = p.request("GET", "/health", port=p.admin)[2]
        assert any(x.startswith("broken: ") for x in health["reasons"]), health
        expect(p.request("GET", "/readyz", port=p.admin)[0], 200)
        assert "/nowhere/secret" in open(p.log).read()
        expect(listed(p, "broken")["delivered"], None)
        p.stop()
    r.close()


def stop_does_not_wait_for_a_dead_destination():
    port = free_port()
    with Place(sections=sink(port)) as p:
        p.start()
        post(p, 1)
        wait_for(lambda: (listed(p)["pending"] or 0) == 1, "the sink")
        p.stop()
        log = open(p.log).read()
        assert "killing it" not in log and "hands inside" not in log
        r = Receiver(port)
        p.start()
        expect(wait_for(lambda: all_done(p), "delivery")["delivered"], 1)
        r.close()


def next_supervisor_goes_on():
    r = Receiver()
    with Place(sections=sink(r.port)) as p:
        p.start()
        for i in range(5):
            post(p, 20)
            os.kill(p.daemon.pid, 9)
            p.daemon.wait()
            p.start()
        row = wait_for(lambda: (lambda x: x if x and x["put"] == 100 else None)(all_done(p)),
                       "delivery")
        expect((row["delivered"], row["balance"]), (100, "balanced"))
        expect(len(set(r.bodies)), 100)
        p.stop()
    r.close()


def main():
    s = Suite()
    s.run("a sink is listed, and its ledger balances", listed_with_its_ledger)
    s.run("a closed port opens the breaker, and health says so", closed_port_opens_the_breaker)
    s.run("the breaker obeys commands", breaker_obeys_commands)
    s.run("shared memory is enough for the list", shared_memory_is_enough)
    s.run("a sink is retired when it is not configured any more", retired_when_nobody_wants_it)
    s.run("beyond max-lag the log goes, and the ledger says expired", max_lag_lets_the_log_go)
    s.run("a required sink beyond max-lag stops the intake", required_sink_stops_the_intake)
    s.run("a sink that cannot start delays nobody", sink_that_cannot_start_delays_nobody)
    s.run("a stop does not wait for a dead destination", stop_does_not_wait_for_a_dead_destination)
    s.run("the next supervisor's sinks go on", next_supervisor_goes_on)
    s.end()


main()
