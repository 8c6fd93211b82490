#!/bin/sh
# Refused events: kept, shown, sent again, ended; needs python3.
exec python3 "$(dirname "$0")/../lib/deadletter_cases.py"
