# kafka_crash.py - the Kafka sink is killed again and again; what a topic then holds.
#
# KILLS random kills of each mode, then each named point (a build with MODE=crash).  After
# each kill everything must arrive; without exactly-once a kill may cost as many records that
# stand twice as there were events in flight, and no more.
import os, random, signal, sys, time
import servers
from kafka_rig import event, fresh, once, post, records, same, section, settled, total, twice
from place import Place, Suite, wait_for
from sinks_rig import expect

KILLS = int(os.environ.get("KILLS", "100"))
KILLS_EXACTLY = int(os.environ.get("KILLS_EXACTLY", "30"))
IN_FLIGHT = 400
ROUND = 1500
seed = int(os.environ.get("SEED", random.randrange(1 << 30)))


class Killed:
    """A daemon with one sink, posts and kills in rounds."""

    def __init__(self, p):
        self.p, self.sent, self.pid = p, 0, None

    def alive(self):
        self.pid = wait_for(lambda: self.p.pid_of("kafka"), "the sink to be there")
        return self.pid

    def round(self, kill_after):
        pid = self.alive()
        post(self.p, [event(i) for i in range(self.sent, self.sent + ROUND)])
        self.sent += ROUND
        time.sleep(kill_after)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        wait_for(lambda: self.p.pid_of("kafka") not in (None, pid), "another sink", 30)


def at_least_once(k, rng):
    topic = fresh("crash")
    most = more = 0
    with Place(sections=section(k.port, topic, "in-flight %d\nlinger 1ms" % IN_FLIGHT)) as p:
        p.start()
        killed = Killed(p)
        for n in range(KILLS):
            killed.round(rng.random() * 0.03)
            settled(p)
            now = total(k, topic) - killed.sent
            assert 0 <= now - more <= IN_FLIGHT, "kill %d: %d twice" % (n, now - more)
            most, more = max(most, now - more), now
        got = records(k, topic)
        same(got, p.cat())
        expect(twice(got), more)
        print("# %d kills, %d events, in flight at most %d: lost 0, twice %d (%.1f a kill, at "
              "most %d)" % (KILLS, killed.sent, IN_FLIGHT, more, more / KILLS, most))
        assert more > 0, "no kill ever hit a batch under way: the test proves nothing"
        p.stop()


def exactly_once(k, rng):
    topic = fresh("crash")
    more = "exactly-once yes\nin-flight %d\nlinger 5ms\nbatch-events 100" % IN_FLIGHT
    with Place(sections=section(k.port, topic, more)) as p:
        p.start()
        killed = Killed(p)
        for n in range(KILLS_EXACTLY):
            killed.round(rng.random() * 0.15)
            # Sometimes the next kill comes before all is well again.
            if n % 3 == 0:
                settled(p)
        settled(p)
        got = records(k, topic)
        written = total(k, topic)
        once(got, p.cat())
        print("# %d kills, %d events: committed lost 0, twice 0; %d records and markers written" %
              (KILLS_EXACTLY, killed.sent, written))
        p.stop()


def point(k, name, visit, exactly):
    topic = fresh("point")
    more = "in-flight %d\nlinger 1ms\n%s" % (IN_FLIGHT, "exactly-once yes\nbatch-events 100"
                                             if exactly else "")
    with Place(sections=section(k.port, topic, more)) as p:
        p.start(env={"SLUICE_CRASH": "%s:%d" % (name, visit)})
        pid = wait_for(lambda: p.pid_of("kafka"), "the sink to be there")
        post(p, [event(i) for i in range(2 * ROUND)])
        wait_for(lambda: p.pid_of("kafka") not in (None, pid), "the sink to die at " + name)
        # The whole daemon dies too, and comes back without the mine.
        p.kill_all()
        p.start()
        settled(p)
        got = records(k, topic)
        same(got, p.cat())
        if exactly:
            expect(twice(got), 0)
        print("# %s:%d exactly=%s: lost 0, twice %d" % (name, visit, exactly, twice(got)))
        p.stop()


POINTS = [("kafka-sent", 300, False), ("kafka-answered", 3, False), ("sink-taken", 300, False),
          ("sink-published", 3, False), ("kafka-sent", 150, True), ("kafka-answered", 2, True),
          ("kafka-commit", 3, True), ("kafka-committed", 3, True), ("sink-published", 3, True)]


def main():
    suite = Suite()
    rng = random.Random(seed)
    print("# SEED=%d" % seed)
    wanted = sys.argv[1:]
    tests = [("killed_at_random_at_least_once", at_least_once, rng),
             ("killed_at_random_exactly_once", exactly_once, rng)]
    for name, visit, exactly in POINTS:
        tests.append(("killed_at_%s_%s" % (name, "exactly_once" if exactly else "at_least_once"),
                      point, name, visit, exactly))
    tests = [t for t in tests if not wanted or any(w in t[0] for w in wanted)]
    try:
        with servers.Kafka() as k:
            for name, function, *args in tests:
                suite.run(name, function, k, *args)
    except servers.Unavailable as e:
        for test in tests:
            suite.skip(test[0], e)
    suite.end()


main()
