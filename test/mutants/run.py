# run.py [NAME...] - break the program in known ways; the test named must notice.
#
# A mutant is a file NN-name.mutant:
#	file: shm/ring.c
#	build: build/release/test/test_ring_crash
#	run: build/release/test/test_ring_crash
#	why: one line
#	<<<<
#	text that stands in the file exactly once
#	====
#	what stands there instead
#	>>>>
# More than one block (each with its own `file:` line before it) may follow.
# First the test must pass on the whole tree, then fail on the mutant.
import glob, os, re, shutil, signal, subprocess, sys, tempfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
HERE = os.path.dirname(os.path.abspath(__file__))


def parse(path):
    head, edits, target = {}, [], None
    text = open(path).read()
    for m in re.finditer(r"^(file|build|run|why): ([^\n]*)$|^<<<<\n(.*?)^====\n(.*?)^>>>>$", text,
                         re.M | re.S):
        if m.group(1) == "file":
            target = m.group(2).strip()
        elif m.group(1):
            head[m.group(1)] = m.group(2).strip()
        else:
            edits.append((target, m.group(3), m.group(4)))
    assert edits and {"build", "run", "why"} <= head.keys(), path + ": incomplete"
    return head, edits


def end_session(sid):
    """A mutant may leave daemons behind; they are still of the session we made."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if int(open("/proc/%s/stat" % pid).read().rsplit(")", 1)[1].split()[3]) == sid:
                os.kill(int(pid), signal.SIGKILL)
        except (OSError, IndexError):
            pass


def sh(command, cwd, seconds):
    # To a file, not a pipe: a daemon that was left behind holds a pipe open.
    with tempfile.TemporaryFile() as out:
        p = subprocess.Popen(command, shell=True, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out,
                             stderr=subprocess.STDOUT, env={**os.environ, "DISCARD": "1"},
                             start_new_session=True)
        try:
            code = p.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return 124, "it did not end in %d s" % seconds
        finally:
            end_session(p.pid)
            p.wait()
        out.seek(0)
        return code, out.read().decode(errors="replace")


def check():
    """Do the texts that the mutants replace still stand where they say?"""
    bad = 0
    for path in sorted(glob.glob(os.path.join(HERE, "*.mutant"))):
        for target, old, new in parse(path)[1]:
            n = open(os.path.join(ROOT, target)).read().count(old)
            if n != 1:
                print("%s: its text stands in %s %d times" % (os.path.basename(path), target, n))
                bad = 1
    sys.exit(bad)


def main():
    wanted = sys.argv[1:]
    if wanted == ["--check"]:
        check()
    passed = failed = 0
    good = {}
    with tempfile.TemporaryDirectory(prefix="sluice-mutants.") as tmp:
        tree = os.path.join(tmp, "tree")
        shutil.copytree(ROOT, tree, symlinks=True,
                        ignore=shutil.ignore_patterns(".git", ".run", "test-logs", "fuzz"))
        for path in sorted(glob.glob(os.path.join(HERE, "*.mutant"))):
            name = os.path.basename(path)[:-len(".mutant")]
            if wanted and not any(w in name for w in wanted):
                continue
            head, edits = parse(path)
            build = "make -s " + head["build"]
            if head["run"] not in good:
                code, out = sh(build, tree, 900)
                good[head["run"]] = code or sh(head["run"], tree, 300)[0]
            before = {}
            error = "" if good[head["run"]] == 0 else "the test fails without the mutant, too"
            for target, old, new in edits:
                file = os.path.join(tree, target)
                text = open(file).read()
                before.setdefault(file, (text, os.stat(file)))
                if text.count(old) != 1:
                    error = "%s: the text stands there %d times" % (target, text.count(old))
                    break
                open(file, "w").write(text.replace(old, new))
            if not error:
                code, out = sh(build, tree, 900)
                if code:
                    error = "it does not build:\n" + out[-2000:]
                elif sh(head["run"], tree, 300)[0] == 0:
                    error = "SURVIVED: " + head["why"]
            for file, (text, st) in before.items():
                open(file, "w").write(text)
            if error:
                failed += 1
                print("FAIL mutant %s: %s" % (name, error))
            else:
                passed += 1
                print("ok   mutant %s is caught: %s" % (name, head["why"]))
            sys.stdout.flush()
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(0 if failed == 0 and passed > 0 else 1)


main()
