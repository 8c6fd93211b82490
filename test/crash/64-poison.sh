#!/bin/sh
# An event of which a sink dies is found and set aside; other deaths set nothing aside.
set -eu
cd "$(dirname "$0")/../.."
MODE=crash exec python3 test/lib/poison_cases.py
