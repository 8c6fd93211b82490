#!/bin/sh
# sluicectl, the stats socket and the admin port, with stages stopped and killed; needs python3.
exec python3 "$(dirname "$0")/../lib/ctl_cases.py"
