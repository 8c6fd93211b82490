#!/bin/sh
# The journal killed at every system call of a scripted run; needs strace.
command -v strace >/dev/null || { echo "strace is not installed"; exit 77; }
exec python3 "$(dirname "$0")/../lib/exhaustive.py" "$@"
