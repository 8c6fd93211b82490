# destinations.py - real servers with a sink for each, and what arrived there.
#
# A destination has a server, the lines of its sink's section, count() (cheap, for waiting)
# and items(): what arrived, in the form in which want(line) gives what should have, so that
# sorted(items()) == sorted(want(l) for l in lines) means "everything once, byte for byte".
import json, subprocess
import servers

# Short waits: a test that kills a server does not want to wait for a breaker.
IMPATIENT = """    retry-min 50ms
    retry-max 500ms
    breaker-open 300ms
    connect-timeout 1s
"""


class Destination:
    takes = staticmethod(lambda event: True)  # what the lines `match` in more mean

    def __init__(self, name, server, more="", where=None):
        """where: the name of the table, topic, ... at the server (name)"""
        self.name, self.server, self.more, self.where = name, server, more, where or name

    def section(self):
        return "sink %s\n    kind %s\n%s%s\n" % (
            self.name, self.kind, "".join("    %s\n" % l for l in self.lines()), self.more)

    def want(self, line):
        return line

    def wanted(self, lines):
        return sorted(self.want(l) for l in lines if self.takes(json.loads(l)))


class RedisClaims(Destination):
    """The claiming sink, with the event cache."""
    kind = "redis"
    cache = True

    def lines(self):
        return ["server 127.0.0.1:%d" % self.server.port, "cache yes" if self.cache else "cache no",
                # A machine that is busy with tests is not a Redis that is down.
                "timeout 10s"]

    def count(self):
        return len(self.server.keys("event:*"))

    def claims(self):
        return len(self.server.keys("sluice:*"))

    def items(self):
        keys = self.server.keys("event:*")
        out = []
        for i in range(0, len(keys), 500):
            values = json.loads(self.server.cli("--json", "mget", *keys[i:i + 500]))
            out += [v.encode() for v in values]
        return out


class RedisStream(Destination):
    kind = "redis-stream"

    def lines(self):
        return ["server 127.0.0.1:%d" % self.server.port, "stream " + self.where,
                "max-length 0"]

    def count(self):
        return int(self.server.cli("xlen", self.where))

    def items(self):
        entries = json.loads(self.server.cli("--json", "xrange", self.where, "-", "+"))
        # One of the fields of an entry is the event as it was sent.
        return [next(f for f in fields if f.startswith("{")).encode() for _, fields in entries]


class Table(Destination):
    """ClickHouse, Debian's or chdb."""
    kind = "clickhouse"

    def lines(self):
        return ["server http://127.0.0.1:%d" % self.server.port,
                "table " + self.where, "create yes", "linger 50ms"]

    def count(self):
        if self.server.query("exists table " + self.where).strip() != "1":
            return 0
        return int(self.server.query("select count() from " + self.where))

    def items(self):
        text = self.server.query("select hex(userId), hex(eventType), timestamp, hex(metadata) "
                                 "from " + self.where)
        rows = (line.split("\t") for line in text.splitlines())
        return [(bytes.fromhex(u).decode(), bytes.fromhex(t).decode(), int(at), bytes.fromhex(m))
                for u, t, at, m in rows]

    def want(self, line):
        e = json.loads(line)
        # metadata is the last member of every line of these tests.
        raw = line[line.index(b'"metadata":') + len(b'"metadata":'):-1]
        return e["userId"], e["eventType"], e["timestamp"], raw


class Topic(Destination):
    kind = "kafka"

    def lines(self):
        return ["server 127.0.0.1:%d" % self.server.port, "topic " + self.where]

    def count(self):
        try:
            out = self.server.kcat("-Q", *[w for p in range(3) for w in (
                "-t", "%s:%d:-1" % (self.where, p))]).decode()
        except subprocess.CalledProcessError:
            return 0  # no such topic yet
        return sum(int(line.rsplit("offset ", 1)[1]) for line in out.splitlines())

    def items(self):
        return self.server.records(self.where)


class Hook(Destination):
    kind = "route"

    def lines(self):
        return ["server %s/%s" % (self.server.facts()["url"], self.where), "concurrency 8"]

    def count(self):
        return sum(("/" + self.where) == r["path"] for r in self.server.requests())

    def items(self):
        out = []
        for r in self.server.requests():
            if r["path"] == "/" + self.where:
                out += r["body"].splitlines()
        return out


def has_kafka():
    """None, or why there is no broker to be had."""
    try:
        servers.kafka_jars()
        servers.program("java", "default-jre-headless")
        servers.program("kcat", "kcat")
    except servers.Unavailable as e:
        return str(e)
    return None


class All:
    """One server of each kind, and a sink for each.  without: names of kinds."""

    def __init__(self, more=IMPATIENT, without=(), appendonly=True):
        self.more, self.left_out, self.number = more, {}, 0
        self.redis = servers.Redis(appendonly=appendonly)
        self.clickhouse = servers.ClickHouse()
        self.httpd = servers.Httpd()
        self.servers = [self.redis, self.clickhouse, self.httpd]
        self.kafka = None
        if "kafka" not in without:
            why = has_kafka()
            if why:
                self.left_out["kafka"] = why
            else:
                self.kafka = servers.Kafka()
                self.servers.append(self.kafka)
        self.fresh()

    def fresh(self):
        """New sinks on the same servers, where nothing has arrived yet."""
        self.number += 1
        n, more = self.number, self.more
        if self.number > 1:
            for server in self.servers:  # a case that failed may have left one dead
                if not server.is_running():
                    server.kill()
                    server.start()
            self.redis.cli("flushall")
            self.httpd.clear()
        self.claims = RedisClaims("claims", self.redis, more)
        self.stream = RedisStream("stream", self.redis, more)
        self.table = Table("table", self.clickhouse, more, "raw_events%d" % n)
        self.hook = Hook("hook", self.httpd, more + '    match "/metadata/status >= 400"\n',
                         "hook%d" % n)
        self.hook.takes = lambda e: e["metadata"]["status"] >= 400
        self.sinks = [self.claims, self.stream, self.table, self.hook]
        if self.kafka:
            self.topic = Topic("topic", self.kafka, more, "events%d" % n)
            self.sinks.insert(3, self.topic)
        return self

    def __enter__(self):
        try:
            servers.start_all(*self.servers)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for s in self.servers:
            s.close()

    def sections(self):
        return "".join(s.section() for s in self.sinks)
