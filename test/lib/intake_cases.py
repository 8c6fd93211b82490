# intake_cases.py - what the intake answers: verdicts, codes, limits, batches, acks.
import json, socket
from place import Place, Suite, exchange, read_answer, render, wait_for

EVENT = {"userId": "u1", "eventType": "view", "timestamp": 1700000000000}
count = 0


def fresh(**more):
    global count
    count += 1
    return {**EVENT, "timestamp": 1700000000000 + count, **more}


def expect(answer, code, /, **fields):
    got, headers, body = answer
    assert got == code, "status %d, not %d: %s" % (got, code, body)
    assert "x-request-id" in headers, headers
    for name, value in fields.items():
        at = body
        for part in name.split("__"):
            at = at[part]
        assert at == value, "%s is %r, not %r in %s" % (name, at, value, body)
    return body


def accepted_then_duplicate(p):
    e = fresh()
    b = expect(p.post(e), 202, status="accepted", ack="durable",
               eventKey="event:u1:view:%d" % e["timestamp"])
    assert b["receipt"].count(":") == 2, b
    expect(p.post(e), 200, status="duplicate", ack="durable")
    assert [json.loads(l) for l in p.cat()].count(e) == 1


def memory_on_request(p):
    expect(p.post(fresh(), "/events?ack=memory"), 202, ack="memory")
    expect(p.post(fresh(), headers={"Sluice-Ack": "memory"}), 202, ack="memory")
    expect(p.post(fresh(), "/events?ack=durable", {"Sluice-Ack": "memory"}), 202, ack="durable")
    expect(p.post(fresh(), "/events?ack=deliver"), 400, error__code="bad_ack")
    expect(p.post(fresh(), "/events?ack=delivered"), 400, error__code="ack_not_offered")
    expect(p.post(fresh(), "/events?ack=%zz"), 400, error__code="bad_query")
    expect(p.post(fresh(), "/events?ack=memory&ack=memory"), 400, error__code="bad_query")


INVALID = [
    ("no JSON", b"hello", 400, "invalid_json", ""),
    ("cut short", b'{"userId":"u"', 400, "invalid_json", ""),
    ("empty body", b"", 400, "invalid_json", ""),
    ("two values", b"{} {}", 400, "invalid_json", ""),
    ("bad UTF-8", b'{"userId":"\xff","eventType":"t","timestamp":1}', 400, "invalid_utf8", ""),
    ("an array", b"[]", 422, "not_an_object", ""),
    ("a number", b"17", 422, "not_an_object", ""),
    ("no userId", b'{"eventType":"t","timestamp":1}', 422, "user_id_missing", "/userId"),
    ("userId a number", b'{"userId":1,"eventType":"t","timestamp":1}', 422, "user_id_not_string", "/userId"),
    ("userId empty", b'{"userId":"","eventType":"t","timestamp":1}', 422, "user_id_empty", "/userId"),
    ("userId of 257 bytes", json.dumps({"userId": "x" * 257, "eventType": "t", "timestamp": 1}).encode(), 422, "user_id_too_long", "/userId"),
    ("no eventType", b'{"userId":"u","timestamp":1}', 422, "event_type_missing", "/eventType"),
    ("no timestamp", b'{"userId":"u","eventType":"t"}', 422, "timestamp_missing", "/timestamp"),
    ("timestamp text", b'{"userId":"u","eventType":"t","timestamp":"1"}', 422, "timestamp_not_integer", "/timestamp"),
    ("timestamp 1.5", b'{"userId":"u","eventType":"t","timestamp":1.5}', 422, "timestamp_not_integer", "/timestamp"),
    ("timestamp 0", b'{"userId":"u","eventType":"t","timestamp":0}', 422, "timestamp_out_of_range", "/timestamp"),
    ("timestamp negative", b'{"userId":"u","eventType":"t","timestamp":-1}', 422, "timestamp_out_of_range", "/timestamp"),
    ("metadata text", b'{"userId":"u","eventType":"t","timestamp":1,"metadata":"x"}', 422, "metadata_not_object", "/metadata"),
    ("metadata null", b'{"userId":"u","eventType":"t","timestamp":1,"metadata":null}', 422, "metadata_not_object", "/metadata"),
    ("member twice", b'{"userId":"u","userId":"v","eventType":"t","timestamp":1}', 422, "member_repeated", None),
    ("member twice by escape", b'{"userId":"u","user\\u0049d":"v","eventType":"t","timestamp":1}', 422, "member_repeated", None),
    ("number out of range", b'{"userId":"u","eventType":"t","timestamp":1,"metadata":{"n":1e999}}', 422, "number_out_of_range", ""),
    ("id a number", b'{"id":5,"userId":"u","eventType":"t","timestamp":1}', 422, "id_not_string", "/id"),
]


def invalid(p, body, status, code, pointer):
    b = expect(p.post(body), status, status="invalid", error__code=code)
    assert pointer is None or b["error"]["pointer"] == pointer, b
    assert b["message"] == b["error"]["message"] and b["message"], b


def limits(p):
    for n, status in ((255, 202), (256, 202), (257, 422)):
        expect(p.post(fresh(userId="x" * n)), status)
    def deep(n):
        return json.dumps(fresh())[:-1] + ',"metadata":' + '{"a":' * (n - 2) + '{"b":1}' + "}" * (n - 2) + "}"
    for n, status in ((31, 202), (32, 202), (33, 422)):
        expect(p.post(deep(n)), status)
    def large(n):
        text = json.dumps(fresh(metadata={"pad": ""}))
        return text.replace('"pad": ""', '"pad": "%s"' % ("x" * (n - len(text))))
    for n, status in ((65535, 202), (65536, 202), (65537, 413)):
        assert len(large(n)) == n
        expect(p.post(large(n)), status)
    for n, status in ((99, 200), (100, 200), (101, 413)):
        batch = [fresh() for _ in range(n)]
        b = expect(p.post(batch, "/events/batch"), status)
        assert status != 200 or b["count"] == b["accepted"] == n, b
        text = "\n".join(map(json.dumps, batch))
        expect(p.post(text, "/events/batch", {"Content-Type": "application/x-ndjson"}), status)
    for n, status in ((262143, 200), (262144, 200), (262145, 413)):
        body = json.dumps([fresh()])
        body = body[:-1] + " " * (n - len(body)) + "]"
        assert len(body) == n
        expect(p.post(body, "/events/batch"), status)


def one_bad_event_never_fails_its_batch(p):
    good, again = fresh(), fresh()
    body = "[%s,{\"userId\":}, 17 ,%s,%s,{},%s]" % tuple(map(json.dumps, (good, again, again, good)))
    b = expect(p.post(body, "/events/batch"), 200, status="batch_processed", count=7, accepted=2,
               duplicate=2, invalid=3, retry=0, unknown=0, ack="durable")
    assert [r["status"] for r in b["results"]] == \
        ["accepted", "invalid", "invalid", "accepted", "duplicate", "invalid", "duplicate"], b
    assert b["results"][1]["error"]["code"] == "invalid_json"
    assert b["results"][2]["error"]["code"] == "not_an_object"
    assert b["results"][5]["error"] == {"code": "user_id_missing", "pointer": "/userId",
                                        "message": b["results"][5]["error"]["message"]}
    assert b["results"][0]["eventKey"] == b["results"][6]["eventKey"]


def unbalanced_batch_admits_nothing(p):
    e = fresh()
    for body, code in ((json.dumps([e])[:-1], "unbalanced"), (json.dumps(e), None),
                       ("[%s,]" % json.dumps(e), None), ("[%s] x" % json.dumps(e), None)):
        b = expect(p.post(body, "/events/batch"), 400)
        assert b["error"]["code"], b
    expect(p.post(e), 202)


def ndjson(p):
    a, b = fresh(), fresh()
    text = "\n%s\r\n\n%s\nnonsense\n%s" % tuple(map(json.dumps, (a, b, a)))
    r = expect(p.post(text, "/events/batch", {"Content-Type": "application/x-ndjson; charset=utf-8"}),
               200, count=4, accepted=2, duplicate=1, invalid=1)
    assert [x["status"] for x in r["results"]] == ["accepted", "accepted", "invalid", "duplicate"]
    expect(p.post("", "/events/batch", {"Content-Type": "application/x-ndjson"}), 200, count=0)
    expect(p.post("[]", "/events/batch"), 200, count=0, results=[])


def key_by_id(p):
    expect(p.post(fresh(id="x1")), 202)
    expect(p.post(fresh(id="x1")), 200, status="duplicate")
    expect(p.post(fresh(id="x2")), 202)
    # Fields with their lengths: a:b + c is not a + b:c.
    t = fresh()["timestamp"]
    expect(p.post({"userId": "a:b", "eventType": "c", "timestamp": t}), 202)
    expect(p.post({"userId": "a", "eventType": "b:c", "timestamp": t}), 202)
    # Escapes are spelling, not meaning.
    expect(p.post('{"userId":"\\u0041","eventType":"esc","timestamp":%d}' % t), 202)
    expect(p.post('{"userId":"A","eventType":"esc","timestamp":%d}' % t), 200)


def routes(p):
    expect(p.request("GET", "/nowhere"), 404, error__code="not_found")
    s, h, b = p.request("DELETE", "/events")
    assert s == 405 and "POST" in h["allow"] and "GET" in h["allow"], (s, h, b)
    s, h, b = p.request("GET", "/events/batch")
    assert s == 405 and "POST" in h["allow"], (s, h)
    s, h, b = p.request("OPTIONS", "/events")
    assert s == 204 and "POST" in h["allow"], (s, h)
    assert expect(p.request("GET", "/events"), 200)["service"] == "sluice"
    assert expect(p.request("GET", "/health"), 200)["status"] == "ok"
    s, h, b = p.request("HEAD", "/health")
    assert s == 200 and b == b"" and int(h["content-length"]) > 0
    expect(p.post(fresh(), headers={"Content-Type": "text/plain"}), 415)
    expect(p.post([fresh()], "/events/batch", {"Content-Type": "text/xml"}), 415)
    expect(p.post(fresh(), headers={"Content-Encoding": "gzip"}), 415)


def request_ids(p):
    s, h, b = p.post(fresh(), headers={"X-Request-Id": "abc-1"})
    assert h["x-request-id"] == "abc-1"
    s, h, b = p.post(b"x", headers={"X-Request-Id": "abc-2"})
    assert b["requestId"] == "abc-2"
    s, h, b = p.post(fresh(), headers={"X-Request-Id": "has spaces " + "x" * 100})
    assert h["x-request-id"] and h["x-request-id"] != "has spaces"
    ids = {p.post(fresh())[1]["x-request-id"] for _ in range(20)}
    assert len(ids) == 20


SMUGGLED = [
    ("two lengths", b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}"),
    ("length and chunked", b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("bad chunk", b"POST /events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    ("folded", b"GET /health HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n"),
    ("bare LF", b"GET /health HTTP/1.1\nHost: x\n\n"),
    ("bare CR", b"GET /health HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n"),
    ("no host", b"GET /health HTTP/1.1\r\n\r\n"),
    ("two hosts", b"GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"),
    ("bad host", b"GET /health HTTP/1.1\r\nHost: a b\r\n\r\n"),
    ("space before colon", b"GET /health HTTP/1.1\r\nHost : x\r\n\r\n"),
    ("NUL", b"GET /health HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n"),
]


def framing_doubt_is_400_and_close(p, raw):
    with p.connect() as s:
        s.sendall(raw + b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        status, headers, body = read_answer(s)
        assert status == 400 and headers["connection"] == "close", (status, headers)
        assert s.recv(1000) == b"", "the connection stayed open"


def pipelined_answers_come_in_order(p):
    events = [fresh() for _ in range(60)]
    with p.connect() as s:
        raw = b""
        for i, e in enumerate(events):
            ack = ("memory", "durable")[i % 2]
            raw += render("POST", "/events?ack=" + ack, json.dumps(e),
                          {"Content-Type": "application/json", "X-Request-Id": "r%d" % i})
        s.sendall(raw)
        buf = b""
        while buf.count(b"HTTP/1.1 202") < len(events):
            more = s.recv(65536)
            assert more, "closed after %d answers" % buf.count(b"HTTP/1.1 202")
            buf += more
        seen = [l.split(b": ")[1] for l in buf.split(b"\r\n") if l.lower().startswith(b"x-request-id")]
        assert seen == [b"r%d" % i for i in range(60)], seen


def chunked_body_is_taken(p):
    e = json.dumps(fresh()).encode()
    with p.connect() as s:
        s.sendall(b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                  b"Transfer-Encoding: chunked\r\n\r\n")
        for i in range(0, len(e), 7):
            part = e[i:i + 7]
            s.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        s.sendall(b"0\r\n\r\n")
        expect(read_answer(s), 202)
        expect(exchange(s, "GET", "/health"), 200)


def half_closed_client_gets_its_answer(p):
    with p.connect() as s:
        s.sendall(render("POST", "/events", json.dumps(fresh()), {"Content-Type": "application/json"}))
        s.shutdown(socket.SHUT_WR)
        expect(read_answer(s), 202, ack="durable")


def ack_range_of_the_listener_is_kept():
    with Place(listen="    ack memory\n    max-ack memory\n").start() as p:
        expect(p.post(fresh()), 202, ack="memory")
        expect(p.post(fresh(), "/events?ack=durable"), 400, error__code="ack_not_offered")
    with Place(listen="    min-ack durable\n").start() as p:
        expect(p.post(fresh(), "/events?ack=memory"), 202, ack="durable")


def full_ring_says_retry_and_loses_nothing():
    """The journal is stopped; memory acks go on until the ring is full."""
    import os, signal
    with Place(processes=1, glob="    hang-time 1h\n").start() as p:
        journal = p.pid_of("journal")
        os.kill(journal, signal.SIGSTOP)
        sent, last = [], None
        for _ in range(200):
            batch = [fresh(metadata={"pad": "x" * 900}) for _ in range(100)]
            last = expect(p.post(batch, "/events/batch?ack=memory"), 200)
            sent += [e for e, r in zip(batch, last["results"]) if r["status"] == "accepted"]
            if last["retry"]:
                break
        assert last["retry"] > 0, "4 MiB of ring took 20 MB"
        refused = [r for r in last["results"] if r["status"] == "retry"][0]
        assert refused["error"]["code"] == "ring_full" and refused["retryAfterMs"] > 0
        s, h, b = p.post(fresh(metadata={"pad": "x" * 900}), "/events?ack=memory")
        assert s == 503 and b["status"] == "retry" and int(h["retry-after"]) >= 1, (s, b)
        os.kill(journal, signal.SIGCONT)
        wait_for(lambda: p.post(fresh())[0] == 202, "the ring to have room")
        log = {json.loads(l)["timestamp"] for l in p.cat()}
        assert all(e["timestamp"] in log for e in sent)
        p.stop()


def durable_wait_that_fails_is_unknown_and_safe_to_repeat():
    import os, signal
    with Place(listen="    durable-timeout 300ms\n", glob="    hang-time 1h\n").start() as p:
        known = fresh()
        expect(p.post(known), 202)
        journal = p.pid_of("journal")
        os.kill(journal, signal.SIGSTOP)
        e = fresh()
        b = expect(p.post(e), 503, status="unknown", error__code="durable_unknown")
        batch = [fresh(), {"userId": 1}, known, e]
        b = expect(p.post(batch, "/events/batch"), 503, count=4, accepted=0, duplicate=0, invalid=1,
                   unknown=3, ack="none")
        assert [r["status"] for r in b["results"]] == ["unknown", "invalid", "unknown", "unknown"], b
        expect(p.post(fresh(), "/events?ack=memory"), 202)
        os.kill(journal, signal.SIGCONT)
        wait_for(lambda: p.post(e)[0] == 200, "the retry to be a duplicate")
        p.stop()


def main():
    s = Suite()
    limited = "    max-event 64k\n    max-batch 100\n    max-body 256k\n    max-depth 32\n"
    with Place(listen=limited).start() as p:
        s.run("an event is accepted once and then a duplicate", accepted_then_duplicate, p)
        s.run("the ack level is the one asked for, and named", memory_on_request, p)
        for name, body, status, code, pointer in INVALID:
            s.run("invalid: " + name, invalid, p, body, status, code, pointer)
        s.run("limits hold at one less, at, and one more", limits, p)
        s.run("one bad event never fails its batch", one_bad_event_never_fails_its_batch, p)
        s.run("an unbalanced batch admits nothing", unbalanced_batch_admits_nothing, p)
        s.run("a batch may be NDJSON", ndjson, p)
        s.run("the key is the id, or else the three fields with their lengths", key_by_id, p)
        s.run("unknown paths, methods and media types are told apart", routes, p)
        s.run("every answer has a request id", request_ids, p)
        for name, raw in SMUGGLED:
            s.run("framing doubt is 400 and close: " + name, framing_doubt_is_400_and_close, p, raw)
        s.run("pipelined answers come in order, durable among memory", pipelined_answers_come_in_order, p)
        s.run("a chunked body is taken", chunked_body_is_taken, p)
        s.run("a half-closed client gets its answer", half_closed_client_gets_its_answer, p)
        s.run("the service stops cleanly", p.stop)
    s.run("the listener's ack range is kept", ack_range_of_the_listener_is_kept)
    s.run("a full ring says retry and loses nothing", full_ring_says_retry_and_loses_nothing)
    s.run("a durable wait that fails is unknown, and safe to repeat",
          durable_wait_that_fails_is_unknown_and_safe_to_repeat)
    s.end()


main()
