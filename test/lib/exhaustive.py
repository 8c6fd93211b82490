# exhaustive.py [POINTS] - the journal killed at every system call it makes.
#
# Three scripted runs: a new log; the same log again with the region kept; the
# same log again with the region lost (a reboot).  Each is traced once; then, for
# each system call and each n, it is run again and the journal is killed (SIGKILL)
# at the n-th.  Whoever drives it starts it again, and at the end every
# acknowledged event must be in the log once, whole, and no position twice.
import concurrent.futures, collections, os, re, shutil, subprocess, sys, tempfile, time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
DRIVE = os.path.join(os.environ.get("B", os.path.join(ROOT, "build", "release")), "lib",
                     "journal_drive")
ENV = {**os.environ, "DRIVE_SEGMENT": "1m", "DRIVE_BODY": "2000"}
BASE = tempfile.mkdtemp(prefix="sluice-exhaustive.", dir="/dev/shm")
NO_SOCKETS = shutil.ignore_patterns("*.sock")
EVENTS = os.environ.get("EVENTS", "700")


def drive(directory, words, lose):
    env = {**ENV, **({"DRIVE_LOSE": "1"} if lose else {})}
    p = subprocess.run([DRIVE, "run", directory, EVENTS, *words], env=env, capture_output=True,
                       stdin=subprocess.DEVNULL, timeout=300)
    return p.returncode, (p.stdout + p.stderr).decode(errors="replace")


def counted(trace):
    """How often each system call was made by the thread that made it most often."""
    most = collections.Counter()
    for key, n in collections.Counter(
            m.groups() for m in re.finditer(r"^(\d+) +(\w+)\(", open(trace).read(), re.M)).items():
        most[key[1]] = max(most[key[1]], n)
    return most


def one(job):
    name, lose, before, call, n = job
    directory = os.path.join(BASE, "%s-%s-%d" % (name, call, n))
    if before:
        shutil.copytree(before, directory, ignore=NO_SOCKETS)
    code, out = drive(directory, ["strace", "-f", "-qq", "-o", "/dev/null", "-e",
                                  "trace=" + call, "-e",
                                  "inject=%s:signal=KILL:when=%d" % (call, n)], lose)
    killed = "starts=1" not in out
    if code == 0:
        shutil.rmtree(directory, ignore_errors=True)
    return code, out, killed, job


def main():
    started = time.monotonic()
    jobs = []
    first = os.path.join(BASE, "first")
    for name, lose, before in (("new", False, None), ("again", False, first),
                               ("reboot", True, first)):
        directory = os.path.join(BASE, "dry-" + name)
        if before:
            shutil.copytree(before, directory, ignore=NO_SOCKETS)
        trace = os.path.join(BASE, name + ".trace")
        code, out = drive(directory, ["strace", "-f", "-qq", "-o", trace], lose)
        assert code == 0, out
        if name == "new":
            shutil.copytree(directory, first, ignore=NO_SOCKETS)
        for call, n in sorted(counted(trace).items()):
            if call not in ("exit_group", "exit", "execve"):
                jobs += [(name, lose, before, call, i) for i in range(1, n + 1)]
    if len(sys.argv) > 1:
        step = max(1, len(jobs) // int(sys.argv[1]))
        jobs = jobs[::step]
    bad = killed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() + 1) as pool:
        for code, out, was_killed, job in pool.map(one, jobs):
            killed += was_killed
            if code != 0:
                bad += 1
                if bad <= 5:
                    print("VIOLATION at %s, %s number %d:\n%s" % (job[0], job[3], job[4], out[-1500:]))
    print("points %d, kills that struck %d, violations %d, %.0f s"
          % (len(jobs), killed, bad, time.monotonic() - started))
    print("%d passed, %d failed" % (len(jobs) - bad, bad))
    if bad == 0:
        shutil.rmtree(BASE, ignore_errors=True)
    else:
        print("kept: " + BASE)
    sys.exit(0 if bad == 0 and killed > 0 else 1)


main()
