# run.py - what the commands beside it have in common; not run by itself.
#
# test/servers/NAME [options] starts a server in a private folder on a free port of
# 127.0.0.1, waits until it answers, prints what is to be known as lines of key=value
# (pid, port, url, dir, ...) and leaves it running:
#
#       eval "$(test/servers/redis)"; redis-cli -p $port ping; test/servers/stop $pid
#
# --dir and --port start it again where it was.  Exit 77: it cannot be had here, and
# standard error says why.
import argparse, os, shlex, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import servers


def run(name, options=()):
    kind = servers.KINDS[name]
    parser = argparse.ArgumentParser(prog="test/servers/" + name, description=kind.__doc__)
    parser.add_argument("--port", type=int)
    parser.add_argument("--dir", help="a folder to use, kept when the server is stopped")
    for flag, more in options:
        parser.add_argument(flag, **more)
    args = {k: v for k, v in vars(parser.parse_args()).items() if v not in (None, False)}
    if "acl" in args:
        args["acl"] = args["acl"].split(":", 1)
    try:
        if args.pop("install", False):
            print("dir=" + servers.chdb_install())
            return
        server = kind(detached=True, **args)
        try:
            server.start()
        except BaseException:
            server.close()
            raise
        for key, value in server.facts().items():
            if value is not None:
                print("%s=%s" % (key, shlex.quote(str(value))))
    except servers.Unavailable as e:
        sys.stderr.write("%s: %s\n" % (name, e))
        sys.exit(77)
