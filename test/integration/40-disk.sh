#!/bin/sh
# A full disk and a failing one; needs python3, strace and (for the full one) root.
exec python3 "$(dirname "$0")/../lib/disk_cases.py"
