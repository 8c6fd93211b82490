#!/bin/sh
# Routes on a real HTTP server: who gets what, signed by whom, and what each answer leads to.
exec python3 "$(dirname "$0")/../lib/route_cases.py"
