# httpd.py PORT DIR [--tls] [--no-bodies] - an HTTP server that notes and obeys.
#
# Every request is appended to DIR/requests as a line of JSON when it has been read whole
# and before it is answered: n (from 1), connection, concurrent (requests read and not
# answered, this one too), wall (seconds), method, path, headers (pairs), body (base64).
#
# DIR/control.sock takes one line and answers in JSON:
#   stats         requests, concurrent, max_concurrent, connections (open), accepted
#   clear         forget the requests noted so far (and max_concurrent)
#   rules [...]   replace the rules; the first that fits a request and is not used up decides:
#                 path    what the path begins with (all)       contains  ... and the body has
#                 skip    requests it lets pass first (0)       times     how often it acts (always)
#                 status  (200)    headers {}    body ""    delay_ms  before the answer
#                 do      answer | hang (no answer, the connection stays) | close (no answer)
#                         | cut (an answer with half of its body, then close)
# No rule fits: 200 with an empty body.
import asyncio, base64, json, os, signal, ssl, sys, time

PORT, DIR, OPTIONS = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
RECORD = open(os.path.join(DIR, "requests"), "ab", 0)
BODIES = "--no-bodies" not in OPTIONS
REASONS = {200: "OK", 202: "Accepted", 204: "No Content", 400: "Bad Request", 404: "Not Found",
           413: "Content Too Large", 429: "Too Many Requests", 500: "Internal Server Error",
           503: "Service Unavailable"}


class State:
    requests = concurrent = max_concurrent = connections = accepted = 0
    rules = []


def stats():
    return {k: getattr(State, k) for k in ("requests", "concurrent", "max_concurrent",
                                           "connections", "accepted")}


def rule_for(path, body):
    for rule in State.rules:
        if not path.startswith(rule.get("path", "")):
            continue
        if "contains" in rule and rule["contains"].encode() not in body:
            continue
        rule["seen"] = rule.get("seen", 0) + 1
        if rule["seen"] <= rule.get("skip", 0):
            continue
        if "times" in rule and rule["seen"] - rule.get("skip", 0) > rule["times"]:
            continue
        return rule
    return {}


async def read_body(reader, headers):
    if headers.get("transfer-encoding", "").lower() == "chunked":
        parts = []
        while True:
            size = int((await reader.readline()).split(b";")[0], 16)
            if size == 0:
                while (await reader.readline()).strip():
                    pass
                return b"".join(parts)
            parts.append(await reader.readexactly(size))
            await reader.readexactly(2)
    return await reader.readexactly(int(headers.get("content-length", 0)))


async def one(reader, writer, connection):
    """One request and its answer; False: the connection ends."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, path, version = first.split(" ")
    pairs = [[k, v.strip()] for k, _, v in (line.partition(":") for line in lines)]
    headers = {k.lower(): v for k, v in pairs}
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await read_body(reader, headers)
    State.requests += 1
    State.concurrent += 1
    State.max_concurrent = max(State.max_concurrent, State.concurrent)
    try:
        line = {"n": State.requests, "connection": connection, "concurrent": State.concurrent,
                "wall": time.time(), "method": method, "path": path, "headers": pairs,
                "body": base64.b64encode(body).decode() if BODIES else ""}
        RECORD.write(json.dumps(line).encode() + b"\n")
        rule = rule_for(path, body)
        if rule.get("delay_ms"):
            await asyncio.sleep(rule["delay_ms"] / 1000)
        what = rule.get("do", "answer")
        if what == "hang":
            await reader.read()  # until the client gives up
            return False
        if what == "close":
            return False
        status = rule.get("status", 200)
        answer = rule.get("body", "x" * 64 if what == "cut" else "").encode()
        fields = {"Content-Length": str(len(answer)), **rule.get("headers", {})}
        out = ("HTTP/1.1 %d %s\r\n" % (status, REASONS.get(status, "Whatever")) + "".join(
            "%s: %s\r\n" % i for i in fields.items())).encode() + b"\r\n" + answer
        if what == "cut":
            writer.write(out[:-len(answer) // 2])
            await writer.drain()
            return False
        writer.write(out)
        await writer.drain()
        return headers.get("connection", "").lower() != "close" and version == "HTTP/1.1"
    finally:
        State.concurrent -= 1


async def serve(reader, writer):
    State.connections += 1
    State.accepted += 1
    connection = State.accepted
    try:
        while await one(reader, writer, connection):
            pass
    except (OSError, asyncio.IncompleteReadError, ssl.SSLError, ValueError):
        pass
    finally:
        State.connections -= 1
        writer.close()


async def control(reader, writer):
    word, _, rest = (await reader.readline()).decode().strip().partition(" ")
    if word == "rules":
        State.rules = json.loads(rest)
    elif word == "clear":
        os.ftruncate(RECORD.fileno(), 0)
        State.requests = State.max_concurrent = 0
    writer.write((json.dumps(stats() if word in ("rules", "clear", "stats")
                             else {"error": "no such command: " + word}) + "\n").encode())
    await writer.drain()
    writer.close()


async def main():
    path = os.path.join(DIR, "control.sock")
    if os.path.exists(path):
        os.unlink(path)
    context = None
    if "--tls" in OPTIONS:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(DIR, "cert.pem"), os.path.join(DIR, "key.pem"))
    await asyncio.start_server(serve, "127.0.0.1", PORT, ssl=context, limit=1 << 20, backlog=1024)
    await asyncio.start_unix_server(control, path, limit=1 << 22)
    end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    await end.wait()


asyncio.run(main())
os._exit(0)
