# proxy.py PORT HOST:PORT CONTROL - a TCP proxy that is told what to spoil.
#
# CONTROL (a unix socket) takes one line and answers in JSON (mode, connections, accepted,
# cut, to_server, to_client: bytes).  The mode holds for connections that are open, too:
#   pass                  forward everything
#   delay MS              answers come so much later
#   cut-after-request [N] the Nth answer from now (1) is not forwarded: both sides are closed
#                         in its place, and the mode is `pass` again.  What was asked for has
#                         happened; who asked does not know.
#   cut-every [N]         the same for every Nth answer, until told otherwise
#   cut-within-request N  forward N more bytes of requests, then close both sides; then `pass`
#   black-hole            take everything, forward nothing, in both directions
#   one-byte              answers come a byte at a time
#   refuse                no listener, no connections
#   cut                   close all connections once; the mode stays
#   stats                 nothing but the answer
import asyncio, json, os, signal, sys

PORT, (HOST, TO), CONTROL = int(sys.argv[1]), sys.argv[2].rsplit(":", 1), sys.argv[3]
MODES = ("pass", "delay", "cut-after-request", "cut-every", "cut-within-request", "black-hole",
         "one-byte", "refuse")


class State:
    mode, number, left = "pass", 1, 1
    accepted = cut = to_server = to_client = 0
    open = set()
    listener = None
    changed = None  # an event, set at each change of mode


def stats():
    return {"mode": State.mode, "connections": len(State.open), "accepted": State.accepted,
            "cut": State.cut, "to_server": State.to_server, "to_client": State.to_client}


class Connection:
    def __init__(self, client, server):
        self.client, self.server = client, server

    def end(self):
        for w in (self.client, self.server):
            w.transport.abort()
        State.open.discard(self)


async def hole():
    while State.mode == "black-hole":
        State.changed.clear()
        await State.changed.wait()


async def requests(c, reader):
    while data := await reader.read(65536):
        await hole()
        if State.mode == "cut-within-request":
            data, end = data[:State.left], len(data) >= State.left
            State.left -= len(data)
            c.server.write(data)
            await c.server.drain()
            State.to_server += len(data)
            if end:
                State.mode = "pass"
                State.cut += 1
                # Not abort(): the bytes are to arrive before the end does.
                c.server.close()
                await asyncio.sleep(0.05)
                return c.end()
            continue
        c.server.write(data)
        State.to_server += len(data)
        await c.server.drain()
    if c.server.can_write_eof():
        c.server.write_eof()


def is_cut():
    if State.mode not in ("cut-after-request", "cut-every"):
        return False
    State.left -= 1
    if State.left > 0:
        return False
    State.left = State.number
    State.mode = "pass" if State.mode == "cut-after-request" else State.mode
    State.cut += 1
    return True


async def answers(c, reader):
    while data := await reader.read(65536):
        await hole()
        if is_cut():
            return c.end()
        if State.mode == "delay":
            await asyncio.sleep(State.number / 1000)
        if State.mode == "one-byte":
            for i in range(len(data)):
                c.client.write(data[i:i + 1])
                await c.client.drain()
                await asyncio.sleep(0)
        else:
            c.client.write(data)
        State.to_client += len(data)
        await c.client.drain()
    c.client.close()


async def serve(reader, writer):
    State.accepted += 1
    try:
        from_server, to_server = await asyncio.open_connection(HOST, int(TO))
    except OSError:
        return writer.transport.abort()
    c = Connection(writer, to_server)
    for w in (writer, to_server):
        w.get_extra_info("socket").setsockopt(6, 1, 1)  # TCP_NODELAY
    State.open.add(c)
    tasks = [asyncio.ensure_future(t) for t in (requests(c, reader), answers(c, from_server))]
    try:
        # The answers' end is the connection's; a request's end alone is a half close.
        await tasks[1]
        await asyncio.wait_for(tasks[0], 5)
    except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
        pass
    finally:
        for t in tasks:
            t.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        c.end()


async def listen(wanted):
    if wanted and State.listener is None:
        State.listener = await asyncio.start_server(serve, "127.0.0.1", PORT, backlog=1024)
    elif not wanted and State.listener is not None:
        State.listener.close()
        State.listener = None


async def control(reader, writer):
    word, _, rest = (await reader.readline()).decode().strip().partition(" ")
    error = None
    if word in MODES:
        State.mode = word
        State.number = State.left = int(rest or 1)
        await listen(word != "refuse")
        State.changed.set()
        if word == "refuse":
            for c in list(State.open):
                c.end()
    elif word == "cut":
        State.cut += len(State.open)
        for c in list(State.open):
            c.end()
    elif word != "stats":
        error = {"error": "no such command: " + word}
    writer.write((json.dumps(error or stats()) + "\n").encode())
    await writer.drain()
    writer.close()


async def main():
    State.changed = asyncio.Event()
    if os.path.exists(CONTROL):
        os.unlink(CONTROL)
    await listen(True)
    await asyncio.start_unix_server(control, CONTROL)
    end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    await end.wait()


asyncio.run(main())
os._exit(0)
