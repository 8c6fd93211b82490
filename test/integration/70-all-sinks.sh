#!/bin/sh
# Every sink at once on real servers that are killed and stopped; needs python3, kcat.
exec python3 "$(dirname "$0")/../lib/sinks_cases.py" "$@"
