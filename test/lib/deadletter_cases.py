# deadletter_cases.py - refused events: kept with their reason, shown, sent again, ended.
import fcntl, json, os, signal, subprocess, sys, threading, time
import servers
from place import BUILD, Place, Suite, wait_for

ROUTE = """sink hook
    kind route
    server %s/in
    from oldest
    retry-min 20ms
    retry-max 100ms
    breaker-open 100ms
"""


def place(httpd, more="", env=None, **options):
    return Place(sections=ROUTE % httpd.facts()["url"] + more, **options).start(env=env)


def event(i, kind="order", **metadata):
    return {"userId": "u.%d" % (i % 10), "eventType": kind, "timestamp": 1700000000000 + i,
            "metadata": {"n": i, "of": "x%d;" % i, **metadata}}


def post(p, events):
    """The receipts, in order."""
    status, _, got = p.request("POST", "/events/batch", json.dumps(events),
                               {"Content-Type": "application/json"})
    assert status == 200, got
    assert {r["status"] for r in got["results"]} == {"accepted"}, got
    return [r["receipt"] for r in got["results"]]


def refuse(httpd, *numbers, **more):
    httpd.rules(*({"contains": '"x%d;"' % n, "status": 400, "body": "no %d, thanks" % n, **more}
                  for n in numbers))


def run(p, *args):
    """(exit code, stdout, stderr)"""
    r = subprocess.run([os.path.join(BUILD, "sluicectl"), "-c", p.conf, *args],
                       capture_output=True, text=True)
    return r.returncode, r.stdout, r.stderr


def letters(p, *more):
    code, out, err = run(p, "deadletter", "ls", "--json", *more)
    assert code == 0, err
    return [json.loads(line) for line in out.splitlines()]


def stats(p):
    code, out, err = run(p, "deadletter", "stats", "--json")
    assert code == 0, err
    return {(r["sink"], r["code"]): tuple(r[k] for k in ("open", "replayed", "purged", "expired"))
            for r in json.loads(out)["deadLetters"]}


def stage(p, line, name="deadletter"):
    return servers.tell(os.path.join(p.run, "stage", name + ".sock"), line)


def sink_row(p, name="hook"):
    words = dict(w.split("=", 1) for w in stage(p, "show sink", name).split() if "=" in w)
    return tuple(int(words[w]) for w in ("delivered", "dead", "skipped"))


def settled(p, n, name="hook"):
    def has_all():
        try:
            return sum(sink_row(p, name)) == n
        except (OSError, KeyError):
            return False
    wait_for(has_all, "the sink to have everything", 60)


def numbers_of(requests):
    return sorted(json.loads(r["body"])["metadata"]["n"] for r in requests)


def refused_events_are_listed_with_their_reason(httpd):
    refuse(httpd, 3, 7, 11)
    with place(httpd) as p:
        receipts = post(p, [event(i) for i in range(20)])
        settled(p, 20)
        assert sink_row(p) == (17, 3, 0), sink_row(p)
        got = letters(p)
        assert [d["event"]["metadata"]["n"] for d in got] != [], got
        assert sorted(d["event"]["metadata"]["n"] for d in got) == [3, 7, 11], got
        for d in got:
            n = d["event"]["metadata"]["n"]
            assert d["sink"] == "hook" and d["state"] == "open", d
            assert d["receipt"] == receipts[n], (d, receipts[n])
            assert "no %d, thanks" % n in d["reason"], d
            assert d["event"] == event(n), d
        code, out, _ = run(p, "deadletter", "show", got[0]["id"])
        assert code == 0 and json.loads(out) == got[0], out
        code, out, _ = run(p, "deadletter", "ls")
        assert code == 0 and len(out.splitlines()) == 4, out
        # Conditions on the event, on the code, on the sink.
        assert len(letters(p, "--where", "/metadata/n > 5")) == 2
        assert len(letters(p, "--where", "/metadata/n > 5", "--where", "/eventType = view")) == 0
        assert len(letters(p, "--where", "code=" + got[0]["code"])) == 3
        assert len(letters(p, "--where", "code=none")) == 0
        for command in ("ls", "replay", "purge"):
            code, out, err = run(p, "deadletter", command, "--sink", "other")
            assert code == 1 and "other: no dead letters of such a sink" in err, (code, err)
        assert len(letters(p, "--since", "-1h", "--limit", "2")) == 2
        assert len(letters(p, "--since", "2099-01-01")) == 0
        # The stage says the same.
        lines = stage(p, "ls limit=2").strip().splitlines()
        assert [json.loads(l)["id"] for l in lines] == [d["id"] for d in got[:2]], lines
        # And the receipt.
        code, out, _ = run(p, "receipt", "--json", receipts[3])
        assert code == 2 and json.loads(out) == {
            "receipt": receipts[3], "status": "durable",
            "eventKey": "event:u.3:order:1700000000003", "sinks": {"hook": "dead"}}, out
        assert p.request("GET", "/events/receipts/" + receipts[3])[::2] == (200, json.loads(out))
        code, out, _ = run(p, "receipt", receipts[4])
        assert code == 0 and out.split()[-2:] == ["hook", "delivered"], out
        p.stop()
        # Without a daemon the files still speak.
        assert letters(p) != [] and stats(p)[("hook", got[0]["code"])][0] == 3


def a_replay_adds_up(httpd):
    refuse(httpd, *range(0, 40, 2))
    with place(httpd) as p:
        receipts = post(p, [event(i) for i in range(50)])
        settled(p, 50)
        assert sink_row(p) == (30, 20, 0), sink_row(p)
        code, out, _ = run(p, "deadletter", "replay", "--sink", "hook", "--dry-run")
        assert code == 0 and out == "would send 20 again to hook\n", out
        code, out, _ = run(p, "deadletter", "replay", "--sink", "hook", "--dry-run", "--json")
        assert json.loads(out) == {"sinks": [{"sink": "hook", "wouldSend": 20}]}, out
        # 4 of them are refused again.
        refuse(httpd, 0, 10, 20, 30)
        httpd.clear()
        code, out, err = run(p, "deadletter", "replay", "--where", "/metadata/n < 39", "--json")
        assert code == 2, (code, out, err)
        assert json.loads(out)["sinks"] == [{"sink": "hook", "selected": 20, "delivered": 16,
                                             "deadAgain": 4, "skipped": 0, "left": 0}], out
        assert sorted(d["event"]["metadata"]["n"] for d in letters(p)) == [0, 10, 20, 30]
        [(key, row)] = stats(p).items()
        assert row == (4, 20, 0, 0), row
        code, out, _ = run(p, "receipt", "--json", receipts[2])
        assert code == 0 and json.loads(out)["sinks"] == {"hook": "delivered"}, out
        code, out, _ = run(p, "receipt", "--json", receipts[10])
        assert code == 2 and json.loads(out)["sinks"] == {"hook": "dead"}, out
        # The rest by id, and nothing is left.
        httpd.rules()
        httpd.clear()
        ids = [d["id"] for d in letters(p)]
        code, out, err = run(p, "deadletter", "replay", *ids)
        assert code == 0, (code, out, err)
        assert "hook: selected 4 = delivered 4 + dead again 0 + skipped 0 + left 0" in out, out
        assert numbers_of(httpd.requests()) == [0, 10, 20, 30]
        assert letters(p) == []
        assert os.listdir(os.path.join(p.state, "sinks", "hook", "inbox")) == []
        # Live events were never disturbed, and what was marked stays so.
        p.stop()
        p.start()
        assert letters(p) == [] and len(letters(p, "--all")) == 24


def an_interrupted_replay_leaves_the_rest(httpd):
    httpd.rules({"status": 400})
    with place(httpd) as p:
        post(p, [event(i) for i in range(300)])
        settled(p, 300)
        httpd.rules()
        httpd.clear()
        c = subprocess.Popen([os.path.join(BUILD, "sluicectl"), "-c", p.conf, "deadletter",
                              "replay", "--sink", "hook", "--rate", "50", "--json"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: len(httpd.requests()) >= 20, "the first of them")
        c.send_signal(signal.SIGINT)
        out, err = c.communicate(timeout=30)
        [row] = json.loads(out)["sinks"]
        assert c.returncode == 1 and "stopped" in err, (c.returncode, err)
        assert row["selected"] == 300 and row["left"] > 0 and row["delivered"] >= 20, row
        assert row["delivered"] + row["left"] == 300, row
        assert len(httpd.requests()) == row["delivered"], row
        assert len(letters(p)) == row["left"], row
        code, out, err = run(p, "deadletter", "replay", "--sink", "hook")
        assert code == 0 and letters(p) == [], (code, out, err)
        assert numbers_of(httpd.requests()) == list(range(300))  # each once
        p.stop()
        some = [d["id"] for d in letters(p, "--all")][:2]
        code, _, err = run(p, "deadletter", "purge", *some)
        assert code == 69 and "does not answer" in err, (code, err)


def what_a_dead_sink_left_twice_is_sent_once(httpd):
    def by_command(p):
        code, out, err = run(p, "deadletter", "replay", "--sink", "hook")
        assert code == 0 and "selected 200 = delivered 200" in out, (code, out, err)

    def over_http(p):
        status, _, got = p.request("POST", "/deadletter/retry", '{"sink":"hook"}',
                                   {"Content-Type": "application/json"}, port=p.admin)
        assert status == 200 and got["count"] == 200, (status, got)
        wait_for(lambda: letters(p) == [], "none left")

    for again in (by_command, over_http):
        httpd.rules({"status": 400})
        with place(httpd) as p:
            post(p, [event(i) for i in range(200)])
            settled(p, 200)
            httpd.rules({"status": 400, "delay_ms": 100})  # some are in flight at any time
            c = subprocess.Popen([os.path.join(BUILD, "sluicectl"), "-c", p.conf, "deadletter",
                                  "replay", "--sink", "hook", "--rate", "100"],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            wait_for(lambda: len(letters(p)) > 210, "some to be refused again")
            os.kill(p.pid_of("hook"), 9)
            _, err = c.communicate(timeout=60)
            assert c.returncode == 1 and "run the command again" in err, (c.returncode, err)
            assert len(letters(p)) > 210
            httpd.rules()
            httpd.clear()
            again(p)
            assert numbers_of(httpd.requests()) == list(range(200))  # each once
            assert letters(p) == []


def purged_is_not_sent(httpd):
    refuse(httpd, 1, 2, 3, 4)
    with place(httpd) as p:
        post(p, [event(i) for i in range(10)])
        settled(p, 10)
        code, _, err = run(p, "deadletter", "purge")
        assert code == 64 and "say which" in err, (code, err)
        code, out, _ = run(p, "deadletter", "purge", "--where", "/metadata/n <= 2", "--dry-run")
        assert (code, out) == (0, "would purge 2\n"), out
        code, out, _ = run(p, "deadletter", "purge", "--sink", "hook", "--dry-run", "--json")
        assert json.loads(out) == {"wouldPurge": 4}, out
        code, out, err = run(p, "deadletter", "purge", "--where", "/metadata/n <= 2")
        assert (code, out) == (0, "purged 2\n"), (out, err)
        assert sorted(d["event"]["metadata"]["n"] for d in letters(p)) == [3, 4]
        code, out, _ = run(p, "deadletter", "purge", "--json", letters(p)[0]["id"])
        assert (code, json.loads(out)) == (0, {"purged": 1}), out
        httpd.rules()
        httpd.clear()
        code, out, _ = run(p, "deadletter", "replay", "--all")
        assert code == 0 and "selected 1 = delivered 1" in out, out
        assert len(httpd.requests()) == 1
        [row] = stats(p).values()
        assert row == (0, 1, 3, 0), row
        code, _, err = run(p, "deadletter", "show", "hook-1-31")
        assert code == 1 and "no such dead letter" in err, err


def a_part_of_the_journal_is_delivered_again(httpd):
    httpd.rules()
    more = "    match-type order\n"
    with place(httpd, more) as p:
        receipts = post(p, [event(i, "order" if i % 2 == 0 else "view") for i in range(40)])
        settled(p, 40)
        assert sink_row(p) == (20, 0, 20), sink_row(p)
        httpd.clear()
        code, out, _ = run(p, "replay", "--sink", "hook", "--from", "oldest", "--dry-run")
        assert (code, out) == (0, "would send 20 of 40 events to hook\n"), out
        code, out, _ = run(p, "replay", "--sink", "hook", "--from", "oldest", "--dry-run", "--json")
        assert json.loads(out) == {"sink": "hook", "wouldSend": 20, "of": 40}, out
        code, out, err = run(p, "replay", "--sink", "hook", "--from", "oldest")
        assert code == 0, (out, err)
        assert out == "hook: read 40 = delivered 20 + dead 0 + skipped 20\n", out
        assert numbers_of(httpd.requests()) == list(range(0, 40, 2))
        # One stream at a time, from receipt to receipt.
        httpd.clear()
        same = [r for r in receipts if r.split(":")[1] == receipts[0].split(":")[1]]
        span = same[2:9]
        code, out, err = run(p, "replay", "--sink", "hook", "--from", span[0], "--to", same[9],
                             "--all", "--rate", "1000")
        assert code == 0, (out, err)
        want = sorted(receipts.index(r) for r in span)
        assert set(want) <= set(numbers_of(httpd.requests())), (want, out)
        assert receipts.index(same[9]) not in numbers_of(httpd.requests())
        for args, code in [(["--sink", "hook"], 64), (["--sink", "none", "--from", "oldest"], 1),
                           (["--sink", "hook", "--from", "oldest", "--to", same[1]], 64),
                           (["--sink", "hook", "--from", same[3], "--to", same[1]], 64),
                           (["--sink", "hook", "--from", "-1m", "--to", "-2m"], 64),
                           (["--sink", "hook", "--from", "00000000:0:0"], 1)]:
            assert run(p, "replay", *args)[0] == code, (args, run(p, "replay", *args))


def what_intake_refused_is_kept_when_asked(httpd):
    httpd.rules()
    with place(httpd, "deadletter\n    invalid yes\n") as p:
        bad = '{"userId":"u","timestamp":1,"note":"\\u00fc\\n"}'
        status, _, got = p.post(bad)
        assert status == 422, got
        p.post("no JSON at all \xff".encode("latin-1"))
        post(p, [event(1)])
        wait_for(lambda: len(letters(p)) == 2, "two dead letters", 30)
        second, first = sorted(letters(p), key=lambda d: d["code"])[::-1]
        assert first["sink"] == second["sink"] == "intake", first
        assert first["code"] == got["error"]["code"], (first, got)
        assert first["body"] == bad, first
        assert second["code"] == "invalid_utf8" and second["body"].startswith("no JSON"), second
        code, out, err = run(p, "deadletter", "replay", "--all")
        assert code == 0 and "2 refused at intake are left out" in err, (code, out, err)
        assert len(letters(p)) == 2
        settled(p, 1)
        # Once each, however often it is started and killed.
        for _ in range(3):
            p.kill_all()
            p.start()
        p.post(bad)
        wait_for(lambda: len(letters(p)) == 3, "the third", 30)
        assert stats(p)[("intake", first["code"])][0] == 2, stats(p)


def naps(pid):
    """How often it went to sleep by itself; a process that waits for a lock does it often."""
    try:
        status = open("/proc/%d/status" % pid).read()
    except (OSError, TypeError):
        return 0
    return int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])


def what_a_predecessor_writes_last_is_not_overwritten(httpd):
    httpd.rules()
    with place(httpd, "deadletter\n    invalid yes\n") as p:
        files = os.path.join(p.state, "deadletter", "intake", "00000001.dead")
        lock = os.path.join(p.state, "deadletter", "lock")
        for n in range(3):
            p.post('{"userId":"u","n":%d}' % n)
            wait_for(lambda: len(letters(p)) == n + 1, "it to be kept")
            whole = open(files, "rb").read()
            two = len(whole) if n == 1 else two if n == 2 else 0
        p.stop()
        # As if it had outlived its supervisor: the lock is held, the third record comes late.
        os.truncate(files, two)
        with open(lock, "r+") as held:
            fcntl.lockf(held, fcntl.LOCK_EX)
            starting = threading.Thread(target=p.start)
            starting.start()
            wait_for(lambda: p.daemon and naps(p.pid_of("deadletter")) > 100,
                     "the successor to wait")
            with open(files, "r+b") as f:
                f.seek(two)
                f.write(whole[two:])
            fcntl.lockf(held, fcntl.LOCK_UN)
            starting.join()
        p.post('{"userId":"u","n":3}')
        wait_for(lambda: len(letters(p)) >= 3 and '"n":3}' in letters(p)[0]["body"], "the fourth")
        assert len(letters(p)) == 4, letters(p)


def a_replay_is_of_these_whatever_the_match_says_now(httpd):
    refuse(httpd, 1, 2, 3)
    with place(httpd) as p:
        receipts = post(p, [event(i) for i in range(5)])
        settled(p, 5)
        p.stop()
        p.options["sections"] += "sink other\n    kind route\n    server %s/other\n" % (
            httpd.facts()["url"])
        p.options["sections"] = p.options["sections"].replace(
            "    from oldest\n", "    from oldest\n    match-type view\n")
        p.write()
        p.start()
        httpd.rules()
        httpd.clear()
        one = next(d["id"] for d in letters(p) if d["event"]["metadata"]["n"] == 1)
        status, _, got = p.request("POST", "/deadletter/retry", json.dumps({"id": one}),
                                   {"Content-Type": "application/json"}, port=p.admin)
        assert status == 200, (status, got)
        wait_for(lambda: len(letters(p)) == 2, "it to be marked")
        assert numbers_of(httpd.requests()) == [1], httpd.requests()
        code, out, err = run(p, "deadletter", "replay", "--sink", "hook")
        assert code == 0, (code, out, err)
        assert "selected 2 = delivered 2 + dead again 0 + skipped 0 + left 0" in out, out
        assert numbers_of(httpd.requests()) == [1, 2, 3] and letters(p) == []
        for n, word in [(1, "delivered"), (2, "delivered"), (4, "skipped")]:
            _, out, _ = run(p, "receipt", "--json", receipts[n])
            assert json.loads(out)["sinks"]["hook"] == word, (n, out)


def a_receipt_is_told_by_a_stage_that_has_just_begun(httpd):
    httpd.rules()
    with place(httpd) as p:
        receipts = post(p, [event(i) for i in range(3)])
        settled(p, 3)
        for _ in range(10):
            os.kill(p.pid_of("deadletter"), 9)

            def answer():
                try:
                    return stage(p, "receipt %s %s json" % tuple(receipts[1].split(":")[1:]))
                except OSError:
                    return None

            got = json.loads(wait_for(answer, "the next one"))
            assert got["status"] == "durable" and got["sinks"] == {"hook": "delivered"}, got


def inbox(p):
    try:
        return os.listdir(os.path.join(p.state, "sinks", "hook", "inbox"))
    except FileNotFoundError:  # the first replay makes it
        return []


def nothing_stays_in_the_inbox(httpd):
    httpd.rules({"status": 400})
    with place(httpd) as p:
        post(p, [event(i) for i in range(20)])
        settled(p, 20)
        # A sink that does not answer; and who asked is ended.
        sink = p.pid_of("hook")
        os.kill(sink, signal.SIGSTOP)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            c = subprocess.Popen([os.path.join(BUILD, "sluicectl"), "-c", p.conf, "deadletter",
                                  "replay", "--sink", "hook"], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
            wait_for(lambda: any(n.endswith(".frames") for n in inbox(p)), "its file")
            c.send_signal(number)
            out, err = c.communicate(timeout=30)
            assert c.returncode not in (0, -number), (c.returncode, out, err)
            assert "left 20" in out and inbox(p) == [], (out, err, inbox(p))
        os.kill(sink, signal.SIGCONT)
        # A retry whose sink died under it.
        httpd.rules({"delay_ms": 60000})
        status, _, got = p.request("POST", "/deadletter/retry", '{"sink":"hook"}',
                                   {"Content-Type": "application/json"}, port=p.admin)
        assert status == 200, (status, got)
        stage_pid = p.pid_of("deadletter")
        os.kill(stage_pid, signal.SIGSTOP)
        os.kill(p.pid_of("hook"), 9)
        wait_for(lambda: inbox(p) == [] and "running" in stage(p, "show sink", "hook"),
                 "the next sink")
        name = got["replay"] + ".frames"
        open(os.path.join(p.state, "sinks", "hook", "inbox", name), "w").close()
        os.kill(stage_pid, signal.SIGCONT)
        wait_for(lambda: "given up" in open(p.log).read(), "the retry to be given up")
        assert inbox(p) == [] and len(letters(p)) == 20, inbox(p)


def a_sink_killed_again_and_again_keeps_each_once(httpd):
    httpd.rules({"status": 400, "body": "never"})
    with place(httpd) as p:
        for round in range(30):
            post(p, [event(round * 50 + i) for i in range(50)])
            pid = p.pid_of("hook")
            if pid is not None and round % 2 == 0:
                time.sleep(0.002 * (round % 7))  # somewhere else each time
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    pass
        settled(p, 1500)
        got = [d["event"]["metadata"]["n"] for d in letters(p)]
        assert sorted(got) == list(range(1500)), (len(got), len(set(got)))


def killed_at_each_point_it_keeps_each_once(httpd):
    """With MODE=crash: every life of the sink ends at the named place."""
    httpd.rules({"status": 400, "body": "never"})
    for point in ("deadletter-written", "deadletter-synced", "sink-publishing"):
        with place(httpd, env={"SLUICE_CRASH": point + ":3"}) as p:
            for round in range(40):
                post(p, [event(round * 10 + i) for i in range(10)])

            def has_all():
                return len(letters(p)) >= 400

            wait_for(has_all, "all dead letters at " + point, 60)
            settled(p, 400)
            got = [d["event"]["metadata"]["n"] for d in letters(p)]
            assert sorted(got) == list(range(400)), (point, len(got), len(set(got)))
            deaths = open(p.log).read().count("hook died")
            assert deaths >= 5, (point, deaths)
            print("   %s: %d deaths" % (point, deaths))


def what_is_old_goes(httpd):
    refuse(httpd, *range(5))
    with place(httpd, "deadletter\n    retain 2s\n") as p:
        post(p, [event(i) for i in range(5)])
        settled(p, 5)
        wait_for(lambda: letters(p) == [] and sum(r[3] for r in stats(p).values()) == 5,
                 "all to expire", 30)


def the_admin_port_lists_and_retries(httpd):
    refuse(httpd, 1, 2, 3)
    with place(httpd) as p:
        def get(path):
            status, _, got = p.request("GET", path, port=p.admin)
            assert status == 200, got
            return got["deadletter"]

        def retry(what):
            return p.request("POST", "/deadletter/retry", json.dumps(what),
                             {"Content-Type": "application/json"}, port=p.admin)

        post(p, [event(i) for i in range(6)])
        settled(p, 6)
        assert len(get("/deadletter")) == 3
        assert len(get("/deadletter?limit=2&sink=hook")) == 2
        assert get("/deadletter?code=none") == []
        assert {d["id"] for d in get("/deadletter")} == {d["id"] for d in letters(p)}
        assert p.request("GET", "/deadletter?limit=x", port=p.admin)[0] == 400
        status, _, got = retry({"id": "hook-1-31"})
        assert status == 404, (status, got)
        assert retry({"what": 1})[0] == 400 and retry([])[0] == 400
        status, _, got = p.request("POST", "/deadletter/retry", '{"sink":"hook"}',
                                   {"Content-Type": "text/plain"}, port=p.admin)
        assert status == 415, (status, got)
        httpd.rules()
        one = letters(p)[0]["id"]
        status, _, got = retry({"id": one})
        assert status == 200 and got["status"] == "retried" and got["count"] == 1, (status, got)
        wait_for(lambda: len(letters(p)) == 2, "one less")
        assert one not in {d["id"] for d in letters(p)}
        status, _, got = retry({"sink": "hook"})
        assert status == 200 and got["count"] == 2, (status, got)
        wait_for(lambda: letters(p) == [], "none left")
        [row] = stats(p).values()
        assert row == (0, 3, 0, 0), row


def copies_go_to_redis(httpd):
    refuse(httpd, *range(8))
    with servers.Redis() as redis:
        with place(httpd, "deadletter\n    copy-redis 127.0.0.1:%d\n    copy-redis-list letters\n"
                   "    copy-redis-max 5\n" % redis.port) as p:
            post(p, [event(i) for i in range(8)])
            settled(p, 8)
            wait_for(lambda: redis.cli("llen", "letters").strip() in ("5", b"5"), "the copies")
            wait_for(lambda: "redis_copied=8" in stage(p, "stats"), "all copies")
            got = [json.loads(l) for l in redis.cli("lrange", "letters", "0", "-1").splitlines()]
            assert {d["id"] for d in got} <= {d["id"] for d in letters(p)}, got
            # A copy that fails holds nothing up, and is made up for.
            redis.stop()
            refuse(httpd, 8)
            post(p, [event(8)])
            settled(p, 9)
            assert len(letters(p)) == 9
            redis.start()
            wait_for(lambda: "redis_copied=9" in stage(p, "stats"), "the ninth copy")
            p.stop()
            p.start()
            refuse(httpd, 9)
            post(p, [event(9)])
            wait_for(lambda: "redis_copied=1" in stage(p, "stats"), "only the tenth")
            # The server had forgotten the first eight.
            got = [json.loads(l) for l in redis.cli("lrange", "letters", "0", "-1").splitlines()]
            assert [d["event"]["metadata"]["n"] for d in got] == [8, 9], got


def copies_go_to_kafka(httpd):
    refuse(httpd, *range(5))
    with servers.Kafka() as kafka:
        more = "deadletter\n    copy-kafka 127.0.0.1:%d\n" % kafka.port
        with place(httpd, more) as p:
            post(p, [event(i) for i in range(5)])
            settled(p, 5)
            wait_for(lambda: "kafka_copied=5" in stage(p, "stats"), "all copies", 60)
            got = [json.loads(l) for l in kafka.records("events-deadletter")]
            assert sorted(d["id"] for d in got) == sorted(d["id"] for d in letters(p)), got


CASES = [refused_events_are_listed_with_their_reason, a_replay_adds_up,
         an_interrupted_replay_leaves_the_rest, what_a_dead_sink_left_twice_is_sent_once,
         purged_is_not_sent,
         a_part_of_the_journal_is_delivered_again, what_intake_refused_is_kept_when_asked,
         what_a_predecessor_writes_last_is_not_overwritten,
         a_replay_is_of_these_whatever_the_match_says_now,
         a_receipt_is_told_by_a_stage_that_has_just_begun, nothing_stays_in_the_inbox,
         a_sink_killed_again_and_again_keeps_each_once, what_is_old_goes,
         the_admin_port_lists_and_retries, copies_go_to_redis, copies_go_to_kafka]


def main():
    suite = Suite()
    cases = [killed_at_each_point_it_keeps_each_once] if sys.argv[1:] == ["crash"] else CASES
    if sys.argv[1:] == ["crash"]:
        del sys.argv[1:]
    with servers.Httpd() as httpd:
        for case in cases:
            if len(sys.argv) < 2 or case.__name__ in sys.argv[1:]:
                httpd.clear()
                suite.run(case.__name__.replace("_", " "), case, httpd)
    return suite.end()


sys.exit(main())
