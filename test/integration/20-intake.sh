#!/bin/sh
# What the intake answers, request by request; needs python3.
exec python3 "$(dirname "$0")/../lib/intake_cases.py"
