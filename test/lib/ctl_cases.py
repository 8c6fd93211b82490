# ctl_cases.py - sluicectl, the stats socket and the admin port.
import json, os, re, signal, socket, subprocess, threading, time
from place import BUILD, Place, Suite, read_answer, wait_for

EVENT = '{"userId":"u%d","eventType":"view","timestamp":%d}'
CTL = os.path.join(BUILD, "sluicectl")
count = 0


def events(n):
    global count
    count += n
    return "".join(EVENT % (i % 7, 1700000000000 + i) + "\n" for i in range(count - n, count))


def ctl(*args, **kw):
    """Any sluicectl: (exit code, stdout, stderr)."""
    env = {k: v for k, v in os.environ.items() if k != "SLUICE_CONF"}
    r = subprocess.run([CTL, *args], capture_output=True, text=True, env=env, timeout=120, **kw)
    return r.returncode, r.stdout, r.stderr


def of(p, *args, **kw):
    return ctl("-c", p.conf, *args, **kw)


def rows(text):
    """A table of show: a dict a row, by heading; columns are two blanks apart."""
    heads, out = None, []
    for line in text.splitlines():
        cells = re.split(r" {2,}", line.strip())
        if cells[0] in ("stage", "slot"):
            heads = cells
        elif heads and len(cells) == len(heads):
            out.append(dict(zip(heads, cells)))
    return out


def row(text, name):
    return next(r for r in rows(text) if r.get("stage") == name)


def send(p, *args, data=None, url=None):
    code, out, err = ctl("send", "--json", "--url", url or "http://127.0.0.1:%d" % p.port, *args,
                         "-", input=data)
    return code, json.loads(out), err


def expect(got, want):
    assert got == want, "%r, not %r" % (got, want)


def socat(p, line, stage=None):
    path = os.path.join(p.run, "stage/%s.sock" % stage if stage else "stats.sock")
    return subprocess.run(["socat", "-t", "10", "-", "UNIX-CONNECT:" + path], input=line,
                          capture_output=True, text=True, timeout=30).stdout


def people_can_talk_to_the_socket(p):
    both = socat(p, "show stat; show proc\n")
    expect(both.count("\n\n"), 2)
    assert both.endswith("\n\n"), repr(both[-20:])
    assert "http 0" in both and "supervisor" in both
    expect(socat(p, "show ledger"), socat(p, "show ledger\n"))
    assert "try: help" in socat(p, "shwo stat\n")


def every_command_of_help_answers(p):
    listed = [l for l in socat(p, "help\n").splitlines() if l.startswith("show ")]
    assert len(listed) >= 8, listed
    for line in listed:
        words = " ".join(line.split()[:2])
        answer = socat(p, words + "\n")
        assert len(answer) > 2 and answer.endswith("\n\n"), (words, answer)
        assert "\n\n" not in answer[:-2], (words, answer)
        code, out, err = of(p, "show", words.split()[1])
        expect((code, err), (0, ""))
        assert out, words


def commands_have_their_exit_codes(p):
    for args in (["stat"], ["stat", "--all"], ["stat", "--typed", "http 0"], ["proc"], ["rings"],
                 ["errors"], ["ledger"], ["show", "journal"], ["stage", "http-0", "show info"],
                 ["stage", "http 1", "show", "memory"], ["version"], ["help"], ["help", "send"],
                 ["stat", "--help"], ["--version"]):
        code, out, err = of(p, *args)
        assert (code, err) == (0, "") and out, (args, code, err)
    for args in ([], ["bogus"], ["stat", "--bogus"], ["proc", "x"], ["send"], ["send", "a", "b"],
                 ["send", "--batch", "0", "-"], ["send", "--batch", "100001", "-"],
                 ["send", "--concurrency", "257", "-"], ["send", "--ack", "maybe", "-"],
                 ["send", "--url", "ftp://x", "-"], ["send", "--url", "http://x/y", "-"],
                 ["stat", "nobody"], ["show", "nothing"], ["show", "journal", "--json"],
                 ["show", "rings", "--json"], ["stage", "http-0"],
                 ["stage", "../stats", "help"], ["stage", "http-0", "bogus"]):
        code, out, err = of(p, *args, input="")
        assert (code, out) == (64, "") and err.startswith("sluicectl: ") and \
            err.count("\n") == 1, (args, code, out, err)
    for word, meant in (("stta", "stat"), ("journla", "journal")):
        assert "did you mean %s?" % meant in of(p, word)[2]
    assert "did you mean" not in of(p, "bogus")[2]
    code, _, err = of(p, "stage", "http-9", "help")
    assert code == 69 and err.count("\n") == 1, (code, err)


def json_is_json(p):
    stat = json.loads(of(p, "stat", "--json")[1])
    expect([s["stage"] for s in stat["stages"] if s["role"] == "http"], ["http 0", "http 1"])
    total = stat["totals"]["stream"]
    expect(total["received"],
           sum(s["counters"]["received"] for s in stat["stages"] if s["role"] == "http"))
    expect(stat["ledger"]["received"], total["received"])
    expect(json.loads(of(p, "ledger", "--json")[1])["balance"], "balanced")
    processes = {r["stage"]: r for r in json.loads(of(p, "proc", "--json")[1])["processes"]}
    expect(processes["http 0"]["pid"], p.pid_of("http 0"))
    assert "supervisor" in processes, processes
    rings = json.loads(of(p, "rings", "--json")[1])["rings"]
    expect([r["pid"] for r in rings], [p.pid_of("http 0"), p.pid_of("http 1")])
    expect(list(json.loads(of(p, "errors", "--json")[1])), ["errors"])
    expect(json.loads(of(p, "version", "--json")[1])["version"], stat["version"])


def folders_can_be_named(p):
    code, out, err = ctl("--runtime-dir", p.run, "--state-dir=" + p.state, "proc")
    assert code == 0 and "journal" in out, (code, err)
    code, _, err = ctl("proc", "--runtime-dir", "/nonexistent", "--state-dir", p.state)
    assert code == 69 and "/nonexistent" in err, (code, err)
    code, _, err = ctl("-c", "/nonexistent/sluice.conf", "proc")
    assert code == 1 and err.count("\n") == 1, (code, err)
    bad = os.path.join(p.dir, "bad.conf")
    with open(bad, "w") as f:
        f.write("glob\n")
    code, _, err = ctl("-c", bad, "proc")
    assert code == 1 and err.endswith("or say --runtime-dir and --state-dir\n"), (code, err)


def streams_that_never_were_are_told(p):
    send(p, data=events(1))
    one = json.loads(of(p, "cat", "--meta")[1].splitlines()[0])
    instance, stream, position = one["receipt"].split(":")
    for args in (["--stream", "99"], ["--from", instance + ":99:0"]):
        code, out, err = of(p, "cat", *args)
        assert (code, out) == (1, "") and "stream 99: no such stream" in err, (code, err)
    for args in (["--stream", "1"], ["--stream", stream], ["--from", one["receipt"]]):
        expect((of(p, "cat", *args)[0], of(p, "cat", *args)[2]), (0, ""))
    # Without shared memory the log knows.
    for want, number in ((0, stream), (1, "99")):
        code = ctl("--runtime-dir", "/nonexistent", "--state-dir", p.state, "cat", "--stream",
                   number)[0]
        expect(code, want)


def send_finds_the_listener_of_the_configuration(p):
    code, out, err = of(p, "send", "--json", "-", input=events(3))
    expect((code, json.loads(out)["accepted"]), (0, 3))
    env = {"SLUICE_CONF": p.conf + ".none"}
    r = subprocess.run([CTL, "send", "-"], input="", capture_output=True, text=True, env=env)
    expect((r.returncode, r.stderr.count("\n")), (1, 1))


def ages_are_told_in_two_ways(p):
    for age in ("1h", "-1h"):
        code, out, _ = of(p, "cat", "--from", age)
        assert code == 0 and out, (age, code)


def documents_and_folders_are_told_from_events(p):
    for text in ('[\n' + events(1) + ']\n', '{\n"userId":"u"\n}\n'):
        code, _, err = ctl("send", "--url", "http://127.0.0.1:%d" % p.port, "-", input=text)
        assert text[0] == "[" or (code == 2 and "one event a line" in err), (code, err)
    code, out, err = ctl("send", p.dir)
    assert (code, out) == (1, "") and "is a folder" in err and err.count("\n") == 1, err


def invalid_events_are_named(p):
    bad = '\n{"userId":"","eventType":"x","timestamp":1}\n' + events(3) + "{oops\r\n"
    code, got, _ = send(p, data=bad)
    expect((code, got["events"], got["accepted"], got["invalid"]), (2, 5, 3, 2))
    expect([(i["line"], i["code"], i["pointer"]) for i in got["invalidEvents"]],
           [(2, "user_id_empty", "/userId"), (6, "invalid_json", "")])
    code, got, _ = send(p, data="{}\n" * 2500)
    expect((code, got["invalid"]), (2, 2500))
    expect([i["line"] for i in got["invalidEvents"]], list(range(1, 11)))
    code, out, _ = ctl("send", "--url", "http://127.0.0.1:%d" % p.port, "-", input="{}\n" * 12)
    assert code == 2 and "line 10: invalid: user_id_missing" in out and "2 more" in out, out


def levels_and_shapes(p):
    for args in (["--ack", "memory"], ["--ack", "durable", "--batch", "1"],
                 ["--batch", "7", "--concurrency", "1"], ["--concurrency", "16"],
                 ["--rate", "5000"]):
        code, got, err = send(p, *args, data=events(500))
        expect((code, got["accepted"], got["undecided"]), (0, 500, 0))
        expect(got["ack"], "memory" if "memory" in args else "durable")
    expect(send(p, data="")[0], 0)
    expect(send(p, data=events(1).rstrip("\n"))[1]["accepted"], 1)


def batches_larger_than_the_listener_allows(p):
    code, got, _ = send(p, "--batch", "5000", data=events(12000))
    expect((code, got["accepted"]), (0, 12000))


def unix_sockets_too(p):
    code, got, _ = send(p, data=events(50), url="unix:" + p.dir + "/in.sock")
    expect((code, got["accepted"]), (0, 50))


def slow_input_flows(p):
    sender = subprocess.Popen([CTL, "send", "--json", "--url", "http://127.0.0.1:%d" % p.port, "-"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    before = json.loads(of(p, "stat", "--json")[1])["totals"]["stream"]["put"]
    sender.stdin.write(events(3))
    sender.stdin.flush()
    wait_for(lambda: json.loads(of(p, "stat", "--json")[1])["totals"]["stream"]["put"] ==
             before + 3, "events of an open pipe to arrive")
    sender.stdin.write(events(2))
    out, _ = sender.communicate()
    expect((sender.returncode, json.loads(out)["accepted"]), (0, 5))


def stopped_admin_stops_nobody_from_looking(p):
    pid = p.pid_of("admin")
    os.kill(pid, signal.SIGSTOP)
    try:
        for args in (["stat"], ["proc"], ["rings"], ["ledger"], ["show", "info"]):
            code, out, err = of(p, *args)
            assert code == 0 and "shared memory was read instead" in err and out, (args, err)
        got = row(of(p, "proc")[1], "admin")
        expect((got["state"], got["beat_age"]), ("stopped", "-"))
        expect(row(of(p, "proc")[1], "http 0")["beat_age"].isdigit(), True)
        code, got, _ = send(p, data=events(10))
        expect(code, 0)
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: of(p, "stat")[2] == "", "the admin stage to answer again")


def stopped_acceptor_stops_nobody_from_looking(p):
    pid = p.pid_of("http 0")
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: int(row(of(p, "proc")[1], "http 0")["beat_age"]) > 5,
                 "the heartbeat to age")
        expect(row(of(p, "proc")[1], "http 0")["state"], "stopped")
        assert row(of(p, "proc")[1], "http 1")["state"] in ("ready", "disk wait")
        expect(p.request("GET", "/livez", port=p.admin)[0], 200)
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: int(row(of(p, "proc")[1], "http 0")["beat_age"]) < 3, "the heartbeat")


def sending_survives_dying_acceptors(p):
    data, stop = events(20000), threading.Event()

    def killer():
        while not stop.is_set():
            for name in ("http 0", "http 1"):
                pid = p.pid_of(name)
                if pid:
                    os.kill(pid, signal.SIGKILL)
                    time.sleep(0.05)

    before = json.loads(of(p, "stat", "--json")[1])
    t = threading.Thread(target=killer)
    t.start()
    try:
        code, got, err = send(p, "--rate", "20000", "--batch", "100", data=data)
    finally:
        stop.set()
        t.join()
    expect((code, got["accepted"] + got["duplicate"], got["undecided"]), (0, 20000, 0))
    wait_for(lambda: json.loads(of(p, "ledger", "--json")[1])["balance"] == "balanced",
             "the ledger to balance")
    after = json.loads(of(p, "stat", "--json")[1])
    expect(after["totals"]["stream"]["put"] - before["totals"]["stream"]["put"], 20000)
    assert got["broken"] > 0, "nothing broke: %s" % got
    expect(of(p, "ledger")[0], 0)
    assert "signal 9 (KILL)" in of(p, "proc")[1]


def admin_port(p):
    def get(path, method="GET"):
        return p.request(method, path, port=p.admin)

    wait_for(lambda: get("/readyz")[0] == 200, "the daemon to be ready")
    status, headers, body = get("/metrics")
    expect(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
    text = body.decode() if isinstance(body, bytes) else body
    assert re.search(r'^sluice_received_total\{stage="http 0",stream="0"\} \d+$', text, re.M), text
    sample = re.compile(r'^[a-z0-9_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.]+$')
    bad = [l for l in text.splitlines() if not l.startswith("# ") and not sample.match(l)]
    expect(bad, [])
    expect(get("/metrics", "HEAD")[0], 200)
    health = get("/health")[2]
    expect(sorted(health), ["service", "status", "timestamp", "uptime", "version"])
    expect((health["status"], health["service"]), ("ok", "sluice"))
    expect(get("/livez")[2], {"status": "ok"})
    expect(get("/readyz")[2], {"status": "ready", "reasons": []})
    assert "GET /metrics" in get("/")[2]["endpoints"]
    status, headers, body = get("/nothing")
    expect((status, body["error"]["code"]), (404, "not_found"))
    status, headers, body = get("/metrics", "POST")
    expect((status, body["error"]["code"]), (405, "method_not_allowed"))
    assert "GET" in headers["allow"], headers
    expect(get("/metrics", "OPTIONS")[0], 204)


def dead_daemon_can_be_looked_at():
    with Place(glob="    hang-time 60s", journal="    commit-max 4m").start() as p:
        send(p, data=events(10))
        p.kill_all()
        time_limit = wait_for(lambda: of(p, "proc")[0] == 0, "the region to be read")
        assert time_limit
        proc = of(p, "proc")[1]
        wait_for(lambda: row(of(p, "proc")[1], "supervisor")["state"] == "dead", "a dead supervisor")
        assert "http 0" in proc
        expect(json.loads(of(p, "stat", "--json")[1])["ledger"]["put"], 10)


def ended_daemon_is_not_dead():
    with Place().start() as p:
        send(p, data=events(10))
        p.daemon.send_signal(signal.SIGTERM)
        p.daemon.wait(timeout=60)
        got = {r["stage"]: r["state"] for r in rows(of(p, "proc")[1])}
        expect(got.pop("supervisor"), "stopped")
        expect(set(got.values()), {"done"})


class Server:
    """Answers one request a connection by a script: functions of (connection, body)."""

    def __init__(self, *script):
        self.script, self.bodies = list(script), []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while self.script:
            s, _ = self.listener.accept()
            with s:
                head = b""
                while b"\r\n\r\n" not in head:
                    more = s.recv(65536)
                    if not more:
                        break
                    head += more
                head, _, body = head.partition(b"\r\n\r\n")
                if not head:
                    continue
                want = int(re.search(rb"Content-Length: (\d+)", head).group(1))
                while len(body) < want:
                    body += s.recv(65536)
                self.bodies.append(body.decode())
                self.script.pop(0)(s, body.decode().splitlines())
        self.listener.close()


def answer(s, status, body, extra=""):
    body = body if isinstance(body, str) else json.dumps(body)
    s.sendall(("HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n%s\r\n%s" %
               (status, len(body), extra, body)).encode())


def results(*words):
    """A batch answer with these verdicts, repeated to the length of the batch."""
    def reply(s, lines):
        out = [{"status": words[i % len(words)]} for i in range(len(lines))]
        for r in out:
            if r["status"] == "invalid":
                r["error"] = {"code": "c", "message": "m \"q\"", "pointer": "/p"}
        answer(s, 503 if "unknown" in words else 200, {"status": "batch_processed",
               "count": len(lines), "results": out, "ack": "durable"})
    return reply


def scripted(script, n, *args):
    server = Server(*script)
    code, got, err = send(None, "--concurrency", "1", *args, data=events(n),
                          url="http://127.0.0.1:%d" % server.port)
    return code, got, err, server


def what_is_undecided_is_sent_again():
    ok = results("accepted")
    for first, decided, retry, unknown in (
            (results("accepted", "retry"), 2, 2, 0),
            (results("duplicate", "unknown"), 2, 0, 2),
            (lambda s, l: answer(s, 503, {"error": {"code": "starting", "message": "x"}}), 0, 0, 0),
            (lambda s, l: answer(s, 429, "slow down"), 0, 0, 0),
            (lambda s, l: None, 0, 0, 0),
            (lambda s, l: s.sendall(b"HTTP/1.1 200 OK\r\nContent-Le"), 0, 0, 0),
            (lambda s, l: (s.sendall(b"HTTP/1.1 100 Continue\r\n\r\n"), results("retry")(s, l)), 0, 4, 0)):
        code, got, err, server = scripted([first, ok], 4)
        assert code == 0, (got, err)
        expect((got["accepted"] + got["duplicate"], got["resent"], got["retry"], got["unknown"]),
               (4, 4 - decided, retry, unknown))
        again = server.bodies[1].splitlines()
        expect(again, server.bodies[0].splitlines()[1::2] if decided else
               server.bodies[0].splitlines())


def refusals_end_it():
    for status, body, text in (
            (400, {"error": {"code": "bad_ack", "message": "no such level"}}, "bad_ack: no such level"),
            (404, "not here", "404: not here"),
            (200, {"results": []}, "not about"),
            (200, "no json at all", "not about")):
        code, got, err, server = scripted([lambda s, l: answer(s, status, body)], 4)
        assert code == 1 and text in err and err.count("\n") == 1, (code, err)
        expect((got["undecided"], got["resent"]), (4, 0))
    for junk in (b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                 b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"):
        code, got, err, server = scripted([lambda s, l: s.sendall(junk)], 4)
        assert code == 1 and "does not answer as" in err, (code, err)


def too_large_is_halved():
    def refuse(s, lines):
        answer(s, 413, {"error": {"code": "too_many"}})

    code, got, _, server = scripted([refuse, refuse] + [results("accepted")] * 9, 8)
    expect((code, got["accepted"]), (0, 8))
    expect((got["split"], got["resent"]), (2, 0))
    expect(sorted("".join(server.bodies[-8:]).splitlines())[-1][:2], '{"')
    code, got, _, server = scripted([refuse], 1)
    expect((code, got["invalid"], got["invalidEvents"][0]["code"]), (2, 1, "body_too_large"))


def nobody_there_is_said():
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    code, out, err = ctl("send", "--url", "http://127.0.0.1:%d" % port, "-", input=events(1))
    assert code == 1 and "Connection refused" in err and "--retry" in err, err
    assert "undecided" not in out and "undelivered 1\n" in out, out
    with Place() as p:
        name = os.path.join(p.dir, "events")
        with open(name, "w") as f:
            f.write(events(2345))
        code, out, err = ctl("send", "--json", "--url", "unix:" + p.dir + "/no.sock", name)
        expect((code, json.loads(out)["undelivered"]), (1, 2345))
        assert err.count("\n") == 1 and "No such file" in err, err


def main():
    suite = Suite()
    with Place(glob="    hang-time 60s", journal="    commit-max 4m") as p:
        p.options["listen"] = "    bind unix:%s/in.sock" % p.dir
        p.write()
        p.start()
        for test in (people_can_talk_to_the_socket, every_command_of_help_answers,
                     commands_have_their_exit_codes, json_is_json, folders_can_be_named,
                     streams_that_never_were_are_told,
                     send_finds_the_listener_of_the_configuration, ages_are_told_in_two_ways,
                     documents_and_folders_are_told_from_events,
                     invalid_events_are_named, levels_and_shapes,
                     batches_larger_than_the_listener_allows, unix_sockets_too, slow_input_flows,
                     admin_port, stopped_admin_stops_nobody_from_looking,
                     stopped_acceptor_stops_nobody_from_looking,
                     sending_survives_dying_acceptors):
            suite.run(test.__name__, test, p)
    for test in (dead_daemon_can_be_looked_at, ended_daemon_is_not_dead, what_is_undecided_is_sent_again, refusals_end_it,
                 too_large_is_halved, nobody_there_is_said):
        suite.run(test.__name__, test)
    suite.end()


main()
