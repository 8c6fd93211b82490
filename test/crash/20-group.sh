#!/bin/bash
# The whole group killed at once, and the supervisor alone.
set -eu
cd "$(dirname "$0")/../.."
b=${B:-build/release}
"$b/lib/crash_rig" "$b/sluiced" "$b/sluicectl" group "${KILLS:-12}" durable
SEED=3 "$b/lib/crash_rig" "$b/sluiced" "$b/sluicectl" group "${KILLS:-12}" memory
SEED=4 "$b/lib/crash_rig" "$b/sluiced" "$b/sluicectl" supervisor "${KILLS:-10}" durable
SEED=5 "$b/lib/crash_rig" "$b/sluiced" "$b/sluicectl" supervisor "${KILLS:-10}" memory
