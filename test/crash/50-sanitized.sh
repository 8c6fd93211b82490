#!/bin/bash
# The sanitized build under load and kills, and answering every intake case.
set -eu
cd "$(dirname "$0")/../.."
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 MODE=asan
b=build/asan
SEED=6 "$b/lib/crash_rig" "$b/sluiced" "$b/sluicectl" stages "${KILLS:-40}" durable
SEED=7 "$b/lib/crash_rig" "$b/sluiced" "$b/sluicectl" group 3 memory
python3 test/lib/intake_cases.py
python3 test/lib/powercut_cases.py
