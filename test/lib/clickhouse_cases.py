# clickhouse_cases.py - the ClickHouse sink against a real server, whole, wrong, dead and slow.
import json, os, threading, time
import servers
from place import Place, Suite, Skip, wait_for
from sinks_rig import expect

HERE = os.path.dirname(os.path.abspath(__file__))
STREAM = os.path.join(HERE, "..", "data", "clickstream.ndjson")
IMPATIENT = """    linger 20ms
    retry-min 20ms
    retry-max 200ms
    breaker-open 200ms
    timeout 2s
"""


def section(server, more="", name="ch", table="events", create="yes"):
    urls = server if isinstance(server, list) else [server]
    lines = "".join("    server http://127.0.0.1:%d\n" % (u if isinstance(u, int) else u.port)
                    for u in urls)
    return ("sink %s\n    kind clickhouse\n    from oldest\n    table %s\n    create %s\n%s%s%s" % (
        name, table, create, lines, IMPATIENT, more))


def place(server, more="", **kw):
    return Place(sections=section(server, more, **kw)).start()


def event(i, kind="click", **metadata):
    return json.dumps({"userId": "u%d" % (i % 7), "eventType": kind,
                       "timestamp": 1700000000000 + i, "metadata": {"n": i, **metadata}},
                      separators=(",", ":"))


def post(p, events, size=500):
    for i in range(0, len(events), size):
        status, _, got = p.post("[" + ",".join(events[i:i + size]) + "]", "/events/batch")
        expect(status, 200)
        expect({r["status"] for r in got["results"]}, {"accepted"})


def count(server, table="events", what="count()"):
    try:
        return server.query("SELECT %s FROM %s" % (what, table)).strip()
    except OSError:
        return None


def wait_rows(server, n, table="events", seconds=30):
    wait_for(lambda: count(server, table) == str(n), "%d rows (%s)" % (n, count(server, table)),
             seconds)


def stage(p, line, name="ch"):
    return servers.tell(os.path.join(p.run, "stage", name + ".sock"), line)


def words(p, line="show batch", name="ch"):
    return dict(w.split("=", 1) for w in stage(p, line, name).split() if "=" in w)


def row(p, name="ch"):
    try:
        w = words(p, "show sink", name)
    except OSError:  # it died just now
        return (-1, -1, -1)
    return tuple(int(w[k]) for k in ("delivered", "dead", "skipped"))


def wait_row(p, want, name="ch", seconds=30):
    wait_for(lambda: row(p, name) == want, "%s (is %s)" % (want, row(p, name)), seconds)


def log_has(p, text):
    wait_for(lambda: text in open(p.log).read(), "the log to say " + text)


def rows_of(server, table="events"):
    """All rows: lists of columns as the bytes they hold."""
    out = server.query("SELECT userId, eventType, toString(timestamp), metadata FROM %s "
                       "FORMAT JSONCompact" % table)
    return sorted(json.loads(out)["data"])


def wanted_rows(lines):
    """From the producer's bytes: metadata as it stands in the line."""
    out = []
    for line in lines:
        e = json.loads(line)
        at = line.index('"metadata":') + len('"metadata":')
        _, end = json.JSONDecoder().raw_decode(line, at)
        out.append([e["userId"], e["eventType"], str(e["timestamp"]), line[at:end]])
    return sorted(out)


def clickstream(c, compression):
    with place(c, "    compression %s\n" % compression, table="clicks") as p:
        p.ctl("send", "--url", "http://127.0.0.1:%d" % p.port, STREAM)
        wait_rows(c, 9389, "clicks")
        want = wanted_rows(line.decode() for line in p.cat())
        different = [(g, w) for g, w in zip(rows_of(c, "clicks"), want) if g != w]
        expect((len(want), different[:3]), (9389, []))
        wait_row(p, (9389, 0, 0))
    c.query("DROP TABLE clicks")


def types_of_columns(c):
    columns = """    column u LowCardinality(String) from /userId
    column n Int32 from /metadata/n
    column half Nullable(Float64) from /metadata/half
    column at DateTime from /timestamp
    column day Date from /timestamp
    column id UUID from /metadata/id
    column fixed FixedString(4) from /metadata/fixed
    column flag Bool from /metadata/flag
    column key String from event-key
    column receipt String from receipt
    column received UInt64 from received
    column stream UInt32 from stream
    column position UInt64 from position
    column body String from body
"""
    with place(c, columns, table="typed") as p:
        e = event(3, half=0.5, id="61f0c404-5cb3-11e7-907b-a6006ad3dba0", fixed="ab", flag=True)
        _, _, answer = p.post(e)
        post(p, [event(4)])
        wait_rows(c, 2, "typed")
        got = json.loads(c.query("SELECT u, n, half, toString(at), toString(day), toString(id), "
                                 "fixed, flag, key, receipt, received > 1600000000000, body FROM "
                                 "typed ORDER BY n FORMAT JSONCompact"))["data"]
        expect(got[0], ["u3", 3, 0.5, "2023-11-14 22:13:20", "2023-11-14",
                        "61f0c404-5cb3-11e7-907b-a6006ad3dba0", "ab\0\0", 1,
                        "event:u3:click:1700000000003", answer["receipt"], 1, e])
        expect(got[1][2], None)
        expect(got[1][5:8], ["00000000-0000-0000-0000-000000000000", "\0\0\0\0", 0])
    c.query("DROP TABLE typed")


def values_that_do_not_fit(c):
    with place(c, "    column n UInt8 from /metadata/n\n    column u String from /userId\n"
                  "    column t UInt64 from /timestamp\n", table="small") as p:
        post(p, [event(i) for i in range(200, 300)])
        wait_row(p, (56, 44, 0))
        expect(count(c, "small", "count(), min(n), max(n)"), "56\t200\t255")
    c.query("DROP TABLE small")


def rows_the_server_refuses(c):
    c.query("CREATE TABLE picky (userId String, eventType String, timestamp UInt64, metadata "
            "String, n UInt8 MATERIALIZED toUInt8(eventType)) ENGINE = MergeTree ORDER BY userId")
    with place(c, "    batch-events 1024\n",
               table="picky", create="no") as p:
        good = [event(i, kind=str(i % 200)) for i in range(1024)]
        good[700] = event(700, kind="seven")
        p.post("[" + ",".join(good[:1000]) + "]", "/events/batch")
        wait_row(p, (999, 1, 0))
        w = words(p)
        tries = int(w["inserts"]) + int(w["refused"])
        print("# one bad row of 1000 was found with %d inserts" % tries)
        post(p, good[1000:])
        wait_row(p, (1023, 1, 0))
        expect(count(c, "picky"), "1023")
        letter = p.ctl("deadletter", "ls", check=False).decode()
        print("# " + letter.strip().replace("\n", "\n# ")[:600])
        # All of one batch are bad: each is set aside, the server is not blamed.
        post(p, [event(i, kind="bad%d" % i) for i in range(2000, 2016)])
        wait_row(p, (1023, 17, 0))
    c.query("DROP TABLE picky")


def wrong_table(c):
    c.query("CREATE TABLE other (userId String, eventType String, timestamp UInt32) "
            "ENGINE = MergeTree ORDER BY userId")
    with place(c, table="other", create="no") as p:
        log_has(p, "column timestamp is UInt32 there and UInt64 here")
        log_has(p, "column metadata is not there")
        log_has(p, "CREATE TABLE IF NOT EXISTS `default`.`other`")
        post(p, [event(i) for i in range(10)])
        expect(row(p), (0, 0, 0))
        c.query("DROP TABLE other")
        log_has(p, "it is not there")
        c.query(p.ctl("clickhouse-ddl", "--old", "--sink", "ch").decode().strip().rstrip(";")
                .split(";")[-1])
        wait_row(p, (10, 0, 0))
        expect(count(c, "other"), "10")
    c.query("DROP TABLE other")


def table_altered_meanwhile(c):
    with place(c, table="moving") as p:
        post(p, [event(1)])
        wait_rows(c, 1, "moving")
        c.query("DROP TABLE moving")
        c.query("CREATE TABLE moving (userId String, eventType String, timestamp String, metadata "
                "String) ENGINE = MergeTree ORDER BY userId")
        # What is sent now is a wrong length for the server; nobody dies of it.
        post(p, [event(i) for i in range(2, 10)])
        log_has(p, "column timestamp is String there and UInt64 here")
        expect(row(p), (1, 0, 0))
        c.query("DROP TABLE moving")
        wait_row(p, (9, 0, 0))  # made again
        wait_rows(c, 8, "moving")
    c.query("DROP TABLE moving")


def wrong_password():
    with servers.ClickHouse(user="writer", password="right") as c:
        wrong = c.secret("wrong", "left")
        more = "    user writer\n    password-file %s\n"
        with place(c, more % wrong) as p:
            log_has(p, "Wrong password")
            post(p, [event(i) for i in range(10)])
            expect(row(p), (0, 0, 0))
            p.options["sections"] = section(c, more % c.password_file)
            p.write()
            p.stop()
            p.start()
            wait_rows(c, 10)
            wait_row(p, (10, 0, 0))
            assert "right" not in open(p.log).read() and "left" not in open(p.log).read()


def partitions(c):
    with place(c, "    partition hour\n", table="hours") as p:
        start = 1699999200000  # on the hour
        post(p, [json.dumps({"userId": "u", "eventType": "t", "timestamp": start + i * 600000})
                 for i in range(48)])
        wait_rows(c, 48, "hours")
        got = c.query("SELECT partition, sum(rows), count() FROM system.parts WHERE "
                      "table = 'hours' AND active GROUP BY partition").splitlines()
        expect(len(got), 8)
        expect({g.split("\t")[1] for g in got}, {"6"})
        expect(words(p)["inserts"], "8")
    c.query("DROP TABLE hours")


def only_what_matches(c):
    with place(c, "    match-type good\n    match /metadata/n >= 50\n", table="some") as p:
        post(p, [event(i, kind="good" if i % 2 else "bad") for i in range(100)])
        wait_row(p, (25, 0, 75))
        expect(count(c, "some", "count(), min(timestamp)"), "25\t1700000000051")
    c.query("DROP TABLE some")


class Load(threading.Thread):
    def __init__(self, p, first=0):
        super().__init__(daemon=True)
        self.p, self.n, self.first, self.ending, self.failure = p, 0, first, False, None

    def run(self):
        try:
            while not self.ending:
                at = self.first + self.n
                post(self.p, [event(i) for i in range(at, at + 100)])
                self.n += 100
                time.sleep(0.002)
        except Exception as e:  # noqa: BLE001 - told by end()
            self.failure = e

    def end(self):
        self.ending = True
        self.join()
        if self.failure:
            raise self.failure
        return self.n


def server_killed_and_restarted():
    with servers.ClickHouse() as c, place(c) as p:
        load = Load(p)
        load.start()
        for _ in range(3):
            before = row(p)[0]
            wait_for(lambda: row(p)[0] > before + 200, "rows to arrive")
            c.kill()
            c.start()
        n = load.end()
        wait_row(p, (n, 0, 0))
        rows, different = map(int, count(c, what="count(), uniqExact(timestamp)").split())
        print("# %d events, 3 kills of the server: %d rows, %d twice" % (n, rows, rows - different))
        expect(different, n)


def another_server_takes_over(c):
    with servers.ClickHouse() as d, place([c, d], table="two") as p:
        post(p, [event(i) for i in range(10)])
        wait_row(p, (10, 0, 0))
        c.kill()
        post(p, [event(i) for i in range(10, 20)])
        wait_row(p, (20, 0, 0))
        expect(count(d, "two"), "10")
        c.start()
        d.kill()
        post(p, [event(i) for i in range(20, 30)])
        wait_row(p, (30, 0, 0))
        expect(count(c, "two"), "20")
    c.query("DROP TABLE two")


def spoiled(c, mode, again):
    """again: what may be there twice."""
    table = mode.split()[0].replace("-", "_")
    with servers.Proxy(c.port) as x, place(x, table=table) as p:
        post(p, [event(0)])
        wait_row(p, (1, 0, 0))
        x.tell(mode)
        post(p, [event(i) for i in range(1, 101)])
        if mode == "black-hole":
            log_has(p, "may have arrived")
            x.tell("cut")
        if mode in ("black-hole", "refuse"):
            wait_for(lambda: int(words(p, "show sink").get("in_flight", 1)) > 0, "to be stuck")
            x.tell("pass")
        wait_row(p, (101, 0, 0))
        rows, different = map(int, count(c, table, "count(), uniqExact(timestamp)").split())
        expect(different, 101)
        assert rows - different in (0, again), rows
    c.query("DROP TABLE " + table)


def exactly_once_with_tokens():
    with servers.Chdb() as c, servers.Proxy(c.port) as x, \
            place(x, "    compression none\n") as p:
        load = Load(p)
        load.start()
        for i in range(4):
            before = row(p)[0]
            wait_for(lambda: row(p)[0] > before + 100, "rows to arrive", 60)
            x.tell("cut-after-request")
            before = row(p)[0]
            wait_for(lambda: row(p)[0] > before + 100, "rows to arrive again", 60)
            pid = p.pid_of("ch")
            os.kill(pid, 9)
            wait_for(lambda: p.pid_of("ch") not in (None, pid), "another process")
        n = load.end()
        wait_row(p, (n, 0, 0), seconds=60)
        got = tuple(map(int, count(c, what="count(), uniqExact(timestamp)").split()))
        print("# %d events, 4 answers cut, 4 kills: %d rows, %d different" % ((n,) + got))
        expect(got, (n, n))


def columns_change_between_insert_and_answer():
    """The insert happened, nobody heard of it, and the next start has other columns."""
    with servers.Chdb() as c, servers.Proxy(c.port) as x, \
            place(x, "    compression none\n") as p:
        post(p, [event(i) for i in range(50)])
        wait_row(p, (50, 0, 0))
        x.tell("delay 20000")
        post(p, [event(i) for i in range(50, 100)])
        wait_for(lambda: count(c) == "100", "the insert to happen")
        p.kill_all()
        x.tell("cut")
        x.tell("pass")
        p.options["sections"] = section(x, "    compression none\n    column userId String from "
                                           "/userId\n    column timestamp UInt64 from /timestamp\n"
                                           "    match-type other\n")
        p.write()
        p.start()
        log_has(p, "a batch of 50 rows was sent and not answered: it goes again")
        post(p, [event(i, kind="other") for i in range(100, 110)] + [event(110)])
        wait_row(p, (110, 0, 1))
        expect(count(c, what="count(), uniqExact(timestamp), countIf(eventType = '')"),
               "110\t110\t10")
        assert "there twice" not in open(p.log).read()


def timed(run):
    def wrapped(name, *args):
        began = time.monotonic()
        run(name, *args)
        print("# %.1f s" % (time.monotonic() - began))
    return wrapped


def main():
    s = Suite()
    s.run = timed(s.run)
    with servers.ClickHouse() as c:
        for packing in ("auto", "none", "gzip", "zstd"):
            s.run("clickstream_arrives_byte_for_byte_packed_" + packing, clickstream, c, packing)
        s.run("columns_of_all_types_and_sources", types_of_columns, c)
        s.run("values_that_do_not_fit_become_dead_letters", values_that_do_not_fit, c)
        s.run("rows_the_server_refuses_become_dead_letters", rows_the_server_refuses, c)
        s.run("table_that_differs_is_told_and_nothing_is_lost", wrong_table, c)
        s.run("table_altered_meanwhile_kills_no_event", table_altered_meanwhile, c)
        s.run("an_insert_holds_one_partition", partitions, c)
        s.run("only_what_matches_arrives", only_what_matches, c)
        s.run("another_server_takes_over", another_server_takes_over, c)
        for mode, again in (("delay 100", 0), ("one-byte", 0), ("cut-after-request", 100),
                            ("cut-within-request 300", 0), ("black-hole", 0), ("refuse", 0)):
            s.run("network_that_is_spoiled_by_" + mode.split()[0].replace("-", "_"), spoiled, c,
                  mode, again)
    s.run("wrong_password_keeps_the_events", wrong_password)
    s.run("server_killed_and_restarted_under_load", server_killed_and_restarted)
    s.run("exactly_once_where_the_server_knows_tokens", exactly_once_with_tokens)
    s.run("batch_is_finished_with_the_columns_it_began_with",
          columns_change_between_insert_and_answer)
    s.end()


if __name__ == "__main__":
    main()
