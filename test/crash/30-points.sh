#!/bin/bash
# Every named crash point in the source is visited, by a process that dies there.
set -eu
cd "$(dirname "$0")/../.."
b=${B:-build/crash}
points=$(grep -rhoE 'CRASHPOINT\("[a-z_.]+"\)' common shm workers daemon --include='*.c' |
	sed 's/.*"\(.*\)".*/\1/' | sort -u)
[ -n "$points" ] || { echo "no crash points found"; exit 1; }
for point in $points; do
	echo "-- $point"
	"$b/lib/crash_rig" "$b/sluiced" "$b/sluicectl" "point:$point:${NTH:-60}" "${KILLS:-8}" durable
done
