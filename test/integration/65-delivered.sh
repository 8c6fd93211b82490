#!/bin/sh
# Answers that wait for sinks: delivered, late duplicates, receipts; needs python3, redis-server.
exec python3 "$(dirname "$0")/../lib/delivered_cases.py" "$@"
