#!/bin/sh
# A sink killed at each point of keeping a dead letter keeps each one once; needs python3.
export MODE=crash
exec python3 "$(dirname "$0")/../lib/deadletter_cases.py" crash
