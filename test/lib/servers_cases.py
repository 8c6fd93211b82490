# servers_cases.py - the servers that other tests stand on do what their tests rely on.
import gzip, http.client, os, socket, ssl, subprocess, threading, time, urllib.error
import servers
from place import ROOT, Suite, wait_for

COMMANDS = os.path.join(ROOT, "test/servers")


def expect(got, want):
    assert got == want, "%r, not %r" % (got, want)


def fails(function, *args):
    try:
        function(*args)
    except (OSError, subprocess.CalledProcessError, http.client.HTTPException) as e:
        return e
    raise AssertionError("it did not fail")


def redis_keeps_its_port_and_its_data():
    with servers.Redis(appendonly=True, unix=True) as r:
        expect(r.cli("set", "k", "v"), "OK")
        expect(r.cli("-s", r.unix, "get", "k"), "v")
        port, pid = r.port, r.pid
        r.restart()
        expect((r.port, r.cli("get", "k")), (port, "v"))
        assert r.pid != pid
        r.kill()
        fails(r.cli, "ping")
        r.start()
        expect(r.keys(), ["k"])
    assert not os.path.exists(r.dir)


def redis_asks_for_its_password():
    for kw in (dict(password="secret"), dict(acl=("someone", "secret"))):
        with servers.Redis(**kw) as r:
            expect(r.cli("ping"), "PONG")
            expect(open(r.password_file).read(), "secret\n")
            with socket.create_connection(("127.0.0.1", r.port)) as s:
                s.sendall(b"GET k\r\n")
                assert s.recv(100).startswith(b"-NOAUTH")


def a_paused_server_does_not_answer_and_then_does():
    with servers.Redis() as r:
        r.pause()
        with socket.create_connection(("127.0.0.1", r.port)) as s:
            s.sendall(b"PING\r\n")
            s.settimeout(0.3)
            assert isinstance(fails(s.recv, 100), socket.timeout)
            r.cont()
            s.settimeout(30)
            expect(s.recv(100), b"+PONG\r\n")


def database(kind, engine):
    with kind as c:
        c.query("create table t (a UInt32, b String) engine=MergeTree order by a " + engine)
        rows = bytes([1, 0, 0, 0, 3, 255, 0, 65, 2, 0, 0, 0, 1, 10])
        c.query("insert into t (a, b) format RowBinary", body=rows)
        expect(c.query("select a, hex(b) from t order by a"), "1\tFF0041\n2\t0A\n")
        e = fails(c.query, "select * from nosuch")
        assert e.code >= 400 and b"Code: 60" in e.read()
        e = fails(c.query, "insert into t (a, b) format RowBinary", rows[:5])
        assert e.code >= 400 and b"DB::Exception" in e.read()
        c.kill()
        c.start()
        expect(c.query("select count() from t"), "2\n")
        return rows


def clickhouse_takes_rows_and_keeps_them():
    database(servers.ClickHouse(), "")


def clickhouse_asks_for_its_password():
    with servers.ClickHouse(user="sluice", password="se'cret") as c:
        expect(c.query("select 1"), "1\n")
        c.password = "wrong"
        assert fails(c.query, "select 1").code >= 400


def chdb_takes_rows_and_knows_a_token_again():
    database(servers.Chdb(), "")
    with servers.Chdb() as c:
        c.query("create table t (a UInt32) engine=MergeTree order by a "
                "settings non_replicated_deduplication_window=100")
        for token in ("one", "one", "two"):
            c.query("insert into t (a) format RowBinary", body=gzip.compress(b"\1\0\0\0"),
                    headers={"Content-Encoding": "gzip"}, async_insert=0,
                    insert_deduplication_token=token, database="default")
        expect(c.query("select count() from t"), "2\n")


def kafka_takes_records_and_keeps_them():
    with servers.Kafka(message_max_bytes=100000) as k:
        k.kcat("-P", "-t", "t", "-p", "0", input=b"one\ntwo\n")
        expect(k.records("t"), [b"one", b"two"])
        big = fails(lambda: k.kcat("-P", "-t", "t", "-p", "0", input=os.urandom(100).hex().encode()
                                   * 2000 + b"\n"))
        assert b"too large" in big.stderr, big.stderr
        k.kill()
        k.start()
        k.kcat("-P", "-t", "t", "-p", "0", input=b"three\n")
        expect(k.records("t"), [b"one", b"two", b"three"])


def kafka_behind_a_proxy():
    with servers.Proxy(1) as p, servers.Kafka(advertise=p.port) as k:
        p.stop()
        p.to = "127.0.0.1:%d" % k.port
        p.start()
        k.kcat("-P", "-t", "t", "-p", "0", input=b"one\n")
        assert p.stats()["accepted"] > 0
        expect(k.records("t"), [b"one"])


def ask(port, path="/", body=b"x", connection=None, timeout=30):
    c = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    c.request("POST", path, body)
    a = c.getresponse()
    return a.status, a.read(), a.headers


def httpd_notes_requests():
    with servers.Httpd() as h:
        expect(ask(h.port, "/a?b", b"\x00\xff")[0], 200)
        c = http.client.HTTPConnection("127.0.0.1", h.port)
        c.request("PUT", "/chunked", iter((b"ab", b"cd")), {"X-Some": "thing"})
        c.getresponse().read()
        got = h.requests()
        expect([(r["method"], r["path"], r["body"]) for r in got],
               [("POST", "/a?b", b"\x00\xff"), ("PUT", "/chunked", b"abcd")])
        assert ["X-Some", "thing"] in got[1]["headers"]
        expect(h.clear()["requests"], 0)
        expect(h.requests(), [])


def httpd_obeys_rules():
    with servers.Httpd() as h:
        h.rules({"path": "/busy", "skip": 1, "times": 1, "status": 429, "body": "later",
                 "headers": {"Retry-After": "7"}},
                {"path": "/close", "do": "close"}, {"path": "/cut", "do": "cut"},
                {"path": "/hang", "do": "hang"}, {"path": "/slow", "delay_ms": 300},
                {"contains": "poison", "status": 400})
        expect([ask(h.port, "/busy")[0] for _ in range(3)], [200, 429, 200])
        expect(h.requests()[-1]["n"], 3)
        assert isinstance(fails(ask, h.port, "/close"), http.client.RemoteDisconnected)
        fails(ask, h.port, "/cut")
        assert isinstance(fails(lambda: ask(h.port, "/hang", timeout=0.3)), socket.timeout)
        expect(ask(h.port, "/", b"some poison here")[0], 400)
        threads = [threading.Thread(target=ask, args=(h.port, "/slow")) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert h.stats()["max_concurrent"] > 1
        wait_for(lambda: h.stats()["concurrent"] == 0, "the requests to end")
        h.rules({"status": 503, "headers": {"Retry-After": "7"}})
        status, _, headers = ask(h.port, "/busy")
        expect((status, headers["Retry-After"]), (503, "7"))


def httpd_speaks_tls():
    with servers.Httpd(tls=True) as h:
        trust = ssl.create_default_context(cafile=h.ca_file)
        c = http.client.HTTPSConnection("localhost", h.port, context=trust)
        expect(ask(h.port, connection=c)[0], 200)
        fails(ask, h.port, "/", b"x", http.client.HTTPSConnection("localhost", h.port))


def proxy_does_what_it_is_told():
    with servers.Httpd() as h, servers.Proxy(h.port) as p:
        def requests():
            return len(h.requests())

        c = http.client.HTTPConnection("127.0.0.1", p.port, timeout=30)
        expect(ask(0, connection=c)[0], 200)
        p.tell("one-byte")
        h.rules({"body": "some text"})
        expect(ask(0, connection=c)[:2], (200, b"some text"))
        p.tell("delay 200")
        start = time.monotonic()
        expect(ask(0, connection=c)[0], 200)
        assert time.monotonic() - start >= 0.2
        # Done, and nobody was told.
        before = requests()
        p.tell("cut-after-request")
        fails(lambda: ask(0, connection=c))
        expect((requests(), p.stats()["cut"], p.stats()["mode"]), (before + 1, 1, "pass"))
        expect(ask(p.port)[0], 200)
        p.tell("cut-every 2")
        expect([ask(p.port)[0], bool(fails(ask, p.port)), ask(p.port)[0]], [200, True, 200])
        # Not done.
        before = requests()
        p.tell("cut-within-request 200")
        fails(lambda: ask(p.port, "/", b"x" * 1000))
        expect(ask(p.port)[0], 200)
        expect(requests(), before + 1)
        p.tell("black-hole")
        fails(lambda: ask(p.port, timeout=0.3))
        expect(requests(), before + 1)
        p.tell("pass")
        expect(ask(p.port)[0], 200)
        p.tell("refuse")
        assert isinstance(fails(ask, p.port), ConnectionRefusedError)
        p.tell("pass")
        expect(ask(p.port)[0], 200)
        h.kill()
        fails(ask, p.port)
        h.start()
        expect(ask(p.port)[0], 200)
        assert "error" in p.tell("nonsense")


def from_the_shell():
    for name, want in (("redis --password x", "password_file"), ("clickhouse", "tcp_port"),
                       ("httpd --tls", "ca_file"), ("proxy --to 127.0.0.1:1", "control")):
        out = subprocess.run([os.path.join(COMMANDS, name.split()[0]), *name.split()[1:]],
                             capture_output=True, check=True).stdout.decode()
        facts = dict(line.split("=", 1) for line in out.splitlines())
        try:
            assert want in facts, out
            assert servers.is_alive(int(facts["pid"]))
        finally:
            subprocess.run([os.path.join(COMMANDS, "stop"), facts["pid"]], check=True)
        assert not servers.is_alive(int(facts["pid"]))
        assert not os.path.exists(facts["dir"])
    p = subprocess.run([os.path.join(COMMANDS, "stop"), str(os.getpid())], capture_output=True)
    assert p.returncode != 0 and b"no server" in p.stderr, p


def what_cannot_be_had_is_said():
    env = {**os.environ, "SLUICE_TEST_CACHE": "/nonexistent"}
    p = subprocess.run([os.path.join(COMMANDS, "chdb")], capture_output=True, env=env)
    expect(p.returncode, 77)
    assert b"--install" in p.stderr


def main():
    suite = Suite()
    for test in (redis_keeps_its_port_and_its_data, redis_asks_for_its_password,
                 a_paused_server_does_not_answer_and_then_does,
                 clickhouse_takes_rows_and_keeps_them, clickhouse_asks_for_its_password, chdb_takes_rows_and_knows_a_token_again,
                 kafka_takes_records_and_keeps_them, kafka_behind_a_proxy, httpd_notes_requests,
                 httpd_obeys_rules, httpd_speaks_tls, proxy_does_what_it_is_told, from_the_shell,
                 what_cannot_be_had_is_said):
        suite.run(test.__name__, test)
    suite.end()


main()
