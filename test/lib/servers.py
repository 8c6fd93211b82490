# servers.py - real servers for tests, benches and the demo, each private to who starts it.
#
#   with servers.Redis() as r, servers.Kafka() as k:
#       ... r.port, k.port ...
#       r.kill(); r.start()          # the same port, the same data (where it keeps any)
#       k.pause(); k.cont()          # SIGSTOP, SIGCONT
#
# Each listens on 127.0.0.1 only, has its folder on /dev/shm, and start() returns when it
# answers.  A server that cannot be had raises Unavailable with the reason, which Suite.run()
# prints as a SKIP.
# From the shell: test/servers/NAME (see there).
import fcntl, json, os, random, shutil, signal, socket, subprocess, sys, tempfile, time
import base64, urllib.error, urllib.parse, urllib.request
from place import Skip, die_with_us

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = os.path.join(os.path.dirname(HERE), "servers")
CACHE = os.environ.get("SLUICE_TEST_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "sluice-test")
PREFIX = "sluice-server."
MARK = "SLUICE_TEST_SERVER"  # in each server's environment: its folder
PID = ".sluice-test-server"  # in each server's folder: its pid
KAFKA_VERSION = "4.1.1"
CHDB_VERSION = "3.4.0"


class Unavailable(Skip):
    """The server cannot be had on this machine; the text says why."""


def free_port():
    """Below the ports that the kernel gives to outgoing connections, so that a server that
    is down for a while finds its port free again."""
    for _ in range(1000):
        port = random.randrange(10000, 32000)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass
    raise RuntimeError("no free port")


def program(name, package):
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin:/sbin")
    if path is None:
        raise Unavailable("%s is not installed (Debian package %s)" % (name, package))
    return path


def memory_folder():
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class Server:
    """What all have in common.  A kind gives command(), prepare() and is_answering()."""
    name = None
    seconds = 60  # to answer for the first time

    def __init__(self, port=None, dir=None, detached=False):
        self.own_dir = dir is None
        self.dir = dir or tempfile.mkdtemp(prefix=PREFIX, dir=memory_folder())
        os.makedirs(self.dir, exist_ok=True)
        self.is_fixed = port is not None
        self.port = port or free_port()
        self.detached = detached
        self.process = None
        self.log = os.path.join(self.dir, "log")

    # -- what a kind says

    def prepare(self):
        """Write configuration; called before each start."""

    def command(self):
        raise NotImplementedError

    def is_answering(self):
        raise NotImplementedError

    def facts(self):
        return {"pid": self.process.pid, "port": self.port, "dir": self.dir,
                "url": "127.0.0.1:%d" % self.port}

    # -- life

    def start(self):
        """Start, or start again on the same port with the same folder; returns self."""
        self.begin()
        return self.wait_answering()

    def begin(self):
        """The first half of start(), so that several can start at the same time."""
        assert self.process is None, "it runs already"
        self.prepare()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.dir,
                env={**os.environ, MARK: self.dir}, start_new_session=True,
                preexec_fn=None if self.detached else die_with_us())
        self.write(PID, "%d\n" % self.process.pid)

    def wait_answering(self):
        """The second half."""
        tries = 1 if self.is_fixed else 5
        while not self.has_answered():
            tries -= 1
            if tries == 0:
                text = open(self.log, errors="replace").read()[-3000:]
                raise RuntimeError("%s did not start: %s" % (self.name, text))
            self.port = free_port()  # somebody was faster
            self.begin()
        self.is_fixed = True  # others know the port now
        return self

    def has_answered(self):
        end = time.monotonic() + self.seconds
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if self.is_answering():
                    return True
            except (OSError, ValueError):
                pass
            time.sleep(0.02)
        self.kill()
        return False

    @property
    def pid(self):
        return self.process.pid if self.process else None

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, seconds=30):
        """SIGTERM, and SIGKILL if that is not enough."""
        if self.process is None:
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self.process.wait()
        self.process = None

    def kill(self):
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def restart(self, hard=False):
        self.kill() if hard else self.stop()
        return self.start()

    def pause(self):
        self.signal(signal.SIGSTOP)

    def cont(self):
        self.signal(signal.SIGCONT)

    def signal(self, number):
        if self.process.poll() is None:
            self.process.send_signal(number)

    def close(self):
        self.kill()
        if self.own_dir:
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        if self.process is None:
            try:
                self.start()
            except BaseException:
                self.close()
                raise
        return self

    def __exit__(self, *_):
        self.close()

    # -- small things kinds need

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write(text)
        return path

    def secret(self, name, text):
        """A file with a secret, as the keys password-file and secret-file want it."""
        return self.write(name, text + "\n")


class Redis(Server):
    """redis-server.  password: of the default user; acl=(user, password): that user, and
    the default one is off; unix: a socket too (self.unix); appendonly: data survives kill()."""
    name = "redis"

    def __init__(self, password=None, acl=None, unix=False, appendonly=False, more=(), **kw):
        super().__init__(**kw)
        self.user, self.password = acl if acl else (None, password)
        self.unix = os.path.join(self.dir, "redis.sock") if unix else None
        self.appendonly, self.more = appendonly, list(more)
        self.password_file = self.secret("password", self.password) if self.password else None

    def prepare(self):
        lines = ["port %d" % self.port, "bind 127.0.0.1", "dir %s" % self.dir, 'save ""',
                 "appendonly %s" % ("yes" if self.appendonly else "no"), "appendfsync everysec",
                 "daemonize no", "tcp-backlog 1024"]
        if self.unix:
            lines += ["unixsocket " + self.unix, "unixsocketperm 777"]
        if self.user:
            lines += ["user default off", "user %s on >%s ~* &* +@all" % (self.user, self.password)]
        elif self.password:
            lines.append("requirepass " + self.password)
        self.write("redis.conf", "\n".join(lines + self.more) + "\n")

    def command(self):
        return [program("redis-server", "redis-server"), os.path.join(self.dir, "redis.conf")]

    def is_answering(self):
        with socket.create_connection(("127.0.0.1", self.port), 5) as s:
            s.sendall(b"PING\r\n")
            answer = s.recv(64)
        return answer.startswith((b"+PONG", b"-NOAUTH"))

    def facts(self):
        return {**super().facts(), "unix": self.unix, "user": self.user,
                "password_file": self.password_file}

    def cli(self, *words):
        """One command, its answer as text (redis-cli)."""
        auth = ["--user", self.user] if self.user else []
        env = {**os.environ, **({"REDISCLI_AUTH": self.password} if self.password else {})}
        out = subprocess.run([program("redis-cli", "redis-tools"), "-p", str(self.port), *auth,
                              *map(str, words)], capture_output=True, check=True, env=env)
        return out.stdout.decode().rstrip("\n")

    def keys(self, pattern="*"):
        return self.cli("--scan", "--pattern", pattern).splitlines()


class HttpDatabase(Server):
    user = password = None

    def is_answering(self):
        return self.query("SELECT 1").strip() == "1"

    def query(self, sql, body=None, headers=None, **settings):
        """The answer as text; urllib's HTTPError carries what the server says when it fails."""
        url = "http://127.0.0.1:%d/?%s" % (self.port, urllib.parse.urlencode(
            {"query": sql, **settings}))
        request = urllib.request.Request(url, data=body if body is not None else b"",
                                         headers=headers or {}, method="POST")
        if self.user and self.password:
            request.add_header("X-ClickHouse-User", self.user)
            request.add_header("X-ClickHouse-Key", self.password)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read().decode("utf-8", "surrogateescape")

    def facts(self):
        return {**super().facts(), "url": "http://127.0.0.1:%d" % self.port, "user": self.user}


class ClickHouse(HttpDatabase):
    """Debian's clickhouse-server 18.16; user and password: else `default` without one."""
    name = "clickhouse"

    def __init__(self, user=None, password=None, tcp_port=None, **kw):
        super().__init__(**kw)
        self.user = user or ("default" if password else None)
        self.password, self.tcp_port = password, tcp_port or free_port()
        self.password_file = self.secret("password", password) if password else None

    def prepare(self):
        os.makedirs(os.path.join(self.dir, "data"), exist_ok=True)
        os.makedirs(os.path.join(self.dir, "tmp"), exist_ok=True)
        self.write("config.xml", """<yandex>
<logger><level>warning</level><console>1</console></logger>
<http_port>%d</http_port><tcp_port>%d</tcp_port><listen_host>127.0.0.1</listen_host>
<path>%s/data/</path><tmp_path>%s/tmp/</tmp_path><users_config>%s/users.xml</users_config>
<default_profile>default</default_profile><default_database>default</default_database>
<mark_cache_size>67108864</mark_cache_size><uncompressed_cache_size>0</uncompressed_cache_size>
<max_concurrent_queries>200</max_concurrent_queries><listen_backlog>1024</listen_backlog>
<keep_alive_timeout>60</keep_alive_timeout>
</yandex>
""" % (self.port, self.tcp_port, self.dir, self.dir, self.dir))
        self.write("users.xml", """<yandex>
<profiles><default><max_memory_usage>2000000000</max_memory_usage><max_threads>2</max_threads>
</default></profiles>
<users><%s><password>%s</password><networks><ip>127.0.0.1</ip></networks>
<profile>default</profile><quota>default</quota></%s></users>
<quotas><default></default></quotas>
</yandex>
""" % (self.user or "default", self.password or "", self.user or "default"))

    def command(self):
        return [program("clickhouse-server", "clickhouse-server"),
                "--config-file=" + os.path.join(self.dir, "config.xml")]

    def stop(self, seconds=10):
        super().stop(seconds)

    def facts(self):
        return {**super().facts(), "tcp_port": self.tcp_port, "password_file": self.password_file}


class Chdb(HttpDatabase):
    """A current ClickHouse engine behind a small front (test/servers/chdb.js); only where
    `test/servers/chdb --install` has been run.  Users and passwords are not looked at."""
    name = "chdb"

    def command(self):
        folder = chdb_folder()
        return [program("node", "nodejs"), os.path.join(PROGRAMS, "chdb.js"), str(self.port),
                os.path.join(self.dir, "data"), folder]


class Kafka(Server):
    """One Apache Kafka broker that is its own controller.  advertise: the port that clients
    are told (a proxy's); heap: such as "384m"; more: lines of server.properties."""
    name = "kafka"
    seconds = 120

    def __init__(self, message_max_bytes=None, partitions=3, heap="384m", advertise=None,
                 auto_create=True, more=(), **kw):
        super().__init__(**kw)
        self.jars = kafka_jars()
        self.java = program("java", "default-jre-headless")
        self.controller_port = free_port()
        self.heap, self.advertise = heap, advertise
        self.properties = {
            "process.roles": "broker,controller", "node.id": "1",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "offsets.topic.replication.factor": 1, "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": 1, "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 1, "group.initial.rebalance.delay.ms": 0,
            "num.partitions": partitions, "log.dirs": os.path.join(self.dir, "data"),
            "auto.create.topics.enable": "true" if auto_create else "false",
            "num.network.threads": 2, "num.io.threads": 4, "log.cleaner.enable": "false",
            # A killed broker may come back when its old life has timed out.
            "broker.session.timeout.ms": 1500, "broker.heartbeat.interval.ms": 300,
            "log.segment.bytes": 256 << 20, "log.index.size.max.bytes": 1 << 20,
        }
        if message_max_bytes:
            self.properties["message.max.bytes"] = message_max_bytes
        for line in more:
            key, _, value = line.partition("=")
            self.properties[key] = value

    def run(self, main, *args, heap="128m"):
        return [self.java, "-Xmx" + heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                "-cp", os.path.join(self.jars, "*"), main, *args]

    def prepare(self):
        p = {**self.properties,
             "controller.quorum.bootstrap.servers": "127.0.0.1:%d" % self.controller_port,
             "listeners": "PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d" % (
                 self.port, self.controller_port),
             "advertised.listeners": "PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d" % (
                 self.advertise or self.port, self.controller_port)}
        path = self.write("server.properties", "".join("%s=%s\n" % i for i in p.items()))
        if not os.path.exists(os.path.join(self.dir, "data", "meta.properties")):
            cluster = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
            subprocess.run(self.run("kafka.tools.StorageTool", "format", "--standalone", "-t",
                                    cluster.replace("-", "x"), "-c", path),
                           check=True, capture_output=True, cwd=self.dir)

    def command(self):
        # A server under load is worth its compiler; the tools are not.
        base = self.run("kafka.Kafka", os.path.join(self.dir, "server.properties"), heap=self.heap)
        return [w for w in base if w != "-XX:TieredStopAtLevel=1"]

    def is_answering(self):
        # Metadata, version 4, no topics: a broker that lists itself takes records.
        head = b"\x00\x03\x00\x04\x00\x00\x00\x01\xff\xff" + b"\x00\x00\x00\x00" + b"\x00"
        with socket.create_connection(("127.0.0.1", self.port), 5) as s:
            s.sendall(len(head).to_bytes(4, "big") + head)
            s.settimeout(5)
            answer = b""
            while len(answer) < 16:
                more = s.recv(4096)
                if not more:
                    return False
                answer += more
        return int.from_bytes(answer[12:16], "big") == 1

    def stop(self, seconds=20):
        super().stop(seconds)

    def kcat(self, *args, input=None):
        out = subprocess.run([program("kcat", "kcat"), "-b", "127.0.0.1:%d" % self.port, *args],
                             capture_output=True, check=True, input=input)
        return out.stdout

    def records(self, topic, form="%s\\n", committed=True):
        """All records of a topic from the beginning, one line each (kcat's -f)."""
        return self.kcat("-C", "-q", "-t", topic, "-o", "beginning", "-e", "-f", form, "-X",
                         "isolation.level=" + ("read_committed" if committed
                                               else "read_uncommitted")).splitlines()


class Httpd(Server):
    """An HTTP server that notes every request and answers as it is told (see
    test/servers/httpd.py for the rules)."""
    name = "httpd"

    def __init__(self, tls=False, bodies=True, **kw):
        super().__init__(**kw)
        self.tls, self.bodies = tls, bodies
        self.ca_file = os.path.join(self.dir, "cert.pem") if tls else None
        self.control = os.path.join(self.dir, "control.sock")
        self.record = os.path.join(self.dir, "requests")

    def prepare(self):
        if self.tls and not os.path.exists(self.ca_file):
            subprocess.run([program("openssl", "openssl"), "req", "-x509", "-newkey", "ec",
                            "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                            "-subj", "/CN=localhost", "-addext",
                            "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout",
                            os.path.join(self.dir, "key.pem"), "-out", self.ca_file],
                           check=True, capture_output=True)

    def command(self):
        return [sys.executable, os.path.join(PROGRAMS, "httpd.py"), str(self.port), self.dir,
                *(["--tls"] if self.tls else []), *([] if self.bodies else ["--no-bodies"])]

    def is_answering(self):
        return "requests" in self.stats()

    def tell(self, command, value=None):
        return json.loads(tell(self.control, command + (" " + json.dumps(value)
                                                        if value is not None else "")))

    def rules(self, *rules):
        """Replace all rules; they count requests from here."""
        return self.tell("rules", list(rules))

    def stats(self):
        return self.tell("stats")

    def clear(self):
        """Forget the requests noted so far."""
        return self.tell("clear")

    def requests(self):
        """Every request noted: method, path, headers (a list of pairs), body (bytes), ..."""
        with open(self.record, "rb") as f:
            out = [json.loads(line) for line in f.read().splitlines()]
        for r in out:
            r["body"] = base64.b64decode(r["body"])
        return out

    def facts(self):
        return {**super().facts(), "control": self.control, "requests": self.record,
                "url": "%s://%s:%d" % ("https" if self.tls else "http",
                                       "localhost" if self.tls else "127.0.0.1", self.port),
                "ca_file": self.ca_file}


class Proxy(Server):
    """A TCP proxy that is told what to do to connections (test/servers/proxy.py says what)."""
    name = "proxy"

    def __init__(self, to, **kw):
        super().__init__(**kw)
        self.to = to if isinstance(to, str) else "127.0.0.1:%d" % to
        self.control = os.path.join(self.dir, "control.sock")

    def command(self):
        return [sys.executable, os.path.join(PROGRAMS, "proxy.py"), str(self.port), self.to,
                self.control]

    def is_answering(self):
        return "mode" in self.stats()

    def tell(self, command):
        return json.loads(tell(self.control, command))

    def stats(self):
        return self.tell("stats")

    def facts(self):
        return {**super().facts(), "control": self.control}


def start_all(*all):
    """Several at the same time."""
    for server in all:
        server.begin()
    for server in all:
        server.wait_answering()


KINDS = {k.name: k for k in (Redis, ClickHouse, Kafka, Chdb, Httpd, Proxy)}


def tell(control, line):
    """One line to a server's control socket, and its answer."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(control)
        s.sendall(line.encode() + b"\n")
        s.shutdown(socket.SHUT_WR)
        out = b""
        while True:
            more = s.recv(1 << 20)
            if not more:
                return out.decode()
            out += more


# -- things that come from elsewhere, kept in a cache

class Lock:
    def __init__(self, path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self.file = open(path, "a")

    def __enter__(self):
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_):
        self.file.close()


POM = """<project><modelVersion>4.0.0</modelVersion>
<groupId>none</groupId><artifactId>broker</artifactId><version>1</version>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
<version>%s</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId>
<version>1.7.36</version></dependency>
</dependencies></project>
"""


def kafka_jars():
    """The folder of Kafka's jars; fetched from Maven Central at first use (46 MB)."""
    folder = os.path.join(CACHE, "kafka", KAFKA_VERSION)
    if os.path.isdir(folder):
        return folder
    failed = os.path.join(CACHE, "kafka.failed")
    with Lock(os.path.join(CACHE, "kafka.lock")):
        if os.path.isdir(folder):
            return folder  # another test was faster
        # Tests that come after one that failed need not wait for it again.
        if os.path.exists(failed) and time.time() - os.stat(failed).st_mtime < 600:
            raise Unavailable(open(failed).read())
        mvn = program("mvn", "maven")
        work = tempfile.mkdtemp(prefix="kafka.new.", dir=CACHE)
        try:
            with open(os.path.join(work, "pom.xml"), "w") as f:
                f.write(POM % KAFKA_VERSION)
            out = subprocess.run([mvn, "-q", "-B", "dependency:copy-dependencies",
                                  "-DoutputDirectory=lib"], cwd=work, capture_output=True,
                                 stdin=subprocess.DEVNULL, timeout=300)
            if out.returncode != 0:
                raise OSError(next((l for l in (out.stdout + out.stderr).decode().splitlines()
                                    if "ERROR" in l), "mvn failed")[:200])
            os.makedirs(os.path.dirname(folder), exist_ok=True)
            os.rename(os.path.join(work, "lib"), folder)
        except (OSError, subprocess.TimeoutExpired) as e:
            why = "Kafka's jars cannot be fetched from Maven Central and %s has none: %s" % (
                os.path.join(CACHE, "kafka"), e)
            with open(failed, "w") as f:
                f.write(why)
            raise Unavailable(why) from None
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return folder


def chdb_folder():
    folder = os.path.join(CACHE, "chdb")
    if not os.path.isdir(os.path.join(folder, "node_modules", "chdb")):
        raise Unavailable("the npm package chdb (half a gigabyte) is not in %s; "
                          "`test/servers/chdb --install` puts it there" % folder)
    return folder


def chdb_install():
    folder = os.path.join(CACHE, "chdb")
    npm = program("npm", "npm")
    with Lock(os.path.join(CACHE, "chdb.lock")):
        if os.path.isdir(folder):
            return folder
        work = tempfile.mkdtemp(prefix="chdb.new.", dir=CACHE)
        try:
            subprocess.run([npm, "install", "--prefix", work, "--no-audit", "--no-fund",
                            "--no-package-lock", "chdb@" + CHDB_VERSION], check=True,
                           stdout=sys.stderr)
            os.rename(work, folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return folder


def stop_pid(pid, seconds=30):
    """End a server that was started from the shell, and remove its folder; only one of ours."""
    try:
        words = open("/proc/%d/environ" % pid, "rb").read().split(b"\0")
        cwd = os.readlink("/proc/%d/cwd" % pid)
    except OSError:
        return
    dirs = [w.partition(b"=")[2].decode() for w in words if w.startswith(MARK.encode() + b"=")]
    # redis-server writes its title over its environment.
    dirs += [d for d in (cwd, os.path.dirname(cwd)) if is_folder_of(d, pid)]
    if not dirs:
        raise SystemExit("process %d is no server of these tests" % pid)
    for number, wait in ((signal.SIGCONT, 0), (signal.SIGTERM, seconds), (signal.SIGKILL, 10)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            break
        end = time.monotonic() + wait
        while time.monotonic() < end and is_alive(pid):
            time.sleep(0.02)
        if not is_alive(pid):
            break
    if os.path.basename(dirs[0]).startswith(PREFIX):
        shutil.rmtree(dirs[0], ignore_errors=True)


def is_folder_of(path, pid):
    try:
        return open(os.path.join(path, PID)).read() == "%d\n" % pid
    except OSError:
        return os.path.basename(path).startswith(PREFIX)


def is_alive(pid):
    try:
        return open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
