#!/bin/sh
# Sinks as an operator sees them: list, breaker, ledger, max-lag, retire; needs python3.
exec python3 "$(dirname "$0")/../lib/sink_ctl_cases.py"
