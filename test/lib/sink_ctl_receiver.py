# sink_ctl_receiver.py - a destination in the test itself, and looks at a sink and its ledger.
import http.server, json, threading


class Receiver:
    """Answers 200 to every POST and counts them."""

    def __init__(self, port=0):
        outer = self
        outer.bodies = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                want = int(self.headers["Content-Length"])
                body = self.rfile.read(want)
                if len(body) < want:  # the sink died in the middle: no request
                    self.close_connection = True
                    return
                outer.bodies.append(body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_):
                pass  # a sink that was killed resets its connections

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def sink(port, name="api", more=""):
    return f"""sink {name}
    kind route
    server http://127.0.0.1:{port}/
    retry-min 10ms
    retry-max 50ms
    breaker-failures 2
    breaker-open 100ms
{more}
"""


def listed(p, name="api"):
    rows = json.loads(p.ctl("sink", "ls", "--json"))["sinks"]
    return next((r for r in rows if r["sink"] == name), None)


def ledger(p, name="api"):
    rows = json.loads(p.ctl("ledger", "--json"))["sinks"]
    return next(r for r in rows if r["sink"] == name)


def expect(got, want):
    assert got == want, "%r, not %r" % (got, want)
