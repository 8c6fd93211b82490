# kafka_rig.py - what the tests of the Kafka sink share: a section, records with keys and headers.
import collections, json, os, socket, subprocess
from place import BUILD, wait_for

# Short waits: a test that kills a broker does not want to wait for a breaker.
QUICK = """    retry-min 20ms
    retry-max 200ms
    breaker-open 200ms
    connect-timeout 1s
"""
number = 0


def fresh(word="t"):
    """A topic nobody has used."""
    global number
    number += 1
    return "%s-%d-%d" % (word, os.getpid(), number)


def section(port, topic, more="", name="kafka"):
    lines = "".join("    %s\n" % l.strip() for l in more.splitlines())
    return "sink %s\n    kind kafka\n    from oldest\n    server 127.0.0.1:%d\n    topic %s\n%s%s" % (
        name, port, topic, QUICK, lines)


def tool(*args):
    out = subprocess.run([os.path.join(BUILD, "lib/kafka_tool"), *map(str, args)],
                         capture_output=True)
    assert out.returncode == 0, out.stderr.decode()
    return out.stdout.decode()


def event(i, **more):
    return {"userId": "u%d" % (i % 97), "eventType": "click", "timestamp": 1700000000000 + i,
            "metadata": {"n": i, **more}}


def post(p, events):
    """All of them accepted."""
    for i in range(0, len(events), 1000):
        body = json.dumps(events[i:i + 1000])
        status, _, answer = p.request("POST", "/events/batch", body,
                                      {"Content-Type": "application/json"})
        assert status == 200, (status, answer)
        bad = [r for r in answer["results"] if r["status"] != "accepted"]
        assert not bad, bad[:3]


def ask(p, line, name="kafka"):
    """The sink's own socket."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(os.path.join(p.run, "stage", name + ".sock"))
        s.sendall(line.encode() + b"\n")
        out = b""
        while not out.endswith(b"\n\n"):
            more = s.recv(65536)
            if not more:
                break
            out += more
    return out.decode()


def row(p, name="kafka"):
    """What became of the events, as the sink says it."""
    words = [w.split("=") for line in ask(p, "show sink", name).splitlines()
             for w in line.split() if line.startswith("delivered=")]
    got = {k: int(v) for k, v in words}
    got["pending"] = json.loads(p.ctl("ledger", "--json"))["put"] - sum(got.values())
    return got


def settled(p, name="kafka", seconds=60):
    def look():
        try:
            r = row(p, name)
        except OSError:  # it starts just now
            return None
        return r if r["pending"] == 0 else None

    return wait_for(look, "nothing to be pending in %s" % name, seconds)


def total(k, topic, partitions=3):
    """End offsets: every record that was ever written, transactions' markers too."""
    out = k.kcat("-Q", *[w for p in range(partitions) for w in ("-t", "%s:%d:-1" % (topic, p))])
    return sum(int(line.rsplit(b"offset ", 1)[1]) for line in out.splitlines())


def records(k, topic, form="%s\\n", committed=True):
    """All records from the beginning, one line each; without the wait at the end."""
    return k.kcat("-C", "-q", "-t", topic, "-o", "beginning", "-e", "-f", form,
                  "-X", "fetch.wait.max.ms=10", "-X", "isolation.level=" + (
                      "read_committed" if committed else "read_uncommitted")).splitlines()


def same(got, want, what=""):
    """Nothing lost; how many stand twice is another question."""
    lost, strange = set(want) - set(got), set(got) - set(want)
    assert not lost and not strange, "%s%d lost, %d nobody sent, of %d: %r" % (
        what, len(lost), len(strange), len(want), list(lost or strange)[:1])


def once(got, want):
    same(got, want)
    assert len(got) == len(want), "%d stand twice" % (len(got) - len(want))


def twice(lines):
    """How many are there more than once."""
    return sum(n - 1 for n in collections.Counter(lines).values())
