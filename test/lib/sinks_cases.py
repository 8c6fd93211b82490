# sinks_cases.py - every sink on real servers: the clickstream arrives everywhere, whatever dies.
import sys, time
import destinations
from place import Place, Suite, wait_for
from sinks_rig import (DIFFERENT, Load, check_lost_none, check_once, counter, events_file, expect,
                       ledger, send, wait_all, wait_ledger)

SMALL = dict(ring="1m", segment="2m", listen="    max-event 64k\n    max-body 512k",
             journal="    commit-max 512k")


def place(d, **more):
    more.setdefault("sections", d.sections())
    if more.pop("small", False):
        more.update(SMALL)
    return Place(**more).start()


def everything_arrives_everywhere_once(d):
    with place(d) as p:
        got = send(p)
        expect((got["events"], got["accepted"], got["duplicate"]), (9999, DIFFERENT, 610))
        rows = wait_ledger(p, d.sinks, DIFFERENT)
        log = p.cat()
        expect(len(log), DIFFERENT)
        check_once(d.sinks, log)
        expect(d.claims.claims(), DIFFERENT)
        for s in d.sinks:
            want = len(s.wanted(log))
            expect((rows[s.name]["put"], rows[s.name]["delivered"], rows[s.name]["skipped"]),
                   (DIFFERENT, want, DIFFERENT - want), s.name + ": ")
        # Sent again: duplicates here, and nothing more there.
        expect(send(p)["duplicate"], 9999)
        check_once(d.sinks, log)


def one_sink_dead_and_the_others_go_on(d):
    """Each server but Redis (which comes before all) is dead for a whole run."""
    with place(d, small=True) as p:
        rate, number = {}, 0

        def run(sinks):
            nonlocal number
            number += 1
            start = time.monotonic()
            send(p, events_file(p, number), "--retry")
            sent = time.monotonic() - start
            rows = wait_ledger(p, sinks, number * DIFFERENT)
            return {s.name: DIFFERENT / (sent + rows[s.name]["took"]) for s in sinks}

        run(d.sinks)  # tables and topics are made
        usual = run(d.sinks)
        for dead in [s for s in d.sinks if s.server is not d.redis]:
            others = [s for s in d.sinks if s.server is not dead.server]
            before = ledger(p)[dead.name]["delivered"]
            dead.server.kill()
            rate = run(others)
            expect(ledger(p)[dead.name]["delivered"], before)
            print("# %s dead: the others at %s of their usual rate" % (dead.name, ", ".join(
                "%s %.2f" % (s.name, rate[s.name] / usual[s.name]) for s in others)))
            dead.server.start()
            wait_ledger(p, [dead], number * DIFFERENT)
        check_lost_none(d.sinks, p.cat())


def redis_dead_and_the_others_go_on(d):
    """Claims fail open: nothing waits for a Redis that is not there."""
    with place(d) as p:
        d.redis.kill()
        send(p)
        others = [s for s in d.sinks if s.server is not d.redis]
        wait_ledger(p, others, DIFFERENT)
        check_once(others, p.cat())
        d.redis.start()
        wait_ledger(p, d.sinks, DIFFERENT)
        check_lost_none([d.stream], p.cat())


def servers_killed_one_after_the_other_under_load(d):
    with place(d, small=True) as p:
        load = Load(p)
        load.start()
        for s in d.servers:
            before = load.sent
            wait_for(lambda: load.sent > before or load.failure, "a load")
            for way in ("kill", "stop", "pause"):
                getattr(s, way)()
                time.sleep(0.3)  # long enough for requests to fail; nothing rests on it
                s.cont() if way == "pause" else s.start()
        accepted = load.end()
        log = p.cat()
        expect(len(log), accepted)
        alone = [s for s in d.sinks if s is not d.claims]
        wait_ledger(p, d.sinks, accepted)
        # What passed while Redis was dead is not in its cache.
        more = check_lost_none(alone, log)
        print("# %d events, more than once: %r" % (accepted, more))


def what_a_dead_server_missed_comes_from_the_log(d):
    with place(d, small=True) as p:
        send(p, events_file(p, 1), "--retry")
        wait_ledger(p, d.sinks, DIFFERENT)
        for s in d.servers:
            if s is not d.redis:
                s.kill()
        number = 1
        while number < 6:  # several times what the rings hold
            number += 1
            send(p, events_file(p, number), "--retry")
        for s in d.servers:
            if s is not d.redis:
                s.start()
        log = p.cat()
        expect(len(log), number * DIFFERENT)
        wait_ledger(p, d.sinks, len(log))
        check_lost_none(d.sinks, log)
        behind = [s for s in d.sinks if s.server is not d.redis]
        for s in behind:
            assert counter(p, s.name, "log_frames") > 0, s.name + " read nothing from the log"


def a_stop_delivers_what_it_can_and_a_start_the_rest(d):
    with place(d) as p:
        send(p)
        p.stop()
        p.start()
        wait_all(d.sinks, p.cat())
        check_once(d.sinks, p.cat())
        d.table.server.pause()
        send(p, events_file(p, 1))
        p.stop()  # within drain-time, although one server says nothing
        d.table.server.cont()
        p.start()
        wait_all(d.sinks, p.cat())
        more = check_lost_none(d.sinks, p.cat())
        print("# more than once: %r" % more)
        wait_ledger(p, d.sinks)


def new_sinks_begin_where_they_are_told(d):
    with place(d) as p:
        send(p)
        wait_all(d.sinks, p.cat())
        p.stop()
        old = destinations.Table("old", d.clickhouse, d.more + "    from oldest\n",
                                 d.table.where + "_old")
        new = destinations.Table("new", d.clickhouse, d.more, d.table.where + "_new")
        p.options["sections"] += old.section() + new.section()
        p.write()
        p.start()
        before = p.cat()
        send(p, events_file(p, 1))
        log = p.cat()
        wait_all([*d.sinks, old], log)
        since = log[len(before):] if log[:len(before)] == before else [
            l for l in log if l not in set(before)]
        wait_all([new], since)
        check_once([*d.sinks, old], log)
        check_once([new], since)
        wait_ledger(p, [*d.sinks, old, new])


def two_of_a_kind_with_matches(d):
    def pair(kind, server, name):
        bad = kind(name + "-bad", server, d.more + '    match "/metadata/status >= 400"\n',
                   d.table.where + name + "_bad")
        bad.takes = lambda e: e["metadata"]["status"] >= 400
        page = kind(name + "-page", server, d.more + "    match-type page_*\n",
                    d.table.where + name + "_page")
        page.takes = lambda e: e["eventType"].startswith("page_")
        return [bad, page]

    sinks = (pair(destinations.Table, d.clickhouse, "t") + pair(destinations.Hook, d.httpd, "h") +
             pair(destinations.RedisStream, d.redis, "r"))
    if d.kafka:
        sinks += pair(destinations.Topic, d.kafka, "k")
    with place(d, sections="".join(s.section() for s in sinks)) as p:
        send(p)
        rows = wait_ledger(p, sinks, DIFFERENT)
        check_once(sinks, p.cat())
        for s in sinks:
            want = len(s.wanted(p.cat()))
            assert 0 < want < DIFFERENT, (s.name, want)
            expect((rows[s.name]["delivered"], rows[s.name]["skipped"]), (want, DIFFERENT - want))


def main():
    suite = Suite()
    only = sys.argv[1:]
    with destinations.All() as d:
        for why in d.left_out.values():
            suite.skip("every case's Kafka", why)
        for test in (everything_arrives_everywhere_once, two_of_a_kind_with_matches,
                     one_sink_dead_and_the_others_go_on, redis_dead_and_the_others_go_on,
                     servers_killed_one_after_the_other_under_load,
                     what_a_dead_server_missed_comes_from_the_log,
                     a_stop_delivers_what_it_can_and_a_start_the_rest,
                     new_sinks_begin_where_they_are_told):
            if not only or test.__name__ in only:
                suite.run(test.__name__, lambda: test(d.fresh()))
    suite.end()


main()
