# clickstream_cases.py - a real day of events in every way there is, read back byte for byte.
import json, os, subprocess, threading
from place import BUILD, ROOT, Place, Suite, wait_for

DATA = os.path.join(ROOT, "test/data/clickstream.ndjson")
LINES = open(DATA, "rb").read().splitlines()


def key(line):
    e = json.loads(line)
    return e.get("id") or (e["userId"], e["eventType"], e["timestamp"])


def first_occurrences():
    seen, out = set(), []
    for line in LINES:
        k = key(line)
        if k not in seen:
            seen.add(k)
            out.append(line)
    return out


FIRST = first_occurrences()
REPEATED = len(LINES) - len(FIRST)


def expect(got, want, what=""):
    assert got == want, "%s%r, not %r" % (what, got, want)


def place(**more):
    return Place(journal="    commit-max 4m", **more).start()


def send(p, *args):
    r = subprocess.run([os.path.join(BUILD, "sluicectl"), "send", "--json", "--url",
                        "http://127.0.0.1:%d" % p.port, *args, DATA], capture_output=True)
    expect((r.returncode, r.stderr), (0, b""))
    return json.loads(r.stdout)


def counted(got):
    return got["events"], got["accepted"], got["duplicate"], got["invalid"], got["undecided"]


def ledger(p):
    got = json.loads(p.ctl("ledger", "--json"))
    expect(got["balance"], "balanced")
    return got["received"], got["put"], got["duplicate"]


def read_back(p, in_order):
    """What cat writes is the first of each event, byte for byte."""
    got = p.cat()
    expect(len(got), len(FIRST))
    if in_order:
        assert got == FIRST, "cat differs from the first occurrences"
    else:
        # Connections race for equal events: any of the equal ones may have won.
        expect(len({key(l) for l in got}), len(FIRST))
        expect(len(set(got) - set(LINES)), 0, "lines that nobody sent: ")


def the_file_has_what_the_test_says():
    expect((len(LINES), len(FIRST), REPEATED), (9999, 9389, 610))


def sent_twice():
    with place() as p:
        expect(counted(send(p)), (9999, 9389, 610, 0, 0))
        expect(counted(send(p)), (9999, 0, 9999, 0, 0))
        expect(ledger(p), (2 * 9999, 9389, 610 + 9999))
        read_back(p, False)


def sent_on_one_connection_keeps_the_order():
    with place() as p:
        expect(counted(send(p, "--concurrency", "1")), (9999, 9389, 610, 0, 0))
        read_back(p, True)


def two_senders_two_acceptors_one_truth():
    with place() as p:
        got = [None, None]

        def one(i):
            got[i] = counted(send(p, "--batch", "50", "--concurrency", "2"))

        threads = [threading.Thread(target=one, args=(i,)) for i in (0, 1)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        expect(got[0][1] + got[1][1], 9389)
        expect(got[0][2] + got[1][2], 2 * 9999 - 9389)
        expect(ledger(p), (2 * 9999, 9389, 2 * 9999 - 9389))
        read_back(p, False)


def curl(p, requests, content_type):
    """One curl, one connection, many requests; the answers."""
    config = os.path.join(p.dir, "curl")
    with open(config, "w") as f:
        for i, (path, body) in enumerate(requests):
            data = os.path.join(p.dir, "body.%d" % i)
            open(data, "wb").write(body)
            f.write('%surl = "http://127.0.0.1:%d%s"\nheader = "Content-Type: %s"\n'
                    'data-binary = "@%s"\nwrite-out = "\\n%%{http_code}\\n"\nsilent\n' %
                    ("next\n" if i else "", p.port, path, content_type, data))
    out = subprocess.run(["curl", "-K", config], capture_output=True, check=True).stdout
    lines = out.decode().splitlines()
    return [(int(code), json.loads(body)) for body, code in zip(lines[::2], lines[1::2])]


def curl_in_batches_of_1000():
    with place() as p:
        batches = [LINES[i:i + 1000] for i in range(0, len(LINES), 1000)]
        got = curl(p, [("/events/batch", b"[" + b",\n".join(b) + b"]") for b in batches],
                   "application/json")
        expect([c for c, _ in got], [200] * 10)
        results = [r for _, a in got for r in a["results"]]
        expect(len(results), 9999)
        expect(sum(r["status"] == "accepted" for r in results), 9389)
        # Results stand in the order of the events.
        for line, r in zip(LINES, results):
            e = json.loads(line)
            expect(r["eventKey"], "event:%s:%s:%d" % (e["userId"], e["eventType"], e["timestamp"]))
        read_back(p, True)


def curl_one_by_one():
    with place() as p:
        got = curl(p, [("/events?ack=memory", line) for line in LINES], "application/json")
        expect(sum(c == 202 and a["status"] == "accepted" for c, a in got), 9389)
        expect(sum(c == 200 and a["status"] == "duplicate" for c, a in got), 610)
        expect(ledger(p), (9999, 9389, 610))
        wait_for(lambda: json.loads(p.ctl("stat", "--json"))["totals"]["stream"]
                 ["unread_bytes"] == 0, "the journal to have everything")
        read_back(p, True)


def remembered_over_a_restart():
    with place() as p:
        expect(counted(send(p)), (9999, 9389, 610, 0, 0))
        p.stop()
        p.start()
        expect(counted(send(p)), (9999, 0, 9999, 0, 0))
        read_back(p, False)


def main():
    suite = Suite()
    for test in (the_file_has_what_the_test_says, sent_twice,
                 sent_on_one_connection_keeps_the_order, two_senders_two_acceptors_one_truth,
                 curl_in_batches_of_1000, curl_one_by_one, remembered_over_a_restart):
        suite.run(test.__name__, test)
    suite.end()


main()
