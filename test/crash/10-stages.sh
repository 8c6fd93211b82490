#!/bin/bash
# Stages killed at random under load: 300 kills in all, half at each level.
set -eu
cd "$(dirname "$0")/../.."
b=${B:-build/release}
"$b/lib/crash_rig" "$b/sluiced" "$b/sluicectl" stages "${KILLS:-200}" durable
SEED=2 "$b/lib/crash_rig" "$b/sluiced" "$b/sluicectl" stages "${KILLS:-200}" memory
