# poison_cases.py - a sink that dies of an event sets aside that one, and nothing after other deaths.
#
# Crash builds only: SLUICE_POISON makes a sink die of SIGSEGV at an event with that text.
import json, os, random, signal, subprocess
from place import Place, Suite, wait_for
from sink_ctl_receiver import Receiver, expect, ledger, listed, sink

KILLS = int(os.environ.get("KILLS", "60"))
POISON = "skull-and-bones"
EVENT = {"userId": "u1", "eventType": "view"}
count = 0


def post(p, n, text="bread"):
    global count
    events = []
    for _ in range(n):
        count += 1
        events.append({**EVENT, "timestamp": 1700000000000 + count, "metadata": {"t": text}})
    status, _, body = p.post(events, "/events/batch")
    assert status in (200, 202, 207), (status, body)


def done(p, at_least):
    row = ledger(p)
    return row if row["put"] >= at_least and row["pending"] == 0 else None


def poison_is_found_and_set_aside(batch):
    r = Receiver()
    with Place(sections=sink(r.port)) as p:
        p.start(env={"SLUICE_POISON": POISON})
        for _ in range(batch):
            post(p, 20)
            post(p, 1, POISON)
            post(p, 20)
        row = wait_for(lambda: done(p, 41 * batch), "the ledger", 60)
        expect((row["delivered"], row["dead"], row["balance"]), (40 * batch, batch, "balanced"))
        poisoned = [x for x in p.ctl("stat", "--all", "api").decode().splitlines()
                    if x.startswith("api.poisoned=")]
        expect(poisoned, ["api.poisoned=%d" % batch])
        letters = p.ctl("deadletter", "ls", "--json").decode()
        letters = [json.loads(x) for x in letters.splitlines()] if letters.startswith("{\n") or \
            letters.count("\n") > 1 else [json.loads(letters)]
        text = json.dumps(letters)
        assert text.count('"poison"') == batch and "SIGSEGV" in text, text
        assert len(set(b for b in r.bodies if POISON.encode() in b)) == 0
        expect(len(set(r.bodies)), 40 * batch)
        # The sink goes on as before.
        post(p, 5)
        expect(wait_for(lambda: done(p, 41 * batch + 5), "the rest")["dead"], batch)
        wait_for(lambda: "careful" not in listed(p)["state"], "the end of care")
    r.close()


def other_deaths_set_nothing_aside():
    r = Receiver()
    with Place(sections=sink(r.port)) as p:
        p.start()
        sent = 0
        for i in range(KILLS):
            post(p, 20)
            sent += 20
            pid = p.pid_of("api")
            if pid is not None:
                os.kill(pid, random.choice((signal.SIGKILL, signal.SIGTERM)))
            wait_for(lambda: p.pid_of("api") not in (None, pid), "the successor")
        row = wait_for(lambda: done(p, sent), "the ledger", 60)
        expect((row["delivered"], row["dead"], row["balance"]), (sent, 0, "balanced"))
        expect(len(set(r.bodies)), sent)
        print("# %d kills: %d events, %d came twice" % (KILLS, sent, len(r.bodies) - sent))
    r.close()


def main():
    s = Suite()
    s.run("one poisoned event is set aside with the last words", poison_is_found_and_set_aside, 1)
    s.run("so are three, each for itself", poison_is_found_and_set_aside, 3)
    s.run("SIGKILL and SIGTERM at random set nothing aside", other_deaths_set_nothing_aside)
    s.end()


main()
