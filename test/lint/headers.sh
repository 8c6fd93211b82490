#!/bin/sh
# Each source file says what it is for, which process runs it and what it shares.
set -eu
cd "$(dirname "$0")/../.."
bad=0
for file in common/*.[ch] common/*.cc shm/*.[ch] workers/*.[ch] daemon/*.[ch]; do
	[ -e "$file" ] || continue
	head -1 "$file" | grep -q 'SPDX-License-Identifier: ISC' || { echo "$file: no licence line"; bad=1; }
	for heading in NAME PROCESS; do
		grep -q "^ \* $heading\$" "$file" || { echo "$file: no $heading in its header"; bad=1; }
	done
	case $file in
	shm/*|workers/*) grep -q '^ \* SHARED STATE$' "$file" || { echo "$file: no SHARED STATE in its header"; bad=1; } ;;
	esac
done
exit $bad
