#!/bin/sh
# All stages, sinks and their servers killed at random under load; needs python3, kcat.
exec python3 "$(dirname "$0")/../lib/sinks_crash.py" "${KILLS:-150}" ${SEED:+"$SEED"}
