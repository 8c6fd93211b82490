# kafka_cases.py - the Kafka sink against a real broker, and against one that errs to order.
import json, os, subprocess, sys, threading, time
import servers
from kafka_rig import (ask, event, fresh, once, post, records, row, same, section, settled, tool,
                       twice)
from place import BUILD, Place, Suite, wait_for
from sinks_rig import DIFFERENT, expect, send


def place(port, topic, more="", **kw):
    return Place(sections=section(port, topic, more), **kw)


# -- what arrives

def clickstream(k, more, committed=True):
    """Bytes, keys and headers of a day of events."""
    topic = fresh()
    with place(k.port, topic, more) as p:
        p.start()
        expect(send(p)["accepted"], DIFFERENT)
        expect(settled(p)["delivered"], DIFFERENT)
        lines = p.cat()
        once(records(k, topic, committed=committed), lines)
        for line in records(k, topic, "%k\t%h\t%s\\n"):
            key, headers, body = line.decode().split("\t")
            e = json.loads(body)
            h = dict(x.split("=", 1) for x in headers.split(","))
            expect(key, e["userId"])
            expect((h["eventType"], h["content-type"]), (e["eventType"], "application/json"))
            assert h["receipt"].count(":") == 2, h
        # Equal keys are in one partition.
        where = {}
        for line in records(k, topic, "%k %p\\n"):
            key, partition = line.split()
            expect(where.setdefault(key, partition), partition)
        expect(len(set(where.values())), 3)
        p.stop()


def clickstream_arrives_byte_for_byte(k):
    clickstream(k, "")


def clickstream_arrives_exactly_once_in_transactions(k):
    clickstream(k, "exactly-once yes")


def every_compression_and_no_headers(k):
    for word in ("none", "gzip", "lz4", "zstd"):
        topic = fresh()
        with place(k.port, topic, "compression %s\nheaders no\nkey /metadata/n" % word) as p:
            p.start()
            events = [event(i) for i in range(2000)]
            post(p, events)
            settled(p)
            got = records(k, topic, "%k|%h|%s\\n")
            expect(len(got), 2000)
            for line in got:
                key, headers, body = line.decode().split("|")
                expect((key, headers), (str(json.loads(body)["metadata"]["n"]), ""))


def keys_are_unescaped_and_absent_ones_are_none(k):
    topic = fresh()
    with place(k.port, topic, "key /metadata/k") as p:
        p.start()
        keys = ["a\"b\\c", "\u00e9\u20ac", "", None, 17, True]
        post(p, [event(i, k=key) for i, key in enumerate(keys)] + [event(99)])
        settled(p)
        got = {json.loads(line.split("|", 2)[2])["metadata"]["n"]: line.split("|", 2)[:2]
               for line in records(k, topic, "%K|%k|%s\\n") for line in [line.decode()]}
        expect(got[0], ["5", "a\"b\\c"])
        expect(got[1], ["5", "\u00e9\u20ac"])
        expect(got[2][0], "0")
        expect(got[3][0], "-1")
        expect(got[4], ["2", "17"])
        expect(got[5], ["4", "true"])
        expect(got[99][0], "-1")


def topics_by_template_with_odd_characters(k):
    word = fresh("x")
    with place(k.port, word + ".%{eventType}") as p:
        p.start()
        types = ["page_view", "a b/c", "\u00fcml", "..", "x" * 100]
        post(p, [dict(event(i), eventType=t) for i, t in enumerate(types)])
        settled(p)
        for name in ("page_view", "a_b_c", "_ml", "..", "x" * 100):
            expect(len(records(k, word + "." + name)), 1, name + ": ")
        assert "topics             open=5 of=1024" in ask(p, "show kafka")


# -- what is refused

def dead_letters(p):
    out = 0
    for folder, _, files in os.walk(os.path.join(p.state, "deadletter", "kafka")):
        out += sum(open(os.path.join(folder, f), "rb").read().count(b"too_large") for f in files)
    return out


def too_large_here_is_a_dead_letter(k):
    """Larger than message.max.bytes: librdkafka says so before anything is sent."""
    for more in ("", "exactly-once yes"):
        topic = fresh()
        with place(k.port, topic, "option message.max.bytes 4000\n" + more) as p:
            p.start()
            post(p, [event(i, pad="x" * (8000 if i % 50 == 7 else 10)) for i in range(500)])
            r = settled(p)
            expect((r["delivered"], r["dead"]), (490, 10))
            expect(len(records(k, topic)), 490)
            expect(twice(records(k, topic)), 0)
            assert dead_letters(p) >= 10


def too_large_there_is_found_in_its_batch(k):
    """Larger than the topic's max.message.bytes: the broker refuses whole batches."""
    for more in ("", "exactly-once yes\n"):
        topic = fresh()
        tool("create", "127.0.0.1:%d" % k.port, topic, 3, "max.message.bytes=3000")
        more += "option message.max.bytes 100000\ncompression none\nbatch-events 5\nlinger 0"
        with place(k.port, topic, more) as p:
            p.start()
            post(p, [event(i, pad="x" * (4000 if i % 100 == 7 else 10)) for i in range(300)])
            r = settled(p)
            expect((r["delivered"], r["dead"]), (297, 3))
            got = records(k, topic)
            expect((len(set(got)), len(got)), (297, 297))
            assert dead_letters(p) >= 3
            # Whatever has one key is still in order.
            last = {}
            for line in got:
                e = json.loads(line)
                assert last.get(e["userId"], -1) < e["metadata"]["n"], e
                last[e["userId"]] = e["metadata"]["n"]


# -- what a person decides

def breaker_opened_by_hand_holds_events_until_it_is_let_go(k):
    for more in ("in-flight 1", "exactly-once yes"):
        topic = fresh()
        with place(k.port, topic, more) as p:
            p.start()
            post(p, [event(i) for i in range(20)])
            settled(p)
            ask(p, "breaker open")
            post(p, [event(i) for i in range(20, 200)])
            for _ in range(20):
                expect(row(p)["delivered"], 20)
            ask(p, "breaker auto")
            expect(settled(p)["delivered"], 200)
            once(records(k, topic), p.cat())


# -- a broker that is not there

def wrong_address_opens_the_breaker_and_keeps_events(k):
    topic, port = fresh(), servers.free_port()
    with place(port, topic, "breaker-failures 3\ntimeout 200ms") as p:
        p.start()
        post(p, [event(i) for i in range(1000)])
        wait_for(lambda: "breaker=open" in ask(p, "show sink"), "the breaker to open")
        expect(row(p)["delivered"], 0)
        proxy = servers.Proxy("127.0.0.1:%d" % k.port, port=port)
        with proxy:
            # The broker says its own address, so only the first contact goes by the proxy.
            expect(settled(p)["delivered"], 1000)
        once(records(k, topic), p.cat())
        wait_for(lambda: "breaker=closed" in ask(p, "show sink"), "the breaker to close")


def wrong_address_is_said_long_before_the_timeout(k):
    with place(servers.free_port(), fresh(), "timeout 10m") as p:
        p.start()
        # librdkafka says it once, before there is anything to send.
        wait_for(lambda: "down" in ask(p, "show kafka"), "librdkafka's word")
        assert "brokers are down" not in p.ctl("sink", "ls").decode()
        post(p, [event(1)])
        wait_for(lambda: "brokers are down" in p.ctl("sink", "ls").decode(), "the reason", 60)
        wait_for(lambda: "breaker=open" in ask(p, "show sink"), "the breaker to open", 60)


class Load(threading.Thread):
    """Events until it is told to end."""

    def __init__(self, p):
        super().__init__(daemon=True)
        self.p, self.sent, self.ending, self.failure = p, 0, False, None

    def run(self):
        try:
            while not self.ending:
                post(self.p, [event(i) for i in range(self.sent, self.sent + 200)])
                self.sent += 200
                time.sleep(0.02)  # a load, not as much as goes
        except Exception as e:  # noqa: BLE001 - told by end()
            self.failure = e

    def end(self):
        self.ending = True
        self.join()
        if self.failure:
            raise self.failure
        return self.sent


def broker_killed_under_load_loses_nothing(k):
    """Two sinks at once: without and with transactions."""
    topic, exact = fresh(), fresh("exact")
    with Place(sections=section(k.port, topic) + section(k.port, exact, "exactly-once yes",
                                                         "exact")) as p:
        p.start()
        load = Load(p)
        load.start()
        for name in ("kafka", "exact"):
            wait_for(lambda: row(p, name)["delivered"] > 1000, "a load")
        k.kill()
        at = load.sent
        wait_for(lambda: load.sent > at + 400, "events to be accepted without a broker")
        k.start()
        sent = load.end()
        for name, at in (("kafka", topic), ("exact", exact)):
            expect(settled(p, name, seconds=120)["delivered"], sent)
            got = records(k, at)
            same(got, p.cat())
            print("# %d events, broker killed, %s: %d twice" % (sent, name, twice(got)))
            expect(twice(got), 0)


def fenced_by_another_is_said_and_nothing_is_lost(k):
    topic = fresh()
    with place(k.port, topic, "exactly-once yes") as p:
        p.start()
        post(p, [event(i) for i in range(100)])
        settled(p)
        name = next(l.split()[1] for l in ask(p, "show kafka").splitlines()
                    if l.startswith("transactional-id"))
        tool("fence", "127.0.0.1:%d" % k.port, name)
        post(p, [event(i) for i in range(100, 200)])
        expect(settled(p)["delivered"], 200)
        assert "fenced" in open(p.log).read()
        once(records(k, topic), p.cat())


# -- what a person writes wrong

def bad_options_are_one_line_that_says_what_to_do(k):
    for option, words in (("no.such.thing 1", "No such configuration property"),
                          ("max.in.flight 50", "max.in.flight"),
                          ("socket.timeout.ms x", "socket.timeout.ms")):
        with place(k.port, fresh(), "option " + option) as p:
            p.start()
            wait_for(lambda: words in open(p.log).read(), words)
            line = next(l for l in open(p.log).read().splitlines() if words in l)
            assert "sink kafka: " in line, line


# -- a broker that errs to order

class Mock:
    def __enter__(self):
        self.process = subprocess.Popen([os.path.join(BUILD, "lib/kafka_tool"), "mock"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split(",")[0].rsplit(":", 1)[1])
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        expect(self.process.stdout.readline(), "ok\n")

    def records(self, topic):
        out = subprocess.run(["kcat", "-b", "127.0.0.1:%d" % self.port, "-C", "-q", "-t", topic,
                              "-o", "beginning", "-e", "-f", "%s\\n"], capture_output=True)
        return out.stdout.splitlines()


PRODUCE = 0
# name, errors of the next Produce answers, what the sink must say
ERRORS = [
    ("not the leader any more", "6 6 6", None),
    ("too few replicas", "19 20 19", None),
    ("timed out there", "7 7", None),
    ("out of order: fatal for a producer", "45", "broken"),
    ("producer forgotten", "59", None),
    ("no right to write", "29", "authoriz"),
    ("corrupt or refused record", "87", None),
    ("unknown error", "-1", "broken"),
]


def errors_of_a_broker_lose_nothing(k):
    # The mock keeps no more than 100 batches in a partition: not too small ones.
    for name, codes, words in ERRORS:
        with Mock() as m, place(m.port, "mock", "linger 10ms\nbatch-events 100") as p:
            p.start()
            post(p, [event(i) for i in range(50)])
            settled(p)
            m.tell("errors %d %s" % (PRODUCE, codes))
            post(p, [event(i) for i in range(50, 1050)])
            r = settled(p)
            expect((r["delivered"], r["dead"]), (1050, 0), name + ": ")
            got = m.records("mock")
            same(got, p.cat(), name + ": ")
            shown = ask(p, "show kafka")
            log = open(p.log).read()
            assert "signal" not in log and "exit=1" not in log, log[-2000:]
            print("# %s: %d twice; %s" % (name, twice(got), next(
                (l for l in shown.splitlines() if l.startswith("last-error")), "no error")))


def topic_that_is_not_there_waits_for_a_person(k):
    with Mock() as m, place(m.port, "mock", "option topic.metadata.propagation.max.ms 300\n"
                            "option topic.metadata.refresh.interval.ms 300") as p:
        m.tell("topic-error mock 3")
        p.start()
        post(p, [event(i) for i in range(100)])
        wait_for(lambda: "breaker=open" in ask(p, "show sink"), "the breaker to open")
        assert "nknown topic" in ask(p, "show kafka"), ask(p, "show kafka")
        expect(row(p)["delivered"], 0)
        m.tell("topic-error mock 0")
        expect(settled(p)["delivered"], 100)
        once(m.records("mock"), p.cat())


def slow_broker_counts_as_a_failure_and_recovers(k):
    with Mock() as m, place(m.port, "mock", "linger 0\ntimeout 300ms\n"
                            "option request.timeout.ms 60000\noption socket.timeout.ms 60100") as p:
        p.start()
        post(p, [event(i) for i in range(10)])
        settled(p)
        m.tell("rtt 2000")
        post(p, [event(i) for i in range(10, 20)])
        wait_for(lambda: "no answer for 300 ms" in ask(p, "show kafka"), "a failure")
        m.tell("rtt 0")
        expect(settled(p)["delivered"], 20)
        expect(twice(m.records("mock")), 0)


def main():
    suite = Suite()
    tests = [
        clickstream_arrives_byte_for_byte,
        clickstream_arrives_exactly_once_in_transactions,
        every_compression_and_no_headers,
        keys_are_unescaped_and_absent_ones_are_none,
        topics_by_template_with_odd_characters,
        too_large_here_is_a_dead_letter,
        too_large_there_is_found_in_its_batch,
        breaker_opened_by_hand_holds_events_until_it_is_let_go,
        wrong_address_opens_the_breaker_and_keeps_events,
        wrong_address_is_said_long_before_the_timeout,
        fenced_by_another_is_said_and_nothing_is_lost,
        bad_options_are_one_line_that_says_what_to_do,
        errors_of_a_broker_lose_nothing,
        slow_broker_counts_as_a_failure_and_recovers,
        topic_that_is_not_there_waits_for_a_person,
        broker_killed_under_load_loses_nothing,
    ]
    wanted = sys.argv[1:]
    tests = [t for t in tests if not wanted or any(w in t.__name__ for w in wanted)]
    try:
        with servers.Kafka() as k:
            for test in tests:
                suite.run(test.__name__, test, k)
    except servers.Unavailable as e:
        for test in tests:
            suite.skip(test.__name__, e)
    suite.end()


main()
