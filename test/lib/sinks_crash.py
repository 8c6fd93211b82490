# sinks_crash.py [KILLS [SEED]] - every stage killed at random under load, with every sink on a
# real server.
#
# A sender sends until each event is accepted; every few milliseconds a random stage (acceptors,
# journal, sinks, dead letters, admin) dies of SIGKILL, and each twentieth time a server does
# instead, or the daemon as a whole.  At the end every event is in the log once and at every
# destination at least once, byte for byte, and each sink's ledger balances.
import collections, os, random, signal, sys, time
import destinations
from place import Place, Suite, wait_for
from sinks_rig import Load, check_lost_none, events, expect, wait_ledger

KILLS = int(sys.argv[1]) if len(sys.argv) > 1 else 150
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
AGE = 0.25  # a stage that dies younger than this would be made to wait


def stages(p):
    """pid -> title of the stages that are old enough."""
    out, ticks = {}, os.sysconf("SC_CLK_TCK")
    now = float(open("/proc/uptime").read().split()[0])
    for pid in open("/proc/%d/task/%d/children" % (p.daemon.pid, p.daemon.pid)).read().split():
        try:
            title = open("/proc/%s/cmdline" % pid).read().strip("\0 ")
            born = int(open("/proc/%s/stat" % pid).read().rsplit(")", 1)[1].split()[19]) / ticks
        except OSError:
            continue
        if title.startswith("sluiced: ") and now - born > AGE:
            out[int(pid)] = title[len("sluiced: "):].split(" (")[0]
    return out


def kills(p, d, dice):
    killed = collections.Counter()
    for i in range(KILLS):
        time.sleep(dice.uniform(0.005, 0.1))
        if i % 20 == 13:
            server = dice.choice(d.servers)
            server.restart(hard=True)
            killed["server " + server.name] += 1
        elif i % 50 == 29:
            p.kill_all()
            p.start()
            killed["all at once"] += 1
        else:
            some = wait_for(lambda: stages(p), "a stage")
            # Each stage as often as any other, however many acceptors there are.
            title = dice.choice(sorted(set(some.values())))
            pid = next(k for k, v in some.items() if v == title)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            killed[title] += 1
    return killed


def nothing_is_lost(d):
    dice = random.Random(SEED)
    with Place(sections=d.sections(), ring="1m", segment="4m", journal="    commit-max 512k",
               listen="    max-event 64k\n    max-body 512k") as p:
        p.start()
        load = Load(p, rate=3000)
        load.start()
        killed = kills(p, d, dice)
        load.end()
        print("# killed: " + ", ".join("%s %d" % i for i in sorted(killed.items())))
        log = p.cat()
        # Whose answer was lost is a duplicate to its sender, so the log counts.
        kept = [key(l) for l in log]
        expect(len(kept), len(set(kept)), "different events in the log: ")
        for number in range(1, load.number):
            lost = {key(l) for l in events(number)} - set(kept)
            expect((len(lost), list(lost)[:1]), (0, []), "lost: ")
        alone = [s for s in d.sinks if s is not d.claims]
        rows = wait_ledger(p, d.sinks, len(log))
        expect({s.name: rows[s.name]["put"] for s in d.sinks},
               {s.name: len(log) for s in d.sinks})
        more = check_lost_none(alone, log)
        print("# %d events, more than once: %r" % (len(log), more))


def key(line):
    """User, type and timestamp as they stand: equal ones race, and either may be kept."""
    return line[:line.index(b',"metadata"')]


def main():
    suite = Suite()
    print("# seed %d" % SEED)
    with destinations.All() as d:
        for why in d.left_out.values():
            suite.skip("nothing_is_lost with Kafka", why)
        suite.run("nothing_is_lost", nothing_is_lost, d)
    suite.end()


main()
