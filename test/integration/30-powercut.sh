#!/bin/sh
# What a power cut leaves, and what it must never repeat; needs python3.
exec python3 "$(dirname "$0")/../lib/powercut_cases.py"
