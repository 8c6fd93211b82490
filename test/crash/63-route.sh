#!/bin/sh
# A route killed 100 times at random and at each of its crash points: nothing is lost, and
# what comes twice stays within what was in flight.
set -eu
cd "$(dirname "$0")/../.."
python3 test/lib/route_crash.py kills "${KILLS:-100}"
MODE=crash python3 test/lib/route_crash.py points "${NTH:-40}"
